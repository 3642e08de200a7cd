//! Headers of GGUF files, and every fact drawn from them.
#![no_main]

use gguf_bench_fuzz::gguf::{Error, Facts, GgmlType, Header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // As long as it is, and as a file whose data go on behind what is here.
    for bytes in [input.len() as u64, 1 << 40] {
        match Header::parse(input, bytes) {
            Ok(header) => {
                let facts = Facts::of(&header, &[]);
                let _ = facts.shape.kv_cache_bytes(u32::MAX, GgmlType::F16, GgmlType::Q4_0);
                let _ = serde_json::to_string(&facts).expect("facts are JSON");
                assert!(header.weights_bytes() <= bytes);
            }
            Err(Error::Io(error)) => panic!("a slice has no input errors: {error}"),
            Err(error) => {
                let words = error.to_string();
                assert!(!words.contains(char::is_control), "{words:?}");
            }
        }
    }
});
