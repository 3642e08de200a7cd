//! Whether something is there: "not there", "not allowed to look" and "a link that leads nowhere" are three answers.

use std::{
    fs::{self, Metadata},
    io::ErrorKind::{NotADirectory, NotFound, PermissionDenied},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a path can't be used, though it is, or may be, there.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error("not allowed to read {path}: {remedy}", path = path.display(), remedy = remedy(path))]
    Forbidden { path: PathBuf },
    #[error("{path} is a link to {to}, which does not exist", path = path.display(), to = to.display())]
    Dangling { path: PathBuf, to: PathBuf },
    #[error("read {path}: {reason}", path = path.display())]
    Other { path: PathBuf, reason: std::io::Error },
}

/// What is at a path, links followed; `None` where nothing is.
///
/// # Errors
/// When the system does not say.
pub(crate) fn look(path: &Path) -> Result<Option<Metadata>, AccessError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => match fs::read_link(path) {
            Ok(to) => Err(AccessError::Dangling { path: path.into(), to }),
            Err(_) => Ok(None),
        },
        Err(error) => Err(failure(path, error)),
    }
}

/// The file at a path can be opened.
pub(crate) fn check_readable(path: &Path) -> Result<(), AccessError> {
    fs::File::open(path).map(drop).map_err(|error| failure(path, error))
}

/// Names of a folder's entries, in order; `None` of one that is not there. Names that are no UTF-8 are left to the caller.
pub(crate) fn entries(folder: &Path) -> Result<Option<Vec<std::ffi::OsString>>, AccessError> {
    let Some(metadata) = look(folder)? else { return Ok(None) };
    if !metadata.is_dir() {
        return Ok(None);
    }
    let read =
        || fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
    let mut names = read().map_err(|error| failure(folder, error))?;
    names.sort();
    Ok(Some(names))
}

/// An entry of a folder, in any case, as stores' own programs find their models.
pub(crate) fn child(folder: &Path, name: &str) -> Result<Option<PathBuf>, AccessError> {
    let exact = folder.join(name);
    if look(&exact)?.is_some() {
        return Ok(Some(exact));
    }
    let names = entries(folder)?.unwrap_or_default();
    let found = names.iter().find(|other| other.to_str().is_some_and(|other| other.eq_ignore_ascii_case(name)));
    Ok(found.map(|found| folder.join(found)))
}

/// A failure of the system at a path, sorted.
pub(crate) fn failure(path: &Path, error: std::io::Error) -> AccessError {
    if error.kind() == PermissionDenied {
        AccessError::Forbidden { path: blamed(path) }
    } else {
        AccessError::Other { path: path.into(), reason: error }
    }
}

/// The first folder on the way that lets no one through, or the path itself.
fn blamed(path: &Path) -> PathBuf {
    let mut way: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    way.reverse();
    let forbidden = |path: &&Path| fs::metadata(path).is_err_and(|error| error.kind() == PermissionDenied);
    match way.iter().position(forbidden) {
        Some(at) if at > 0 => way[at - 1].to_owned(),
        _ => path.to_owned(),
    }
}

fn remedy(path: &Path) -> &'static str {
    if path.components().any(|part| part.as_os_str() == "ollama" || part.as_os_str() == ".ollama") {
        "join the group ollama, or use sudo"
    } else {
        "change its permissions, or use sudo"
    }
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_missing_is_told_from_what_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        assert!(look(&at("file")).unwrap().is_some());
        assert!(look(&at("none")).unwrap().is_none() && look(&at("file/below")).unwrap().is_none());
        assert!(look(&at("dangling")).unwrap_err().to_string().ends_with("is a link to nowhere, which does not exist"));
        let said = look(&at("loop")).unwrap_err().to_string();
        assert!(said.contains("symbolic links") && !said.contains("permission"), "{said}");
    }

    #[test]
    fn a_folder_that_lets_no_one_through_is_blamed() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("ollama");
        fs::create_dir_all(closed.join("models")).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
        let answer = look(&closed.join("models/manifests"));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        match answer {
            // Root is let through everywhere.
            Ok(found) => assert!(rustix::process::geteuid().is_root() && found.is_none()),
            Err(error) => {
                let words = format!("not allowed to read {}: join the group ollama, or use sudo", closed.display());
                assert_eq!(error.to_string(), words);
            }
        }
    }
}
