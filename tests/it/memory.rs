//! Too little memory: refused with the sums before anything is loaded; where it is tried all the same, a reason and no crash.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{Bench, Ran, killing_for_memory, skipped};

/// A prompt whose KV cache is over 80 GiB.
const HUGE: &str =
    "compare {pocket} {pocket} --quick --pp 16000000 --tg 0 -ctk f32 -ctv f32 --prompts none --no-quality --out out";
/// One whose KV cache, nearly a GiB, is larger than the limits set here.
const LARGE: &str = "compare {pocket} {pocket} --quick --pp 400000 --tg 0 --prompts none --no-quality --out out";

/// What is said when the original is refused before anything is loaded.
fn refusal(ran: &Ran) -> &str {
    assert_eq!(ran.code, 1, "stdout:\n{}\nstderr:\n{}", ran.stdout, ran.stderr);
    assert!(!ran.folder.path().join("out/run.json").exists(), "nothing was begun");
    &ran.stderr
}

/// Stage and reason of the first model's failure.
fn failure(ran: &Ran) -> (String, String) {
    assert_eq!(ran.code, 1, "stdout:\n{}\nstderr:\n{}", ran.stdout, ran.stderr);
    let failed = &ran.json("out/run.json")["subjects"][0]["outcome"]["failed"];
    let word = |field: &str| failed[field].as_str().unwrap().to_owned();
    (word("stage"), word("reason"))
}

fn probes(ran: &Ran) -> Vec<Value> {
    ran.json("out/run.json")["probes"].as_array().unwrap().clone()
}

#[test]
fn what_is_expected_not_to_fit_is_refused_with_the_sum() {
    // Also on a machine that has so much.
    let ran = Bench::new(HUGE).through(&["sh", "-c", "ulimit -v 60000000; exec \"$@\"", "sh"]).run();
    let reason = refusal(&ran);
    for part in ["not enough memory", "weights 8.01 MiB", "KV cache", "compute buffers", "is available", "--force"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
}

/// Compute buffers are llama.cpp's affair; the estimate must be of their size.
#[test]
fn the_expected_compute_buffers_are_llama_cpps() {
    let line = "compare {pocket} {pocket} --quick --pp 512 --tg 0 --prompts none --no-quality --out out";
    let ran = Bench::new(line).run().ok();
    let run = ran.json("out/run.json");
    let facts = &run["subjects"][0]["facts"];
    let number = |value: &Value| value.as_f64().unwrap();
    let expected = 512.0 * 4.0 * (number(&facts["tokenizer"]["n_vocab"]) + number(&facts["n_embd"]));
    let buffers = run["rounds"][0]["visits"][0]["buffers"].as_array().unwrap();
    let measured: f64 = buffers.iter().map(|b| number(&b["compute_bytes"])).sum();
    assert!((0.5..1.5).contains(&(measured / expected)), "{measured} of {expected}");
}

#[test]
fn an_address_space_limit_is_counted_and_running_into_it_is_a_reason() {
    let limited = |line: &str| Bench::new(line).through(&["sh", "-c", "ulimit -v 700000; exec \"$@\"", "sh"]).run();
    let refused = limited(LARGE);
    assert!(refusal(&refused).contains("684 MiB is available"), "{}", refused.stderr);
    let ran = limited(&format!("{LARGE} --force"));
    let (stage, reason) = failure(&ran);
    assert!(["load", "context"].contains(&&stage[..]), "{stage}: {reason}");
    assert!(reason.contains("llama.cpp: ") || reason.contains("refused the memory"), "{reason}");
    let probes = probes(&ran);
    assert!(!probes.is_empty() && probes.iter().all(|p| p["retried"].is_null()), "the limit stays what it is");
}

#[test]
fn a_control_groups_limit_is_counted_and_its_kills_are_told_from_others() {
    let Some(group) = Group::new(300 << 20) else {
        return skipped("no control group with a memory limit can be made here");
    };
    let enter = format!("echo $$ > '{}' || exit 77; exec \"$@\"", group.0.join("cgroup.procs").display());
    let limited = |line: &str| Bench::new(line).through(&["sh", "-c", &enter, "sh"]).run();
    if limited("--version").code == 77 {
        return skipped("no process may enter a control group that was made here");
    }
    let _killing = killing_for_memory().write();
    assert!(refusal(&limited(LARGE)).contains("not enough memory"));
    let ran = limited(&format!("{LARGE} --force"));
    let (stage, reason) = failure(&ran);
    assert_eq!(stage, "context");
    assert!(reason.contains("control group reached its memory limit of 300 MiB"), "{reason}");
    let machine = &ran.json("out/run.json")["machine"];
    assert_eq!(machine["memory_limit_bytes"], 300 << 20);
    assert!(machine["available_bytes"].as_u64().unwrap() <= 300 << 20);
    // Another moment may be a better one, when other processes of the group are gone.
    let probes = probes(&ran);
    assert!(!probes.is_empty());
    assert!(probes.iter().all(|p| p["retried"].as_str().unwrap().contains("memory limit")), "{probes:?}");
}

/// A control group of its own, removed at the end.
struct Group(PathBuf);

impl Group {
    fn new(limit_bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.split_once(":memory:")?.1.strip_prefix('/')).unwrap_or_default();
        let name = format!("gguf-bench-test-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/memory").join(own);
        for (parent, limit) in [(v1.as_path(), "memory.limit_in_bytes"), (Path::new("/sys/fs/cgroup"), "memory.max")] {
            let group = Self(parent.join(&name));
            if fs::create_dir(&group.0).is_err() {
                continue;
            }
            // A file that is not there already is not made: the folder is the kernel's.
            if group.0.join(limit).exists() && fs::write(group.0.join(limit), limit_bytes.to_string()).is_ok() {
                // Where there is swap, it would take long to be full.
                for (swap, none) in [("memory.swap.max", "0"), ("memory.swappiness", "0")] {
                    if group.0.join(swap).exists() {
                        let _ = fs::write(group.0.join(swap), none);
                    }
                }
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes of the group are gone; the kernel may need a moment to see it.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
