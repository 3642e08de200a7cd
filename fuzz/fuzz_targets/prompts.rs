//! Prompt files in every form.
#![no_main]

use gguf_bench_fuzz::target::read_prompts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| read_prompts(input));
