//! Output quality on the bundled model: exact against itself, rising with compression, refused where it means nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const ORIGINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/models/pocket-4m-f16.gguf");

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gguf-bench"))
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
    let out = folder.join("out");
    program().arg("quality").args(arguments).arg("--out").arg(&out).assert().code(code);
    serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap()
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
    for key in ["ppl", "kld_mean", "kld_p99", "top1_agreement"] {
        let [low, value, high] = ["low", "value", "high"].map(|field| metric(1, key, field).unwrap());
        assert!(low < value && value < high, "{key}: {low} {value} {high}");
    }
    assert!(metric(0, "ppl", "value").is_some() && metric(0, "kld_mean", "value").is_none());
    assert!(analysis["models"][1]["quality"]["verdict"]["acceptable"].is_object());
    assert!(analysis["models"][3]["quality"]["verdict"]["too_far"].is_object());
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
fn other_tokenizers_are_refused_and_the_difference_is_named() {
    let folder = TempDir::new().unwrap();
    let key = b"tokenizer.ggml.add_bos_token";
    // The key is followed by its type, four bytes, and the value.
    let value = |file: &[u8]| file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    let other = patched(folder.path(), "no-bos.gguf", value, &[0]);
    let run = quality(folder.path(), 5, &[ORIGINAL, &other, ORIGINAL, "--text", &text("satire")]);
    assert!(reason(&run, 0).contains("BOS rule"), "{}", reason(&run, 0));
    assert_eq!(result(&run, 1)["outcome"], "done");
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
}

#[test]
fn the_plan_says_who_shares_a_pass() {
    let said = program().args(["compare", ORIGINAL, ORIGINAL, "--dry-run"]).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    assert!(said.contains("the original is evaluated once for all candidates"), "{said}");
}
