//! Writing a journal: locked against a second program, every line on the disk before the next thing is measured.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    entry::{Begun, Entry},
    read::Journal,
};
use crate::record::{
    error::{ReadError, WriteError},
    write::sync_folder,
};

/// Why a journal can't be had.
#[derive(Debug, Error)]
pub(crate) enum LockError {
    /// Another program writes to it.
    #[error("{path} is being written by another gguf-bench: wait for it, or end it", path = path.display())]
    Busy { path: PathBuf },
    /// It can't be opened.
    #[error("open {path}: {source}", path = path.display())]
    Open { path: PathBuf, source: io::Error },
}

/// A journal that this program alone writes to, for as long as it is there. The system lifts the lock of a program that was killed.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    file: File,
    /// It was not there before.
    is_new: bool,
    /// What counts of it; whatever follows is half a line.
    whole_bytes: u64,
}

impl JournalFile {
    /// Opens a journal, which is made when there is none.
    pub(crate) fn create(path: &Path) -> Result<Self, LockError> {
        Self::lock(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
    }

    /// Opens a journal that must be there.
    pub(crate) fn open(path: &Path) -> Result<Self, LockError> {
        Self::lock(path, OpenOptions::new().read(true).write(true))
    }

    fn lock(path: &Path, options: &OpenOptions) -> Result<Self, LockError> {
        let error = |source| LockError::Open { path: path.into(), source };
        let is_new = !path.exists();
        let file = options.open(path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), file, is_new, whole_bytes: 0 }),
            Err(TryLockError::WouldBlock) => Err(LockError::Busy { path: path.into() }),
            // Some network folders know no locks; there two programs can't be told apart, and one must be able to measure.
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Unsupported => {
                Ok(Self { path: path.into(), file, is_new, whole_bytes: 0 })
            }
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }

    /// What stands in it; `None` when not even its first line is whole. What is appended later follows the last whole line.
    pub(crate) fn read(&mut self) -> Result<Option<Journal>, ReadError> {
        let mut text = Vec::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut text));
        read.map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        let journal = Journal::parse(&self.path, &text)?;
        self.whole_bytes = journal.as_ref().map_or(0, |journal| journal.whole_bytes);
        Ok(journal)
    }

    /// Begins it with a run, in place of whatever stood in it.
    pub(crate) fn begin(&mut self, begun: Begun) -> Result<(), WriteError> {
        self.whole_bytes = 0;
        self.append(&Entry::Begun(Box::new(begun)))?;
        // A name that is not on the disk leads to no line that is.
        sync_folder(&self.path);
        Ok(())
    }

    /// Adds an entry and returns when it is on the disk. After a failure the entries before it are what counts.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), WriteError> {
        let written = serde_json::to_vec(entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.put(&line).map(|()| line.len() as u64)
        });
        match written {
            Ok(bytes) => {
                self.whole_bytes += bytes;
                Ok(())
            }
            Err(source) => {
                // Half a line is passed over by whoever reads; that it could not be cut off is not the news.
                let _ = self.file.set_len(self.whole_bytes);
                Err(WriteError { path: self.path.clone(), source })
            }
        }
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.set_len(self.whole_bytes)?;
        self.file.seek(SeekFrom::Start(self.whole_bytes))?;
        self.file.write_all(line)?;
        self.file.sync_data()
    }
}

/// One in which nothing came to stand is as if it had not been made.
impl Drop for JournalFile {
    fn drop(&mut self) {
        if self.is_new && self.whole_bytes == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use crate::record::Ended;

    /// A process that another test starts has all open files for a moment, and with them the lock.
    fn opened(path: &Path) -> JournalFile {
        loop {
            match JournalFile::open(path) {
                Err(LockError::Busy { .. }) => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    #[test]
    fn half_a_line_is_cut_off_by_the_next_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = crate::record::read_run(&fixture).unwrap();
        run.take_back(0);
        JournalFile::create(&path).unwrap().begin(Begun { run, inputs: serde_json::Value::Null }).unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{\"round\":{\"index\":0,\"visits\":[");
        fs::write(&path, &text).unwrap();
        let mut journal = opened(&path);
        assert!(journal.read().unwrap().unwrap().run.rounds.is_empty());
        journal.append(&Entry::Ended(Ended::Budget)).unwrap();
        assert_eq!(journal.read().unwrap().unwrap().run.ended, Ended::Budget);
        assert!(fs::read_to_string(&path).unwrap().ends_with("}}\n{\"ended\":\"budget\"}\n"));
    }

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        assert!(matches!(JournalFile::open(&path), Err(LockError::Open { .. })), "there is none yet");
        let first = JournalFile::create(&path).unwrap();
        assert!(matches!(JournalFile::create(&path), Err(LockError::Busy { .. })));
        drop(first);
        assert!(!path.exists(), "one in which nothing stands is not left behind");
        fs::write(&path, "").unwrap();
        assert!(JournalFile::create(&path).unwrap().read().unwrap().is_none());
        assert!(path.exists(), "one that was there is left as it was");
    }
}
