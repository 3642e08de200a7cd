//! Records and journals: reading what a run wrote, or someone sent.
#![no_main]

use gguf_bench_fuzz::target::read_record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| read_record(input));
