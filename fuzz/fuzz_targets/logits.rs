//! llama-perplexity's files of log-probabilities.
#![no_main]

use gguf_bench_fuzz::target::read_logits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| read_logits(input));
