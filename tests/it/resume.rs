//! Whatever ends a run, `resume` goes on where its journal ends: nothing is lost, nothing is measured twice, and where something
//! changed it is refused.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use gguf_bench::testing::stats::SplitMix64;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Bench, POCKET, Ran, processes::wait_until, quants};

/// Three models whose times are those of the script. They are longer than the real ones of the messages, which the warm-up sees too.
const SCRIPT: &str = r#"{"models":{
  "a.gguf":{"load_ns":1000000,"prefill_ns_per_token":3000000,"decode_ns_per_token":60000000,"answer":"one two three"},
  "b.gguf":{"load_ns":1000000,"prefill_ns_per_token":2000000,"decode_ns_per_token":40000000,"answer":"one two four","logit_noise":0.1},
  "c.gguf":{"load_ns":1000000,"prefill_ns_per_token":2500000,"decode_ns_per_token":30000000,"answer":"one two","logit_noise":0.5}}}"#;

/// As many models, prompts, rounds and windows as a short demo has.
const DEMO: &str = "--rounds 6..12 --max-windows 8 --ctx 128 --script script.json --out out --quiet";

/// The scripted models' files: their headers are read and their hashes taken.
fn models() -> &'static TempDir {
    static MODELS: OnceLock<TempDir> = OnceLock::new();
    MODELS.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        for name in ["a.gguf", "b.gguf", "c.gguf"] {
            fs::copy(POCKET, folder.path().join(name)).unwrap();
        }
        folder
    })
}

fn scripted(line: &str, names: &[&str]) -> Bench {
    let bench = Bench::new(line).file("script.json", SCRIPT.as_bytes());
    names.iter().fold(bench, |bench, name| bench.arg(models().path().join(name)))
}

fn demo() -> Bench {
    scripted(&format!("compare {DEMO}"), &["a.gguf", "b.gguf", "c.gguf"])
}

pub(crate) fn resume(folder: TempDir) -> Ran {
    Bench::at(folder, "resume out --quiet").run()
}

fn journal(folder: &TempDir) -> PathBuf {
    folder.path().join("out/run.jsonl")
}

/// The whole lines of a journal.
fn entries(folder: &TempDir) -> Vec<Value> {
    let text = fs::read_to_string(journal(folder)).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |last| last + 1);
    text[..whole].lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rounds(entries: &[Value]) -> Vec<u64> {
    entries.iter().filter_map(|entry| entry["round"]["index"].as_u64()).collect()
}

/// Leaves the first lines of a journal, as a kill would, and the bytes `after` them.
pub(crate) fn cut(folder: &TempDir, lines: usize, after: &str) {
    let text = fs::read_to_string(journal(folder)).unwrap();
    let kept: String = text.split_inclusive('\n').take(lines).collect();
    fs::write(journal(folder), kept + after).unwrap();
    let _ = fs::remove_file(folder.path().join("out/run.json"));
}

/// Changes a journal's first line.
fn change(folder: &TempDir, from: &str, to: &str) {
    let text = fs::read_to_string(journal(folder)).unwrap();
    assert!(text.lines().next().unwrap().contains(from), "{from}");
    fs::write(journal(folder), text.replacen(from, to, 1)).unwrap();
}

/// Fields that the real clock, the real memory or the day decide also where the engine follows a script.
const REAL: [&str; 17] = [
    "started_utc",
    "resumed",
    "machine",
    "started_ns",
    "duration_ns",
    "at_ns",
    "memory",
    "conditions",
    "storage_read_bytes",
    "available_bytes",
    "evaluate_ns",
    "peak_rss_bytes",
    "cache",
    "ended_ns",
    // The plan of the time begins where the first look ended.
    "probe_ns",
    "intervals_ns",
    "needs_ns",
];

/// A record without these.
fn exact(mut value: Value) -> Value {
    strip(&mut value, &|name| REAL.contains(&name));
    for worker in value["quality"]["workers"].as_array_mut().into_iter().flatten() {
        worker["wall_ns"].take();
    }
    value
}

/// What is concluded, without what follows from real times and memory: also where models stand to each other, which are of one size here.
fn concluded(folder: TempDir) -> (Value, TempDir) {
    let mut ran = Bench::at(folder, "report out --format json").run().ok();
    let mut analysis = ran.stdout_json();
    ran.stdout.clear();
    strip(&mut analysis, &|name| {
        name.contains("memory")
            || name.contains("cost")
            || ["warnings", "started_utc", "time", "standings"].contains(&name)
    });
    (analysis, ran.folder)
}

fn strip(value: &mut Value, real: &dyn Fn(&str) -> bool) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !real(name));
            fields.values_mut().for_each(|field| strip(field, real));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, real)),
        _ => {}
    }
}

/// The uninterrupted run: its exact record, what is concluded from it, how long its journal is.
fn whole() -> &'static (Value, Value, JournalLength) {
    static WHOLE: OnceLock<(Value, Value, JournalLength)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let start = Instant::now();
        let ran = demo().run().ok();
        let length = JournalLength::of(&ran, start);
        let record = exact(ran.json("out/run.json"));
        assert_eq!(record["ended"], "precise");
        assert_eq!(record["adaptation"]["samples_per_round"].as_array().unwrap().len(), 2, "the plan chose");
        assert_eq!(record["quality"]["results"].as_array().unwrap().len(), 2);
        (record, concluded(ran.folder).0, length)
    })
}

/// How many lines a journal has, and how long a line took to come.
struct JournalLength {
    lines: usize,
    a_line: Duration,
}

impl JournalLength {
    fn of(ran: &Ran, start: Instant) -> Self {
        let lines = entries(&ran.folder).len();
        Self { lines, a_line: start.elapsed() / u32::try_from(lines).unwrap() }
    }
}

/// A resumed run is the uninterrupted one, apart from the day, the clock and the memory.
fn assert_whole(ran: Ran) -> TempDir {
    let (record, analysis, _) = whole();
    let found = exact(ran.json("out/run.json"));
    for (part, expected) in record.as_object().unwrap() {
        // Only the first line says how the run was begun, and the command names another folder's script.
        assert!(part == "command" || found[part] == *expected, "{part}: {} instead of {expected}", found[part]);
    }
    let indices = rounds(&entries(&ran.folder));
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>(), "every round once");
    let (concluded, folder) = concluded(ran.folder);
    assert_eq!(concluded, *analysis);
    folder
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<Pid> {
    let of = |path: &Path| -> Option<Pid> {
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        // After the name in brackets: state, then parent.
        let ppid: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        (ppid == parent).then(|| Pid::from_raw(path.file_name()?.to_str()?.parse().ok()?))?
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| of(&entry.ok()?.path())).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Parent,
    Worker,
    Both,
}

/// Kills so long after the journal has so many lines, unless the run is over before: however fast the machine is at the moment, some are hit
/// at their beginning and some near their end.
fn kill(bench: &Bench, lines: usize, after: Duration, victim: Victim) -> Option<i32> {
    let mut child = bench.spawn();
    wait_until("it comes so far, or is over", || {
        entries(&bench.folder).len() >= lines || child.try_wait().unwrap().is_some()
    });
    thread::sleep(after);
    let workers = if victim == Victim::Parent { Vec::new() } else { children(child.id()) };
    // One of them, where only a worker is to go.
    let most = if victim == Victim::Worker { 1 } else { workers.len() };
    for worker in workers.into_iter().take(most) {
        let _ = kill_process(worker, Signal::KILL);
    }
    if victim != Victim::Worker {
        child.kill().unwrap();
    }
    child.wait().unwrap().code()
}

#[test]
fn killed_at_thirty_moments_nothing_is_lost_and_nothing_is_done_twice() {
    let (_, _, length) = whole();
    let mut rng = SplitMix64::new(20_261_123);
    // After any of the lines that are still to come, and a part of the time that a line takes.
    let mut moment = |there: usize| {
        let lines = there + rng.below(length.lines.saturating_sub(there).max(1));
        (lines, length.a_line.mul_f64(rng.below(1000) as f64 / 1000.0))
    };
    let mut reached: BTreeMap<usize, u32> = BTreeMap::new();
    for number in 0..30 {
        let victim = [Victim::Parent, Victim::Worker, Victim::Both][number % 3];
        let bench = demo();
        let (lines, after) = moment(0);
        let code = kill(&bench, lines, after, victim);
        let mut folder = bench.folder;
        if victim == Victim::Worker {
            after_a_worker(code, &folder);
            continue;
        }
        // Every second time the one that goes on is killed as well.
        let before = entries(&folder);
        if number % 2 == 0 && !before.is_empty() {
            let again = Bench::at(folder, "resume out --quiet");
            let (lines, after) = moment(before.len());
            kill(&again, lines, after, victim);
            folder = again.folder;
            assert_eq!(entries(&folder)[..before.len()], before, "what was there stays");
        }
        *reached.entry(rounds(&entries(&folder)).len()).or_default() += 1;
        let kept = entries(&folder);
        let ran = resume(folder);
        if kept.is_empty() {
            // Before the first line was whole nothing was measured.
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            assert!(["open out", "run.jsonl"].iter().any(|told| ran.tells(told)), "{}", ran.stderr);
            continue;
        }
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(entries(&ran.folder)[..kept.len()], kept, "what was there stays");
        assert_whole(ran);
    }
    assert!(reached.len() >= 4, "the kills fell into different rounds: {reached:?}");
}

/// A worker that was killed costs its model's row at most.
fn after_a_worker(code: Option<i32>, folder: &TempDir) {
    if !journal(folder).exists() {
        // The process that describes the devices was hit: then nothing was begun.
        assert_eq!(code, Some(1));
        return;
    }
    // Without its original no candidate can be compared, and that is all of them.
    assert!([Some(0), Some(1), Some(5)].contains(&code), "{code:?}");
    let entries = entries(folder);
    let indices = rounds(&entries);
    assert!(!indices.is_empty());
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
    assert!(entries.last().unwrap()["ended"].is_string());
    let run: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("out/run.json")).unwrap()).unwrap();
    let failed = |model: &&Value| model["outcome"]["failed"].is_object();
    assert!(run["subjects"].as_array().unwrap().iter().filter(failed).count() <= 1, "one at most");
    assert_eq!(run["rounds"].as_array().unwrap().len(), indices.len());
}

#[test]
fn killed_on_the_real_model_it_goes_on_to_the_end() {
    let line = "compare {pocket} --rounds 4 --pp 16 --tg 4 --prompts none --ctx 64 --max-windows 4 --out out --quiet";
    let model = &quants()[0];
    let start = Instant::now();
    let ran = Bench::new(line).arg(model).run().ok();
    let length = JournalLength::of(&ran, start);
    let expected = ran.json("out/run.json");
    for (share, victim) in [(3, Victim::Parent), (5, Victim::Both), (7, Victim::Parent), (9, Victim::Both)] {
        let bench = Bench::new(line).arg(model);
        let lines = length.lines * share / 10;
        kill(&bench, lines, length.a_line / 2, victim);
        let kept = entries(&bench.folder);
        assert!(kept.len() >= lines, "{} of {lines} lines", kept.len());
        let ran = resume(bench.folder).ok();
        let run = ran.json("out/run.json");
        assert_eq!(rounds(&entries(&ran.folder)), [0, 1, 2, 3]);
        assert_eq!(entries(&ran.folder)[..kept.len()], kept);
        assert_eq!(run["ended"], "rounds_done");
        // The seed decides the order, and the same file has the same output.
        for round in 0..4 {
            let order = |run: &Value| run["rounds"][round]["visits"][0]["model"].clone();
            assert_eq!(order(&run), order(&expected), "round {round}");
        }
        assert_eq!(run["quality"]["results"], expected["quality"]["results"]);
        let at = |round: usize| run["rounds"][round]["visits"][0]["started_ns"].as_u64().unwrap();
        assert!((1..4).all(|round| at(round) > at(round - 1)), "times go on after those before the kill");
    }
}

#[test]
fn half_a_line_is_cut_off_and_the_round_made_anew() {
    let ran = demo().run().ok();
    let lines = fs::read_to_string(journal(&ran.folder)).unwrap();
    let (index, line) =
        lines.lines().enumerate().find(|(_, line)| line.starts_with("{\"round\":{\"index\":4,")).unwrap();
    for half in [1, line.len() / 2, line.len()] {
        let again = demo().run().ok();
        cut(&again.folder, index, &line[..half]);
        // What is there can be read before anything goes on.
        let shown = Bench::at(again.folder, "report out --format json").run().ok();
        assert_eq!(shown.stdout_json()["rounds"], 4);
        assert_eq!(shown.stdout_json()["ended"], "unfinished");
        let ran = resume(shown.folder).ok();
        assert_eq!(ran.json("out/run.json")["resumed"][0]["from_round"], 4);
        assert_whole(ran);
    }
}

#[test]
fn outputs_are_compared_once_and_a_finished_run_is_reported_again() {
    let ran = demo().run().ok();
    let all = entries(&ran.folder);
    let at = |name: &str| all.iter().position(|entry| entry.get(name).is_some()).unwrap();
    // Killed between the rounds and the comparison, in it, and after it.
    for lines in [at("quality"), at("quality") + 1, at("compared") + 1] {
        let again = demo().run().ok();
        cut(&again.folder, lines, "");
        let ran = resume(again.folder).ok();
        let compared = entries(&ran.folder).iter().filter(|entry| entry.get("compared").is_some()).count();
        assert_eq!(compared, 1, "cut after {lines} lines");
        assert_whole(ran);
    }
    let before = fs::read(journal(&ran.folder)).unwrap();
    fs::remove_file(ran.folder.path().join("out/run.json")).unwrap();
    fs::remove_file(ran.folder.path().join("out/report.md")).unwrap();
    let ran = resume(ran.folder).ok();
    assert!(ran.says("this run is finished"), "{}", ran.stdout);
    assert!(ran.folder.path().join("out/report.md").is_file());
    assert_eq!(fs::read(journal(&ran.folder)).unwrap(), before);
    assert_whole(ran);
}

#[test]
fn a_line_that_is_broken_is_named_and_nothing_goes_on() {
    let ran = demo().run().ok();
    let text = fs::read_to_string(journal(&ran.folder)).unwrap();
    let broken: Vec<&str> =
        text.lines().enumerate().map(|(index, line)| if index == 3 { &line[..line.len() / 2] } else { line }).collect();
    fs::write(journal(&ran.folder), broken.join("\n") + "\n").unwrap();
    let mut folder = ran.folder;
    for line in ["resume out", "report out --format text", "compare {pocket} {pocket} --quick --out out"] {
        let ran = Bench::at(folder, line).run();
        assert_eq!(ran.code, 1, "{line}");
        assert!(ran.tells("run.jsonl, line 4:"), "{line}: {}", ran.stderr);
        folder = ran.folder;
    }
    // The record beside it is whole.
    Bench::at(folder, "report out/run.json --format text").run().ok();
}

#[test]
fn what_changed_is_named() {
    let unfinished = || {
        let ran = demo().run().ok();
        cut(&ran.folder, 4, "");
        ran.folder
    };
    let refused = |folder: TempDir, words: &[&str]| {
        let ran = resume(folder);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(words.iter().all(|word| ran.tells(word)), "{words:?}: {}", ran.stderr);
        assert_eq!(entries(&ran.folder).len(), 4, "nothing was added");
    };
    let folder = unfinished();
    change(&folder, "\"git_revision\":\"", "\"git_revision\":\"0");
    refused(folder, &["revision of gguf-bench"]);
    let folder = unfinished();
    change(&folder, "\"profile\":\"", "\"profile\":\"un");
    refused(folder, &["build profile: un"]);
    let folder = unfinished();
    change(&folder, "\"cpu\":\"", "\"cpu\":\"Another ");
    refused(folder, &["CPU: Another "]);
    let folder = unfinished();
    change(&folder, "\"format\":2", "\"format\":9");
    refused(folder, &["use a newer gguf-bench"]);
    // Models of its own, to be changed.
    let bench = Bench::new(&format!("compare a.gguf b.gguf --no-quality {DEMO}"));
    let pocket = fs::read(POCKET).unwrap();
    let ran = bench.file("script.json", SCRIPT.as_bytes()).file("a.gguf", &pocket).file("b.gguf", &pocket).run().ok();
    cut(&ran.folder, 4, "");
    let path = ran.folder.path().join("b.gguf");
    let mut changed = pocket.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&path, &changed).unwrap();
    let ran = resume(ran.folder);
    assert_eq!(ran.code, 1);
    assert!(ran.tells("file of b (SHA-256)"), "{}", ran.stderr);
    fs::remove_file(&path).unwrap();
    let ran = resume(ran.folder);
    assert!(ran.tells("b.gguf is not there any more"), "{}", ran.stderr);
    fs::write(&path, &pocket).unwrap();
    resume(ran.folder).ok();
}

#[test]
fn models_that_no_longer_fit_in_memory_wait_until_they_do() {
    let ran = demo().run().ok();
    cut(&ran.folder, 4, "");
    let (true_size, too_large) = ("\"weights_bytes\":", "\"weights_bytes\":99999999");
    change(&ran.folder, true_size, too_large);
    let ran = resume(ran.folder);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.tells("not enough memory") && ran.tells("--force"), "{}", ran.stderr);
    assert_eq!(entries(&ran.folder).len(), 4, "nothing was added");
    change(&ran.folder, too_large, true_size);
    resume(ran.folder).ok();
}

#[test]
fn files_that_a_run_made_are_made_again() {
    let sweep = "sweep {pocket} --types Q4_0 --quick --pp 8 --tg 0 --prompts none --no-quality --out out --quiet";
    let demo = "demo --quick --no-quality --out out --quiet";
    for (line, n_models) in [(sweep, 2), (demo, 4)] {
        let ran = Bench::new(line).run().ok();
        cut(&ran.folder, 3, "");
        let run = resume(ran.folder).ok().json("out/run.json");
        assert_eq!(
            (&run["ended"], run["rounds"].as_array().unwrap().len()),
            (&Value::from("rounds_done"), 1),
            "{line}"
        );
        let visits = run["rounds"][0]["visits"].as_array().unwrap();
        assert!(visits.len() == n_models && visits.iter().all(|v| v["outcome"] == "done"), "{line}: {visits:?}");
    }
    // Another file under the same recipe is not the one that was measured.
    let ran = Bench::new(sweep).run().ok();
    cut(&ran.folder, 3, "");
    change(&ran.folder, "\"to\":\"Q4_0\"}", "\"to\":\"Q4_1\"}");
    let ran = resume(ran.folder);
    assert_eq!(ran.code, 1);
    assert!(ran.tells("file of Q4_0 (SHA-256)"), "{}", ran.stderr);
}

#[test]
fn two_processes_do_not_share_a_folder_and_a_killed_one_holds_nothing() {
    let long = "--rounds 1000 --precision 0% --no-quality --prompts none --script script.json --out out --quiet";
    let bench = scripted(&format!("compare {long}"), &["a.gguf", "b.gguf"]);
    let mut first = bench.spawn();
    wait_until("a round", || {
        assert!(first.try_wait().unwrap().is_none(), "it goes on");
        !rounds(&entries(&bench.folder)).is_empty()
    });
    let out = bench.folder.path().join("out").display().to_string();
    for line in [format!("resume {out}"), format!("compare {long} --out {out}").replace("--out out ", "")] {
        let ran = scripted(&line, if line.starts_with("compare") { &["a.gguf", "b.gguf"] } else { &[] }).run();
        assert_eq!(ran.code, 1, "{line}: {}", ran.stdout);
        assert!(ran.tells("another gguf-bench"), "{line}: {}", ran.stderr);
    }
    assert!(first.try_wait().unwrap().is_none(), "the first goes on, and nobody has waited for its end");
    first.kill().unwrap();
    first.wait().unwrap();
    // A new run does not write over what is unfinished.
    let ran = Bench::at(bench.folder, &format!("compare {{pocket}} {{pocket}} {long}")).run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("not finished") && ran.tells("gguf-bench resume out"), "{}", ran.stderr);
    let kept = rounds(&entries(&ran.folder)).len();
    let again = Bench::at(ran.folder, "resume out --quiet");
    let mut second = again.spawn();
    wait_until("another round", || {
        assert!(second.try_wait().unwrap().is_none(), "it goes on");
        rounds(&entries(&again.folder)).len() > kept
    });
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn results_of_a_finished_run_are_replaced_only_when_that_is_asked_for() {
    let line = "compare --rounds 2 --pp 16 --tg 4 --prompts none --no-quality --script script.json --out out --quiet";
    let ran = scripted(line, &["a.gguf", "b.gguf"]).run().ok();
    let before = ran.read("out/run.json");
    let again = |folder: TempDir, more: &str| {
        let bench = Bench::at(folder, &format!("{line} {more}"));
        ["a.gguf", "b.gguf"].iter().fold(bench, |bench, name| bench.arg(models().path().join(name))).run()
    };
    let mut folder = ran.folder;
    // The dry run says what the run would.
    for more in ["", "--dry-run"] {
        let ran = again(folder, more);
        assert_eq!(ran.code, 1, "{more}: {}", ran.stdout);
        for words in ["out holds the results of a run that began at", "choose another --out", "--overwrite"] {
            assert!(ran.tells(words), "{more}: {}", ran.stderr);
        }
        assert_eq!(ran.read("out/run.json"), before, "{more}");
        folder = ran.folder;
    }
    // A record alone is results, too.
    fs::remove_file(journal(&folder)).unwrap();
    let ran = again(folder, "");
    assert!(ran.code == 1 && ran.tells("--overwrite"), "{}", ran.stderr);
    assert!(!journal(&ran.folder).exists(), "no journal stays beside it");
    let ran = again(ran.folder, "--overwrite").ok();
    assert_ne!(ran.read("out/run.json"), before);
    // A run that measured nothing is nobody's loss.
    let ran = Bench::new("compare nope.gguf nope2.gguf --out out").run();
    assert_eq!(ran.code, 1);
    fs::create_dir_all(ran.folder.path().join("out")).unwrap();
    let line = line.replace("--rounds 2", "--rounds 2 --seed 1");
    let bench = Bench::at(ran.folder, &line).file("script.json", SCRIPT.as_bytes());
    ["a.gguf", "b.gguf"].iter().fold(bench, |bench, name| bench.arg(models().path().join(name))).run().ok();
}

#[test]
fn a_round_that_ctrl_c_broke_off_is_shown_and_made_anew() {
    let line = format!("compare {DEMO} --precision 0% --no-quality").replace("6..12", "40");
    let interrupted = || {
        let bench = scripted(&line, &["a.gguf", "b.gguf"]);
        let mut child = bench.spawn();
        wait_until("three rounds", || rounds(&entries(&bench.folder)).len() >= 3);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        (bench, child.wait().unwrap().code())
    };
    // This process may be stopped until the other is over.
    let (bench, code) = (0..5).map(|_| interrupted()).find(|(_, code)| *code != Some(0)).expect("one was interrupted");
    assert_eq!(code, Some(130));
    assert_eq!(entries(&bench.folder).last().unwrap()["ended"], "interrupted");
    let ran = resume(bench.folder).ok();
    let run = ran.json("out/run.json");
    assert_eq!(run["ended"], "rounds_done");
    let indices: Vec<u64> =
        run["rounds"].as_array().unwrap().iter().map(|round| round["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, (0..40).collect::<Vec<_>>());
    let samples = |round: &Value| -> Vec<usize> {
        round["visits"].as_array().unwrap().iter().map(|visit| visit["samples"].as_array().unwrap().len()).collect()
    };
    let rounds = run["rounds"].as_array().unwrap();
    // After the prompts all rounds do the same.
    assert!(rounds[12..].iter().all(|round| samples(round) == samples(&rounds[39])), "none is broken off");
    assert_eq!(Bench::at(ran.folder, "report out --format json").run().ok().stdout_json()["rounds"], 40);
}

#[test]
fn it_is_held_to_the_limits_it_was_begun_with_and_writes_what_it_was_to_write() {
    let line = "compare --rounds 6 --pp 8 --tg 4 --prompts none --no-quality --script script.json --out out --quiet \
                --fail-if tg4>3% --junit gate.xml --json out.json";
    // In the script b generates half as fast again as a.
    let ran = scripted(line, &["a.gguf", "b.gguf"]).run();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    cut(&ran.folder, 5, "");
    let written = ["gate.xml", "out.json"].map(|name| ran.folder.path().join(name));
    for file in &written {
        fs::remove_file(file).unwrap();
    }
    let ran = resume(ran.folder);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.begins("FAIL: the condition failed: tg4>3%"), "{}", ran.stdout);
    assert_eq!(ran.json("out.json")["gate"]["verdict"], "fail");
    assert!(ran.read("gate.xml").contains("failures=\"1\""), "{}", ran.read("gate.xml"));
    // What is typed now comes first: of a run that is finished, too.
    let again = Bench::at(ran.folder, "resume out --quiet --fail-if tg4<-3% --junit other.xml").run().ok();
    assert!(again.begins("PASS"), "{}", again.stdout);
    assert!(again.read("other.xml").contains("failures=\"0\"") && again.read("gate.xml").contains("failures=\"1\""));
}

#[test]
fn a_self_check_ends_with_its_verdict() {
    let line = "selfcheck --script script.json --rounds 8..20 --out out --quiet";
    let ran = scripted(line, &["a.gguf"]).run().ok();
    cut(&ran.folder, 5, "");
    let ran = resume(ran.folder).ok();
    assert!(ran.says("Self-check passed"), "{}", ran.stdout);
}
