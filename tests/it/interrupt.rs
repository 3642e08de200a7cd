//! Ctrl-C: the sample under way is finished, what was measured is saved, the exit code is 130, no worker is left.
#![cfg(unix)]

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Bench;

#[test]
fn ctrl_c_saves_what_was_measured() {
    let bench = Bench::new(
        "compare {pocket} {pocket} --rounds 500 --pp 32 --tg 8 --prompts none --no-quality --out out --quiet",
    );
    let mut child = bench.spawn();
    let record = bench.folder.path().join("out/run.json");
    wait_until(|| fs::read_to_string(&record).is_ok_and(|text| text.contains("\"index\":1")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
    let run: Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    assert_eq!(run["ended"], "interrupted");
    assert!(run["rounds"].as_array().unwrap().len() >= 2);
    assert!(bench.folder.path().join("out/report.html").exists(), "what there is is reported");
}

fn wait_until(done: impl Fn() -> bool) {
    let start = SystemTime::now();
    while !done() {
        assert!(start.elapsed().unwrap() < Duration::from_mins(2), "it never came");
        thread::sleep(Duration::from_millis(20));
    }
}
