//! Why a record could not be read or written.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::FORMAT;

/// Why a record could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("read {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// It is not a record.
    #[error("{path} is not a gguf-bench record: {source}", path = path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// A line of a journal is none.
    #[error("{path}, line {line}: {what}", path = path.display())]
    Line {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        what: String,
    },
    /// A journal of which not even the first line is whole.
    #[error("{path} ends before its first line does: nothing was measured", path = path.display())]
    NothingYet { path: PathBuf },
    /// It was written by a newer program.
    #[error(
        "{path} has format {found}, this program reads up to {FORMAT}: use a newer gguf-bench",
        path = path.display()
    )]
    TooNew { path: PathBuf, found: u64 },
    /// Its parts refer to each other wrongly.
    #[error("{path} contradicts itself: {what}", path = path.display())]
    Inconsistent { path: PathBuf, what: String },
}

/// Why a file could not be written.
#[derive(Debug, Error)]
#[error("write {path}: {source}", path = path.display())]
pub(crate) struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
}
