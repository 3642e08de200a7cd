//! What the process is given: CPUs to compute on, and variables that OpenMP reads.

use serde_json::{Value, json};

use crate::support::{Bench, POCKET, Ran};

const STEADY: &str = r#"{"models":{
  "a.gguf":{"load_ns":1000000,"prefill_ns_per_token":3000,"decode_ns_per_token":6000,"answer":"one"},
  "b.gguf":{"load_ns":1000000,"prefill_ns_per_token":2000,"decode_ns_per_token":4000,"answer":"one"}}}"#;

/// A short scripted comparison, with nothing of OpenMP's set but what is given.
fn with(variables: &[&str]) -> Ran {
    let pocket = std::fs::read(POCKET).unwrap();
    // KMP_BLOCKTIME: llama.cpp sets it in a process that starts it, as other tests of this one do.
    let unset = [
        "-u",
        "KMP_BLOCKTIME",
        "-u",
        "OMP_WAIT_POLICY",
        "-u",
        "GOMP_SPINCOUNT",
        "-u",
        "OMP_NUM_THREADS",
        "-u",
        "OMP_PROC_BIND",
    ];
    Bench::new(
        "compare a.gguf b.gguf --script script.json --rounds 2 --prompts none --no-quality --out out --json out.json",
    )
    .file("script.json", STEADY.as_bytes())
    .file("a.gguf", &pocket)
    .file("b.gguf", &pocket)
    .through(&[&["env"], &unset[..], variables].concat())
    .run()
    .ok()
}

fn warnings_of_openmp(ran: &Ran) -> Vec<Value> {
    let analysis = ran.json("out.json");
    analysis["warnings"].as_array().unwrap().iter().filter(|w| w["kind"] == "openmp_environment").cloned().collect()
}

#[test]
fn variables_that_make_threads_spin_are_recorded_and_warned_of() {
    let ran = with(&["OMP_WAIT_POLICY=active", "OMP_NUM_THREADS=1", "OMP_PROC_BIND=close"]);
    let recorded = json!({"OMP_NUM_THREADS": "1", "OMP_PROC_BIND": "close", "OMP_WAIT_POLICY": "active"});
    assert_eq!(ran.json("out/run.json")["machine"]["openmp_variables"], recorded);
    let [warning] = &warnings_of_openmp(&ran)[..] else { panic!("one warning") };
    let said = "OMP_PROC_BIND=close binds threads to CPUs. OMP_WAIT_POLICY=active makes idle threads spin.";
    assert_eq!(warning["evidence"], said);
    let page = ran.read("out/report.html");
    assert!(page.contains(said) && page.contains("OMP_NUM_THREADS=1"));
}

#[test]
fn variables_that_change_nothing_are_only_recorded() {
    let none = with(&[]);
    assert_eq!(none.json("out/run.json")["machine"]["openmp_variables"], json!({}));
    assert!(warnings_of_openmp(&none).is_empty());
    let passive = with(&["OMP_WAIT_POLICY=passive"]);
    assert_eq!(passive.json("out/run.json")["machine"]["openmp_variables"], json!({"OMP_WAIT_POLICY": "passive"}));
    assert!(warnings_of_openmp(&passive).is_empty());
}

#[test]
fn threads_and_their_reason_are_in_the_record_the_report_and_the_plan() {
    let ran = with(&[]);
    assert_eq!(ran.json("out/run.json")["plan"]["threads"], "asked");
    assert!(ran.read("out/report.html").contains("1 for generation (-t), 1 for prompts (-tb); as asked"));
    let plan = |through: &[&str]| {
        let words = ["compare", POCKET, POCKET, "--dry-run", "--no-quality"];
        let bench = words.iter().fold(Bench::new(""), Bench::arg);
        let ran = bench.through(through).run().ok();
        ran.stdout.lines().find(|line| line.contains("llama.cpp")).unwrap().to_owned()
    };
    let cores = Bench::new("doctor --json").run().stdout_json();
    let cores = cores.as_array().unwrap().iter().find(|row| row["name"] == "cores").unwrap()["finding"].to_string();
    let (_, default) = cores.trim_end_matches('"').split_once("threads default to ").unwrap();
    let (n_threads, reason) = default.split_once(": ").unwrap();
    assert!(plan(&[]).contains(&format!("{n_threads} threads, {reason}")), "{} against {cores}", plan(&[]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_bound_to_one_cpu_plans_with_one_thread() {
    if std::process::Command::new("taskset").arg("-V").output().is_err() {
        return crate::support::skipped("taskset is not installed: no process was bound to a CPU");
    }
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return crate::support::skipped("there is only one CPU, so none can be taken away");
    }
    let allowed = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = allowed.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned();
    let first: String = allowed.chars().take_while(char::is_ascii_digit).collect();
    let words = ["compare", POCKET, POCKET, "--dry-run", "--no-quality"];
    let bench = words.iter().fold(Bench::new(""), Bench::arg);
    let ran = bench.through(&["taskset", "-c", &first]).run().ok();
    assert!(ran.says("1 thread, one for each core this process is bound to"), "{}", ran.stdout);
}
