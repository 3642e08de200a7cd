//! Damaged copies of the bundled model through the header reader, `inspect` and whole runs: whatever the damage, an answer in words.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    env, fs,
    time::{Duration, Instant},
};

use gguf_bench::testing::gguf::{Facts, GgmlType, Header};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::support::{Bench, mutate::Mutator};

const INSPECTED: usize = 2_000;
/// Of whole runs, unless `MUTATED_RUNS` says otherwise; `make hostile` makes 200.
const RUNS: usize = 30;
/// What hangs takes for ever, and what is only slow no longer than this anywhere.
const LONGEST: Duration = Duration::from_mins(5);

/// What one damaged copy led to, and what of it was seen how often.
#[derive(Debug, Default)]
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn note(&mut self, what: &str) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// The figures, for whoever asks with `--nocapture`.
    #[expect(clippy::print_stderr, reason = "figures of a test")]
    fn tell(&self, title: &str, slowest: Duration) {
        eprintln!("{title}; the slowest took {:.2} s", slowest.as_secs_f64());
        for (what, times) in &self.0 {
            eprintln!("{times:6}  {what}");
        }
    }
}

/// Processor time of this thread, which other load does not lengthen.
fn core_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

fn first_word(text: &str) -> String {
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn the_reader_answers_every_damaged_copy_soon() {
    let mut mutator = Mutator::new(6);
    let (mut seen, mut slowest) = (Seen::default(), Duration::ZERO);
    for _ in 0..INSPECTED {
        let damaged = mutator.make();
        let start = core_time();
        let outcome = Header::parse(damaged.head.as_slice(), damaged.bytes);
        if let Ok(header) = &outcome {
            let facts = Facts::of(header, &[]);
            let _ = facts.shape.kv_cache_bytes(u32::MAX, GgmlType::F16, GgmlType::Q4_0);
            serde_json::to_string(&facts).unwrap();
        }
        let took = core_time().saturating_sub(start);
        // Milliseconds, and tenths of a second on the slowest machine; who believes a length that lies takes for ever.
        assert!(took < Duration::from_secs(10), "{}: {took:?}", damaged.how);
        slowest = slowest.max(took);
        seen.note(&outcome.err().map_or_else(|| "accepted".into(), |error| first_word(&format!("{error:?}"))));
    }
    seen.tell(&format!("{INSPECTED} damaged headers"), slowest);
    // A mutator that finds one kind of damage only tests little.
    assert!(seen.0.len() >= 12 && seen.0["accepted"] > 100, "{seen:?}");
}

#[test]
fn inspect_tells_what_is_wrong_with_every_damaged_copy() {
    let mut mutator = Mutator::new(7);
    let (mut seen, mut slowest) = (Seen::default(), Duration::ZERO);
    for _ in 0..INSPECTED {
        let damaged = mutator.make();
        let bench = Bench::new("inspect damaged.gguf");
        damaged.write_head(&bench.folder.path().join("damaged.gguf"));
        let start = Instant::now();
        let ran = bench.run();
        let took = start.elapsed();
        slowest = slowest.max(took);
        assert!(took < LONGEST, "{}: {took:?}", damaged.how);
        match ran.code {
            0 => assert!(ran.says("bits per weight"), "{}: {}", damaged.how, ran.stdout),
            1 => {
                assert!(ran.stderr.starts_with("error: read damaged.gguf: "), "{}: {}", damaged.how, ran.stderr);
                assert_eq!(ran.stderr.lines().count(), 1, "{}: {}", damaged.how, ran.stderr);
            }
            // A signal is -1, a panic 101.
            code => panic!("{}: exit code {code}: {}", damaged.how, ran.stderr),
        }
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!ran.stdout.contains(steers) && !ran.stderr.contains(steers), "{}", damaged.how);
        seen.note(&format!("exit code {}", ran.code));
    }
    seen.tell(&format!("{INSPECTED} damaged copies inspected"), slowest);
    assert!(seen.0.len() == 2, "{seen:?}");
}

#[test]
fn a_run_gives_every_damaged_copy_its_row() {
    let runs = env::var("MUTATED_RUNS").map_or(RUNS, |text| text.parse().unwrap());
    let mut mutator = Mutator::new(8);
    let (mut seen, mut slowest) = (Seen::default(), Duration::ZERO);
    for number in 0..runs {
        let damaged = mutator.make();
        let how = format!("{number}: {}", damaged.how);
        let line = "compare {pocket} damaged.gguf --rounds 1 --inner 1 -p 2 -n 1 --prompts none --no-quality \
                    --timeout 60 --quiet --out out --json out.json";
        let bench = Bench::new(line);
        mutator.write(&damaged, &bench.folder.path().join("damaged.gguf"));
        let start = Instant::now();
        let ran = bench.run();
        let took = start.elapsed();
        slowest = slowest.max(took);
        assert!(took < LONGEST, "{how}: {took:?}");
        assert!([0, 5].contains(&ran.code), "{how}: exit code {}: {}", ran.code, ran.stderr);
        let analysis = ran.json("out.json");
        let [original, candidate] = [0, 1].map(|model: usize| &analysis["models"][model]);
        assert!(original["metrics"]["pp2"]["value"].is_number(), "{how}: the original is measured all the same");
        let outcome = &candidate["outcome"];
        if ran.code == 0 {
            assert_eq!(outcome, "done", "{how}");
            assert!(candidate["metrics"]["pp2"]["value"].is_number(), "{how}");
            seen.note("measured");
        } else {
            let failed = &outcome["failed"];
            let (stage, reason) = (failed["stage"].as_str().unwrap(), failed["reason"].as_str().unwrap());
            assert!(!reason.is_empty() && !reason.contains("panicked"), "{how}: {reason}");
            assert!(ran.says("failed"), "{how}: the terminal says it:\n{}", ran.stdout);
            let kind: String = reason.chars().take_while(|c| !matches!(c, '`' | ';' | ':' | '(' | '0'..='9')).collect();
            seen.note(&format!("failed ({stage}): {}", kind.trim()));
        }
        let record: Value = serde_json::from_slice(&fs::read(ran.folder.path().join("out/run.json")).unwrap()).unwrap();
        assert_eq!(record["ended"], "rounds_done", "{how}");
    }
    seen.tell(&format!("{runs} runs with a damaged copy"), slowest);
    assert!(seen.0.len() >= 4_usize.min(runs / 5), "{seen:?}");
}
