//! Tests of the whole reader: real file, hostile files, split models.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![expect(clippy::disallowed_methods, reason = "tests write the files they read")]

mod facts;
mod hostile;
mod split;
mod truncate;

use std::path::{Path, PathBuf};

use super::fixture::Fixture;
use super::{Header, error::Error};

fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/models/pocket-4m-f16.gguf")
}

fn parse(bytes: &[u8]) -> Result<Header, Error> {
    Header::parse(bytes, bytes.len() as u64)
}

pub(super) fn facts_of(fixture: &Fixture) -> super::Facts {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, fixture.bytes()).unwrap();
    super::Model::read(&path).unwrap().facts()
}

/// Seconds this thread has spent on a core, which other load does not lengthen. Elsewhere than on Linux 0, so that limits hold trivially.
fn core_seconds() -> f64 {
    if !cfg!(target_os = "linux") {
        return 0.0;
    }
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    statistics.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
