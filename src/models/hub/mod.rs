//! Models on the Hugging Face Hub: found by name, downloaded into its cache, checked against its checksums.

mod choose;
mod download;
mod error;
mod name;

pub(crate) use download::Progress;
pub use error::HubError;
pub use name::HubName;
pub(crate) use name::Pick;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use hf_hub::{
    Cache,
    api::sync::{Api, ApiBuilder},
};
use serde::Deserialize;

use choose::{RemoteFile, choose};
use name::is_word;

use crate::record::Role;

pub(crate) const ENDPOINT: &str = "https://huggingface.co";
/// Longest time to get a connection: without a network a person should not wait.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time of a question about a repository. The answer lists every file of it.
const ASK: Duration = Duration::from_secs(30);
/// GGUF repositories to propose: what fits a line or two.
const NEARBY: usize = 5;

/// Which Hub, and how to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Its address, `ENDPOINT` unless `HF_ENDPOINT` says otherwise.
    pub endpoint: String,
    /// The folder `hub` of `HF_HOME`.
    pub cache: PathBuf,
    /// A token; the one of the cache is used when there is none.
    pub token: Option<String>,
    /// Whether the network may be used.
    pub network: Network,
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Allowed,
    /// It may not: the cache is all there is.
    Forbidden,
}

/// A repository as the Hub describes it.
#[derive(Debug, Deserialize)]
struct Repository {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
}

/// Where a model of the Hub is before anything is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// In the cache: its first part.
    Here(PathBuf),
    /// On the Hub: the files that would be fetched.
    There(Vec<Missing>),
}

/// A file that is not in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub file: String,
    /// Its size, when the Hub says.
    pub bytes: Option<u64>,
}

/// Brings the model here, all of its parts, and says where the first one lies.
///
/// What is in the cache is not asked for again, and a transfer that broke off is taken up where it ended.
///
/// # Errors
/// When it is not in the cache and can't be had; see [`HubError`].
pub fn fetch(
    asked: &HubName,
    role: Role,
    hub: &HubSettings,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, HubError> {
    let client = Client::of(hub);
    match client.find(asked, role)? {
        Found::Cached(path) => Ok(path),
        Found::Listed { revision, parts } => {
            let api = client.api()?;
            let mut paths = Vec::with_capacity(parts.len());
            for part in &parts {
                paths.push(client.part(&api, &asked.repo, &revision, part, progress)?);
            }
            Ok(paths.swap_remove(0))
        }
    }
}

/// Says what fetching the model would bring, by the Hub's description of it alone.
pub(crate) fn look(asked: &HubName, role: Role, hub: &HubSettings) -> Result<Whereabouts, HubError> {
    let client = Client::of(hub);
    let (revision, parts) = match client.find(asked, role)? {
        Found::Cached(path) => return Ok(Whereabouts::Here(path)),
        Found::Listed { revision, parts } => (revision, parts),
    };
    let here = |file: &RemoteFile| client.pointer(&asked.repo, &revision, file);
    let missing = parts.iter().filter(|file| !here(file).is_file());
    let missing: Vec<Missing> = missing.map(|f| Missing { file: f.name.clone(), bytes: f.bytes }).collect();
    Ok(match parts.first() {
        Some(first) if missing.is_empty() => Whereabouts::Here(here(first)),
        _ => Whereabouts::There(missing),
    })
}

/// A model that was asked for.
enum Found {
    /// The Hub was not asked, or could not be reached: the cache has it.
    Cached(PathBuf),
    /// The Hub has it, in these files of this revision; never none.
    Listed { revision: String, parts: Vec<RemoteFile> },
}

/// A Hub with its cache.
struct Client<'a> {
    hub: &'a HubSettings,
    cache: Cache,
    token: Option<String>,
}

impl<'a> Client<'a> {
    fn of(hub: &'a HubSettings) -> Self {
        let cache = Cache::new(hub.cache.clone());
        let token = hub.token.clone().or_else(|| cache.token());
        Self { hub, cache, token }
    }

    /// Where the model is: by the Hub's description, by the cache where the Hub may not or can't be asked.
    fn find(&self, asked: &HubName, role: Role) -> Result<Found, HubError> {
        if self.hub.network == Network::Forbidden {
            let offline = || HubError::Offline { repo: asked.repo.clone(), cache: self.hub.cache.clone() };
            return cached(asked, role, &self.cache).map(Found::Cached).ok_or_else(offline);
        }
        let repository = match self.describe(&self.api()?, &asked.repo) {
            Err(error @ HubError::Unreachable { .. }) => {
                return cached(asked, role, &self.cache).map(Found::Cached).ok_or(error);
            }
            Err(HubError::NoSuchRepo { repo, endpoint, .. }) => {
                return Err(HubError::NoSuchRepo { nearby: self.nearby(&repo), repo, endpoint });
            }
            described => described?,
        };
        let file = |s: Sibling| RemoteFile { name: s.rfilename, sha256: s.lfs.map(|l| l.sha256), bytes: s.size };
        match choose(asked, role, repository.siblings.into_iter().map(file).collect()) {
            Err(HubError::NoGguf { repo, .. }) => Err(HubError::NoGguf { nearby: self.nearby(&repo), repo }),
            chosen => Ok(Found::Listed { revision: repository.sha, parts: chosen?.parts }),
        }
    }

    /// Where the cache keeps a file of a revision.
    fn pointer(&self, repo: &str, revision: &str, file: &RemoteFile) -> PathBuf {
        self.cache.model(repo.into()).pointer_path(revision).join(&file.name)
    }

    fn api(&self) -> Result<Api, HubError> {
        ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.hub.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false)
            .with_retries(download::RETRIES)
            .with_user_agent(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|e| self.strange(e.to_string()))
    }

    fn describe(&self, api: &Api, repo: &str) -> Result<Repository, HubError> {
        let request = api.model(repo.into()).info_request().query("blobs", "true");
        let request = request.config().timeout_connect(Some(CONNECT)).timeout_global(Some(ASK)).build();
        let mut answer = request.call().map_err(|e| self.failure(repo, &e))?;
        let repository: Repository =
            answer.body_mut().read_json().map_err(|e| self.strange(format!("about {repo}: {e}")))?;
        if is_word(&repository.sha) { Ok(repository) } else { Err(self.strange(format!("{repo} has no revision"))) }
    }

    /// One file, from the cache when this revision of it is there.
    fn part(
        &self,
        api: &Api,
        repo: &str,
        revision: &str,
        file: &RemoteFile,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, HubError> {
        let here = self.pointer(repo, revision, file);
        if here.is_file() {
            return Ok(here);
        }
        let url = api.model(repo.into()).url(&file.name);
        let metadata = api.metadata(&url).map_err(|e| self.api_failure(repo, &file.name, e))?;
        // Both become names of files in the cache.
        if !is_word(metadata.etag()) || !is_word(metadata.commit_hash()) {
            return Err(self.strange(format!("{} has the checksum {:?}", file.name, metadata.etag())));
        }
        let expected = file.sha256.clone().or_else(|| is_sha256(metadata.etag()).then(|| metadata.etag().to_owned()));
        self.forget_overlong(repo, metadata.etag(), metadata.size() as u64)?;
        let path = download::download(api, repo, &file.name, progress)
            .map_err(|e| self.download_failure(repo, &file.name, e))?;
        match expected {
            Some(expected) => download::verify(&path, &file.name, &expected, progress),
            None => Ok(()),
        }?;
        Ok(path)
    }

    /// A partial download can only be gone on with while something is missing: one that was cut off after its last byte is begun anew.
    fn forget_overlong(&self, repo: &str, etag: &str, size: u64) -> Result<(), HubError> {
        let partial = self.cache.model(repo.into()).blob_path(etag).with_extension("part");
        if fs::metadata(&partial).is_ok_and(|meta| meta.len() >= size) {
            fs::remove_file(&partial).map_err(|source| HubError::Cache { path: partial, source })?;
        }
        Ok(())
    }

    /// GGUF repositories of a similar name; none when the Hub does not say.
    fn nearby(&self, repo: &str) -> Vec<String> {
        let name = repo.rsplit('/').next().unwrap_or(repo);
        let url = format!("{}/api/models", self.hub.endpoint);
        let mut request = ureq::get(url)
            .query("search", name)
            .query("filter", "gguf")
            .query("sort", "downloads")
            .query("limit", NEARBY.to_string());
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = request.config().timeout_connect(Some(CONNECT)).timeout_global(Some(ASK)).build();
        let listed = request.call().ok().and_then(|mut answer| answer.body_mut().read_json::<Vec<Listed>>().ok());
        let names = listed.into_iter().flatten().map(|listed| listed.id);
        names.filter(|id| HubName::parse(id).is_some()).take(NEARBY).collect()
    }

    fn strange(&self, what: String) -> HubError {
        HubError::Strange { endpoint: self.hub.endpoint.clone(), what }
    }

    fn failure(&self, repo: &str, error: &ureq::Error) -> HubError {
        let endpoint = self.hub.endpoint.clone();
        let repo = repo.to_owned();
        match error {
            ureq::Error::StatusCode(401 | 403) => HubError::Refused { repo, endpoint, had_token: self.token.is_some() },
            ureq::Error::StatusCode(404) => HubError::NoSuchRepo { repo, endpoint, nearby: Vec::new() },
            ureq::Error::StatusCode(429) => HubError::TooMany { endpoint },
            ureq::Error::StatusCode(code) => HubError::Strange { endpoint, what: format!("status {code}") },
            other => HubError::Unreachable { repo, endpoint, reason: other.to_string() },
        }
    }

    fn api_failure(&self, repo: &str, file: &str, error: hf_hub::api::sync::ApiError) -> HubError {
        use hf_hub::api::sync::ApiError;
        match error {
            ApiError::RequestError(error) => self.failure(repo, &error),
            ApiError::TooManyRetries(error) => match *error {
                ApiError::RequestError(error) if matches!(*error, ureq::Error::StatusCode(_)) => {
                    self.failure(repo, &error)
                }
                ApiError::IoError(source) => self.io_failure(file, source),
                other => HubError::Cut { file: file.into(), reason: other.to_string() },
            },
            ApiError::LockAcquisition(path) => HubError::Busy { file: file.into(), lock: path },
            ApiError::IoError(source) => self.io_failure(file, source),
            other => self.strange(format!("{file}: {other}")),
        }
    }

    /// The client does not say whether it was the disk or the network.
    fn io_failure(&self, file: &str, source: io::Error) -> HubError {
        use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        if [StorageFull, QuotaExceeded, FileTooLarge, ReadOnlyFilesystem, PermissionDenied].contains(&source.kind()) {
            HubError::Cache { path: self.hub.cache.clone(), source }
        } else {
            HubError::Cut { file: file.into(), reason: source.to_string() }
        }
    }

    fn download_failure(&self, repo: &str, file: &str, error: download::Failure) -> HubError {
        match error {
            download::Failure::Silent => HubError::Cut { file: file.into(), reason: "the Hub fell silent".into() },
            download::Failure::Api(error) => self.api_failure(repo, file, error),
        }
    }
}

fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The model as the cache has it, of the revision it saw last.
fn cached(asked: &HubName, role: Role, cache: &Cache) -> Option<PathBuf> {
    let repo = cache.model(asked.repo.clone());
    // An empty name leads to the folder of the revision.
    let folder = repo.get("")?;
    let mut files = Vec::new();
    walk(&folder, &folder, &mut files);
    let files = files.into_iter().map(|name| RemoteFile { name, sha256: None, bytes: None }).collect();
    Some(folder.join(&choose(asked, role, files).ok()?.parts.first()?.name))
}

/// Paths of the files below a folder, as the Hub would write them.
fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(relative) = path.strip_prefix(root) {
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}
