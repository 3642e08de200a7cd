//! The Hub's cache on this machine, as the Python client lays it out: blobs by their hash, and snapshots whose files lead to them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{
    HubError, HubName, HubSettings,
    choose::{Choice, RemoteFile, choose},
    error::Absent,
    name::{MAIN, base, is_gguf, is_word},
};
use crate::{
    gguf,
    models::{
        access::{self, AccessError},
        hash,
        names::quant_of,
    },
    record::Role,
};

/// What a cache has of one repository.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn of(cache: &Path, repo: &str) -> Self {
        Self { folder: cache.join(format!("models--{}", repo.replace('/', "--"))) }
    }

    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    /// The name of a file in a snapshot.
    pub(super) fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit).join(file)
    }

    /// Snapshots: the one that a revision means first, then the newest.
    fn snapshots(&self, revision: &str) -> Result<Vec<PathBuf>, AccessError> {
        let all = self.folder.join("snapshots");
        let named = fs::read_to_string(self.folder.join("refs").join(revision)).unwrap_or_default();
        let named = [named.trim(), revision].into_iter().find(|name| is_word(name) && all.join(name).is_dir());
        let age = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).unwrap_or(UNIX_EPOCH);
        let mut paths: Vec<PathBuf> =
            access::entries(&all)?.unwrap_or_default().into_iter().map(|name| all.join(name)).collect();
        paths.sort_by_key(|path| std::cmp::Reverse(age(path)));
        // Another revision than the main one is asked for to have that one.
        if revision != MAIN {
            return Ok(named.into_iter().map(|name| all.join(name)).collect());
        }
        if let Some(named) = named.map(|name| all.join(name)) {
            paths.retain(|path| *path != named);
            paths.insert(0, named);
        }
        Ok(paths)
    }

    /// Remembers which commit a branch is at.
    pub(super) fn note_revision(&self, revision: &str, commit: &str) -> io::Result<()> {
        let file = self.folder.join("refs").join(revision);
        if fs::read_to_string(&file).is_ok_and(|old| old.trim() == commit) {
            return Ok(());
        }
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        crate::record::write_atomically(&file, commit.as_bytes()).map_err(io::Error::other)
    }

    /// Gives a blob its name in a snapshot: by a link, or where the system makes none by moving it there.
    pub(super) fn place(&self, blob: &Path, commit: &str, file: &str) -> io::Result<PathBuf> {
        self.place_by(symlink, blob, commit, file)
    }

    fn place_by(
        &self,
        link: impl Fn(&Path, &Path) -> io::Result<()>,
        blob: &Path,
        commit: &str,
        file: &str,
    ) -> io::Result<PathBuf> {
        let pointer = self.pointer(commit, file);
        if let Some(parent) = pointer.parent() {
            fs::create_dir_all(parent)?;
        }
        if fs::symlink_metadata(&pointer).is_ok() {
            fs::remove_file(&pointer)?;
        }
        // From the pointer's folder up to the shelf.
        let up = "../".repeat(2 + file.matches('/').count());
        let name = blob.file_name().unwrap_or_default();
        if link(&Path::new(&up).join("blobs").join(name), &pointer).is_err() {
            fs::rename(blob, &pointer)?;
        }
        Ok(pointer)
    }
}

#[cfg(unix)]
fn symlink(to: &Path, from: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, from)
}

#[cfg(windows)]
fn symlink(to: &Path, from: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, from)
}

/// A file of the Hub that is here, whole as far as its size says; by content, not by which commit it came with.
pub(super) fn here(
    hub: &HubSettings,
    repo: &str,
    commit: &str,
    file: &RemoteFile,
) -> Result<Option<PathBuf>, HubError> {
    let whole = |path: &Path| -> bool {
        let found = access::look(path).ok().flatten().filter(fs::Metadata::is_file);
        found.is_some_and(|meta| file.bytes.is_none_or(|bytes| meta.len() == bytes))
    };
    for (place, cache) in hub.caches.iter().enumerate() {
        let shelf = Shelf::of(cache, repo);
        let pointer = shelf.pointer(commit, &file.name);
        if whole(&pointer) {
            return Ok(Some(pointer));
        }
        let Some(hash) = &file.sha256 else { continue };
        let blob = shelf.blob(hash);
        if whole(&blob) && fs::symlink_metadata(&blob).is_ok() {
            // Only the first cache is written to; what is read from another is read where it lies.
            return if place == 0 {
                let placed = shelf.place(&blob, commit, &file.name);
                placed.map(Some).map_err(|reason| HubError::Cache { path: blob, reason })
            } else {
                Ok(Some(blob))
            };
        }
    }
    // Without links a file lies in the snapshot it came with; llama.cpp's older cache knows no hashes either.
    let Some(hash) = file.sha256.as_deref().filter(|_| file.bytes.is_some()) else { return Ok(None) };
    let of_snapshots = hub.caches.iter().flat_map(|cache| Shelf::of(cache, repo).snapshots(MAIN).unwrap_or_default());
    let older = hub.llama_cache.iter().map(|folder| folder.join(flat(repo, &file.name)));
    let same = |path: &PathBuf| {
        whole(path) && hash::sha256(std::slice::from_ref(path), None, &mut |_| {}).is_ok_and(|found| found == hash)
    };
    Ok(of_snapshots.map(|snapshot| snapshot.join(&file.name)).chain(older).find(same))
}

/// The name of a file in llama.cpp's older cache.
fn flat(repo: &str, file: &str) -> String {
    format!("{}_{}", repo.replace('/', "_"), file.replace('/', "_"))
}

/// The model as the caches of this machine have it.
pub(super) fn cached(asked: &HubName, role: Role, hub: &HubSettings) -> Result<PathBuf, Box<Absent>> {
    let mut absent = Absent::default();
    for cache in &hub.caches {
        absent.looked.push(cache.clone());
        match Shelf::of(cache, &asked.repo).snapshots(asked.revision()) {
            Ok(snapshots) => {
                for folder in snapshots {
                    let mut files = Vec::new();
                    walk(&folder, &folder, &mut files);
                    if let Some(path) = of_folder(asked, role, files, |name| folder.join(name), &mut absent) {
                        return Ok(path);
                    }
                }
            }
            Err(forbidden) => absent.forbidden = Some(forbidden),
        }
    }
    if let Some(folder) = hub.llama_cache.as_ref().filter(|_| asked.revision.is_none()) {
        absent.looked.push(folder.clone());
        let start = flat(&asked.repo, "");
        let names = access::entries(folder).ok().flatten().unwrap_or_default();
        let names = names.iter().filter_map(|name| name.to_str()?.strip_prefix(&start).map(str::to_owned)).collect();
        let place = |name: &str| folder.join(format!("{start}{name}"));
        if let Some(path) = of_folder(asked, role, names, place, &mut absent) {
            return Ok(path);
        }
    }
    absent.has.sort();
    absent.has.dedup();
    Err(Box::new(absent))
}

/// The model among these files, all parts of which are there.
fn of_folder(
    asked: &HubName,
    role: Role,
    names: Vec<String>,
    place: impl Fn(&str) -> PathBuf,
    absent: &mut Absent,
) -> Option<PathBuf> {
    let (mut present, mut lost) = (Vec::new(), Vec::new());
    for name in names {
        match access::look(&place(&name)) {
            Ok(Some(_)) => present.push(name),
            Err(AccessError::Dangling { .. }) => lost.push(name),
            Err(forbidden @ AccessError::Forbidden { .. }) => absent.forbidden = Some(forbidden),
            Ok(None) | Err(AccessError::Other { .. }) => {}
        }
    }
    let file = |name: &String| RemoteFile { name: name.clone(), sha256: None, bytes: None };
    if let Ok(Choice { parts, .. }) = choose(asked, role, present.iter().map(file).collect()) {
        return Some(place(&parts.first()?.name));
    }
    let with_lost = present.iter().chain(&lost).map(file).collect();
    if let Ok(Choice { parts, .. }) = choose(asked, role, with_lost) {
        absent.lost.extend(parts.into_iter().filter(|part| lost.contains(&part.name)).map(|part| place(&part.name)));
    }
    absent.has.extend(present.iter().filter(|name| is_gguf(name)).map(|name| called(&asked.repo, name)));
    None
}

/// How a file is asked for.
pub(crate) fn called(repo: &str, file: &str) -> String {
    quant_of(gguf::stem(base(file))).map_or_else(|| format!("{repo}/{file}"), |quant| format!("{repo}:{quant}"))
}

/// Paths of the files below a folder, as the Hub would write them.
pub(crate) fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for name in access::entries(folder).ok().flatten().unwrap_or_default() {
        let path = folder.join(name);
        // A link that leads nowhere is a file, too: it is told.
        if access::look(&path).is_ok_and(|meta| meta.is_some_and(|meta| meta.is_dir())) {
            walk(root, &path, found);
        } else if let Ok(relative) = path.strip_prefix(root) {
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}

/// The repositories that a cache has, with the snapshot that its main branch is at, or its newest.
pub(crate) fn repositories(cache: &Path) -> Result<Vec<(String, PathBuf)>, AccessError> {
    let names = access::entries(cache)?.unwrap_or_default();
    let repo = |name: &str| name.strip_prefix("models--").map(|name| name.replacen("--", "/", 1));
    let repos = names.iter().filter_map(|name| repo(name.to_str()?));
    Ok(repos
        .filter_map(|repo| {
            let newest = Shelf::of(cache, &repo).snapshots(MAIN).ok()?.into_iter().next()?;
            Some((repo, newest))
        })
        .collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    #[test]
    fn without_links_a_file_is_moved_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let content = b"GGUF of some length";
        let hash = {
            let file = dir.path().join("file");
            fs::write(&file, content).unwrap();
            hash::sha256(&[file], None, &mut |_| {}).unwrap()
        };
        let shelf = Shelf::of(dir.path(), "o/m");
        fs::create_dir_all(shelf.folder.join("blobs")).unwrap();
        fs::write(shelf.blob(&hash), content).unwrap();
        let refused = |_: &Path, _: &Path| Err(io::ErrorKind::PermissionDenied.into());
        let placed = shelf.place_by(refused, &shelf.blob(&hash), "aaaa", "Q4/m.gguf").unwrap();
        assert_eq!(fs::read(&placed).unwrap(), content);
        assert!(!fs::symlink_metadata(&placed).unwrap().is_symlink() && !shelf.blob(&hash).exists());
        // Another commit with the same file: nothing tells it but its content.
        let hub = HubSettings {
            endpoint: String::new(),
            caches: vec![dir.path().to_owned()],
            llama_cache: None,
            token: None,
            network: crate::models::hub::Network::Allowed,
        };
        let file = |sha256: String| RemoteFile {
            name: "Q4/m.gguf".into(),
            sha256: Some(sha256),
            bytes: Some(content.len() as u64),
        };
        assert_eq!(here(&hub, "o/m", "bbbb", &file(hash)).unwrap(), Some(placed));
        assert_eq!(here(&hub, "o/m", "bbbb", &file("0".repeat(64))).unwrap(), None);
    }
}
