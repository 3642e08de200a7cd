//! What is on this machine: the models of every store, and of folders, by the names to ask for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    access::{self, AccessError},
    hub::{called, repositories, walk},
    ollama,
    resolve::gather,
    stores::{Stores, owners_and_names},
};

/// Where a model was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    Folder,
    Hub,
    Ollama,
    LmStudio,
    LlamaCpp,
}

impl Store {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Hub => "Hub",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
            Self::LlamaCpp => "llama.cpp",
        }
    }
}

/// A model file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) store: Store,
    /// What to type for it.
    pub(crate) name: String,
    /// Its first part.
    pub(crate) path: PathBuf,
    /// What to call it where its file's name says nothing.
    pub(crate) label: Option<String>,
}

/// Models, and what could not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) items: Vec<Item>,
    pub(crate) problems: Vec<String>,
}

/// Everything that the stores and these folders have. A file that several names lead to is there once, by its first.
pub(crate) fn take(stores: &Stores, folders: &[PathBuf]) -> Inventory {
    let mut inventory = Inventory::default();
    for folder in folders {
        match access::look(folder) {
            Ok(Some(meta)) if meta.is_dir() => inventory.folder(folder),
            Ok(Some(_)) => inventory.problems.push(format!("{} is no folder", folder.display())),
            Ok(None) => inventory.problems.push(format!("{} does not exist", folder.display())),
            Err(error) => inventory.problems.push(error.to_string()),
        }
    }
    for place in &stores.lmstudio {
        inventory.lmstudio(place);
    }
    for name in ollama::list(&stores.ollama) {
        match ollama::find(&name, &stores.ollama) {
            Ok(found) => inventory.add(Store::Ollama, format!("ollama:{name}"), found.path, Some(found.label)),
            Err(error) => inventory.problems.push(error.to_string()),
        }
    }
    for place in &stores.ollama.places {
        inventory.hear(access::look(&place.join("manifests")));
    }
    for cache in stores.hub.iter().flat_map(|hub| &hub.caches) {
        if let Some(repositories) = inventory.hear(repositories(cache)) {
            for (repo, snapshot) in repositories {
                inventory.repository(&repo, &snapshot);
            }
        }
    }
    if let Some(folder) = stores.hub.as_ref().and_then(|hub| hub.llama_cache.as_ref()) {
        for (name, path) in inventory.models(folder) {
            inventory.add(Store::LlamaCpp, folder.join(name).display().to_string(), path, None);
        }
    }
    let mut seen = BTreeSet::new();
    inventory.items.retain(|item| seen.insert(std::fs::canonicalize(&item.path).unwrap_or_else(|_| item.path.clone())));
    inventory.problems.sort();
    inventory.problems.dedup();
    inventory
}

impl Inventory {
    fn add(&mut self, store: Store, name: String, path: PathBuf, label: Option<String>) {
        self.items.push(Item { store, name, path, label });
    }

    fn hear<T>(&mut self, answer: Result<T, AccessError>) -> Option<T> {
        answer.map_err(|error| self.problems.push(error.to_string())).ok()
    }

    /// The models that lie in a folder itself, by the names of their first parts.
    fn models(&mut self, folder: &Path) -> Vec<(String, PathBuf)> {
        let gathered = self.hear(gather(folder)).unwrap_or_default();
        gathered.candidates().into_iter().map(|name| (name.clone(), folder.join(name))).collect()
    }

    /// A folder with those below it.
    fn folder(&mut self, folder: &Path) {
        for (_, path) in self.models(folder) {
            self.add(Store::Folder, path.display().to_string(), path, None);
        }
        for name in self.hear(access::entries(folder)).flatten().unwrap_or_default() {
            let below = folder.join(&name);
            // A link may lead back up.
            let own = std::fs::symlink_metadata(&below).is_ok_and(|meta| meta.is_dir());
            if own && !name.to_string_lossy().starts_with('.') {
                self.folder(&below);
            }
        }
    }

    fn lmstudio(&mut self, place: &Path) {
        self.hear(access::look(place));
        for model in owners_and_names(place) {
            let models = self.models(&place.join(&model));
            let alone = models.len() == 1;
            for (file, path) in models {
                let name = if alone { format!("lmstudio:{model}") } else { format!("lmstudio:{model}/{file}") };
                self.add(Store::LmStudio, name, path, None);
            }
        }
    }

    fn repository(&mut self, repo: &str, snapshot: &Path) {
        let mut files = Vec::new();
        walk(snapshot, snapshot, &mut files);
        let folders: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| snapshot.join(file).parent().map(Path::to_owned)).collect();
        let models: Vec<PathBuf> =
            folders.iter().flat_map(|folder| self.models(folder)).map(|(_, path)| path).collect();
        let inside = |path: &Path| path.strip_prefix(snapshot).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for path in &models {
            *count.entry(called(repo, &inside(path))).or_default() += 1;
        }
        for path in models {
            let short = called(repo, &inside(&path));
            let name = if count[&short] == 1 { short } else { format!("{repo}/{}", inside(&path)) };
            self.add(Store::Hub, name, path, None);
        }
    }
}
