//! What the user typed for a model becomes a file on this machine, with all its parts, without opening anything slow.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    access::{self, AccessError},
    near::nearest,
};
use crate::gguf::{BytePiece, Kind, Model, SplitName};

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
    #[error(transparent)]
    Unreadable(#[from] AccessError),
    #[error("{path} is neither a file nor a folder: a model must be a regular file", path = path.display())]
    NotAFile { path: PathBuf },
    #[error("{path} holds no .gguf file: name the model itself", path = path.display())]
    EmptyFolder { path: PathBuf },
    /// What lies beside a model, without one.
    #[error("{path} holds no model, only {list}: there is no language model in this folder", path = path.display(), list = kinds(sides))]
    NoModel { path: PathBuf, sides: Vec<(String, Kind)> },
    #[error("{path} holds {count} models, name one of them: {list}", path = path.display(), count = models.len(), list = models.join(", "))]
    SeveralModels { path: PathBuf, models: Vec<String> },
    /// A later part of a split model.
    #[error("{path} is part {index} of a split model: name its first part, {first}", path = path.display(), first = first.display())]
    NotFirstPart { path: PathBuf, index: u32, first: PathBuf },
    /// A split model without all of its parts.
    #[error("{file} needs {missing}, which does not exist: all parts must lie in one folder", file = file.display(), missing = missing.display())]
    MissingPart { file: PathBuf, missing: PathBuf },
    /// A file that was cut by bytes.
    #[error("{path} is a piece of {whole}, cut by bytes: {advice}", path = path.display())]
    BytePiece { path: PathBuf, whole: String, advice: String },
    #[error("{path} has a name that is not UTF-8, which llama.cpp cannot open: rename it", path = path.display())]
    NotUtf8 { path: PathBuf },
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

/// `a draft head (mtp-x.gguf) and a projector (mmproj) (mmproj-x.gguf)`.
pub(crate) fn kinds(sides: &[(String, Kind)]) -> String {
    let words: Vec<String> = sides.iter().map(|(name, kind)| format!("{} ({name})", kind.name())).collect();
    match &words[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Finds the files of a model: a path to a file, to the first part of a split one, or to a folder that holds one model.
///
/// # Errors
/// When there is no such model, it can't be read, is incomplete, or the name could mean several. Never waits on a pipe.
pub(crate) fn resolve(name: &str) -> Result<Resolved, ResolveError> {
    let path = Path::new(name);
    let file = match access::look(path)? {
        Some(meta) if meta.is_file() => path.to_owned(),
        Some(meta) if meta.is_dir() => only_model(path)?,
        Some(_) => return Err(ResolveError::NotAFile { path: path.into() }),
        None => return Err(not_found(path)?),
    };
    if let Some(piece) = file.file_name().and_then(|name| name.to_str()).and_then(BytePiece::parse) {
        return Err(byte_piece(&file, &piece)?);
    }
    let parts = parts_of(&file)?;
    for part in &parts {
        access::check_readable(part)?;
    }
    Ok(Resolved { file, parts })
}

/// The one model of a folder. What lies beside a model is none, by its name or by its header; the parts of a split one are one.
fn only_model(folder: &Path) -> Result<PathBuf, ResolveError> {
    let gathered = gather(folder)?;
    let candidates = gathered.candidates();
    let Gathered { sides, pieces, unreadable, .. } = gathered;
    match &candidates[..] {
        [one] => Ok(folder.join(one)),
        [] => Err(if let Some(piece) = pieces.first().and_then(|name| BytePiece::parse(name)) {
            byte_piece(&folder.join(&pieces[0]), &piece)?
        } else if !sides.is_empty() {
            ResolveError::NoModel { path: folder.into(), sides }
        } else if let Some(path) = unreadable {
            ResolveError::NotUtf8 { path }
        } else {
            ResolveError::EmptyFolder { path: folder.into() }
        }),
        _ => Err(ResolveError::SeveralModels { path: folder.into(), models: candidates }),
    }
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Models by the name of their first part, with what their header says they are; `None` where it can't be read.
    pub(crate) models: BTreeMap<String, Option<Kind>>,
    /// What lies beside models.
    pub(crate) sides: Vec<(String, Kind)>,
    /// Pieces that were cut by bytes.
    pieces: Vec<String>,
    /// A GGUF file whose name is no UTF-8.
    unreadable: Option<PathBuf>,
}

impl Gathered {
    /// The models that are meant: those that are not named like what lies beside one, if there are any. Otherwise the header is what is
    /// left to ask.
    pub(crate) fn candidates(&self) -> Vec<String> {
        let named: Vec<String> = self.models.keys().filter(|name| Kind::by_name(name).is_none()).cloned().collect();
        if named.is_empty() { self.models.keys().cloned().collect() } else { named }
    }
}

/// Sorts the files of a folder. Hidden files are nothing: some systems keep such a one beside each.
pub(crate) fn gather(folder: &Path) -> Result<Gathered, AccessError> {
    let (mut found, mut firsts) = (Gathered::default(), BTreeSet::new());
    for name in access::entries(folder)?.unwrap_or_default() {
        let path = folder.join(&name);
        let gguf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        let Some(name) = name.to_str() else {
            if gguf {
                found.unreadable = Some(path);
            }
            continue;
        };
        // A link that leads nowhere is missed when it is asked for.
        let file = access::look(&path).is_ok_and(|meta| meta.is_some_and(|meta| meta.is_file()));
        if name.starts_with('.') || !file {
            continue;
        }
        if BytePiece::parse(name).is_some() {
            found.pieces.push(name.to_owned());
        } else if gguf {
            // A later part stands for its first, so that a first part that is missing is missed.
            firsts.insert(SplitName::parse(name).map_or_else(|| name.to_owned(), |part| part.name_of(1)));
        }
    }
    for first in firsts {
        let kind = Model::read(&folder.join(&first)).ok().map(|model| model.facts().kind);
        match kind.or_else(|| Kind::by_name(&first)).filter(|kind| kind.is_side_file()) {
            Some(side) => found.sides.push((first, side)),
            None => _ = found.models.insert(first, kind),
        }
    }
    Ok(found)
}

fn byte_piece(path: &Path, piece: &BytePiece) -> Result<ResolveError, AccessError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = access::entries(folder)?.unwrap_or_default();
    let advice = piece.advice(names.iter().filter_map(|name| name.to_str()));
    Ok(ResolveError::BytePiece { path: path.into(), whole: piece.whole.clone(), advice })
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
            match access::look(&path)? {
                Some(meta) if meta.is_file() => Ok(path),
                _ => Err(ResolveError::MissingPart { file: file.into(), missing: path }),
            }
        })
        .collect()
}

/// Says what is near: the first missing folder on the way, or names in the same folder that look alike.
fn not_found(path: &Path) -> Result<ResolveError, AccessError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(names) = access::entries(folder)? else {
        let is_folder = |folder: &Path| access::look(folder).is_ok_and(|meta| meta.is_some_and(|meta| meta.is_dir()));
        let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !is_folder(f)).last();
        let missing = missing.map(Path::to_owned);
        return Ok(ResolveError::NotFound { path: path.into(), missing, nearby: Vec::new() });
    };
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let nearby = nearest(&wanted, names.iter().map(|name| name.to_string_lossy().into_owned()));
    Ok(ResolveError::NotFound { path: path.into(), missing: None, nearby })
}

#[cfg(test)]
mod tests;
