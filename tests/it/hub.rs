//! Models from a Hub: the real client over real HTTP, and what is left behind when the Hub fails.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gguf_bench::testing::{
    models::hub::{Fetched, HubError, HubName, HubSettings, Network, News, Token, fetch},
    record::Role,
};
use tempfile::TempDir;

use crate::support::{
    Bench, POCKET, Ran,
    hub::{Hub, Manner, TOKEN, sha256},
};

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
            caches: vec![folder.path().join("home/hub")],
            llama_cache: Some(folder.path().join("llama.cpp")),
            token: None,
            network: Network::Allowed,
        };
        Self { folder, settings }
    }

    fn cache(&self) -> &Path {
        &self.settings.caches[0]
    }

    fn gets(&self, name: &str) -> Result<Fetched, HubError> {
        fetch(&HubName::parse(name).unwrap(), Role::Candidate, &self.settings, &mut |_| {})
    }

    fn asks(&self, name: &str) -> Result<PathBuf, HubError> {
        self.gets(name).map(|fetched| fetched.path)
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
    let (mut seen, mut announced) = (Vec::new(), Vec::new());
    let fetched = fetch(&HubName::parse("o/m").unwrap(), Role::Candidate, &person.settings, &mut |news| match news {
        News::Announced(what) => {
            assert!(seen.is_empty(), "it is announced first");
            announced.push((what.files.len(), what.files[0].bytes, what.free_bytes.is_some()));
        }
        News::Transfer(p) => seen.push((p.done_bytes, p.total_bytes)),
    });
    let Fetched { path, notes } = fetched.unwrap();
    assert_eq!(announced, [(1, Some(50_000), cfg!(unix))]);
    assert!(notes[0].contains("m-Q4_K_M.gguf is taken, of 2 models there"), "{notes:?}");
    assert_eq!(fs::read(&path).unwrap(), MODEL);
    assert_eq!(path.file_name().unwrap(), "m-Q4_K_M.gguf");
    assert!(path.starts_with(person.cache()));
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
    let blobs = person.cache().join("models--o--m/blobs");
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
    let left = complete(person.cache());
    assert!(left.iter().all(|path| path.ends_with("refs/main")), "{left:?}");
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let hub = Hub::start().with("o/m", Manner::Gated, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    let error = person.fails("o/m");
    assert!(error.contains("private, gated or misspelt") && error.contains("HF_TOKEN"), "{error}");
    person.settings.token = Some(Token::new("wrong", "the token in HF_TOKEN"));
    let error = person.fails("o/m");
    assert!(error.contains("refuses the token in HF_TOKEN: it is expired, revoked or misspelt"), "{error}");
    person.settings.token = Some(Token::new(&format!("{TOKEN}\n"), "the token in a file"));
    assert!(person.asks("o/m").is_ok());
    let hub = hub.with("o/gated", Manner::NotEntitled, &[("m.gguf", MODEL)]);
    let error = person.asks("o/gated").unwrap_err().to_string();
    assert!(error.contains(&format!("gated: ask for access on {}/o/gated", hub.endpoint)), "{error}");
    assert!(error.contains("the token in a file was used"), "{error}");
}

#[test]
fn repositories_that_are_not_there_or_hold_no_gguf_bring_near_ones() {
    let hub = Hub::start().with("o/plain", Manner::Good, &[("model.safetensors", MODEL)]).with(
        "other/plain-GGUF",
        Manner::Good,
        &[("m.gguf", MODEL)],
    );
    let person = Person::at(&hub);
    assert!(person.fails("o/none").contains(
        "shows no repository o/none: it is private, gated or misspelt; similar, with GGUF files: other/plain-GGUF"
    ));
    let error = person.fails("o/plain");
    assert!(error.starts_with("o/plain has no GGUF file") && error.contains("other/plain-GGUF"), "{error}");
    assert!(person.fails("other/plain-GGUF:Q2_K").contains("has no Q2_K file; it has m.gguf"));
}

#[test]
fn too_many_requests_and_other_failures_are_named() {
    let hub = Hub::start().with("o/m", Manner::Status(429), &[]).with("o/broken", Manner::Status(500), &[]);
    let person = Person::at(&hub);
    assert!(person.fails("o/m").contains("too many requests"));
    assert!(person.fails("o/broken").contains("is out of order (500): try again later"));
}

#[test]
fn names_from_the_hub_stay_in_the_cache() {
    let hub = Hub::start().with("o/m", Manner::HostileTag, &[("m.gguf", MODEL)]).with(
        "o/n",
        Manner::Good,
        &[("../../escaped.gguf", MODEL)],
    );
    let person = Person::at(&hub);
    assert!(matches!(person.asks("o/n"), Err(HubError::NoGguf { .. })));
    assert!(complete(person.folder.path()).is_empty());
    // What a header says of a file names nothing here.
    assert!(person.asks("o/m").unwrap().starts_with(person.cache()));
    assert!(complete(person.folder.path()).iter().all(|path| path.starts_with(person.cache())));
}

#[test]
fn a_new_commit_with_the_same_content_fetches_nothing() {
    let files: [(&str, &[u8]); 2] = [("m-Q4_K_M.gguf", MODEL), ("again/m-Q8_0.gguf", MODEL)];
    let hub = Hub::start().with("o/m", Manner::Good, &files);
    let person = Person::at(&hub);
    let first = person.asks("o/m").unwrap();
    let sent = hub.sent_bytes();
    hub.commit("o/m", "ffff456789abcdef0123456789abcdef01234567");
    let second = person.asks("o/m").unwrap();
    assert_ne!(first, second);
    assert_eq!(fs::read(&second).unwrap(), MODEL);
    assert_eq!(fs::read(person.asks("o/m:Q8_0").unwrap()).unwrap(), MODEL, "another name of it is no other content");
    assert_eq!(hub.sent_bytes(), sent);
}

#[test]
fn a_cached_file_that_was_cut_short_is_made_whole() {
    let content: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", &content)]);
    let person = Person::at(&hub);
    let path = person.asks("o/m").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(10_000).unwrap();
    assert_eq!(fs::read(person.asks("o/m").unwrap()).unwrap(), content);
    assert!(hub.requests().last().unwrap().ends_with("bytes=10000-"), "{:?}", hub.requests());
    // What is left of it need not be its beginning.
    fs::write(&path, vec![9; 10_000]).unwrap();
    assert_eq!(fs::read(person.asks("o/m").unwrap()).unwrap(), content);
}

#[test]
fn a_hub_that_is_out_of_order_leaves_the_cache() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m-Q4_K_M.gguf", MODEL)]);
    let person = Person::at(&hub);
    let path = person.asks("o/m").unwrap();
    for (manner, words) in [
        (Manner::Status(401), "private, gated or misspelt"),
        (Manner::Status(403), "is gated"),
        (Manner::Status(404), "private, gated or misspelt"),
        (Manner::Status(429), "too many requests"),
        (Manner::Status(500), "out of order (500)"),
        (Manner::Status(503), "out of order (503)"),
        (Manner::Page, "answered what no Hub answers"),
    ] {
        hub.behave("o/m", manner);
        let Fetched { path: found, notes } = person.gets("o/m").unwrap();
        assert_eq!(found, path);
        assert!(notes[0].contains(words) && notes[0].contains("The cached model is used"), "{notes:?}");
    }
}

#[test]
fn answers_of_odd_shapes_are_read_or_told() {
    let hub = Hub::start()
        .with("o/bare", Manner::Bare, &[("m.gguf", MODEL)])
        .with("o/loose", Manner::Loose, &[("m.gguf", MODEL)])
        .with("o/whole", Manner::NoRanges, &[("m.gguf", MODEL)])
        .with("o/nowhere", Manner::RedirectNowhere, &[("m.gguf", MODEL)])
        .with("o/old", Manner::Renamed("o/bare"), &[])
        .with("o/file", Manner::FileStatus(404), &[("m.gguf", MODEL)])
        .with("o/page", Manner::Page, &[]);
    let person = Person::at(&hub);
    for name in ["o/nowhere", "o/page"] {
        let error = person.fails(name);
        assert!(error.contains("answered what no Hub answers"), "{name}: {error}");
    }
    let error = person.fails("o/file");
    assert!(error.contains("o/file lists m.gguf") && error.contains("does not give it (404)"), "{error}");
    for name in ["o/bare", "o/loose", "o/whole", "o/old"] {
        assert_eq!(fs::read(person.asks(name).unwrap()).unwrap(), MODEL, "{name}");
    }
}

#[test]
fn what_is_not_there_is_hidden_from_the_anonymous_and_near_names_come() {
    let hub = Hub::start().guarded().with("google/gemma-2b-GGUF", Manner::Good, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    for token in [None, Some(Token::new(TOKEN, "the token in HF_TOKEN"))] {
        person.settings.token = token;
        let error = person.fails("gogle/gemma-2b");
        assert!(
            error.contains("private, gated or misspelt; similar, with GGUF files: google/gemma-2b-GGUF"),
            "{error}"
        );
    }
}

#[test]
fn names_with_spaces_and_other_letters_arrive() {
    let files: [(&str, &[u8]); 2] = [("my pocket model Q8_0.gguf", MODEL), ("größe 100%#1-F16.gguf", b"GGUF")];
    let person = Person::at(&Hub::start().with("o/m", Manner::Good, &files));
    assert_eq!(fs::read(person.asks("o/m:Q8_0").unwrap()).unwrap(), MODEL);
    assert_eq!(fs::read(person.asks("o/m/my pocket model Q8_0.gguf").unwrap()).unwrap(), MODEL);
    assert_eq!(fs::read(person.asks("o/m:F16").unwrap()).unwrap(), b"GGUF");
}

#[test]
fn a_revision_is_asked_for_and_kept_apart() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    assert!(person.asks("o/m@v1").is_ok());
    assert!(hub.requests()[0].contains("/revision/v1"), "{:?}", hub.requests());
    assert_eq!(fs::read_to_string(person.cache().join("models--o--m/refs/v1")).unwrap().len(), 40);
    person.settings.network = Network::Forbidden;
    assert!(person.asks("o/m@v1").is_ok() && person.asks("o/m@v2").is_err());
}

#[test]
fn the_cache_is_searched_in_all_its_snapshots_and_says_what_it_has() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m-Q4_K_M.gguf", MODEL), ("m-F16.gguf", b"GGUF")]);
    let mut person = Person::at(&hub);
    let path = person.asks("o/m").unwrap();
    person.settings.network = Network::Forbidden;
    let refs = person.cache().join("models--o--m/refs/main");
    let commit = fs::read_to_string(&refs).unwrap();
    for text in [format!("{commit}\n"), "ffff".into()] {
        fs::write(&refs, text).unwrap();
        assert_eq!(person.asks("o/m").unwrap(), path);
    }
    fs::remove_file(refs).unwrap();
    assert_eq!(person.asks("o/m").unwrap(), path);
    let error = person.asks("o/m:F16").unwrap_err().to_string();
    assert!(error.contains("o/m:F16 is not in the cache") && error.contains("the cache has o/m:Q4_K_M"), "{error}");
    fs::remove_file(fs::canonicalize(&path).unwrap()).unwrap();
    let error = person.asks("o/m").unwrap_err().to_string();
    assert!(error.contains("the cache lost the content of") && error.contains("fetch it online"), "{error}");
}

#[test]
fn the_older_cache_of_llama_cpp_and_other_places_serve() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m-Q4_K_M.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    let older = person.folder.path().join("llama.cpp");
    fs::create_dir_all(&older).unwrap();
    fs::write(older.join("o_m_m-Q4_K_M.gguf"), MODEL).unwrap();
    assert_eq!(person.asks("o/m").unwrap(), older.join("o_m_m-Q4_K_M.gguf"));
    assert_eq!(hub.sent_bytes(), 0, "its content is known");
    person.settings.network = Network::Forbidden;
    assert_eq!(person.asks("o/m:Q4_K_M").unwrap(), older.join("o_m_m-Q4_K_M.gguf"));
    let mut other = Person::at(&hub);
    let fetched = other.settings.caches.clone();
    fs::write(older.join("o_m_m-Q4_K_M.gguf"), b"other").unwrap();
    assert!(other.asks("o/m").is_ok());
    other.settings.caches = vec![other.folder.path().join("new"), fetched[0].clone()];
    let sent = hub.sent_bytes();
    assert!(other.asks("o/m").unwrap().starts_with(&fetched[0]));
    assert_eq!(hub.sent_bytes(), sent);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_too_small_is_known_before_anything_comes() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    // It has no room at all.
    person.settings.caches = vec!["/proc/gguf-bench/hub".into()];
    let error = person.asks("o/m").unwrap_err();
    assert!(matches!(error, HubError::NoRoom { needed_bytes: 50_000, free_bytes: 0, .. }), "{error}");
    assert_eq!(hub.sent_bytes(), 0);
}

#[test]
fn a_cache_that_is_no_folder_is_blamed_and_not_the_network() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m.gguf", MODEL)]);
    let mut person = Person::at(&hub);
    let file = person.folder.path().join("file");
    fs::write(&file, "x").unwrap();
    person.settings.caches = vec![file.join("hub")];
    let error = person.asks("o/m").unwrap_err().to_string();
    assert!(error.contains("the Hub's cache can't be used") && error.contains("HF_HOME"), "{error}");
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

#[cfg(unix)]
#[test]
fn a_large_file_that_is_no_model_is_refused_by_its_header() {
    use crate::support::gguf::{Gguf, TEXT, string};
    let large = |file: Gguf| {
        let mut bytes = file.bytes();
        bytes.resize(40 << 20, 0);
        bytes
    };
    let adapts = large(Gguf::pocket().with("general.type", TEXT, &string("adapter")));
    let foreign = large(Gguf::pocket().entry("blk.0.attn_q.weight", |tensor| tensor.ty = 156));
    let whole = large(Gguf::pocket());
    let hub = Hub::start()
        .with("o/adapts", Manner::Good, &[("m.gguf", &adapts)])
        .with("o/foreign", Manner::Good, &[("m.gguf", &foreign)])
        .with("o/m", Manner::Good, &[("m.gguf", &whole)]);
    let person = Person::at(&hub);
    assert!(person.fails("o/adapts").contains("o/adapts/m.gguf: an adapter (LoRA), not a model"));
    assert!(person.fails("o/foreign").contains("IQ3_KS (156) of ik_llama.cpp"));
    assert!(hub.sent_bytes() <= 2 * (4 << 20), "{}", hub.sent_bytes());
    assert_eq!(fs::metadata(person.asks("o/m").unwrap()).unwrap().len(), whole.len() as u64);
}

/// A person with this Hub and a home of their own.
fn run(hub: &Hub, line: &str, prepare: impl FnOnce(&Path)) -> Ran {
    let bench = Bench::new(line);
    let home = bench.folder.path().join("home");
    fs::create_dir_all(&home).unwrap();
    prepare(&home);
    let (endpoint, home) = (format!("HF_ENDPOINT={}", hub.endpoint), format!("HOME={}", home.display()));
    let unset = ["HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "OLLAMA_MODELS", "XDG_CACHE_HOME"];
    let unset = unset.map(|name| ["-u", name]);
    let words = [vec!["env"], unset.concat(), vec![&endpoint, &home]].concat();
    bench.through(&words).run()
}

#[test]
fn a_dry_run_says_what_it_would_fetch_and_fetches_nothing() {
    let parts: [(&str, &[u8]); 2] = [("m-Q8_0-00001-of-00002.gguf", MODEL), ("m-Q8_0-00002-of-00002.gguf", MODEL)];
    let hub = Hub::start().with("o/m", Manner::Good, &parts);
    let lines = [
        "compare o/m:Q8_0 o/none --dry-run --prompts none",
        "sweep o/m:Q8_0 --types Q4_0 --dry-run --prompts none --no-quality",
        "quality o/m:Q8_0 o/m:Q8_0 --dry-run",
        "compare hf.co/o/m:Q8_0 https://huggingface.co/o/none --dry-run --prompts none",
    ];
    for line in lines {
        let ran = run(&hub, line, |_| {});
        // As the run would end that can't have one of them.
        assert_eq!(ran.code, if line.contains("o/none") { 5 } else { 0 }, "{line}: {}", ran.stderr);
        let wanted = "would be fetched: m-Q8_0-00001-of-00002.gguf, m-Q8_0-00002-of-00002.gguf, 97.7 KiB";
        assert!(ran.says(wanted), "{line}: {}", ran.stdout);
        let caches = complete(&ran.folder.path().join("home"));
        assert!(caches.is_empty(), "{caches:?}");
    }
    assert!(hub.requests().iter().all(|request| !request.contains("/resolve/")), "{:?}", hub.requests());
}

#[test]
fn an_original_without_a_tag_is_the_best_and_a_candidate_llama_cpps() {
    let files: [(&str, &[u8]); 3] = [("m-BF16.gguf", MODEL), ("m-Q4_K_M.gguf", MODEL), ("mmproj-F16.gguf", MODEL)];
    let hub = Hub::start().with("o/m", Manner::Good, &files);
    let ran = run(&hub, "compare o/m o/m --dry-run --prompts none", |_| {}).ok();
    let fetched: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("would be fetched")).collect();
    assert!(fetched[0].contains("m-BF16.gguf") && fetched[1].contains("m-Q4_K_M.gguf"), "{fetched:?}");
    let ran = run(&hub, "sweep o/m --dry-run --types Q4_0 --prompts none --no-quality", |_| {}).ok();
    assert!(ran.says("would be fetched: m-BF16.gguf"), "{}", ran.stdout);
}

#[test]
fn inspect_reads_headers_and_fetches_no_model() {
    // Padded with zeros to ten times its size, as a large model is.
    let mut large = fs::read(POCKET).unwrap();
    large.resize(100_000_000, 0);
    let hub = Hub::start().with("o/m", Manner::Good, &[("m-F16.gguf", &large)]).with(
        "o/whole",
        Manner::NoRanges,
        &[("m-F16.gguf", &fs::read(POCKET).unwrap())],
    );
    let ran = run(&hub, "inspect o/m", |_| {}).ok();
    assert!(ran.says("4.20 M") && ran.says("o/m/m-F16.gguf"), "{}", ran.stdout);
    assert!(hub.sent_bytes() <= 4 << 20, "{}", hub.sent_bytes());
    assert!(complete(&ran.folder.path().join("home")).is_empty());
    assert!(run(&hub, "inspect o/whole", |_| {}).ok().says("4.20 M"));
}

#[test]
fn what_is_fetched_is_told_in_a_log_and_a_token_file_is_used() {
    let hub = Hub::start().with("o/m", Manner::Gated, &[("m-Q8_0.gguf", b"GGUF")]);
    let line = "compare o/m {pocket} --quick --pp 4 --tg 0 --prompts none --no-quality --out out";
    let ran = run(&hub, line, |home| {
        fs::create_dir_all(home.join(".cache/huggingface")).unwrap();
        fs::write(home.join(".cache/huggingface/token"), format!("{TOKEN}\n")).unwrap();
    });
    let told = format!("Fetching m-Q8_0.gguf, 4.00 B of o/m from {}", hub.endpoint);
    assert!(ran.tells(&told), "{}", ran.stderr);
}

#[test]
fn a_file_may_stand_for_the_tag_and_an_endpoint_has_a_scheme() {
    let hub = Hub::start().with("o/n", Manner::Good, &[("pocket-F16.gguf", &fs::read(POCKET).unwrap())]);
    let asked = |endpoint: &str| {
        let bench = Bench::new("inspect o/n:pocket-F16.gguf");
        let home = format!("HF_HOME={}", bench.folder.path().join("hf").display());
        bench.through(&["env", &format!("HF_ENDPOINT={endpoint}"), &home]).run()
    };
    assert!(asked(&hub.endpoint).ok().says("a language model"));
    let ran = asked(hub.endpoint.trim_start_matches("http://"));
    let assumed = hub.endpoint.replace("http://", "https://");
    assert!(ran.code == 1 && ran.tells(&assumed), "{}", ran.stderr);
}
