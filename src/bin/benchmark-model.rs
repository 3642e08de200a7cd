//! The benchmark-model binary: everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gguf_bench::benchmark_model()
}
