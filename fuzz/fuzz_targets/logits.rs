//! llama-perplexity's files of log-probabilities.
#![no_main]

use std::io::Cursor;

use gguf_bench_fuzz::quality::logits_file::LogitsReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(mut reader) = LogitsReader::new(Cursor::new(input)) else { return };
    let header = reader.header();
    let known = |token: &i32| usize::try_from(*token).is_ok_and(|token| token < header.n_vocab());
    assert!(reader.tokens().iter().all(known));
    let mut row = Vec::new();
    while let Ok(true) = reader.read_row(&mut row) {
        assert!(row.len() == header.n_vocab() && row.iter().all(|log_prob| log_prob.is_finite()));
    }
});
