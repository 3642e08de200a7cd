//! What the user typed for a model becomes a file on this machine, with all its parts, without opening anything slow.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::gguf::SplitName;

/// A model found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The file to load: the first part of a split model.
    pub file: PathBuf,
    /// All parts in order; the file alone when it is not split.
    pub parts: Vec<PathBuf>,
}

/// Why a name is no model here.
#[derive(Debug, Error)]
pub(crate) enum ResolveError {
    #[error("{path} does not exist{hint}", path = path.display(), hint = NotFoundHint(missing, nearby))]
    NotFound { path: PathBuf, missing: Option<PathBuf>, nearby: Vec<String> },
    /// The system would not let us look.
    #[error("read {path}: {source}; check its permissions", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is neither a file nor a folder: a model must be a regular file", path = path.display())]
    NotAFile { path: PathBuf },
    #[error("{path} holds no .gguf file: name the model itself", path = path.display())]
    EmptyFolder { path: PathBuf },
    #[error("{path} holds {count} models, name one of them: {list}", path = path.display(), count = models.len(), list = models.join(", "))]
    SeveralModels { path: PathBuf, models: Vec<String> },
    /// A later part of a split model.
    #[error("{path} is part {index} of a split model: name its first part, {first}", path = path.display(), first = first.display())]
    NotFirstPart { path: PathBuf, index: u32, first: PathBuf },
    /// A split model without all of its parts.
    #[error("{file} needs {missing}, which does not exist: all parts must lie in one folder", file = file.display(), missing = missing.display())]
    MissingPart { file: PathBuf, missing: PathBuf },
}

struct NotFoundHint<'a>(&'a Option<PathBuf>, &'a [String]);

impl std::fmt::Display for NotFoundHint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(Some(folder), _) => write!(f, ": there is no folder {}", folder.display()),
            Self(None, []) => Ok(()),
            Self(None, nearby) => write!(f, "; near it: {}", nearby.join(", ")),
        }
    }
}

/// Finds the files of a model: a path to a file, to the first part of a split one, or to a folder that holds one model.
///
/// # Errors
/// When there is no such model, it can't be read, is incomplete, or the name could mean several. Never waits on a pipe.
pub(crate) fn resolve(name: &str) -> Result<Resolved, ResolveError> {
    let path = Path::new(name);
    let unreadable = |source| ResolveError::Unreadable { path: path.into(), source };
    let file = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => path.to_owned(),
        Ok(meta) if meta.is_dir() => only_model(path)?,
        Ok(_) => return Err(ResolveError::NotAFile { path: path.into() }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(not_found(path));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let parts = parts_of(&file)?;
    for part in &parts {
        fs::File::open(part).map_err(|source| ResolveError::Unreadable { path: part.clone(), source })?;
    }
    Ok(Resolved { file, parts })
}

/// The one model of a folder. A projector for images (`mmproj-...`) is no model, the parts of a split one are one.
fn only_model(folder: &Path) -> Result<PathBuf, ResolveError> {
    let unreadable = |source| ResolveError::Unreadable { path: folder.into(), source };
    let mut models = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let gguf = Path::new(&name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        if gguf && !name.to_ascii_lowercase().starts_with("mmproj") && folder.join(&name).is_file() {
            // A later part stands for its first, so that a first part that is missing is missed.
            models.insert(SplitName::parse(&name).map_or(name.clone(), |part| part.name_of(1)));
        }
    }
    let models: Vec<String> = models.into_iter().collect();
    match &models[..] {
        [] => Err(ResolveError::EmptyFolder { path: folder.into() }),
        [one] => Ok(folder.join(one)),
        _ => Err(ResolveError::SeveralModels { path: folder.into(), models }),
    }
}

fn parts_of(file: &Path) -> Result<Vec<PathBuf>, ResolveError> {
    let name = file.file_name().and_then(|name| name.to_str());
    let Some(part) = name.and_then(SplitName::parse) else { return Ok(vec![file.to_owned()]) };
    let sibling = |index| file.with_file_name(part.name_of(index));
    if part.part > 1 {
        return Err(ResolveError::NotFirstPart { path: file.into(), index: part.part, first: sibling(1) });
    }
    // One by one: a name may claim 99,999 parts.
    (1..=part.count)
        .map(|index| {
            let path = sibling(index);
            if path.is_file() { Ok(path) } else { Err(ResolveError::MissingPart { file: file.into(), missing: path }) }
        })
        .collect()
}

/// Says what is near: the first missing folder on the way, or names in the same folder that look alike.
fn not_found(path: &Path) -> ResolveError {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.is_dir()).last();
        return ResolveError::NotFound { path: path.into(), missing: missing.map(Path::to_owned), nearby: Vec::new() };
    }
    let wanted = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let names = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut near: Vec<(usize, String)> =
        names.filter_map(|name| Some((closeness(&wanted, &name.to_lowercase())?, name))).collect();
    near.sort();
    let nearby = near.into_iter().take(3).map(|(_, name)| name).collect();
    ResolveError::NotFound { path: path.into(), missing: None, nearby }
}

/// Edits between two names when they are few for their length, or one is the beginning of the other; smaller is closer.
fn closeness(wanted: &str, name: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (wanted.chars().collect(), name.chars().collect());
    if wanted.is_empty() {
        return None;
    }
    // Levenshtein's distance, a row at a time.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let edits = row[b.len()];
    (edits <= (a.len() / 4).max(2) || name.starts_with(wanted) || wanted.starts_with(name)).then_some(edits)
}

#[cfg(test)]
mod tests;
