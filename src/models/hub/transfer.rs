//! One file from the Hub into the cache: gone on with where it broke off, checked at the end.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    HubError, HubName,
    ask::{Asker, is_sha256, place},
    cache::Shelf,
    choose::RemoteFile,
};
use crate::models::hash;

/// Times a broken transfer is taken up again before it is given up; the person can start again, and it goes on from there.
const RETRIES: u32 = 4;
/// The wait before the first of them; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const BUFFER_BYTES: usize = 1 << 18;

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    pub file: &'a str,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes in all; 0 while unknown.
    pub total_bytes: u64,
}

/// A file to fetch, and where to.
pub(super) struct Order<'a> {
    pub(super) client: &'a Asker<'a>,
    pub(super) asked: &'a HubName,
    pub(super) commit: &'a str,
    pub(super) file: &'a RemoteFile,
    pub(super) shelf: &'a Shelf,
}

/// Why a try ended.
enum Broken {
    /// Another try may go on from what is here.
    Network(HubError),
    Final(HubError),
}

impl Order<'_> {
    /// Where the bytes gather until they are all there.
    pub(super) fn partial(shelf: &Shelf, file: &RemoteFile) -> PathBuf {
        let name = file.sha256.clone().unwrap_or_else(|| file.name.replace('/', "_"));
        shelf.blob(&format!("{name}.part"))
    }

    /// Fetches the file, and says where it lies.
    pub(super) fn fetch(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, HubError> {
        let partial = Self::partial(self.shelf, self.file);
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |reason| HubError::Cache { path, reason }
        };
        if let Some(blobs) = partial.parent() {
            fs::create_dir_all(blobs).map_err(disk(blobs))?;
        }
        let lock_path = partial.with_extension("lock");
        let lock = File::create(&lock_path).map_err(disk(&lock_path))?;
        match lock.try_lock() {
            // A system without locks has no other program that holds one.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HubError::Busy { file: self.file.name.clone(), lock: lock_path });
            }
        }
        self.take_up(&partial).map_err(disk(&partial))?;
        let gone_on_with = fs::metadata(&partial).is_ok();
        self.complete(&partial, progress)?;
        let found = match self.verified(&partial, progress) {
            // What was here need not have been its beginning.
            Err(HubError::Checksum { .. }) if gone_on_with => {
                self.complete(&partial, progress)?;
                self.verified(&partial, progress)?
            }
            verified => verified?,
        };
        let blob = self.shelf.blob(self.file.sha256.as_deref().unwrap_or(&found));
        fs::rename(&partial, &blob).map_err(disk(&blob))?;
        let placed = self.shelf.place(&blob, self.commit, &self.file.name).map_err(disk(&blob))?;
        drop(lock);
        // It was needed while the file was fetched; that it stays does no harm.
        let _ = fs::remove_file(lock_path);
        Ok(placed)
    }

    /// A cached file that was cut short is gone on with, and one that is too long is none.
    fn take_up(&self, partial: &Path) -> io::Result<()> {
        let Some(bytes) = self.file.bytes else { return Ok(()) };
        let pointer = self.shelf.pointer(self.commit, &self.file.name);
        let blob = self.file.sha256.as_deref().map(|hash| self.shelf.blob(hash));
        for short in [blob, Some(pointer)].into_iter().flatten() {
            match fs::symlink_metadata(&short) {
                Ok(meta) if meta.is_file() && meta.len() < bytes && fs::metadata(partial).is_err() => {
                    fs::rename(&short, partial)?;
                }
                Ok(_) => fs::remove_file(&short)?,
                Err(_) => {}
            }
        }
        if fs::metadata(partial).is_ok_and(|meta| meta.len() > bytes) {
            fs::remove_file(partial)?;
        }
        Ok(())
    }

    /// Goes on until all bytes are there.
    fn complete(&self, partial: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), HubError> {
        let mut wait = FIRST_WAIT;
        for tries_left in (0..=RETRIES).rev() {
            match self.attempt(partial, progress) {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Network(error)) if tries_left == 0 => {
                    return Err(match error {
                        HubError::Unreachable { reason, .. } => HubError::Cut { file: self.file.name.clone(), reason },
                        other => other,
                    });
                }
                Err(Broken::Network(_)) => std::thread::sleep(wait),
            }
            wait *= 2;
        }
        Ok(())
    }

    fn attempt(&self, partial: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Broken> {
        let disk = |reason| Broken::Final(HubError::Cache { path: partial.to_owned(), reason });
        let cut = |reason: String| Broken::Network(HubError::Cut { file: self.file.name.clone(), reason });
        let mut done = fs::metadata(partial).map_or(0, |meta| meta.len());
        if self.file.bytes == Some(done) {
            return Ok(());
        }
        let answer = self.client.open(self.asked, self.commit, &self.file.name, done, None);
        let answer = match answer {
            // What is here is as long as the whole, or longer.
            Err(HubError::Strange { what, .. }) if what == "status 416" && done > 0 => {
                fs::remove_file(partial).map_err(disk)?;
                return Err(cut("what was here did not belong to it".into()));
            }
            Err(error @ (HubError::Unreachable { .. } | HubError::OutOfOrder { .. })) => {
                return Err(Broken::Network(error));
            }
            other => other.map_err(Broken::Final)?,
        };
        let (start, said) = place(&answer);
        let total = self.file.bytes.or(said);
        // Without the header a part is what was asked for, and a whole begins at its beginning.
        let start = start.unwrap_or(done);
        if start > done {
            return Err(Broken::Final(
                self.client.strange(format!("{} from byte {start}, not {done}", self.file.name)),
            ));
        }
        let mut out = OpenOptions::new().create(true).write(true).truncate(false).open(partial).map_err(disk)?;
        out.set_len(start).map_err(disk)?;
        io::Seek::seek(&mut out, io::SeekFrom::Start(start)).map_err(disk)?;
        done = start;
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(cut(error.to_string())),
            };
            out.write_all(&buffer[..read]).map_err(disk)?;
            done += read as u64;
            progress(Progress { file: &self.file.name, done_bytes: done, total_bytes: total.unwrap_or(0) });
        }
        out.sync_all().map_err(disk)?;
        match total {
            Some(total) if done < total => Err(cut(format!("it ended after {done} of {total} bytes"))),
            Some(total) if done > total => {
                fs::remove_file(partial).map_err(disk)?;
                Err(Broken::Final(self.client.strange(format!("{} of {total} bytes has {done}", self.file.name))))
            }
            _ => Ok(()),
        }
    }

    /// The SHA-256 of what arrived, which is what the Hub says, if it does; what differs is deleted.
    fn verified(&self, partial: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<String, HubError> {
        let file = &self.file.name;
        let total_bytes = self.file.bytes.unwrap_or(0);
        let mut hear = |done_bytes| progress(Progress { file, done_bytes, total_bytes });
        let found = hash::sha256(&[partial.to_owned()], None, &mut hear).map_err(|e| match e {
            hash::HashError::Io { path, source } => HubError::Cache { path, reason: source },
            changed @ hash::HashError::Changed { .. } => {
                HubError::Cut { file: file.clone(), reason: changed.to_string() }
            }
        })?;
        match &self.file.sha256 {
            Some(expected) if *expected != found => {
                fs::remove_file(partial).map_err(|reason| HubError::Cache { path: partial.into(), reason })?;
                Err(HubError::Checksum { file: file.clone(), expected: expected.clone(), found })
            }
            _ => {
                debug_assert!(is_sha256(&found));
                Ok(found)
            }
        }
    }
}
