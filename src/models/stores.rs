//! Models that are named rather than pointed at: on the Hub, in Ollama's stores, in LM Studio's folders.

use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::{
    access::{self, AccessError},
    address::{self, Address, AddressError},
    hub::{self, HubError, HubName, HubSettings, News},
    near::nearest,
    ollama::{self, OllamaError, OllamaStores},
    resolve::{ResolveError, resolve},
};
use crate::record::Role;

/// Where the stores of this machine are. What has no place is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stores {
    /// The Hub and its caches.
    pub hub: Option<HubSettings>,
    pub ollama: OllamaStores,
    /// LM Studio's `models` folders.
    pub lmstudio: Vec<PathBuf>,
}

/// A model of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its file, or the folder that holds it.
    pub path: PathBuf,
    /// What to call it where its file's name says nothing.
    pub label: Option<String>,
    /// What a person should know about how it was found.
    pub notes: Vec<String>,
}

/// Why a store does not give a model.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Hub(#[from] HubError),
    /// It looks like a name of the Hub, and like a path that is wrong further on.
    #[error("{error}; and {path} is no path here: {folder} has no {name}{near}", folder = folder.display(), near = list("; near it: ", near))]
    NeitherHubNorPath { error: Box<HubError>, path: String, folder: PathBuf, name: String, near: Vec<String> },
    #[error(transparent)]
    Ollama(#[from] OllamaError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("LM Studio has no {name}{near}; looked in {places}", near = list("; near it: ", near), places = paths(places))]
    LmStudio { name: String, places: Vec<PathBuf>, near: Vec<String> },
    /// A path that is not here, and a model of Ollama's that has the name.
    #[error("{error}; Ollama has {list}", list = named.join(", "))]
    OllamasName { error: Box<ResolveError>, named: Vec<String> },
    /// The system does not say where the person's folders are.
    #[error("this system names no home folder, so there is no place for {store}: set {variable}")]
    NoPlace { store: &'static str, variable: &'static str },
}

fn list(start: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{start}{}", names.join(", ")) }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

enum Named<'a> {
    Path,
    /// A model of a store on this machine.
    Stored(Stored),
    /// A model of the Hub.
    OnHub(HubName, &'a HubSettings),
}

/// Where a model is before anything is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// At the path that was typed.
    Path,
    /// In a store on this machine.
    Here(Stored),
    /// On the Hub, in files that would be fetched.
    OnHub(Vec<hub::Missing>),
}

/// A model whose header is to be read.
pub(crate) enum Readable {
    /// At the path that was typed.
    Path,
    Here(Stored),
    /// On the Hub; its headers were read there.
    Remote(Box<hub::Remote>),
}

/// Finds what `name` names in a store; `None` when it is a path. What exists here as a path is one.
pub(crate) fn find(
    name: &str,
    role: Role,
    stores: &Stores,
    news: &mut dyn FnMut(News<'_>),
) -> Result<Option<Stored>, StoreError> {
    Ok(match named(name, stores)? {
        Named::Path => None,
        Named::Stored(here) => Some(here),
        Named::OnHub(asked, hub) => {
            Some(fetched(hub::fetch(&asked, role, hub, news).map_err(|error| neither(name, error))?))
        }
    })
}

/// Says what `name` names without fetching it.
pub(crate) fn look(name: &str, role: Role, stores: &Stores) -> Result<Seen, StoreError> {
    Ok(match named(name, stores)? {
        Named::Path => Seen::Path,
        Named::Stored(here) => Seen::Here(here),
        Named::OnHub(asked, hub) => match hub::look(&asked, role, hub).map_err(|error| neither(name, error))? {
            hub::Whereabouts::Here(found) => Seen::Here(fetched(found)),
            hub::Whereabouts::There(missing) => Seen::OnHub(missing),
        },
    })
}

/// Finds what `name` names, and of a model of the Hub that is not here reads the headers alone.
pub(crate) fn inspect(name: &str, role: Role, stores: &Stores) -> Result<Readable, StoreError> {
    Ok(match named(name, stores)? {
        Named::Path => Readable::Path,
        Named::Stored(here) => Readable::Here(here),
        Named::OnHub(asked, hub) => match hub::inspect(&asked, role, hub).map_err(|error| neither(name, error))? {
            Ok(found) => Readable::Here(fetched(found)),
            Err(remote) => Readable::Remote(Box::new(remote)),
        },
    })
}

fn fetched(found: hub::Fetched) -> Stored {
    Stored { path: found.path, label: None, notes: found.notes }
}

/// Where the first folder of a name is here, a path may have been meant.
fn neither(name: &str, error: HubError) -> StoreError {
    let unknown =
        matches!(error, HubError::NoSuchRepo { .. } | HubError::Offline { .. } | HubError::Unreachable { .. });
    let path = Path::new(name);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).filter(|_| unknown);
    let names = folder.and_then(|folder| access::entries(folder).ok().flatten());
    let (Some(folder), Some(names), Some(wanted)) = (folder, names, path.file_name()) else { return error.into() };
    let wanted = wanted.to_string_lossy().into_owned();
    let near = nearest(&wanted, names.iter().map(|name| name.to_string_lossy().into_owned()));
    StoreError::NeitherHubNorPath {
        error: Box::new(error),
        path: name.into(),
        folder: folder.into(),
        name: wanted,
        near,
    }
}

fn named<'a>(name: &str, stores: &'a Stores) -> Result<Named<'a>, StoreError> {
    // What can't be looked at is told when it is resolved.
    if !matches!(access::look(Path::new(name)), Ok(None)) {
        return Ok(Named::Path);
    }
    let endpoint = stores.hub.as_ref().map(|hub| hub.endpoint.as_str());
    match address::read(name, endpoint)? {
        Address::Path(path) if path == name => match resolve(name) {
            Err(error @ ResolveError::NotFound { .. }) => {
                let named: Vec<String> =
                    ollama::like(name, &stores.ollama).into_iter().map(|name| format!("ollama:{name}")).collect();
                if named.is_empty() {
                    Ok(Named::Path)
                } else {
                    Err(StoreError::OllamasName { error: Box::new(error), named })
                }
            }
            _ => Ok(Named::Path),
        },
        Address::Path(path) => Ok(Named::Stored(Stored { path: path.into(), label: None, notes: Vec::new() })),
        Address::Ollama(name) => {
            let found = ollama::find(&name, &stores.ollama)?;
            Ok(Named::Stored(Stored { path: found.path, label: Some(found.label), notes: found.notes }))
        }
        Address::LmStudio(name) => {
            if stores.lmstudio.is_empty() {
                return Err(StoreError::NoPlace { store: "LM Studio's folder", variable: "HOME" });
            }
            let path = in_lmstudio(&name, &stores.lmstudio)?;
            Ok(Named::Stored(Stored { path, label: None, notes: Vec::new() }))
        }
        Address::Hub(asked) => {
            let no_place = StoreError::NoPlace { store: "the Hub's cache", variable: "HF_HOME" };
            Ok(Named::OnHub(asked, stores.hub.as_ref().ok_or(no_place)?))
        }
    }
}

/// A folder or file of LM Studio: `owner/name`, `owner/name/file.gguf`, or `owner/name@quant`, in any case.
fn in_lmstudio(name: &str, places: &[PathBuf]) -> Result<PathBuf, StoreError> {
    let inside = Path::new(name).components().all(|c| matches!(c, Component::Normal(_))) && !name.is_empty();
    let (path, quant) = match name.rsplit_once(['@', ':']) {
        Some((path, quant)) => (path, Some(quant)),
        None => (name, None),
    };
    for place in places.iter().filter(|_| inside) {
        let mut at = Some(place.clone());
        for part in path.split('/') {
            at = match at {
                Some(folder) => access::child(&folder, part)?,
                None => None,
            };
        }
        match (at, quant) {
            (Some(path), None) => return Ok(path),
            (Some(folder), Some(quant)) => {
                if let Some(file) = hub::of_quant(&folder, path, quant)? {
                    return Ok(file);
                }
            }
            (None, _) => {}
        }
    }
    let all = places.iter().flat_map(|place| owners_and_names(place));
    Err(StoreError::LmStudio { name: name.into(), places: places.to_vec(), near: nearest(path, all) })
}

/// `owner/name` of each model's folder.
pub(crate) fn owners_and_names(place: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let names = access::entries(folder).ok().flatten().unwrap_or_default();
        names.iter().filter_map(|name| name.to_str()).filter(|name| !name.starts_with('.')).map(str::to_owned).collect()
    };
    let of_owner = |owner: String| {
        let models = names(&place.join(&owner));
        models.into_iter().map(move |model| format!("{owner}/{model}"))
    };
    names(place).into_iter().flat_map(of_owner).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    fn none() -> Stores {
        Stores { hub: None, ollama: OllamaStores::default(), lmstudio: Vec::new() }
    }

    fn found(name: &str, stores: &Stores) -> Result<Option<Stored>, StoreError> {
        find(name, Role::Candidate, stores, &mut |_| {})
    }

    #[test]
    fn paths_are_left_alone() {
        for path in ["./quantized-model", "/no/such/model.gguf", "model.gguf", "src", "C:\\m.gguf"] {
            assert_eq!(found(path, &none()).unwrap(), None, "{path}");
        }
        assert_eq!(found("file:///x.gguf", &none()).unwrap().unwrap().path, Path::new("/x.gguf"));
    }

    #[test]
    fn a_folder_named_like_an_owner_does_not_hide_the_hub() {
        assert!(matches!(found("src/none:Q4_K_M", &none()), Err(StoreError::NoPlace { .. })), "the Hub is asked");
        let error = HubError::NoSuchRepo {
            repo: "src/modles".into(),
            endpoint: "https://huggingface.co".into(),
            nearby: Vec::new(),
            token: None,
        };
        let said = neither("src/modles", error).to_string();
        assert!(
            said.contains("no repository src/modles") && said.contains("src has no modles; near it: models"),
            "{said}"
        );
    }

    #[test]
    fn lm_studio_models_lie_below_its_folders_in_any_case() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, full) = (dir.path().join("empty"), dir.path().join("models"));
        std::fs::create_dir_all(full.join("Owner/M-GGUF")).unwrap();
        for file in ["M-Q4_K_M.gguf", "M-Q8_0.gguf", "mmproj-F16.gguf"] {
            std::fs::write(full.join("Owner/M-GGUF").join(file), "GGUF").unwrap();
        }
        let stores = Stores { lmstudio: vec![empty, full.clone()], ..none() };
        for name in ["lmstudio:Owner/M-GGUF", "lmstudio:owner/m-gguf", "lmstudio://Owner/M-GGUF/"] {
            assert_eq!(found(name, &stores).unwrap().unwrap().path, full.join("Owner/M-GGUF"), "{name}");
        }
        let file = found("lmstudio:owner/m-gguf@q8_0", &stores).unwrap().unwrap().path;
        assert_eq!(file, full.join("Owner/M-GGUF/M-Q8_0.gguf"));
        let error = found("lmstudio:Owner/N-GGUF", &stores).unwrap_err().to_string();
        assert!(error.contains("near it: Owner/M-GGUF; looked in") && error.contains("empty"), "{error}");
        for name in ["lmstudio:Owner/other", "lmstudio:../models", "lmstudio:/tmp", "lmstudio:"] {
            assert!(matches!(found(name, &stores), Err(StoreError::LmStudio { .. })), "{name}");
        }
        assert!(matches!(found("lmstudio:x", &none()), Err(StoreError::NoPlace { .. })));
    }

    #[test]
    fn a_bare_name_that_ollama_has_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".ollama/models/manifests/registry.ollama.ai/library/llama3.2"))
            .unwrap();
        let manifest = dir.path().join(".ollama/models/manifests/registry.ollama.ai/library/llama3.2/latest");
        std::fs::write(manifest, "{}").unwrap();
        let stores = Stores { ollama: OllamaStores::new(None, Some(dir.path()), dir.path()), ..none() };
        let error = found("llama3.2", &stores).unwrap_err().to_string();
        assert!(error.ends_with("llama3.2 does not exist; Ollama has ollama:llama3.2:latest"), "{error}");
        assert_eq!(found("other.gguf", &stores).unwrap(), None);
    }
}
