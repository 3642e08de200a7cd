//! SHA-256 of a model's files, remembered by path, size and time of change.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use base16ct::lower::encode_string as hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::record::write_atomically;

/// Why a file has no hash.
#[derive(Debug, Error)]
pub(crate) enum HashError {
    #[error("read {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} changed while it was read", path = path.display())]
    Changed { path: PathBuf },
}

/// SHA-256 in hex of a model: of its file, or of several parts the hash of their hex hashes, one a line.
///
/// `cache` is the file in which hashes are kept; one that can't be read or written is as good as none. `progress` hears the
/// bytes done, over all parts.
pub(crate) fn sha256(
    parts: &[PathBuf],
    cache: Option<&Path>,
    progress: &mut dyn FnMut(u64),
) -> Result<String, HashError> {
    let mut done = 0;
    let mut hashes = Vec::with_capacity(parts.len());
    for path in parts {
        let (hash, bytes) = sha256_of_file(path, cache, &mut |bytes| progress(done + bytes))?;
        done += bytes;
        hashes.push(hash);
    }
    Ok(match &hashes[..] {
        [one] => one.clone(),
        _ => hex(&Sha256::digest(hashes.iter().flat_map(|hash| [hash.as_str(), "\n"]).collect::<String>())),
    })
}

/// Hash and size of one file.
fn sha256_of_file(
    path: &Path,
    cache: Option<&Path>,
    progress: &mut dyn FnMut(u64),
) -> Result<(String, u64), HashError> {
    let error = |source| HashError::Io { path: path.into(), source };
    let canonical = fs::canonicalize(path).map_err(error)?.to_string_lossy().into_owned();
    let mut file = File::open(path).map_err(error)?;
    let before = Stamp::of(&file.metadata().map_err(error)?);
    let known = cache.and_then(|cache| read_cache(cache).remove(&canonical));
    if let Some(entry) = known.filter(|entry| entry.is_of(before)) {
        progress(before.bytes);
        return Ok((entry.sha256, before.bytes));
    }
    let sha256 = stream(&mut file, progress).map_err(error)?;
    if Stamp::of(&file.metadata().map_err(error)?) != before {
        return Err(HashError::Changed { path: path.into() });
    }
    if let Some(cache) = cache
        && let Some(mtime_ns) = before.mtime_ns
    {
        remember(cache, canonical, Entry { bytes: before.bytes, mtime_ns, sha256: sha256.clone() });
    }
    Ok((sha256, before.bytes))
}

fn stream(file: &mut File, progress: &mut dyn FnMut(u64)) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..length]);
        done += length as u64;
        progress(done);
    }
}

/// What shows that a file was not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    mtime_ns: Option<u64>,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self { bytes: meta.len(), mtime_ns: since.and_then(|since| u64::try_from(since.as_nanos()).ok()) }
    }
}

/// What is remembered of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    mtime_ns: u64,
    sha256: String,
}

impl Entry {
    fn is_of(&self, stamp: Stamp) -> bool {
        let sound = self.sha256.len() == 64 && self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        sound && self.bytes == stamp.bytes && Some(self.mtime_ns) == stamp.mtime_ns
    }
}

fn read_cache(cache: &Path) -> BTreeMap<String, Entry> {
    fs::read(cache).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// The hash is right whether or not it can be kept, so a cache that can't be written is no error.
fn remember(cache: &Path, canonical: String, entry: Entry) {
    let mut entries = read_cache(cache);
    entries.insert(canonical, entry);
    entries.retain(|path, _| Path::new(path).exists());
    if let Some(folder) = cache.parent() {
        let _ = fs::create_dir_all(folder);
    }
    if let Ok(text) = serde_json::to_vec(&entries) {
        let _ = write_atomically(cache, &text);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    /// FIPS 180-2, the one-block example.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn quiet(parts: &[PathBuf], cache: Option<&Path>) -> String {
        sha256(parts, cache, &mut |_| {}).unwrap()
    }

    #[test]
    fn a_file_and_its_progress() {
        let dir = tempfile::tempdir().unwrap();
        let small = dir.path().join("abc");
        fs::write(&small, "abc").unwrap();
        assert_eq!(quiet(std::slice::from_ref(&small), None), ABC);
        let large = dir.path().join("large");
        fs::write(&large, vec![b'a'; 3 << 20]).unwrap();
        let mut heard = Vec::new();
        sha256(&[small, large], None, &mut |bytes| heard.push(bytes)).unwrap();
        assert!(heard.is_sorted() && heard.len() >= 4);
        assert_eq!(heard.last(), Some(&(3 + (3 << 20))));
    }

    #[test]
    fn parts_are_hashed_by_their_hashes() {
        let dir = tempfile::tempdir().unwrap();
        let parts: Vec<_> = ["1", "2"].iter().map(|name| dir.path().join(name)).collect();
        for part in &parts {
            fs::write(part, "abc").unwrap();
        }
        assert_eq!(quiet(&parts, None), hex(&Sha256::digest(format!("{ABC}\n{ABC}\n"))));
    }

    #[test]
    fn the_cache_is_believed_only_for_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let (model, cache) = (dir.path().join("m.gguf"), dir.path().join("new/folder/sha256.json"));
        fs::write(&model, "abc").unwrap();
        let parts = [model.clone()];
        assert_eq!(quiet(&parts, Some(&cache)), ABC);
        // Told apart from a fresh hash by a value that no file has.
        let fake = "0".repeat(64);
        let text = fs::read_to_string(&cache).unwrap();
        fs::write(&cache, text.replace(ABC, &fake)).unwrap();
        assert_eq!(quiet(&parts, Some(&cache)), fake);
        File::open(&model).unwrap().set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
        assert_eq!(quiet(&parts, Some(&cache)), ABC);
        fs::write(&model, "abcd").unwrap();
        assert_ne!(quiet(&parts, Some(&cache)), ABC);
    }

    #[test]
    fn a_broken_cache_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let (model, cache) = (dir.path().join("m.gguf"), dir.path().join("sha256.json"));
        fs::write(&model, "abc").unwrap();
        let parts = [model];
        let full = {
            quiet(&parts, Some(&cache));
            fs::read_to_string(&cache).unwrap()
        };
        for broken in ["", "{", "[]", "null", &full[..full.len() - 9], &full.replace(ABC, "short")] {
            fs::write(&cache, broken).unwrap();
            assert_eq!(quiet(&parts, Some(&cache)), ABC);
            assert_eq!(fs::read_to_string(&cache).unwrap(), full, "it was made good again");
        }
        assert_eq!(quiet(&parts, Some(Path::new("/dev/null/not/here"))), ABC);
    }

    #[test]
    fn a_missing_part_is_named() {
        let error = sha256(&[PathBuf::from("/no/such/model.gguf")], None, &mut |_| {}).unwrap_err();
        assert!(error.to_string().starts_with("read /no/such/model.gguf: "));
    }
}
