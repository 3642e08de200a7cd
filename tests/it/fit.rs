//! fit: what models will take, from headers on disk and from those of a Hub, of which nothing else is fetched.
#![cfg(unix)]

use std::fs;

use serde_json::Value;

use crate::support::{
    Bench, POCKET, Ran,
    gguf::Gguf,
    hub::{Hub, Manner},
    quants,
};

/// Runs fit against a Hub, with an empty cache of its own.
fn fit(hub: &Hub, line: &str) -> Ran {
    let bench = Bench::new(&format!("fit {line}"));
    let home = bench.folder.path().join("hf");
    let words = [format!("HF_ENDPOINT={}", hub.endpoint), format!("HF_HOME={}", home.display())];
    bench.through(&["env", "-u", "HF_HUB_OFFLINE", "-u", "HF_TOKEN", &words[0], &words[1]]).run()
}

/// A row without what this machine has to do with.
fn of_header(row: &Value) -> Vec<&Value> {
    ["quant", "weights_bytes", "kv_bytes", "compute_bytes"].map(|name| &row[name]).to_vec()
}

#[test]
fn models_of_the_hub_are_told_by_their_headers_and_not_fetched() {
    // As long as real ones: what follows the tensors is nobody's.
    let long = |mut file: Vec<u8>| {
        file.resize(32 << 20, 0);
        file
    };
    let pocket = long(fs::read(POCKET).unwrap());
    let [first, second] = Gguf::pocket().split_in_two().map(long);
    let q8 = long(fs::read(&quants()[0]).unwrap());
    let files: [(&str, &[u8]); 4] = [
        ("m-F16.gguf", &pocket),
        ("m-Q8_0.gguf", &q8),
        ("split/m-BF16-00001-of-00002.gguf", &first),
        ("split/m-BF16-00002-of-00002.gguf", &second),
    ];
    let hub = Hub::start().with("o/m", Manner::Good, &files);
    let local = Bench::new("fit {pocket} --json").arg(&quants()[0]).run().ok().stdout_json();

    let ran = fit(&hub, "o/m --types F16,Q8_0 --json").ok();
    let (rows, sent) = (ran.stdout_json(), hub.sent_bytes());
    for (row, (own, name)) in
        local.as_array().unwrap().iter().zip(rows.as_array().unwrap().iter().zip(["o/m/m-F16.gguf", "o/m/m-Q8_0.gguf"]))
    {
        assert_eq!(own["model"], name);
        assert_eq!(of_header(own), of_header(row), "as of the file itself");
    }
    assert!(sent > 0 && sent < (pocket.len() + q8.len()) / 4, "{sent} bytes were sent");

    // All parts count, and each is asked for its header.
    let split = fit(&hub, "o/m/split/m-BF16-00001-of-00002.gguf --json").ok().stdout_json();
    assert_eq!(split[0]["weights_bytes"], local[0]["weights_bytes"]);
    assert!(hub.requests().iter().any(|asked| asked.contains("00002-of-00002.gguf bytes=")), "{:?}", hub.requests());
    let sent = hub.sent_bytes() - sent;
    assert!(sent < (first.len() + second.len()) / 4, "{sent} bytes were sent");
    let kept = walk(&ran.folder.path().join("hf"));
    assert!(kept.iter().all(|name| !name.contains("gguf")), "nothing is kept: {kept:?}");
}

/// The names of all files below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn what_is_not_on_the_hub_is_told() {
    let hub = Hub::start().with("o/m", Manner::Good, &[("m-Q8_0.gguf", b"GGUF")]);
    for (line, words) in [("o/none", "o/none"), ("o/m --types Q2_K,Q8_0", "Q2_K"), ("o/m:F16", "F16")] {
        let ran = fit(&hub, line);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(ran.tells(words), "{words}: {}", ran.stderr);
    }
}

#[test]
fn a_token_and_being_offline_are_read_from_the_environment() {
    use crate::support::hub::TOKEN;
    let hub = Hub::start().with("o/m", Manner::Gated, &[("m-F16.gguf", &fs::read(POCKET).unwrap())]);
    let with = |variable: &str| {
        let bench = Bench::new("fit o/m --json");
        let home = bench.folder.path().join("hf");
        let words = [format!("HF_ENDPOINT={}", hub.endpoint), format!("HF_HOME={}", home.display())];
        bench.through(&["env", "-u", "HF_HUB_OFFLINE", "-u", "HF_TOKEN", &words[0], &words[1], variable]).run()
    };
    let ran = with(&format!("HF_TOKEN={TOKEN}")).ok();
    assert_eq!(ran.stdout_json()[0]["quant"], "F16");
    let asked = hub.requests().len();
    let offline = with("HF_HUB_OFFLINE=1");
    assert!(offline.code == 1 && offline.tells("HF_HUB_OFFLINE forbids"), "{}", offline.stderr);
    assert_eq!(hub.requests().len(), asked, "nobody was asked");
    let refused = with("HF_TOKEN=hf_other");
    assert_eq!(refused.code, 1, "{}", refused.stdout);
}
