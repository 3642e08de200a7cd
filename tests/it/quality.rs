//! Output quality on the bundled model: exact against itself, rising with compression, refused where it means nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::Path,
};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    gguf::{Gguf, Key, U32},
    patiently, untouched, words_of,
};

const ORIGINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/models/pocket-4m-f16.gguf");

fn program() -> Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gguf-bench"));
    untouched(&mut command);
    Command::from_std(command)
}

fn text(name: &str) -> String {
    format!("{}/prompts/quality/pocket/{name}.txt", env!("CARGO_MANIFEST_DIR"))
}

fn quantized(folder: &Path, to: &str) -> String {
    let path = folder.join(format!("pocket-{to}.gguf")).display().to_string();
    program().args(["worker", "quantize", ORIGINAL, &path, to, "--threads", "2"]).assert().success();
    path
}

/// Runs the comparison in the folder and returns its record.
fn quality(folder: &Path, code: i32, arguments: &[&str]) -> Value {
    let (found, run) = ended(folder, arguments);
    assert_eq!(found, code, "{}", run["quality"]);
    run
}

/// How the comparison ends in the folder, and its record.
fn ended(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let out = folder.join("out");
    let said = program().arg("quality").args(arguments).arg("--out").arg(&out).arg("--overwrite").output().unwrap();
    let record = fs::read_to_string(out.join("run.json"));
    let record = record.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr)));
    (said.status.code().unwrap(), serde_json::from_str(&record).unwrap())
}

fn result(run: &Value, candidate: usize) -> &Value {
    &run["quality"]["results"][candidate]
}

fn figure(run: &Value, candidate: usize, name: &str) -> f64 {
    result(run, candidate)["texts"][0]["summary"][name]["value"].as_f64().unwrap()
}

fn reason(run: &Value, candidate: usize) -> &str {
    result(run, candidate)["outcome"]["failed"]["reason"].as_str().unwrap()
}

fn bits(value: f64, expected: f64) {
    assert_eq!(value.to_bits(), expected.to_bits(), "{value} is not exactly {expected}");
}

/// A copy of the bundled model with bytes after a marker replaced.
fn patched(folder: &Path, name: &str, at: impl Fn(&[u8]) -> usize, bytes: &[u8]) -> String {
    let mut file = fs::read(ORIGINAL).unwrap();
    let at = at(&file);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let path = folder.join(name);
    File::create(&path).unwrap().write_all(&file).unwrap();
    path.display().to_string()
}

#[test]
fn a_model_against_itself_is_exact() {
    let folder = TempDir::new().unwrap();
    for more in [&["--ctx", "512"][..], &["--ctx", "100", "-ub", "256"], &["--ctx", "700", "-ub", "256", "-t", "1"]] {
        let run = quality(folder.path(), 0, &[&[ORIGINAL, ORIGINAL, "--text", &text("satire")], more].concat());
        bits(figure(&run, 0, "kld_mean_nats"), 0.0);
        bits(figure(&run, 0, "ppl_ratio"), 1.0);
        bits(figure(&run, 0, "same_top_fraction"), 1.0);
        let summary = &result(&run, 0)["texts"][0]["summary"];
        bits(summary["kld_percentiles_nats"]["maximum"].as_f64().unwrap(), 0.0);
        bits(summary["kld_percentiles_nats"]["minimum"].as_f64().unwrap(), 0.0);
    }
}

#[test]
fn kld_rises_with_compression_and_a_text_may_end_early() {
    let folder = TempDir::new().unwrap();
    let made = ["Q8_0", "Q4_K_M", "Q2_K"].map(|to| quantized(folder.path(), to));
    let texts = [text("scripture"), text("satire")];
    let json = folder.path().join("analysis.json").display().to_string();
    let run = quality(
        folder.path(),
        0,
        &[
            ORIGINAL,
            &made[0],
            &made[1],
            &made[2],
            "--text",
            &texts[0],
            "--text",
            &texts[1],
            "--max-windows",
            "12",
            "--max-kld",
            "0.05",
            "--json",
            &json,
        ],
    );
    let klds = [0, 1, 2].map(|candidate| figure(&run, candidate, "kld_mean_nats"));
    assert!(0.0 < klds[0] && 10.0 * klds[0] < klds[1] && 5.0 * klds[1] < klds[2], "{klds:?}");
    let windows = |text: usize| result(&run, 0)["texts"][text]["windows"].as_array().unwrap().len();
    let has = run["quality"]["texts"][1]["n_windows"].as_u64().unwrap();
    assert_eq!((windows(0) + windows(1), windows(1) as u64), (12, has.min(6)));
    assert_eq!(result(&run, 0)["stopped"], "max_windows");
    assert_eq!(run["quality"]["workers"].as_array().unwrap().len(), 1, "the original is evaluated once");

    let analysis: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let metric = |model: usize, key: &str, field: &str| analysis["models"][model]["metrics"][key][field].as_f64();
    assert!(metric(1, "kld_p99", "value").is_some() && metric(1, "kld_p99", "low").is_none(), "no interval holds");
    for key in ["ppl", "kld_mean", "top1_agreement"] {
        let [low, value, high] = ["low", "value", "high"].map(|field| metric(1, key, field).unwrap());
        assert!(low < value && value < high, "{key}: {low} {value} {high}");
    }
    assert!(metric(0, "ppl", "value").is_some() && metric(0, "kld_mean", "value").is_none());
    assert!(analysis["models"][1]["quality"]["verdict"]["acceptable"].is_object());
    assert!(analysis["models"][3]["quality"]["verdict"]["too_far"].is_object());
    assert_eq!(analysis["models"][1]["quality"]["kld"], "exact");
    let summary = &analysis["models"][3]["quality"]["texts"][0]["summary"];
    let full = |list: &str, n: usize| assert_eq!(summary[list].as_array().unwrap().len(), n, "{list}");
    full("worst_tokens", 10);
    full("kld_by_position", 5);
    full("kld_by_base_entropy", 6);
    assert!(summary["worst_tokens"][0]["context"]["before"].as_str().unwrap().len() > 10);
    assert!(summary["flips"]["away_from_correct_tokens"].as_u64().unwrap() > 0);
    let page = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(
        page.contains(r"Q8\_0 and Q4\_K\_M keep the limit of 0.05 nats on the mean KLD. Q2\_K breaks it."),
        "{page}"
    );
    assert!(page.contains("compared on 12 windows only, which is the limit of this run"), "{page}");
}

#[test]
fn a_ratio_is_not_spoiled_by_rounded_logits() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q6_K");
    let lexicon = text("hacker-lexicon");
    let run = quality(folder.path(), 0, &[ORIGINAL, &made, "--text", &lexicon, "--quality-precision", "0"]);
    // llama-perplexity's logits file cuts 16 nats under the maximum and makes this 1.048.
    assert!((figure(&run, 0, "ppl_ratio") - 0.998).abs() < 0.001, "{}", figure(&run, 0, "ppl_ratio"));
    assert!((figure(&run, 0, "ppl_base") / 145.62 - 1.0).abs() < 5e-4, "{}", figure(&run, 0, "ppl_base"));
    assert!((figure(&run, 0, "kld_mean_nats") - 0.005_685).abs() < 5e-4);
    assert_eq!(result(&run, 0)["stopped"], "texts_done");
}

#[test]
fn it_stops_when_the_mean_is_precise() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q2_K");
    let precise =
        quality(folder.path(), 0, &[ORIGINAL, &made, "--text", &text("scripture"), "--quality-precision", "30%"]);
    assert_eq!(result(&precise, 0)["stopped"], "precise");
    assert_eq!(precise["quality"]["workers"][0]["n_windows"], 20);
}

#[test]
fn other_tokens_have_bits_per_byte_and_the_difference_is_named() {
    let folder = TempDir::new().unwrap();
    let key = b"tokenizer.ggml.add_bos_token";
    // The key is followed by its type, four bytes, and the value.
    let value = |file: &[u8]| file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    let other = patched(folder.path(), "no-bos.gguf", value, &[0]);
    let run = quality(folder.path(), 0, &[ORIGINAL, &other, ORIGINAL, "--text", &text("satire")]);
    assert!(reason(&run, 0).contains("BOS rule"), "{}", reason(&run, 0));
    assert_eq!(result(&run, 1)["outcome"], "done");
    // The same weights on the same bytes, of which the first token is not predicted without BOS.
    let bits = |scored: &Value| {
        let text = &scored["texts"][0];
        text["nll_nats"].as_f64().unwrap() / text["bytes"].as_f64().unwrap() / std::f64::consts::LN_2
    };
    let (own, original) = (bits(&result(&run, 0)["bits_per_byte"]), bits(&run["quality"]["original_bits_per_byte"]));
    assert!((1.0..6.0).contains(&original) && (own / original - 1.0).abs() < 0.2, "{own} {original}");
    assert!(result(&run, 0)["texts"].as_array().unwrap().is_empty(), "no KLD of other tokens");
    assert!(result(&run, 1)["bits_per_byte"].is_null());
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("bits per byte") && page.contains("This is no KLD"));
}

#[test]
fn ids_that_touch_no_token_are_a_note() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("padding.gguf");
    let mut file = Gguf::pocket();
    let key =
        |id: u32| Key { name: b"tokenizer.ggml.padding_token_id".to_vec(), ty: U32, value: id.to_le_bytes().to_vec() };
    file.keys.push(key(7));
    fs::write(&path, file.bytes()).unwrap();
    let run = quality(folder.path(), 0, &[ORIGINAL, &path.display().to_string(), "--text", &text("satire")]);
    bits(figure(&run, 0, "kld_mean_nats"), 0.0);
    bits(figure(&run, 0, "ppl_ratio"), 1.0);
    let note = result(&run, 0)["note"].as_str().unwrap();
    assert!(note.contains("tokenizer.ggml.padding_token_id"), "{note}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("the same tokens on these texts"));
}

/// A document of each domain is scored before any domain has a second, and documents are what intervals are over.
#[test]
fn documents_take_turns_and_are_the_unit() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q4_K_M");
    let json = folder.path().join("a.json").display().to_string();
    let base = [ORIGINAL, &made, "--ctx", "64", "-t", "1", "--max-windows", "24", "--quality-precision", "0"];
    let run = quality(folder.path(), 0, &[&base[..], &["--json", &json]].concat());
    let planned = run["plan"]["quality"]["texts"].as_array().unwrap();
    let domains = |n: usize| -> BTreeSet<&str> { planned[..n].iter().map(|t| t["domain"].as_str().unwrap()).collect() };
    assert_eq!((domains(8).len(), planned.len() >= 32), (8, true));
    let scored = result(&run, 0)["texts"].as_array().unwrap();
    assert_eq!(scored.len(), 24);
    assert!(scored.iter().all(|text| text["windows"].as_array().unwrap().len() == 1));
    assert_eq!(result(&run, 0)["domains"].as_array().unwrap().len(), 8);
    let analysis: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let own = &analysis["models"][1]["quality"];
    assert_eq!((own["unit"].as_str(), own["documents"].as_u64()), (Some("document"), Some(24)));
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("over 24 documents of 8 domains"));
}

#[test]
fn a_candidate_with_nan_is_a_row_that_says_where_and_others_go_on() {
    let folder = TempDir::new().unwrap();
    let broken = patched(folder.path(), "broken.gguf", |file| file.len() - 64, &[0xff; 64]);
    let run = quality(folder.path(), 5, &[ORIGINAL, &broken, ORIGINAL, "--text", &text("satire")]);
    let reason = reason(&run, 0);
    assert!(reason.contains("window 0, position 256") && reason.contains("not a number"), "{reason}");
    bits(figure(&run, 1, "kld_mean_nats"), 0.0);
}

#[test]
fn logits_are_exchanged_in_the_anchors_format() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q4_K_M");
    let file = folder.path().join("base.kld").display().to_string();
    let saved = quality(folder.path(), 0, &[ORIGINAL, &made, "--text", &text("satire"), "--save-logits", &file]);
    let windows = saved["quality"]["texts"][0]["n_windows"].as_u64().unwrap();
    // 20 bytes of header, i32 tokens, and for 255 positions a window scale, floor and 4,096 steps.
    assert_eq!(fs::metadata(&file).unwrap().len(), 20 + windows * (4 * 512 + 255 * (8 + 2 * 4096)));
    let read = quality(folder.path(), 0, &["--logits", &file, &made, ORIGINAL]);
    assert_eq!(read["quality"]["reference"]["logits_file"]["file"], "base.kld");
    assert!((figure(&read, 0, "kld_mean_nats") - figure(&saved, 0, "kld_mean_nats")).abs() < 1e-3);
    bits(figure(&read, 0, "ppl_candidate"), figure(&saved, 0, "ppl_candidate"));
    assert!(figure(&read, 1, "kld_mean_nats").abs() < 1e-3);
    let page = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(page.contains("≈ ") && page.contains("rounds log-probabilities"), "{page}");

    // Of this text the file has tokens at its floor: what the original's perplexity is, it does not say.
    let lexicon = text("hacker-lexicon");
    quality(folder.path(), 0, &[ORIGINAL, &made, "--text", &lexicon, "--save-logits", &file]);
    let json = folder.path().join("a.json").display().to_string();
    let read = quality(folder.path(), 0, &["--logits", &file, &made, "--json", &json]);
    let windows = result(&read, 0)["texts"][0]["windows"].as_array().unwrap().clone();
    assert!(windows.iter().any(|window| window["at_floor_tokens"].as_u64().is_some_and(|tokens| tokens > 0)));
    let analysis: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let own = &analysis["models"][1];
    assert!(own["quality"]["overall"]["ppl_ratio"].is_null() && own["quality"]["overall"]["ppl"].is_object());
    assert!(own["metrics"]["kld_mean_rounded"]["value"].is_number() && own["metrics"]["kld_mean"].is_null());
    assert_eq!(own["quality"]["absent"].as_array().unwrap().len(), 2);
    let page = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(page.contains("PPL(base) and ΔPPL are withheld"), "{page}");
}

#[test]
fn the_plan_says_who_shares_a_pass() {
    let said = program().args(["compare", ORIGINAL, ORIGINAL, "--dry-run"]).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    assert!(words_of(&said).contains("the original is evaluated once for all candidates"), "{said}");
}

fn path(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn worker<'r>(run: &'r Value, at: usize, field: &str) -> &'r Value {
    &run["quality"]["workers"][at][field]
}

#[test]
fn a_cache_of_the_original_bounds_kld_from_below_and_says_so() {
    let folder = TempDir::new().unwrap();
    let models =
        [ORIGINAL.to_owned(), quantized(folder.path(), "Q4_K_M"), quantized(folder.path(), "Q2_K"), ORIGINAL.into()];
    let (satire, json) = (text("satire"), folder.path().join("a.json").display().to_string());
    let compare = |more: &[&str]| {
        let base = [path(&models), vec!["--text", &satire, "-t", "1", "--max-kld", "0.05", "--json", &json]].concat();
        quality(folder.path(), 0, &[&base, more].concat())
    };
    let exact = compare(&[]);
    for (top_k, least) in [("5", 0.2), ("256", 0.8), ("4096", 1.0 - 1e-6)] {
        let cached = compare(&["--quality-memory", "cached", "--cache-top-k", top_k]);
        assert_eq!(cached["quality"]["sharing"]["cached"]["top_k"].to_string(), top_k);
        for candidate in [0, 1] {
            let ratio = figure(&cached, candidate, "kld_mean_nats") / figure(&exact, candidate, "kld_mean_nats");
            assert!(ratio > least && ratio < 1.0 + 1e-6, "{top_k} tokens: {ratio}");
            for same in ["ppl_base", "ppl_candidate", "ppl_ratio", "same_top_fraction", "delta_p_rms"] {
                bits(figure(&cached, candidate, same), figure(&exact, candidate, same));
            }
            let summary = &result(&cached, candidate)["texts"][0]["summary"];
            assert!(summary["jsd_mean_nats"].is_null(), "unknown, not guessed");
            assert_eq!(summary["flips"], result(&exact, candidate)["texts"][0]["summary"]["flips"]);
        }
        bits(figure(&cached, 2, "kld_mean_nats"), 0.0);
        let windows = worker(&cached, 0, "n_windows").as_u64().unwrap();
        assert_eq!(worker(&cached, 0, "n_evaluated").as_u64().unwrap(), 4 * windows, "four models, a pass each");

        let analysis: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
        let q4 = &analysis["models"][1];
        assert_eq!(q4["quality"]["kld"]["lower_bound"]["top_k"].to_string(), top_k);
        assert_eq!(q4["quality"]["absent"][0]["field"], "jsd_mean_nats");
        assert!(q4["metrics"]["kld_mean"].is_null() && q4["metrics"]["kld_mean_lower_bound"]["value"].is_number());
        assert!(q4["quality"]["verdict"]["acceptable"].is_null(), "a lower bound is never acceptable");
        let page = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
        assert!(page.contains("≥ ") && page.contains("lower bound"), "{page}");
    }
}

#[test]
fn comparing_while_the_next_window_is_computed_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q4_K_M");
    let (satire, file) = (text("satire"), folder.path().join("base.kld").display().to_string());
    for ways in [&[][..], &["--ctx", "100"], &["--ctx", "700", "-ub", "256"], &["--quality-memory", "cached"]] {
        let base =
            [&[ORIGINAL, &made, ORIGINAL, "--text", &satire, "-t", "1", "--save-logits", &file][..], ways].concat();
        let compare = |more: &[&str]| {
            let run = quality(folder.path(), 0, &[&base, more].concat());
            (run["quality"]["results"].clone(), fs::read(&file).unwrap())
        };
        assert!(compare(&[]) == compare(&["--overlap"]), "{ways:?}");
    }
}

/// A folder with files that the script knows by these names, all like the original in their headers.
fn scripted(models: &[(&str, &str)]) -> (TempDir, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let times = r#""load_ns":1,"prefill_ns_per_token":1,"decode_ns_per_token":1,"answer":"a""#;
    let model = |(name, more): &(&str, &str)| {
        fs::copy(ORIGINAL, folder.path().join(name)).unwrap();
        format!(r#""{name}":{{{times}{more}}}"#)
    };
    let script = format!(r#"{{"models":{{{}}}}}"#, models.iter().map(model).collect::<Vec<_>>().join(","));
    fs::write(folder.path().join("script.json"), script).unwrap();
    let names = models.iter().map(|(name, _)| folder.path().join(name).display().to_string()).collect();
    (folder, names)
}

fn follow(folder: &TempDir, code: i32, models: &[String], more: &[&str]) -> Value {
    let script = folder.path().join("script.json").display().to_string();
    let (satire, rest) = (text("satire"), ["--ctx", "64", "--script", &script]);
    quality(folder.path(), code, &[&path(models)[..], &["--text", &satire], &rest, more].concat())
}

#[test]
fn four_candidates_cost_five_model_passes() {
    let noise = r#","logit_noise":0.5"#;
    let (folder, models) =
        scripted(&[("o.gguf", ""), ("a.gguf", noise), ("b.gguf", noise), ("c.gguf", noise), ("d.gguf", noise)]);
    for (memory, workers, passes) in [("auto", 1, 5), ("pairs", 4, 8), ("cached", 1, 5)] {
        let run = follow(&folder, 0, &models, &["--quality-memory", memory]);
        assert_eq!(run["quality"]["workers"].as_array().unwrap().len(), workers, "{memory}");
        let sum = |field: &str| (0..workers).map(|at| worker(&run, at, field).as_u64().unwrap()).sum::<u64>();
        let windows = run["quality"]["texts"][0]["n_windows"].as_u64().unwrap();
        assert_eq!(sum("n_windows"), workers as u64 * windows, "{memory}");
        assert_eq!(sum("n_evaluated"), passes * windows, "{memory}");
    }
}

#[test]
fn a_candidate_that_fails_in_the_middle_leaves_the_others_as_they_are() {
    let noise = r#","logit_noise":0.5"#;
    for memory in ["shared", "pairs", "cached"] {
        let (folder, models) = scripted(&[("o.gguf", ""), ("a.gguf", noise), ("b.gguf", noise)]);
        let alone = follow(&folder, 0, &models, &["--quality-memory", memory])["quality"]["results"].clone();
        for (how, word) in [("abort", "signal 6"), ("hang", "said nothing"), ("error", "script says so")] {
            let fail = format!(r#"{noise},"fail":{{"at":"prefill","how":"{how}","after":1}}"#);
            let (folder, models) =
                scripted(&[("o.gguf", ""), ("a.gguf", noise), ("bad.gguf", &fail), ("b.gguf", noise)]);
            // A machine that is slow or stops for seconds takes what works for silent.
            let run = |seconds: u32| {
                let timeout = seconds.to_string();
                let (script, satire) = (folder.path().join("script.json").display().to_string(), text("satire"));
                let more = ["--text", &satire, "--ctx", "64", "--script", &script, "--timeout", &timeout];
                ended(folder.path(), &[&path(&models)[..], &more, &["--quality-memory", memory]].concat())
            };
            // Whoever does not hang is not silent, and who hangs does so after a window that it has done.
            let is_hasty = |(_, run): &(i32, Value)| {
                let of = |at: usize| result(run, at)["outcome"].to_string().contains("said nothing");
                let done = |at: usize| result(run, at)["texts"] == alone[at.min(1)]["texts"];
                of(0) || of(2) || (of(1) && how != "hang") || !done(0) || !done(2)
            };
            let (_, (code, run)) = patiently(run, is_hasty);
            assert_eq!(code, 5, "{memory}, {how}");
            assert!(reason(&run, 1).contains(word), "{memory}, {how}: {}", reason(&run, 1));
            for (with, without) in [(0, 0), (2, 1)] {
                assert_eq!(result(&run, with)["texts"], alone[without]["texts"], "{memory}, {how}");
            }
        }
    }
}

#[test]
fn a_plan_says_what_is_held_in_memory_and_why() {
    let plan = |more: &[&str]| {
        let said = program().args(["compare", ORIGINAL, ORIGINAL, "--dry-run"]).args(more).assert().success();
        words_of(&String::from_utf8(said.get_output().stdout.clone()).unwrap())
    };
    assert!(plan(&["--quality-memory", "pairs"]).contains("evaluated again for each candidate, as asked"));
    let cached = plan(&["--quality-memory", "cached", "--cache-top-k", "64"]);
    assert!(cached.contains("its 64 most likely tokens") && cached.contains("lower bound"), "{cached}");
    assert!(!plan(&[]).contains("at most") && plan(&["--quick"]).contains("at most 8"));
}

#[test]
fn memory_does_not_grow_with_the_windows() {
    let folder = TempDir::new().unwrap();
    let made = quantized(folder.path(), "Q4_K_M");
    let peak = |windows: &str| {
        let more = ["--text", &text("scripture"), "--max-windows", windows, "--quality-precision", "0", "-t", "1"];
        let run = quality(folder.path(), 0, &[&[ORIGINAL, &made][..], &more].concat());
        worker(&run, 0, "peak_rss_bytes").as_f64().unwrap()
    };
    let (few, many) = (peak("8"), peak("64"));
    // Log-probabilities of 56 windows more are some 200 MB, and what a page is for varies by a few.
    assert!(many < 1.5 * few, "{few} bytes for 8 windows, {many} for 64");
}

#[test]
fn a_logits_file_that_is_not_there_is_told_before_anything_is_loaded() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let mut command = program();
    command.args(["quality", ORIGINAL, "--logits", "nofile.kld", "--out"]).arg(&out);
    let failed = command.assert().code(1);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    assert!(said.contains("nofile.kld") && said.contains("No such file"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
    assert!(!out.exists(), "nothing was begun");
}

#[test]
fn a_reference_file_stands_for_the_original() {
    let folder = TempDir::new().unwrap();
    let made = [quantized(folder.path(), "Q4_K_M"), quantized(folder.path(), "Q2_K")];
    let original = folder.path().join("original.gguf");
    fs::copy(ORIGINAL, &original).unwrap();
    let original = original.display().to_string();
    let (satire, lexicon) = (text("satire"), text("hacker-lexicon"));
    let file = folder.path().join("pocket.gbref").display().to_string();
    let windows = ["--max-windows", "6", "-t", "1"];
    let texts = ["--text", &satire, "--text", &lexicon];
    let base = [&windows[..], &texts].concat();
    let exact =
        quality(folder.path(), 0, &[&[&original, &made[0], &made[1], "--quality-precision", "0"][..], &base].concat());
    program().args(["reference", &original, "--out", &file, "--top-k", "64"]).args(&base).assert().success();
    let again = program().args(["reference", &original, "--out", &file]).args(&base).assert().failure();
    let said = String::from_utf8(again.get_output().stderr.clone()).unwrap();
    assert!(said.contains("pocket.gbref is there already") && said.contains("--overwrite"), "{said}");
    fs::remove_file(&original).unwrap();

    let out = folder.path().join("out");
    let compare = |file: &str, models: &[&str], texts: &[&str]| {
        let mut command = program();
        command.args(["compare", "--overwrite", "--reference", file, "--out"]).arg(&out).args(models);
        command.args(texts).args(["-t", "1", "--quality-precision", "0", "--max-kld", "5"]);
        command
    };
    compare(&file, &[&made[0], &made[1]], &texts).assert().success();
    let run: Value = serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(run["quality"]["reference"]["reference_file"]["top_k"], 64);
    for candidate in [0, 1] {
        for at in 0..2 {
            let of = |run: &Value, name: &str| {
                result(run, candidate)["texts"][at]["summary"][name]["value"].as_f64().unwrap()
            };
            for same in ["ppl_base", "ppl_candidate", "ppl_ratio", "same_top_fraction", "delta_p_rms"] {
                bits(of(&run, same), of(&exact, same));
            }
            let ratio = of(&run, "kld_mean_nats") / of(&exact, "kld_mean_nats");
            assert!(ratio > 0.6 && ratio <= 1.0 + 1e-9, "a lower bound: {ratio}");
        }
    }
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("\u{2265} ") && page.contains("lower bound"), "{page}");
    assert!(!page.contains("within it"), "a bound is never within a limit: {page}");

    let refused = |file: &str, texts: &[&str], word: &str| {
        let said = compare(file, &[&made[0]], texts).assert().failure();
        let said = words_of(&String::from_utf8_lossy(&said.get_output().stderr));
        assert!(said.contains(word), "{said}");
    };
    refused(&file, &[], "no text here is the same");
    let whole = fs::read(&file).unwrap();
    let damaged = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    refused(&damaged("short.gbref", &whole[..whole.len() - 9]), &texts, "cut short");
    let mut flipped = whole.clone();
    let last = whole.len() - 100;
    flipped[last] ^= 1;
    refused(&damaged("flipped.gbref", &flipped), &texts, "checksum");
    refused(&satire, &texts, "GBREF");
    let key = b"tokenizer.ggml.add_bos_token";
    let value = |file: &[u8]| file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    let other = patched(folder.path(), "no-bos.gguf", value, &[0]);
    compare(&file, &[&other], &texts).assert().code(5);
    let run: Value = serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    assert!(reason(&run, 0).contains("texts begin"), "{}", reason(&run, 0));
}
