//! Headers of GGUF files, and every fact drawn from them.
#![no_main]

use gguf_bench_fuzz::target::read_gguf_header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| read_gguf_header(input));
