//! When things go wrong: one line that says what, which file and what to do; the other models are still measured.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, POCKET, Ran, patiently, quants};

const SHORT: &str = "--quick --pp 8 --tg 4 --prompts none --no-quality --out out";

fn pocket() -> Vec<u8> {
    fs::read(POCKET).unwrap()
}

/// The architecture's name in the header, changed to one llama.cpp does not know.
fn unknown_architecture() -> Vec<u8> {
    let mut bytes = pocket();
    let key = b"general.architecture";
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap() + key.len();
    // After the key: four bytes of type, eight of length, then the value.
    assert_eq!(&bytes[at + 12..at + 17], b"llama");
    bytes[at + 12..at + 17].copy_from_slice(b"zlama");
    bytes
}

#[test]
fn each_bad_file_is_a_row_that_names_it_and_the_others_are_measured() {
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("truncated.gguf", pocket()[..4_000_000].to_vec(), "truncated"),
        ("page.gguf", b"<!DOCTYPE html><html></html>".to_vec(), "web page"),
        ("empty.gguf", Vec::new(), "empty"),
        ("alien.gguf", unknown_architecture(), "zlama"),
    ];
    for (name, content, word) in cases {
        let ran = Bench::new(&format!("compare {{pocket}} {name} {SHORT} --json out.json"))
            .file(name, &content)
            .arg(&quants()[0])
            .run();
        assert_eq!(ran.code, 5, "{name}: {}", ran.stderr);
        let analysis = ran.json("out.json");
        let reason = analysis["models"][1]["outcome"]["failed"]["reason"].as_str().unwrap();
        assert!(reason.to_lowercase().contains(&word.to_lowercase()), "{name}: {reason}");
        assert_eq!(analysis["models"][2]["outcome"], "done");
        assert!(analysis["models"][2]["metrics"]["pp8"]["value"].is_number());
        assert!(ran.says(reason.split_whitespace().next().unwrap()), "the terminal says it:\n{}", ran.stdout);
    }
}

#[test]
fn an_original_that_cannot_be_loaded_ends_the_run_before_another_is_looked_at() {
    let line = "compare alien.gguf {pocket} --pp 8 --tg 4 --prompts none --no-quality --out out --json out.json";
    let told = "the original failed, and without it the others answer nothing";
    let ran = Bench::new(line).file("alien.gguf", &unknown_architecture()).run();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(told) && said.contains("zlama") && said.contains("--force"), "{}", ran.stdout);
    assert!(ran.read("out/report.html").contains(told) && ran.read("out/report.md").contains(told));
    let run = ran.json("out/run.json");
    assert_eq!(run["ended"], "original_failed");
    assert_eq!((run["probes"].as_array().unwrap().len(), run["rounds"].as_array().unwrap().len()), (1, 0));
    let analysis = ran.json("out.json");
    let reason = analysis["models"][0]["outcome"]["failed"]["reason"].as_str().unwrap();
    assert!(reason.contains("zlama"), "{reason}");
    let ran = Bench::new(&format!("{line} --quick --force")).file("alien.gguf", &unknown_architecture()).run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.json("out.json")["models"][1]["metrics"]["pp8"]["value"].is_number());
    assert_eq!(Bench::at(ran.folder, "resume out").run().code, 0, "it is finished");
}

#[test]
fn missing_files_are_told_at_once() {
    let ran = Bench::new("compare nowhere.gguf neither.gguf").run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("nowhere.gguf") && ran.tells("does not exist"), "{}", ran.stderr);
    assert!(!ran.folder.path().join("results").exists(), "nothing was begun");
}

#[test]
fn an_unwritable_out_is_told_before_anything_starts() {
    let ran = Bench::new("compare {pocket} {pocket} --quick --out file/below").file("file", b"").run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("--out"), "{}", ran.stderr);
}

#[test]
fn an_already_quantized_original_is_not_swept_silently() {
    let ran = Bench::new("sweep --types Q4_0 --quick").arg(&quants()[0]).run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("--allow-requantize"), "{}", ran.stderr);
}

#[test]
fn a_worker_that_aborts_or_hangs_costs_its_own_row_only() {
    for (how, word) in [("abort", "signal 6"), ("hang", "said nothing"), ("error", "script says so")] {
        let script = format!(
            r#"{{"models":{{
              "a.gguf":{{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":5000,"answer":"one two three"}},
              "b.gguf":{{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":5000,"answer":"one two three",
                         "fail":{{"at":"decode","how":"{how}"}}}}}}}}"#
        );
        let run = |seconds: u32| {
            let line =
                format!("compare a.gguf b.gguf {SHORT} --timeout {seconds} --script script.json --json out.json");
            Bench::new(&line)
                .file("a.gguf", &pocket())
                .file("b.gguf", &pocket())
                .file("script.json", script.as_bytes())
                .run()
        };
        // Whoever does not hang is not silent, and who hangs does so while generating.
        let is_hasty = |ran: &Ran| {
            let failed = |model: usize| ran.json("out/run.json")["subjects"][model]["outcome"]["failed"].clone();
            let is_silent = |failed: &Value| failed.to_string().contains("said nothing");
            is_silent(&failed(0)) || is_silent(&failed(1)) && (how != "hang" || failed(1)["stage"] != "decode")
        };
        let (_, ran) = patiently(run, is_hasty);
        assert_eq!(ran.code, 5, "{how}: {}", ran.stderr);
        let analysis = ran.json("out.json");
        let failed = &analysis["models"][1]["outcome"]["failed"];
        assert_eq!(failed["stage"], "decode", "{how}");
        assert!(failed["reason"].as_str().unwrap().contains(word), "{how}: {failed}");
        assert_eq!(analysis["models"][0]["metrics"]["tg4"]["value"], 200_000.0);
        // What was measured before the failure stays.
        assert!(ran.json("out/run.json")["probes"][1]["prefill"].is_object(), "{how}");
    }
}

/// A debugger on the PATH that prints to its standard output, as ggml starts one where an assertion fails.
#[cfg(unix)]
#[test]
fn an_assertion_of_ggml_is_told_in_its_own_words_also_where_there_is_a_debugger() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::gguf::{Gguf, U32};

    let experts = Gguf::pocket().with("llama.expert_count", U32, &100_000_u32.to_le_bytes());
    let bench = Bench::new(&format!("compare {{pocket}} experts.gguf {SHORT} --json out.json"))
        .file("experts.gguf", &experts.bytes())
        .file("gdb", b"#!/bin/sh\ntouch \"$(dirname \"$0\")/started\"\necho '[New LWP 1234]'\n");
    let folder = bench.folder.path();
    fs::set_permissions(folder.join("gdb"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:{}", folder.display(), std::env::var("PATH").unwrap());
    let ran = bench.through(&["/usr/bin/env", &path]).run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let analysis = ran.json("out.json");
    assert!(analysis["models"][0]["metrics"]["tg4"]["value"].is_number(), "the original is measured");
    let failed = &analysis["models"][1]["outcome"]["failed"];
    assert_eq!(failed["stage"], "load");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.starts_with("the worker aborted (signal 6); last log lines: "), "{reason}");
    assert!(reason.contains("GGML_ASSERT(hparams.n_expert <= LLAMA_MAX_EXPERTS) failed"), "{reason}");
    assert!(!ran.folder.path().join("started").exists(), "no debugger is started: it would take seconds");
}

/// What any code prints on descriptor 1 is no answer.
#[cfg(unix)]
#[test]
fn what_a_worker_prints_is_in_its_log_and_disturbs_nothing() {
    let model = r#""load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":5000,"answer":"one two three""#;
    let script =
        format!(r#"{{"models":{{"a.gguf":{{{model}}},"b.gguf":{{{model},"fail":{{"at":"decode","how":"print"}}}}}}}}"#);
    let ran = Bench::new(&format!("compare a.gguf b.gguf {SHORT} --script script.json --json out.json"))
        .file("a.gguf", &pocket())
        .file("b.gguf", &pocket())
        .file("script.json", script.as_bytes())
        .run()
        .ok();
    assert_eq!(ran.json("out.json")["models"][1]["metrics"]["tg4"]["value"], 200_000.0);
}
