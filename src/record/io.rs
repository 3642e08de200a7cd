//! Reading and writing run files: whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    FORMAT, Run,
    check::check,
    format1,
    journal::{self, Journal},
};

/// Why a record could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not a record.
    #[error("{path} is not a gguf-bench record: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// A line of a journal is none.
    #[error("{path}, line {line}: {what}", path = path.display())]
    Line {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A journal of which not even the first line is whole.
    #[error("{path} ends before its first line does: nothing was measured", path = path.display())]
    NothingYet {
        /// The journal.
        path: PathBuf,
    },
    /// It was written by a newer program.
    #[error(
        "{path} has format {found}, this program reads up to {FORMAT}: use a newer gguf-bench",
        path = path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Its parts refer to each other wrongly.
    #[error("{path} contradicts itself: {what}", path = path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Why a file could not be written.
#[derive(Debug, Error)]
#[error("write {path}: {source}", path = path.display())]
pub(crate) struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The file that holds the record: of a folder its journal, which is never behind, else its run.json.
#[must_use]
pub(crate) fn locate(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.into();
    }
    let journal = path.join("run.jsonl");
    if fs::metadata(&journal).is_ok_and(|there| there.is_file() && there.len() > 0) {
        journal
    } else {
        path.join("run.json")
    }
}

/// Reads a run file of this or an older format, a journal, or what the folder of a run has of them.
///
/// # Errors
/// When the file can't be read, is not a record, is too new, or refers to models or workloads it does not have.
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let path = &*locate(path);
    let text = fs::read(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    if text.is_empty() || text.starts_with(journal::FIRST_BYTES) {
        let journal = Journal::parse(path, &text)?;
        return journal.map(|journal| journal.run).ok_or_else(|| ReadError::NothingYet { path: path.into() });
    }
    let json = |source| ReadError::Json { path: path.into(), source };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(json)?;
    if let Some(found) = value.get("format").and_then(serde_json::Value::as_u64)
        && found > u64::from(FORMAT)
    {
        return Err(ReadError::TooNew { path: path.into(), found });
    }
    let run = from_value(value).map_err(json)?;
    check(&run).map_err(|what| ReadError::Inconsistent { path: path.into(), what })?;
    Ok(run)
}

/// The record that a JSON value of this or an older format is.
///
/// # Errors
/// When it is none.
pub(crate) fn from_value(mut value: serde_json::Value) -> Result<Run, serde_json::Error> {
    format1::upgrade(&mut value);
    serde_json::from_value(value)
}

/// Writes a run file.
///
/// # Errors
/// When the folder can't be written to; then no file under that name is touched.
pub(crate) fn write_run(path: &Path, run: &Run) -> Result<(), WriteError> {
    let error = |source| WriteError { path: path.into(), source };
    let mut text = serde_json::to_vec(run).map_err(|e| error(e.into()))?;
    text.push(b'\n');
    write_atomically(path, &text)
}

/// Writes a file by a temporary one beside it and a rename, so that a half-written file never bears the final name. Devices and
/// pipes, which have no content of their own, are written to.
///
/// # Errors
/// When the folder can't be written to or the disk is full.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let error = |source| WriteError { path: path.into(), source };
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(content))
            .map_err(error);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(error)?;
    file.write_all(content).map_err(error)?;
    make_readable(file.as_file()).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    file.persist(path).map_err(|e| error(e.error))?;
    sync_folder(path);
    Ok(())
}

/// Puts the name of a file on the disk. Not every system can, and the file is there all the same.
pub(super) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
}

/// Temporary files are private to their owner; results are meant to be read.
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
