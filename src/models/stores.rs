//! Models that are named rather than pointed at: on the Hub, in Ollama's store, in LM Studio's folder.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{
    hub::{self, HubError, HubName, HubSettings},
    ollama::{self, OllamaError},
};
use crate::record::Role;

/// Where the stores of this machine are. What has no place is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stores {
    /// The Hub and its cache.
    pub hub: Option<HubSettings>,
    /// Ollama's `models` folder.
    pub ollama: Option<PathBuf>,
    /// LM Studio's `models` folder.
    pub lmstudio: Option<PathBuf>,
}

/// A model of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its file, or the folder that holds it.
    pub path: PathBuf,
    /// What to call it where its file's name says nothing.
    pub label: Option<String>,
}

/// Why a store does not give a model.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Ollama(#[from] OllamaError),
    #[error("LM Studio has no {name}: there is no {path}", path = path.display())]
    LmStudio { name: String, path: PathBuf },
    /// The system does not say where the person's folders are.
    #[error("this system names no home folder, so there is no place for {store}: set {variable}")]
    NoPlace { store: &'static str, variable: &'static str },
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

/// Finds what `name` names in a store; `None` when it is a path. What exists here as a path is one.
pub(crate) fn find(
    name: &str,
    role: Role,
    stores: &Stores,
    progress: &mut dyn FnMut(hub::Progress<'_>),
) -> Result<Option<Stored>, StoreError> {
    Ok(match named(name, stores)? {
        Named::Path => None,
        Named::Stored(here) => Some(here),
        Named::OnHub(asked, hub) => Some(Stored { path: hub::fetch(&asked, role, hub, progress)?, label: None }),
    })
}

/// Says what `name` names without fetching it.
pub(crate) fn look(name: &str, role: Role, stores: &Stores) -> Result<Seen, StoreError> {
    Ok(match named(name, stores)? {
        Named::Path => Seen::Path,
        Named::Stored(here) => Seen::Here(here),
        Named::OnHub(asked, hub) => match hub::look(&asked, role, hub)? {
            hub::Whereabouts::Here(path) => Seen::Here(Stored { path, label: None }),
            hub::Whereabouts::There(missing) => Seen::OnHub(missing),
        },
    })
}

fn named<'a>(name: &str, stores: &'a Stores) -> Result<Named<'a>, StoreError> {
    let no_place = |store, variable| StoreError::NoPlace { store, variable };
    if Path::new(name).exists() {
        return Ok(Named::Path);
    }
    if let Some(name) = name.strip_prefix("ollama:") {
        let store = stores.ollama.as_ref().ok_or_else(|| no_place("Ollama's store", "OLLAMA_MODELS"))?;
        let (path, label) = ollama::find(name, store)?;
        return Ok(Named::Stored(Stored { path, label: Some(label) }));
    }
    if let Some(name) = name.strip_prefix("lmstudio:") {
        let folder = stores.lmstudio.as_ref().ok_or_else(|| no_place("LM Studio's folder", "HOME"))?;
        let path = folder.join(name);
        let inside = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if !inside || name.is_empty() || !path.exists() {
            return Err(StoreError::LmStudio { name: name.into(), path });
        }
        return Ok(Named::Stored(Stored { path, label: None }));
    }
    // A first folder that is here makes it a path that is wrong further on.
    let Some(asked) = HubName::parse(name).filter(|_| !Path::new(name.split('/').next().unwrap_or(name)).is_dir())
    else {
        return Ok(Named::Path);
    };
    let hub = stores.hub.as_ref().ok_or_else(|| no_place("the Hub's cache", "HF_HOME"))?;
    Ok(Named::OnHub(asked, hub))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn none() -> Stores {
        Stores { hub: None, ollama: None, lmstudio: None }
    }

    #[test]
    fn paths_are_left_alone() {
        for path in ["./quantized-model", "/no/such/model.gguf", "model.gguf", "src/none", "C:\\m.gguf"] {
            assert_eq!(find(path, Role::Candidate, &none(), &mut |_| {}).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn lm_studio_models_lie_below_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("models/owner/m")).unwrap();
        let stores = Stores { lmstudio: Some(dir.path().join("models")), ..none() };
        let found = find("lmstudio:owner/m", Role::Candidate, &stores, &mut |_| {}).unwrap().unwrap();
        assert_eq!(found.path, dir.path().join("models/owner/m"));
        for name in ["lmstudio:owner/other", "lmstudio:../models", "lmstudio:/tmp", "lmstudio:"] {
            assert!(
                matches!(find(name, Role::Candidate, &stores, &mut |_| {}), Err(StoreError::LmStudio { .. })),
                "{name}"
            );
        }
        assert!(matches!(find("lmstudio:x", Role::Candidate, &none(), &mut |_| {}), Err(StoreError::NoPlace { .. })));
    }
}
