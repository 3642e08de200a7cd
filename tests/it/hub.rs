//! Models from a Hub: the real client over real HTTP, and what is left behind when the Hub fails.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gguf_bench::testing::{
    models::hub::{HubError, HubName, HubSettings, Network, fetch},
    record::Role,
};
use tempfile::TempDir;

use crate::support::hub::{Hub, Manner, TOKEN, sha256};

const MODEL: &[u8] = &[7; 50_000];

/// A person's cache, and what they ask a Hub for.
struct Person {
    folder: TempDir,
    settings: HubSettings,
}

impl Person {
    fn at(hub: &Hub) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = HubSettings {
            endpoint: hub.endpoint.clone(),
            cache: folder.path().join("home/hub"),
            token: None,
            network: Network::Allowed,
        };
        Self { folder, settings }
    }

    fn asks(&self, name: &str) -> Result<PathBuf, HubError> {
        fetch(&HubName::parse(name).unwrap(), Role::Candidate, &self.settings, &mut |_| {})
    }

    fn fails(&self, name: &str) -> String {
        let error = self.asks(name).unwrap_err().to_string();
        assert!(complete(self.folder.path()).is_empty(), "nothing is left under a final name: {error}");
        error
    }
}

/// Everything below a folder that bears a final name.
fn complete(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(complete(&path));
        } else if !path.extension().is_some_and(|end| end == "part" || end == "lock") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_model_is_downloaded_once_and_checked() {
    let hub = Hub::start().with(
        "o/m",
        Manner::Good,
        &[("README.md", b"# m"), ("m-Q4_K_M.gguf", MODEL), ("m-F16.gguf", b"GGUF")],
    );
    let person = Person::at(&hub);
    let mut seen = Vec::new();
    let path = fetch(&HubName::parse("o/m").unwrap(), Role::Candidate, &person.settings, &mut |p| {
        seen.push((p.done_bytes, p.total_bytes));
    });
    let path = path.unwrap();
    assert_eq!(fs::read(&path).unwrap(), MODEL);
    assert_eq!(path.file_name().unwrap(), "m-Q4_K_M.gguf");
    assert!(path.starts_with(&person.settings.cache));
    assert!(seen.contains(&(50_000, 50_000)), "{seen:?}");
    let transfers = |hub: &Hub| hub.requests().iter().filter(|r| r.contains("/resolve/")).count();
    let before = transfers(&hub);
    assert_eq!(person.asks("o/m").unwrap(), path);
    assert_eq!(transfers(&hub), before, "what is in the cache is not asked for");
    assert_eq!(fs::read(person.asks("o/m:f16").unwrap()).unwrap(), b"GGUF");
    assert!(person.asks("o/m/m-F16.gguf").is_ok());
}

#[test]
fn split_models_come_whole() {
    let parts: [(&str, &[u8]); 2] = [("m-00001-of-00002.gguf", b"one"), ("m-00002-of-00002.gguf", b"two")];
    let person = Person::at(&Hub::start().with("o/m", Manner::Good, &parts));
    let first = person.asks("o/m").unwrap();
    assert_eq!(fs::read(&first).unwrap(), b"one");
    assert_eq!(fs::read(first.with_file_name(parts[1].0)).unwrap(), b"two");
}

#[test]
fn a_cut_connection_is_taken_up_where_it_ended() {
    let hub = Hub::start().with("o/m", Manner::CutOnce, &[("m.gguf", MODEL)]);
    let path = Person::at(&hub).asks("o/m");
    assert!(path.is_ok(), "{path:?}");
    assert!(hub.requests().iter().any(|r| r.ends_with("bytes=25000-")), "{:?}", hub.requests());
}

#[test]
fn what_arrived_before_the_connection_died_serves_the_next_try() {
    let hub = Hub::start().with("o/m", Manner::CutAlways, &[("m.gguf", MODEL)]);
    let person = Person::at(&hub);
    let error = person.fails("o/m");
    assert!(error.contains("download m.gguf") && error.contains("goes on from there"), "{error}");
    hub.heal("o/m");
    assert_eq!(sha256(&fs::read(person.asks("o/m").unwrap()).unwrap()), sha256(MODEL));
    assert!(hub.requests().last().unwrap().ends_with("bytes=5000-"), "{:?}", hub.requests().last());
}

#[test]
fn a_download_that_died_after_its_last_byte_is_begun_anew() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", MODEL)]);
    let person = Person::at(&hub);
    let blobs = person.settings.cache.join("models--o--m/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(format!("{}.part", sha256(MODEL))), vec![1; MODEL.len()]).unwrap();
    assert_eq!(fs::read(person.asks("o/m").unwrap()).unwrap(), MODEL);
}

#[test]
fn a_wrong_checksum_leaves_nothing() {
    let hub = Hub::start().with("o/m", Manner::WrongChecksum, &[("m.gguf", MODEL)]);
    let person = Person::at(&hub);
    let error = person.asks("o/m").unwrap_err();
    assert!(matches!(&error, HubError::Checksum { found, .. } if *found == sha256(MODEL)), "{error}");
    let left = complete(&person.settings.cache);
    assert!(left.iter().all(|path| path.ends_with("refs/main")), "{left:?}");
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let hub = Hub::start().with("o/m", Manner::Gated, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    assert!(person.fails("o/m").contains("set HF_TOKEN"));
    person.settings.token = Some("wrong".into());
    assert!(person.fails("o/m").contains("ask for access"));
    person.settings.token = Some(TOKEN.into());
    assert!(person.asks("o/m").is_ok());
}

#[test]
fn repositories_that_are_not_there_or_hold_no_gguf_bring_near_ones() {
    let hub = Hub::start().with("o/plain", Manner::Good, &[("model.safetensors", MODEL)]).with(
        "other/plain-GGUF",
        Manner::Good,
        &[("m.gguf", MODEL)],
    );
    let person = Person::at(&hub);
    assert!(person.fails("o/none").contains("has no repository o/none; with GGUF files there are other/plain-GGUF"));
    let error = person.fails("o/plain");
    assert!(error.starts_with("o/plain has no GGUF file") && error.contains("other/plain-GGUF"), "{error}");
    assert!(person.fails("other/plain-GGUF:Q2_K").contains("has no Q2_K file; it has m.gguf"));
}

#[test]
fn too_many_requests_and_other_failures_are_named() {
    let hub = Hub::start().with("o/m", Manner::Status(429), &[]).with("o/broken", Manner::Status(500), &[]);
    let person = Person::at(&hub);
    assert!(person.fails("o/m").contains("too many requests"));
    assert!(person.fails("o/broken").contains("status 500"));
}

#[test]
fn names_from_the_hub_stay_in_the_cache() {
    let hub = Hub::start().with("o/m", Manner::HostileTag, &[("m.gguf", MODEL)]).with(
        "o/n",
        Manner::Good,
        &[("../../escaped.gguf", MODEL)],
    );
    let person = Person::at(&hub);
    assert!(matches!(person.asks("o/m"), Err(HubError::Strange { .. })));
    assert!(matches!(person.asks("o/n"), Err(HubError::NoGguf { .. })));
    assert!(complete(person.folder.path()).is_empty());
}

#[test]
fn without_a_network_the_cache_serves_or_an_error_comes_at_once() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    person.settings.network = Network::Forbidden;
    assert!(person.fails("o/m").contains("HF_HUB_OFFLINE"));
    assert!(hub.requests().is_empty());
    person.settings.network = Network::Allowed;
    let path = person.asks("o/m").unwrap();
    person.settings.network = Network::Forbidden;
    assert_eq!(person.asks("o/m").unwrap(), path);
    // A port where no one listens.
    person.settings.network = Network::Allowed;
    person.settings.endpoint = "http://127.0.0.1:9".into();
    assert_eq!(person.asks("o/m").unwrap(), path);
    let error = person.asks("o/other").unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
}

#[test]
fn a_dry_run_says_what_it_would_fetch_and_fetches_nothing() {
    let parts: [(&str, &[u8]); 2] = [("m-Q8_0-00001-of-00002.gguf", MODEL), ("m-Q8_0-00002-of-00002.gguf", MODEL)];
    let hub = Hub::start().with("o/m", Manner::Good, &parts);
    let folder = TempDir::new().unwrap();
    let lines = [
        "compare o/m:Q8_0 o/none --dry-run --prompts none",
        "sweep o/m:Q8_0 --types Q4_0 --dry-run --prompts none --no-quality",
        "quality o/m:Q8_0 o/m:Q8_0 --dry-run",
    ];
    for line in lines {
        let said = std::process::Command::new(env!("CARGO_BIN_EXE_gguf-bench"))
            .args(line.split(' '))
            .env("HF_ENDPOINT", &hub.endpoint)
            .env("HF_HOME", folder.path())
            .env_remove("HF_HUB_OFFLINE")
            .env_remove("HF_HUB_CACHE")
            .output()
            .unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(said.status.success(), "{line}: {text} {}", String::from_utf8_lossy(&said.stderr));
        let wanted = "would be fetched: m-Q8_0-00001-of-00002.gguf, m-Q8_0-00002-of-00002.gguf, 97.7 KiB";
        assert!(text.contains(wanted), "{line}: {text}");
    }
    assert!(hub.requests().iter().all(|request| !request.contains("/resolve/")), "{:?}", hub.requests());
    assert!(complete(folder.path()).is_empty());
}
