//! Ctrl-C: the sample under way is finished, what was measured is saved, the exit code is 130, no worker is left. A second one ends
//! at once.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Bench, Ran,
    hub::{Hub, Manner},
    processes::{busy_worker, held_in, is_alive, is_called, send, wait_until},
    skipped,
};

/// The record of a run that was interrupted and says so.
fn interrupted(ran: &Ran) -> Value {
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let run = ran.json("out/run.json");
    assert_eq!(run["ended"], "interrupted");
    assert!(ran.folder.path().join("out/report.html").exists(), "what there is is reported");
    run
}

#[test]
fn ctrl_c_and_sigterm_save_what_was_measured() {
    for signal in [Signal::INT, Signal::TERM] {
        let bench = Bench::new(
            "compare {pocket} {pocket} --rounds 500 --pp 32 --tg 8 --prompts none --no-quality --out out --quiet",
        );
        let child = bench.spawn();
        let record = bench.folder.path().join("out/run.json");
        wait_until("a second round", || fs::read_to_string(&record).is_ok_and(|text| text.contains("\"index\":1")));
        send(child.id(), signal);
        let ran = bench.ran(child);
        assert!(interrupted(&ran)["rounds"].as_array().unwrap().len() >= 2);
        for words in ["the sample under way is finished", "once more ends at once", "To go on: gguf-bench resume out"] {
            assert!(ran.tells(words), "{words} in {}", ran.stderr);
        }
    }
}

#[test]
fn the_sample_under_way_is_finished() {
    let bench = Bench::new(
        "compare {pocket} {pocket} --arrangement sequential --rounds 500 --inner 500 --pp 512 --tg 0 --prompts none --no-quality --out out --quiet",
    );
    let child = bench.spawn();
    // After the first looks, whose workers compute as well.
    let journal = bench.folder.path().join("out/run.jsonl");
    wait_until("it is planned", || fs::read_to_string(&journal).is_ok_and(|text| text.contains("{\"time_plan\":")));
    let held = busy_worker(child.id());
    send(child.id(), Signal::INT);
    let worker = held.pid;
    drop(held);
    let run = interrupted(&bench.ran(child));
    let visits = run["rounds"][0]["visits"].as_array().unwrap();
    assert_eq!(visits.len(), 1, "no other model was begun");
    assert_eq!(visits[0]["outcome"], "done");
    let warmup = visits[0]["warmup"]["samples"].as_array().unwrap().len();
    let samples = warmup + visits[0]["samples"].as_array().unwrap().len();
    assert!((1..500).contains(&samples), "{}", visits[0]);
    assert!(!is_alive(worker));
}

#[test]
fn a_sample_that_takes_minutes_is_given_up_soon() {
    let bench = Bench::new("compare {pocket} {pocket} --pp 60000 --tg 0 --prompts none --no-quality --out out --quiet");
    let child = bench.spawn();
    let held = busy_worker(child.id());
    let start = Instant::now();
    send(child.id(), Signal::TERM);
    let worker = held.pid;
    drop(held);
    let ran = bench.ran(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let took = start.elapsed();
    // The upper limit is far from both: a sample of 60 000 tokens takes many minutes wherever 10 s of patience become one.
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(90), "{took:?}");
    assert!(!is_alive(worker) && ran.tells("To go on: gguf-bench resume out"), "{}", ran.stderr);
    assert_eq!(ran.json("out/run.json")["ended"], "interrupted");
    let markdown = ran.read("out/report.md");
    assert!(markdown.contains("gguf-bench resume out") && markdown.contains("The run was interrupted"), "{markdown}");
}

#[test]
fn a_comparison_of_outputs_keeps_its_windows() {
    let bench = Bench::new("quality {pocket} {pocket} --quality-precision 0 -t 1 --out out --quiet");
    let child = bench.spawn();
    let held = busy_worker(child.id());
    send(child.id(), Signal::INT);
    let worker = held.pid;
    drop(held);
    let run = interrupted(&bench.ran(child));
    assert_eq!(run["quality"]["results"][0]["stopped"], "interrupted");
    assert!(!is_alive(worker));
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_leaves_no_worker() {
    let bench = Bench::new("compare {pocket} {pocket} --pp 60000 --tg 0 --prompts none --no-quality --out out --quiet");
    let mut child = bench.spawn();
    let held = busy_worker(child.id());
    let mut heard = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    send(child.id(), Signal::INT);
    while !line.contains("once more ends at once") {
        assert!(heard.read_line(&mut line).unwrap() > 0, "{line}");
    }
    send(child.id(), Signal::INT);
    heard.read_to_string(&mut line).unwrap();
    let worker = held.pid;
    drop(held);
    // What is given up after some seconds says so in other words, and what is finished in none.
    assert!(line.contains("Ended at once; what was saved before is kept"), "{line}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("the worker is gone", || !is_alive(worker));
    assert!(!bench.folder.path().join("out/report.html").exists(), "nothing was made first");
}

#[test]
fn an_interruption_of_quantizing_is_answered_and_leaves_nothing() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf");
    if !fs::exists(model).unwrap() {
        return skipped("SmolLM2 is not here: the bundled model is quantized too fast to be interrupted");
    }
    let line = "sweep --types Q6_K,Q5_K_M --allow-requantize --no-quality --prompts none --out out";
    let sweep = || {
        let bench = Bench::new(line).arg(model);
        let tmp = bench.folder.path().join("tmp");
        fs::create_dir(&tmp).unwrap();
        bench.through(&["env", &format!("TMPDIR={}", tmp.display())])
    };
    // Held while it is made: on a busy machine it might be done before the signal comes.
    let has_begun_a_file = |pid| {
        let inside = |folder: std::path::PathBuf| fs::read_dir(folder).is_ok_and(|files| files.count() > 0);
        let mut folders = fs::read_dir(format!("/proc/{pid}/cwd/tmp")).into_iter().flatten().flatten();
        is_called(pid, "quantize") && folders.any(|entry| inside(entry.path()))
    };
    let is_over = |bench: &Bench| bench.folder.path().join("out/run.jsonl").exists();
    let (bench, child, held) = held_in("a file is begun", sweep, has_begun_a_file, is_over);
    send(child.id(), Signal::INT);
    drop(held);
    let tmp = bench.folder.path().join("tmp");
    let ran = bench.ran(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.tells("Interrupted before anything was measured"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_interruption_of_hashing_is_answered_at_once_and_leaves_nothing() {
    let bench = Bench::new("compare a.gguf b.gguf --no-quality --prompts none --out results/out");
    for name in ["a.gguf", "b.gguf"] {
        let path = bench.folder.path().join(name);
        fs::copy(crate::support::POCKET, &path).unwrap();
        // What follows the tensors is hashed, too, and takes no room on the disk.
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(200 << 30).unwrap();
    }
    let child = bench.spawn();
    let journal = bench.folder.path().join("results/out/run.jsonl");
    wait_until("the run is begun", || journal.exists());
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    send(child.id(), Signal::INT);
    let ran = bench.ran(child);
    // Hashing both to the end takes a fast CPU three minutes.
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    assert!(ran.code == 130 && ran.tells("Interrupted before anything was measured"), "{}", ran.stderr);
    let left: Vec<_> = fs::read_dir(ran.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.contains(&"results".into()), "{left:?}");
}

#[test]
fn an_interrupted_download_is_kept_and_gone_on_with() {
    let model = fs::read(crate::support::POCKET).unwrap();
    let hub = Hub::start().with("o/n", Manner::Stalls, &[("pocket-F16.gguf", &model)]);
    let line = |folder: tempfile::TempDir| {
        let home = format!("HF_HOME={}", folder.path().join("hf").display());
        let endpoint = format!("HF_ENDPOINT={}", hub.endpoint);
        let bench = Bench::at(folder, "compare o/n o/n --quick --pp 8 --tg 0 --prompts none --no-quality --out out");
        bench.through(&["env", &endpoint, &home])
    };
    let bench = line(tempfile::TempDir::new().unwrap());
    let child = bench.spawn();
    let blobs = bench.folder.path().join("hf/hub/models--o--n/blobs");
    let arrived = || {
        let files = fs::read_dir(&blobs).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>()
    };
    wait_until("half of it has come", || arrived() >= model.len() as u64 / 2);
    send(child.id(), Signal::INT);
    let ran = bench.ran(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.tells("What arrived of a download is kept"), "{}", ran.stderr);
    let before = hub.sent_bytes();
    hub.heal("o/n");
    let ran = line(ran.folder).run();
    assert!(ran.code == 0, "{}", ran.stderr);
    let sent = hub.sent_bytes() - before;
    assert!(sent < model.len() * 6 / 10, "{sent} bytes of {} were sent again", model.len());
}
