//! Files that stand for an original.
#![no_main]

use gguf_bench_fuzz::target::read_reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| read_reference(input));
