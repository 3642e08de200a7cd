//! Models that are named rather than pointed at become files here: the stores' places come from the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{console::size, options::execution::Downloads, subjects::Source};
use crate::{
    event::{Event, Observer},
    gguf::Facts,
    models::{
        self, Stores,
        hub::{Announcement, ENDPOINT, HubSettings, Missing, Network, News, Progress, Token},
        ollama::OllamaStores,
        stores::{Readable, Seen, StoreError, Stored},
    },
    record::{Outcome, Role, Stage},
    text::printable,
};

/// What was typed for each model as files of this machine; what a store does not give is the model's row. The first plays the part that
/// is named, the others are candidates.
pub(super) fn sources<'a>(
    names: impl IntoIterator<Item = &'a str>,
    first: Role,
    downloads: Downloads,
    observer: &mut dyn Observer,
) -> Vec<Source> {
    let stores = stores();
    let one = |(place, name)| {
        let role = if place == 0 { first } else { Role::Candidate };
        match downloads {
            Downloads::Made => source(name, role, &stores, observer),
            Downloads::Announced => announced(name, role, &stores, observer),
        }
    };
    names.into_iter().enumerate().map(one).collect()
}

/// A model whose header is to be read: a path, or headers that were read where they lie, with the file's name.
pub(super) enum Header {
    At(String),
    Read { file: String, facts: Box<Facts> },
}

/// Finds a model without fetching more of it than its headers.
pub(super) fn header(name: &str, role: Role, observer: &mut dyn Observer) -> Result<Header> {
    Ok(match models::stores::inspect(name, role, &stores()).context("get the header")? {
        Readable::Path => Header::At(name.to_owned()),
        Readable::Here(found) => Header::At(noted(found, observer).path.display().to_string()),
        Readable::Remote(remote) => {
            for note in &remote.notes {
                tell(note, observer);
            }
            Header::Read { file: remote.file, facts: Box::new(remote.facts) }
        }
    })
}

fn source(name: &str, role: Role, stores: &Stores, observer: &mut dyn Observer) -> Source {
    match models::stores::find(name, role, stores, &mut |news| report(&news, observer)) {
        Ok(None) => Source::found(name),
        Ok(Some(found)) => stored(noted(found, observer)),
        Err(error) => failed(name, &error),
    }
}

fn announced(name: &str, role: Role, stores: &Stores, observer: &mut dyn Observer) -> Source {
    match models::stores::look(name, role, stores) {
        Ok(Seen::Path) => Source::found(name),
        Ok(Seen::Here(found)) => stored(noted(found, observer)),
        Ok(Seen::OnHub(missing)) => Source { pending: Some(to_fetch(&missing)), ..Source::found(name) },
        Err(error) => failed(name, &error),
    }
}

fn stored(found: Stored) -> Source {
    Source { label: found.label, ..Source::found(&found.path.display().to_string()) }
}

fn noted(found: Stored, observer: &mut dyn Observer) -> Stored {
    for note in &found.notes {
        tell(note, observer);
    }
    found
}

fn failed(name: &str, error: &StoreError) -> Source {
    let failed = Outcome::Failed { stage: Stage::Inspect, reason: error.to_string() };
    Source { failed: Some(failed), ..Source::found(name) }
}

/// `would be fetched: m-00001-of-00002.gguf, m-00002-of-00002.gguf, 3.21 GiB`.
fn to_fetch(missing: &[Missing]) -> String {
    format!("would be fetched: {}", files_and_size(missing))
}

fn files_and_size(missing: &[Missing]) -> String {
    let files = missing.iter().map(|m| printable(&m.file)).collect::<Vec<_>>().join(", ");
    let bytes: Option<u64> = missing.iter().map(|m| m.bytes).sum();
    let size = bytes.map_or_else(|| "the Hub does not say how large".into(), size);
    format!("{files}, {size}")
}

fn report(news: &News<'_>, observer: &mut dyn Observer) {
    match news {
        News::Announced(Announcement { endpoint, repo, files, cache, free_bytes }) => {
            let free = free_bytes.map_or_else(String::new, |bytes| format!(", which has {} free", size(bytes)));
            let what = files_and_size(files);
            tell(&format!("Fetching {what} of {repo} from {endpoint} into {}{free}", cache.display()), observer);
        }
        News::Transfer(Progress { file, done_bytes, total_bytes }) => {
            observer.on(Event::Downloading { file, done_bytes: *done_bytes, total_bytes: *total_bytes });
        }
    }
}

/// Says something beside the results, in a log as well as on a terminal.
fn tell(words: &str, observer: &mut dyn Observer) {
    observer.on(Event::Note { words });
}

#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Where the stores are by their own variables, and by their own defaults.
pub(super) fn stores() -> Stores {
    let home = home();
    let lmstudio = home.as_deref().map(lmstudio).unwrap_or_default();
    let root = Path::new(std::path::MAIN_SEPARATOR_STR);
    let ollama = OllamaStores::new(variable("OLLAMA_MODELS"), home.as_deref(), root);
    Stores { hub: hub(home.as_deref()), ollama, lmstudio }
}

fn home() -> Option<PathBuf> {
    variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from)
}

/// A folder that a variable names; a `~` at its beginning is the person's.
fn folder(name: &str, home: Option<&Path>) -> Option<PathBuf> {
    let value = variable(name)?;
    let path = match (value.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(value),
    };
    Some(std::path::absolute(&path).unwrap_or(path))
}

fn is_on(name: &str) -> bool {
    variable(name).is_some_and(|value| ["1", "true", "yes", "on"].contains(&&*value.to_ascii_lowercase()))
}

fn hub(home: Option<&Path>) -> Option<HubSettings> {
    let folder = |name| folder(name, home);
    let of_person = folder("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")));
    let usual = of_person.as_ref().map(|cache| cache.join("huggingface"));
    let hf_home = folder("HF_HOME").or_else(|| usual.clone());
    let hub_of = |home: &PathBuf| home.join("hub");
    // The first is written to; a model that was fetched before a variable was set lies in another.
    let all = [
        folder("HF_HUB_CACHE"),
        folder("HUGGINGFACE_HUB_CACHE"),
        hf_home.as_ref().map(hub_of),
        usual.as_ref().map(hub_of),
    ];
    let mut caches: Vec<PathBuf> = Vec::new();
    for cache in all.into_iter().flatten() {
        if !caches.contains(&cache) {
            caches.push(cache);
        }
    }
    if caches.is_empty() {
        return None;
    }
    let llama_cache = folder("LLAMA_CACHE").or_else(|| {
        let own = if cfg!(target_os = "macos") { home.map(|home| home.join("Library/Caches")) } else { of_person };
        own.map(|own| own.join("llama.cpp"))
    });
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
    let endpoint = endpoint.trim().trim_end_matches('/');
    Some(HubSettings {
        endpoint: if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") },
        caches,
        llama_cache,
        token: token(hf_home.as_deref(), usual.as_deref(), home),
        network: if is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE") {
            Network::Forbidden
        } else {
            Network::Allowed
        },
    })
}

/// The token of the Hub, as its own client looks for one: in variables, then in the file that `hf auth login` writes.
fn token(hf_home: Option<&Path>, usual: Option<&Path>, home: Option<&Path>) -> Option<Token> {
    if is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return None;
    }
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if let Some(value) = variable(name) {
            return Some(Token::new(&value, &format!("the token in {name}")));
        }
    }
    let of_home = || {
        let folders = [hf_home, usual].into_iter().flatten().map(|folder| folder.join("token"));
        folders.chain(home.map(|home| home.join(".huggingface/token"))).collect()
    };
    let files: Vec<PathBuf> = folder("HF_TOKEN_PATH", home).map_or_else(of_home, |named| vec![named]);
    files.iter().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        let value = text.lines().next()?.trim();
        (!value.is_empty()).then(|| Token::new(value, &format!("the token in {}", file.display())))
    })
}

/// The folder that its settings name, that of newer versions, and that of older ones.
fn lmstudio(home: &Path) -> Vec<PathBuf> {
    let settings = ["settings.json", ".internal/settings.json"].iter().find_map(|name| {
        let text = std::fs::read(home.join(".lmstudio").join(name)).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some(PathBuf::from(value.get("downloadsFolder")?.as_str().filter(|folder| !folder.is_empty())?))
    });
    let defaults = [home.join(".lmstudio/models"), home.join(".cache/lm-studio/models")];
    settings.into_iter().chain(defaults).collect()
}
