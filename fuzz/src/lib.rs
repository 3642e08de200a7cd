//! The modules of gguf-bench that read what others wrote, compiled here without llama.cpp, so that nothing else has to be instrumented.
//!
//! They are those of the program's lower layers, which import nothing above them; `tests/architecture.rs` there sees to it.
#![allow(dead_code, unused_imports, reason = "the program checks its own sources")]

#[path = "../../src/analysis/mod.rs"]
mod analysis;
#[path = "../../src/gguf/mod.rs"]
mod gguf;
#[path = "../../src/metric/mod.rs"]
mod metric;
#[path = "../../src/prompts/mod.rs"]
mod prompts;
#[path = "../../src/quality/mod.rs"]
mod quality;
#[path = "../../src/record/mod.rs"]
mod record;
#[path = "../../src/report/mod.rs"]
mod report;
#[path = "../../src/settings/mod.rs"]
mod settings;
#[path = "../../src/stats/mod.rs"]
mod stats;
#[path = "../../src/text.rs"]
mod text;
#[path = "../../src/thresholds.rs"]
mod thresholds;
#[path = "../../src/units.rs"]
mod units;

#[path = "../../src/report/tests/mutate.rs"]
mod mutate;

pub mod target;

use std::{fs, path::PathBuf, sync::OnceLock};

/// The input as a file: what reads paths is fuzzed as it is called. One file a process and name, in memory where there is such a folder.
fn on_disk(name: &str, input: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = tempfile::tempdir_in("/dev/shm");
        memory.or_else(|_| tempfile::tempdir()).expect("a temporary folder")
    });
    let path = folder.path().join(name);
    fs::write(&path, input).expect("a temporary file");
    path
}
