//! Records and journals: reading what a run wrote, or someone sent.
#![no_main]

use gguf_bench_fuzz::{on_disk, record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = record::journal::Journal::parse("run.jsonl".as_ref(), input);
    if let Ok(run) = record::read_run(&on_disk("run.json", input)) {
        // What could be read can be written, and is then the same.
        let path = on_disk("again.json", b"");
        record::write_run(&path, &run).expect("a record can be written");
        let again = record::read_run(&path).expect("what was written can be read");
        assert_eq!(again, run);
    }
});
