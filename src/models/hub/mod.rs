//! Models on the Hugging Face Hub: found by name, announced, downloaded into its cache, checked against its checksums.

mod ask;
mod cache;
mod choose;
mod error;
mod name;
mod settings;
mod transfer;

pub(crate) use cache::{called, repositories, walk};
pub use error::HubError;
pub use name::HubName;
pub(crate) use name::{Pick, decoded, stays_inside};
pub(crate) use settings::ENDPOINT;
pub use settings::{HubSettings, Network, Token};
pub(crate) use transfer::Progress;

use std::path::{Path, PathBuf};

use ask::{Asker, RemoteReader};
use cache::{Shelf, cached, here};
use choose::{Choice, RemoteFile, choose};
use transfer::Order;

use crate::{
    gguf::{Facts, Header},
    models::disk,
    record::Role,
};

/// A file that is not here yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub file: String,
    /// Bytes that are still to come, when the Hub says.
    pub bytes: Option<u64>,
}

/// Where a model is before anything is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// In the cache, its first file here.
    Here(Fetched),
    /// On the Hub, in these files that are not here.
    There(Vec<Missing>),
}

/// What a person hears while a model is fetched.
pub enum News<'a> {
    /// What will be fetched, before it is.
    Announced(Announcement<'a>),
    /// How far a file is.
    Transfer(Progress<'a>),
}

/// What will be fetched.
#[derive(Debug)]
pub struct Announcement<'a> {
    pub endpoint: &'a str,
    pub repo: &'a str,
    pub files: &'a [Missing],
    pub cache: &'a Path,
    /// Bytes free on the cache's disk, where the system says.
    pub free_bytes: Option<u64>,
}

/// A model of the Hub that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its first file.
    pub path: PathBuf,
    /// What a person should know about how it was chosen or found.
    pub notes: Vec<String>,
}

/// Finds a model of the Hub in the cache or downloads it, with all of its parts, and says where the first one lies.
///
/// What is in a cache is not asked for again, and a transfer that broke off is taken up where it ended.
///
/// # Errors
/// When it is not in a cache and can't be had; see [`HubError`].
pub fn fetch(
    asked: &HubName,
    role: Role,
    hub: &HubSettings,
    news: &mut dyn FnMut(News<'_>),
) -> Result<Fetched, HubError> {
    let client = Asker::of(hub);
    let listed = match find(&client, asked, role, hub)? {
        Found::Cached(fetched) => return Ok(fetched),
        Found::Listed(listed) => listed,
    };
    let Listed { commit, choice: Choice { parts, .. }, notes } = &listed;
    let missing = missing(asked, hub, &listed)?;
    let Some(cache) = hub.caches.first() else { return Err(no_cache()) };
    let shelf = Shelf::of(cache, &asked.repo);
    if !missing.is_empty() {
        let room = disk::room(cache);
        let free_bytes = room.as_ref().map(|room| room.free_bytes);
        let needed: Option<u64> = missing.iter().map(|missing| missing.bytes).sum();
        if let (Some(free_bytes), Some(needed_bytes)) = (free_bytes, needed)
            && needed_bytes > free_bytes
        {
            let in_memory = room.is_some_and(|room| room.in_memory);
            return Err(HubError::NoRoom { path: cache.clone(), free_bytes, needed_bytes, in_memory });
        }
        refuse_early(&client, asked, commit, parts)?;
        let (endpoint, repo) = (&hub.endpoint, &asked.repo);
        news(News::Announced(Announcement { endpoint, repo, files: &missing, cache, free_bytes }));
    }
    let mut paths = Vec::with_capacity(parts.len());
    for file in parts {
        paths.push(if let Some(path) = here(hub, &asked.repo, commit, file)? {
            path
        } else {
            let order = Order { client: &client, asked, commit, file, shelf: &shelf };
            order.fetch(&mut |progress| news(News::Transfer(progress)))?
        });
    }
    // Other programs find the snapshot by it; this one does without.
    if name::is_revision(commit) && commit != asked.revision() {
        let _ = shelf.note_revision(asked.revision(), commit);
    }
    let path = together(paths, &shelf, commit, parts)?;
    Ok(Fetched { path, notes: notes.clone() })
}

/// A file from here on is worth a look at its header before the rest is fetched, in bytes.
const LARGE_BYTES: u64 = 32 << 20;

/// Refuses by its header what could not be measured once it is here.
fn refuse_early(client: &Asker<'_>, asked: &HubName, commit: &str, parts: &[RemoteFile]) -> Result<(), HubError> {
    // The first part of several need not have the tensors that say what it is.
    let [file] = parts else { return Ok(()) };
    let Some(total) = file.bytes.filter(|bytes| *bytes >= LARGE_BYTES) else { return Ok(()) };
    let mut reader = RemoteReader::new(client, asked, commit, file);
    let header = Header::parse(&mut reader, total);
    if let Some(failure) = reader.failure {
        return Err(failure);
    }
    let refused = |reason| HubError::Header { file: format!("{}/{}", asked.repo, file.name), reason };
    let header = header.map_err(|error| refused(error.to_string()))?;
    Facts::of(&header, &[]).refusal().map_or(Ok(()), |reason| Err(refused(reason)))
}

/// The first of these files, all of which lie in one folder: llama.cpp looks for the others beside it.
fn together(mut paths: Vec<PathBuf>, shelf: &Shelf, commit: &str, parts: &[RemoteFile]) -> Result<PathBuf, HubError> {
    let folder = |path: &PathBuf| path.parent().map(Path::to_owned);
    if paths.iter().all(|path| folder(path) == folder(&paths[0])) {
        return Ok(paths.swap_remove(0));
    }
    let first = shelf.pointer(commit, &parts[0].name);
    Err(HubError::Header {
        file: parts[0].name.clone(),
        reason: format!("its parts lie in several folders; delete {} to have them fetched together", first.display()),
    })
}

/// Says what fetching the model would bring, by the Hub's description of it alone.
pub(crate) fn look(asked: &HubName, role: Role, hub: &HubSettings) -> Result<Whereabouts, HubError> {
    let listed = match find(&Asker::of(hub), asked, role, hub)? {
        Found::Cached(fetched) => return Ok(Whereabouts::Here(fetched)),
        Found::Listed(listed) => listed,
    };
    let missing = missing(asked, hub, &listed)?;
    let first = listed.choice.parts.first().filter(|_| missing.is_empty());
    let first = first.map(|first| here(hub, &asked.repo, &listed.commit, first)).transpose()?.flatten();
    Ok(first.map_or(Whereabouts::There(missing), |path| Whereabouts::Here(Fetched { path, notes: listed.notes })))
}

/// A model whose headers were read where it lies.
#[derive(Debug)]
pub(crate) struct Remote {
    /// Its first file, by its name on the Hub.
    pub file: String,
    pub facts: Facts,
    pub notes: Vec<String>,
}

/// Either the model in a cache, or its headers from the Hub, of which no more than these is fetched.
pub(crate) fn inspect(asked: &HubName, role: Role, hub: &HubSettings) -> Result<Result<Fetched, Remote>, HubError> {
    let client = Asker::of(hub);
    let listed = match find(&client, asked, role, hub)? {
        Found::Cached(fetched) => return Ok(Ok(fetched)),
        Found::Listed(listed) => listed,
    };
    let Listed { commit, choice: Choice { parts, .. }, notes } = &listed;
    if missing(asked, hub, &listed)?.is_empty()
        && let Some(path) = parts.first().map(|first| here(hub, &asked.repo, commit, first)).transpose()?.flatten()
    {
        return Ok(Ok(Fetched { path, notes: notes.clone() }));
    }
    let mut headers = Vec::with_capacity(parts.len());
    for file in parts {
        let mut reader = RemoteReader::new(&client, asked, commit, file);
        let total = reader.total()?;
        let header = Header::parse(&mut reader, total);
        if let Some(failure) = reader.failure {
            return Err(failure);
        }
        headers.push(header.map_err(|e| HubError::Header { file: file.name.clone(), reason: e.to_string() })?);
    }
    let rest: Vec<&Header> = headers.iter().skip(1).collect();
    let Some(first) = headers.first() else { return Err(no_cache()) };
    let facts = Facts::of(first, &rest);
    Ok(Err(Remote { file: format!("{}/{}", asked.repo, parts[0].name), facts, notes: notes.clone() }))
}

/// A model that was asked for.
enum Found {
    /// The Hub was not asked, or did not answer as it should: a cache has it.
    Cached(Fetched),
    /// The Hub has it.
    Listed(Listed),
}

/// A model of the Hub in these files of this commit.
struct Listed {
    commit: String,
    choice: Choice,
    notes: Vec<String>,
}

/// Where the model is: by the Hub's description, by the cache where the Hub may not or can't be asked.
fn find(client: &Asker<'_>, asked: &HubName, role: Role, hub: &HubSettings) -> Result<Found, HubError> {
    if hub.network == Network::Forbidden {
        let found = cached(asked, role, hub);
        let found = found.map_err(|absent| HubError::Offline { asked: asked.clone(), absent })?;
        return Ok(Found::Cached(Fetched { path: found, notes: Vec::new() }));
    }
    let repository = match client.describe(asked) {
        Ok(repository) => repository,
        Err(error) => {
            if let Ok(path) = cached(asked, role, hub) {
                let note = format!("{asked}: {error}. The cached model is used: {}", path.display());
                return Ok(Found::Cached(Fetched { path, notes: vec![note] }));
            }
            return Err(match error {
                HubError::NoSuchRepo { repo, endpoint, token, .. } => {
                    HubError::NoSuchRepo { nearby: client.nearby(&repo), repo, endpoint, token }
                }
                other => other,
            });
        }
    };
    let choice = match choose(asked, role, repository.files) {
        Err(HubError::NoGguf { repo, .. }) => return Err(HubError::NoGguf { nearby: client.nearby(&repo), repo }),
        chosen => chosen?,
    };
    let notes = told(asked, &choice).into_iter().collect();
    Ok(Found::Listed(Listed { commit: repository.commit, choice, notes }))
}

/// Which of several models is taken.
fn told(asked: &HubName, choice: &Choice) -> Option<String> {
    let taken = &choice.parts.first()?.name;
    let one = called(&asked.repo, choice.left.first()?);
    let of = choice.left.len() + 1;
    Some(format!("{asked}: {taken} is taken, of {of} models there; another is named like {one}"))
}

/// The files that are not here, with what is still to come of each.
fn missing(asked: &HubName, hub: &HubSettings, listed: &Listed) -> Result<Vec<Missing>, HubError> {
    let Some(cache) = hub.caches.first() else { return Err(no_cache()) };
    let shelf = Shelf::of(cache, &asked.repo);
    let mut missing = Vec::new();
    for file in &listed.choice.parts {
        if here(hub, &asked.repo, &listed.commit, file)?.is_none() {
            let partial = std::fs::metadata(Order::partial(&shelf, file)).map_or(0, |meta| meta.len());
            let bytes = file.bytes.map(|bytes| bytes.saturating_sub(partial));
            missing.push(Missing { file: file.name.clone(), bytes });
        }
    }
    Ok(missing)
}

fn no_cache() -> HubError {
    HubError::Cache { path: PathBuf::new(), reason: std::io::Error::other("there is no folder for it") }
}

/// The file of a quantization in a folder, by the rule for repositories; `None` where the folder has none.
pub(crate) fn of_quant(folder: &Path, called: &str, quant: &str) -> Result<Option<PathBuf>, HubError> {
    let mut names = Vec::new();
    walk(folder, folder, &mut names);
    let asked = HubName { repo: called.to_owned(), revision: None, pick: Pick::Quant(quant.to_owned()) };
    let files = names.into_iter().map(|name| RemoteFile { name, sha256: None, bytes: None }).collect();
    match choose(&asked, Role::Candidate, files) {
        Ok(choice) => Ok(choice.parts.first().map(|part| folder.join(&part.name))),
        Err(HubError::NoGguf { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
