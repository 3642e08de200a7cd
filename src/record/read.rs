//! Reading a run file of this or an older format, or a journal.

use std::{fs, path::Path, path::PathBuf};

use super::{
    FORMAT, Run,
    check::check,
    error::ReadError,
    format1,
    journal::{self, Journal},
    retired,
};

/// The file that holds the record: of a folder its journal, which is never behind, else its run.json.
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
pub(crate) fn from_value(mut value: serde_json::Value) -> Result<Run, serde_json::Error> {
    format1::upgrade(&mut value);
    retired::upgrade(&mut value);
    serde_json::from_value(value)
}
