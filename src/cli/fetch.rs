//! Models that are named rather than pointed at become files here: the stores' places come from the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{console::size, options::execution::Downloads, subjects::Source};
use crate::{
    event::{Event, Observer},
    models::{
        self, Stores,
        hub::{ENDPOINT, HubSettings, Missing, Network, Progress},
        stores::{Seen, StoreError, Stored},
    },
    record::{Outcome, Role, Stage},
    text::printable,
};

/// What was typed for each model as files of this machine; what a store does not give is the model's row. The first is the original.
pub(super) fn sources<'a>(
    names: impl IntoIterator<Item = &'a str>,
    downloads: Downloads,
    observer: &mut dyn Observer,
) -> Vec<Source> {
    let stores = stores();
    let one = |(place, name)| {
        let role = if place == 0 { Role::Original } else { Role::Candidate };
        match downloads {
            Downloads::Made => source(name, role, &stores, observer),
            Downloads::Announced => announced(name, role, &stores),
        }
    };
    names.into_iter().enumerate().map(one).collect()
}

/// The path of one model that must be there.
pub(super) fn path(name: &str, role: Role, observer: &mut dyn Observer) -> Result<String> {
    let found =
        models::stores::find(name, role, &stores(), &mut |p| report_progress(p, observer)).context("get the model")?;
    Ok(found.map_or_else(|| name.to_owned(), |found| found.path.display().to_string()))
}

fn source(name: &str, role: Role, stores: &Stores, observer: &mut dyn Observer) -> Source {
    match models::stores::find(name, role, stores, &mut |p| report_progress(p, observer)) {
        Ok(None) => Source::found(name),
        Ok(Some(found)) => stored(found),
        Err(error) => failed(name, &error),
    }
}

fn announced(name: &str, role: Role, stores: &Stores) -> Source {
    match models::stores::look(name, role, stores) {
        Ok(Seen::Path) => Source::found(name),
        Ok(Seen::Here(found)) => stored(found),
        Ok(Seen::OnHub(missing)) => Source { pending: Some(to_fetch(&missing)), ..Source::found(name) },
        Err(error) => failed(name, &error),
    }
}

fn stored(found: Stored) -> Source {
    Source { label: found.label, ..Source::found(&found.path.display().to_string()) }
}

fn failed(name: &str, error: &StoreError) -> Source {
    let failed = Outcome::Failed { stage: Stage::Inspect, reason: error.to_string() };
    Source { failed: Some(failed), ..Source::found(name) }
}

/// `would be fetched: m-00001-of-00002.gguf, m-00002-of-00002.gguf, 3.21 GiB`.
fn to_fetch(missing: &[Missing]) -> String {
    let files = missing.iter().map(|m| printable(&m.file)).collect::<Vec<_>>().join(", ");
    let bytes: Option<u64> = missing.iter().map(|m| m.bytes).sum();
    let size = bytes.map_or_else(|| "the Hub does not say how large".into(), size);
    format!("would be fetched: {files}, {size}")
}

fn report_progress(progress: Progress<'_>, observer: &mut dyn Observer) {
    let Progress { file, done_bytes, total_bytes } = progress;
    observer.on(Event::Downloading { file, done_bytes, total_bytes });
}

#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Where the stores are by their own variables, and by their own defaults.
fn stores() -> Stores {
    let folder = |name| variable(name).map(PathBuf::from);
    let home = folder("HOME").or_else(|| folder("USERPROFILE"));
    let cache = folder("HF_HUB_CACHE").or_else(|| {
        let home = folder("HF_HOME").or_else(|| {
            let cache = folder("XDG_CACHE_HOME").or_else(|| Some(home.clone()?.join(".cache")))?;
            Some(cache.join("huggingface"))
        })?;
        Some(home.join("hub"))
    });
    let ollama = folder("OLLAMA_MODELS").or_else(|| {
        let own = home.as_ref().map(|home| home.join(".ollama/models"));
        // Where Ollama's installer for Linux has its service keep them.
        let service = PathBuf::from("/usr/share/ollama/.ollama/models");
        own.filter(|own| own.is_dir() || !service.is_dir()).or(Some(service))
    });
    Stores { hub: cache.map(hub), ollama, lmstudio: home.map(|home| lmstudio(&home)) }
}

fn hub(cache: PathBuf) -> HubSettings {
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
    let offline = variable("HF_HUB_OFFLINE")
        .is_some_and(|value| ["1", "true", "yes", "on"].contains(&&*value.to_ascii_lowercase()));
    HubSettings {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        // The client wants it absolute.
        cache: std::path::absolute(&cache).unwrap_or(cache),
        token: variable("HF_TOKEN").map(|token| token.trim().to_owned()),
        network: if offline { Network::Forbidden } else { Network::Allowed },
    }
}

/// The folder of newer versions, else that of older ones.
fn lmstudio(home: &Path) -> PathBuf {
    let newer = home.join(".lmstudio/models");
    let older = home.join(".cache/lm-studio/models");
    if older.is_dir() && !newer.is_dir() { older } else { newer }
}
