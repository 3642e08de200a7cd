//! The analysis and every form of the report of a record that someone sent: it may be absurd, but nothing may panic on it.
#![no_main]

use gguf_bench_fuzz::target::{Mutated, mutate_record, render_report};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match mutate_record(&data[..size], seed, max_size) {
        Mutated::AsBytes => fuzzer_mutate(data, size, max_size),
        Mutated::TooLong => size,
        Mutated::Changed(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
    }
});

fuzz_target!(|input: &[u8]| render_report(input));
