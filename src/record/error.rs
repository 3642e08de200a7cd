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

/// What the system said, alone. `tempfile` adds the name of a temporary file that no person hears of otherwise, and keeps its source to
/// itself: of that the system's number is left.
pub(crate) fn system_reason(error: io::Error) -> io::Error {
    let words = error.to_string();
    let number = words.split_once("(os error ").and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok());
    number.map_or(error, io::Error::from_raw_os_error)
}

/// Why a file could not be written.
#[derive(Debug, Error)]
#[error("write {path}: {source}", path = path.display())]
pub(crate) struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_files_name_is_no_part_of_the_reason() {
        let nowhere = std::path::Path::new("/dev/null/nowhere");
        let Err(told) = tempfile::NamedTempFile::new_in(nowhere) else { panic!("no file can be there") };
        let plain = std::fs::metadata(nowhere).expect_err("nothing is there");
        assert_ne!(told.to_string(), plain.to_string(), "then this is of no use any more");
        assert_eq!(system_reason(told).to_string(), plain.to_string());
        assert_eq!(system_reason(io::Error::other("a word of ours")).to_string(), "a word of ours");
    }
}
