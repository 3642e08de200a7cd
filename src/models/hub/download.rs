//! One file from the Hub into the cache: watched for silence, checked at the end.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use hf_hub::api::sync::{Api, ApiError};

use super::HubError;
use crate::models::hash;

/// Times a broken transfer is taken up again before it is given up; the person can start again, and it goes on from there.
pub(super) const RETRIES: usize = 3;
/// Longest silence of the Hub: a slow line still brings something within it.
const SILENCE: Duration = Duration::from_mins(1);

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    pub file: &'a str,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes in all; 0 while unknown.
    pub total_bytes: u64,
}

/// Why a file did not arrive.
pub(super) enum Failure {
    /// Nothing came for too long.
    Silent,
    Api(ApiError),
}

/// What the thread that downloads tells.
enum Message {
    Size(usize),
    Bytes(usize),
    Done(Box<Result<PathBuf, ApiError>>),
}

struct Teller(Sender<Message>);

impl hf_hub::api::Progress for Teller {
    fn init(&mut self, size: usize, _: &str) {
        // The receiver is gone only when it gave up on this download.
        let _ = self.0.send(Message::Size(size));
    }

    fn update(&mut self, size: usize) {
        let _ = self.0.send(Message::Bytes(size));
    }

    fn finish(&mut self) {}
}

/// Downloads on a thread of its own, since the client waits for a silent server without end.
pub(super) fn download(
    api: &Api,
    repo: &str,
    file: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, Failure> {
    let (sender, receiver) = mpsc::channel();
    let (api, repo, name) = (api.clone(), repo.to_owned(), file.to_owned());
    thread::spawn(move || {
        let result = api.model(repo).download_with_progress(&name, Teller(sender.clone()));
        let _ = sender.send(Message::Done(Box::new(result)));
    });
    let (mut done_bytes, mut total_bytes) = (0, 0);
    loop {
        match receiver.recv_timeout(SILENCE) {
            // Every try begins by saying the size, and then how much was there before.
            Ok(Message::Size(size)) => (done_bytes, total_bytes) = (0, size as u64),
            Ok(Message::Bytes(bytes)) => done_bytes += bytes as u64,
            Ok(Message::Done(result)) => return result.map_err(Failure::Api),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(Failure::Silent),
        }
        progress(Progress { file, done_bytes, total_bytes });
    }
}

/// Compares a file with the Hub's checksum; one that differs is deleted, from under both of its names.
pub(super) fn verify(
    path: &Path,
    file: &str,
    expected: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), HubError> {
    let cache = |source| HubError::Cache { path: path.into(), source };
    let total_bytes = fs::metadata(path).map_err(cache)?.len();
    let mut hear = |done_bytes| progress(Progress { file, done_bytes, total_bytes });
    let found = hash::sha256(&[path.to_owned()], None, &mut hear).map_err(|e| match e {
        hash::HashError::Io { path, source } => HubError::Cache { path, source },
        changed @ hash::HashError::Changed { .. } => HubError::Cut { file: file.into(), reason: changed.to_string() },
    })?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let blob = fs::canonicalize(path).map_err(cache)?;
    fs::remove_file(path).map_err(cache)?;
    if blob.exists() {
        fs::remove_file(blob).map_err(cache)?;
    }
    Err(HubError::Checksum { file: file.into(), expected: expected.into(), found })
}
