//! Workers that die, hang or are left alone: each end has its reason, one attempt more where that may help, and no orphan.
#![cfg(target_os = "linux")]

use std::{thread, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Bench, POCKET, Ran, killing_for_memory, patiently,
    processes::{busy_worker, is_alive, send, ticks, wait_until, with_busy_worker, workers},
};

const SHORT: &str = "--quick --pp 8 --tg 4 --prompts none --no-quality --out out";
/// A sample of minutes.
const LONG: &str = "compare {pocket} {pocket} --pp 60000 --tg 0 --prompts none --no-quality --out out --quiet";

/// A run of two scripted models, the second of which fails while generating.
fn scripted(how: &str, options: &str) -> Bench {
    let model = r#""load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":5000,"answer":"one two three""#;
    let script =
        format!(r#"{{"models":{{"a.gguf":{{{model}}},"b.gguf":{{{model},"fail":{{"at":"decode","how":"{how}"}}}}}}}}"#);
    let pocket = std::fs::read(POCKET).unwrap();
    Bench::new(&format!("compare a.gguf b.gguf {SHORT} --script script.json {options}"))
        .file("a.gguf", &pocket)
        .file("b.gguf", &pocket)
        .file("script.json", script.as_bytes())
}

fn visits(run: &Value, model: u64) -> Vec<&Value> {
    let all = run["rounds"].as_array().unwrap().iter().flat_map(|r| r["visits"].as_array().unwrap());
    all.filter(|v| v["model"] == model).collect()
}

/// The failed first look at the second model, after the first was measured to the end.
fn failed(ran: &Ran) -> Value {
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let run = ran.json("out/run.json");
    assert_eq!((visits(&run, 0).len(), visits(&run, 1).len()), (1, 0), "what failed once is not measured");
    let probe = run["probes"].as_array().unwrap().iter().find(|probe| probe["model"] == 1).unwrap();
    assert_eq!(probe["outcome"]["failed"]["stage"], "decode");
    assert!(probe["prefill"].is_object(), "what was measured before stays");
    assert_eq!(run["subjects"][1]["outcome"], probe["outcome"]);
    probe.clone()
}

fn reason(failed: &Value) -> &str {
    failed["reason"].as_str().unwrap()
}

#[test]
fn each_end_has_its_reason_and_what_would_repeat_is_not_tried_again() {
    for (how, expected) in [
        ("abort", "the worker aborted (signal 6)"),
        ("overflow", "the worker's stack overflowed; last log lines: "),
        ("starve", "refused the memory it asked for and aborted (signal 6); last log lines: memory allocation of"),
        ("exit", "the worker ended with exit code 3"),
    ] {
        let probe = failed(&scripted(how, "").run());
        let reason = reason(&probe["outcome"]["failed"]);
        assert!(reason.contains(expected), "{how}: {reason}");
        assert!(probe["retried"].is_null(), "{how}: {probe}");
    }
}

#[test]
fn a_silent_worker_is_stopped_and_tried_once_more() {
    let run = |seconds| scripted("hang", &format!("--timeout {seconds} --json out.json")).run();
    let is_hasty = |ran: &Ran| {
        let run = ran.json("out/run.json");
        let probes = run["probes"].as_array().unwrap().iter();
        let hang = |failed: &Value| failed.is_null() || failed["stage"] == "decode";
        probes.clone().any(|probe| probe["model"] == 0 && !probe["retried"].is_null())
            || !probes.clone().all(|probe| hang(&probe["outcome"]["failed"]))
            || run["rounds"].as_array().unwrap().is_empty()
    };
    let (seconds, ran) = patiently(run, is_hasty);
    let probe = failed(&ran);
    let silent = format!("said nothing for {seconds} s (--timeout) and was stopped");
    assert_eq!(reason(&probe["outcome"]["failed"]).matches(&silent).count(), 2, "both attempts: {probe}");
    assert!(probe["retried"].as_str().unwrap().contains(&silent), "{probe}");
    let warnings = ran.json("out.json")["warnings"].clone();
    let of_b = |w: &&Value| w["kind"] == "retried" && w["model"] == "b";
    assert_eq!(warnings.as_array().unwrap().iter().filter(of_b).count(), 1, "{warnings}");
}

#[test]
fn a_worker_killed_from_outside_twice_is_a_row() {
    let _alone = killing_for_memory().read();
    let killed_when_still_for = |seconds: u32| {
        let bench = scripted("hang", "");
        let child = bench.spawn();
        // When the first look at the other model is saved, the workers that are left are of the one that hangs.
        let journal = bench.folder.path().join("out/run.jsonl");
        let text = || std::fs::read_to_string(&journal).unwrap_or_default();
        wait_until("the other was looked at", || text().contains("{\"probe\":"));
        let mut killed = Vec::new();
        for _ in 0..2 {
            let mut next = None;
            wait_until("another worker", || {
                next = workers(child.id()).into_iter().find(|pid| !killed.contains(pid));
                next.is_some()
            });
            // It loads and reads a prompt in milliseconds, and then hangs.
            thread::sleep(Duration::from_secs(seconds.into()));
            let worker = next.unwrap();
            send(worker, Signal::KILL);
            killed.push(worker);
        }
        bench.ran(child)
    };
    let at = |ran: &Ran| ran.json("out/run.json")["subjects"][1]["outcome"]["failed"]["stage"].clone();
    let (_, ran) = patiently(killed_when_still_for, |ran| at(ran) != "decode");
    let probe = failed(&ran);
    let killed = "signal 9 (by a person or a program";
    assert_eq!(reason(&probe["outcome"]["failed"]).matches(killed).count(), 2, "both attempts: {probe}");
}

#[test]
fn a_comparing_worker_killed_once_costs_an_attempt_and_no_figure() {
    let _alone = killing_for_memory().read();
    let line = "quality {pocket} {pocket} --quality-precision 0 --max-windows 16 -t 1 --out out --json out.json";
    let (bench, child, held) = with_busy_worker(|| Bench::new(line));
    send(held.pid, Signal::KILL);
    let ran = bench.ran(child).ok();
    let quality = ran.json("out/run.json")["quality"].clone();
    let [worker] = &quality["workers"].as_array().unwrap()[..] else { panic!("{quality}") };
    assert!(worker["retried"].as_str().unwrap().contains("killed by signal 9"), "{worker}");
    let undisturbed = Bench::new(line).run().ok().json("out/run.json")["quality"].clone();
    assert_eq!(quality["results"], undisturbed["results"], "nothing of the first attempt is left");
    let warnings = ran.json("out.json")["warnings"].clone();
    assert!(warnings.as_array().unwrap().iter().any(|w| w["kind"] == "retried"), "{warnings}");
}

#[test]
fn a_worker_killed_once_costs_an_attempt_and_no_figure() {
    let _alone = killing_for_memory().read();
    let line = "compare {pocket} {pocket} --rounds 2 --arrangement sequential --pp 2048 --tg 0 --inner 3 --prompts none --no-quality --out out --json out.json";
    let (bench, child, held) = with_busy_worker(|| Bench::new(line));
    send(held.pid, Signal::KILL);
    let ran = bench.ran(child).ok();
    let run = ran.json("out/run.json");
    let all: Vec<&Value> = [0, 1].into_iter().flat_map(|model| visits(&run, model)).collect();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|v| v["outcome"] == "done" && v["samples"].as_array().unwrap().len() == 3));
    let probes = run["probes"].as_array().unwrap();
    let retried: Vec<String> =
        all.into_iter().chain(probes).map(|v| v["retried"].to_string()).filter(|r| r != "null").collect();
    let [retried] = &retried[..] else { panic!("{retried:?}") };
    assert!(retried.contains("killed by signal 9"), "{retried}");
    let warnings = ran.json("out.json")["warnings"].clone();
    assert!(warnings.as_array().unwrap().iter().any(|w| w["kind"] == "retried"), "{warnings}");
    assert!(ran.says("again"), "the terminal says it:\n{}", ran.stdout);
}

#[test]
fn no_busy_worker_outlives_its_parent() {
    let quality = "quality {pocket} {pocket} --quality-precision 0 -t 1 --out out --quiet";
    for line in [LONG, quality] {
        let bench = Bench::new(line);
        let mut child = bench.spawn();
        let held = busy_worker(child.id());
        let worker = held.pid;
        // While it is stopped and its parent lives: the kernel wakes and ends stopped orphans.
        let before = ticks(worker).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(held);
        let mut last = before;
        wait_until("the worker is gone", || {
            last = ticks(worker).unwrap_or(last);
            !is_alive(worker)
        });
        // Of processor time, which a machine that is slow or stands still does not give it.
        assert!(last - before < 200, "{line}: it computed on for {} hundredths of a second", last - before);
    }
}

/// As far as processes can tell, this is what a laptop's lid does.
#[test]
fn processes_that_are_stopped_together_are_not_silent() {
    let after_a_stop = |seconds: u32| {
        let line =
            format!("--rounds 1 --inner 40 --pp 512 --tg 0 --prompts none --no-quality --out out --timeout {seconds}");
        let (bench, child, held) = with_busy_worker(|| Bench::new(&format!("compare {{pocket}} {{pocket}} {line}")));
        let parent = child.id();
        send(parent, Signal::STOP);
        thread::sleep(Duration::from_secs(u64::from(seconds) + 2));
        drop(held);
        send(parent, Signal::CONT);
        bench.ran(child)
    };
    let was_silent = |ran: &Ran| ran.read("out/run.json").contains("said nothing");
    let (_, ran) = patiently(after_a_stop, was_silent);
    let run = ran.ok().json("out/run.json");
    for visit in [0, 1].into_iter().flat_map(|model| visits(&run, model)) {
        assert!(visit["retried"].is_null(), "{visit}");
    }
}
