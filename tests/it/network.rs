//! No connection is made but for a model by name: everything else runs in an empty network namespace, and opens no socket.
#![cfg(target_os = "linux")]

use std::{fs, process::Command};

use crate::support::{Bench, POCKET, Ran, quants, skipped};

const ALONE: [&str; 4] = ["unshare", "--map-root-user", "--net", "--"];
const COMPARE: &str = "compare {pocket} --quick --pp 16 --tg 4 --inner 1 --max-new-tokens 4 --max-windows 4 --out out";

/// Whether this kernel lets anyone have a network namespace.
fn can_be_alone() -> bool {
    let can = Command::new("unshare").args(&ALONE[1..]).arg("true").status().is_ok_and(|s| s.success());
    if !can {
        skipped("unshare can make no network namespace here");
    }
    can
}

fn alone(line: &str) -> Bench {
    Bench::new(line).through(&ALONE)
}

/// Runs and says nothing of a network.
fn quietly(bench: Bench) -> Ran {
    let ran = bench.run().ok();
    let said = ran.stderr.to_lowercase();
    // As whole words: names of folders have any letters, and what is not decided is "not resolved".
    for word in said.split(|c: char| !c.is_alphanumeric()) {
        let of_a_network = ["network", "connect", "connection", "connected", "resolve", "dns", "huggingface"];
        assert!(!of_a_network.contains(&word), "{word} in {said}");
    }
    ran
}

#[test]
fn everything_but_a_model_by_name_works_without_a_network() {
    if !can_be_alone() {
        return;
    }
    let ran = quietly(alone(COMPARE).arg(&quants()[0]));
    let record = ran.folder.path().join("out/run.json");
    for line in ["report --format md", "report --recommend", "report --format html --out -"] {
        quietly(alone(line).arg(&record));
    }
    quietly(alone("diff").arg(&record).arg(&record));
    quietly(alone("inspect").arg(POCKET));
    quietly(alone("doctor --json"));
    quietly(alone("compare {pocket} {pocket} --dry-run"));
    quietly(alone("sweep {pocket} --types Q8_0 --quick --pp 8 --tg 0 --prompts none --no-quality --out out"));
    quietly(alone("quality {pocket} {pocket} --max-windows 2 -t 1 --out out"));
    // What does need one shows that there is none.
    let named = alone("compare nobody/nothing-GGUF:F16 {pocket} --quick").run();
    assert_ne!(named.code, 0, "{}", named.stdout);
}

#[test]
fn no_socket_of_the_internet_is_opened_but_for_a_model_by_name() {
    let traced = |bench: Bench| {
        let log = bench.folder.path().join("sockets").display().to_string();
        let traced = bench.through(&["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", &log]).run();
        let sockets = fs::read_to_string(log).ok()?;
        let internet = sockets.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect::<Vec<_>>();
        Some((traced, internet))
    };
    let can_trace = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !can_trace {
        return skipped("strace is not installed, or may not trace");
    }
    let (ran, internet) = traced(Bench::new(COMPARE).arg(&quants()[0])).unwrap();
    ran.ok();
    assert_eq!(internet, [""; 0]);
    if can_be_alone() {
        let (_, internet) = traced(alone("compare nobody/nothing-GGUF:F16 {pocket} --quick")).unwrap();
        assert!(!internet.is_empty(), "the trace sees what is there");
    }
}
