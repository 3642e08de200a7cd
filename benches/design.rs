//! Which design gives the narrowest honest interval for its time? Runs the candidates in turn on a model against itself and on a known
//! difference, on real files: `cargo bench --bench design -- ORIGINAL CANDIDATE [--turns N] [--rounds N] [--pp N] [--tg N]`.
//!
//! docs/validation.md holds the table this printed, METHODOLOGY.md the choice that was made.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own, with a clock of its own"
)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use gguf_bench::testing::{
    analysis,
    event::{Event, Observer},
    probe::Monotonic,
    record::{
        self, Arrangement, Budget, InnerPolicy, Model, Outcome, Preparation, PromptPolicy, PromptTurns, Protocol, Role,
        Run, Settings, Subject, Workload, WorkloadKind,
        round_value::{by_round, log_ratios, rate},
    },
    run::{self, Bench, Deadline, NoJudge, ProcessLauncher, WithoutOriginal},
    stats,
};

struct Options {
    original: PathBuf,
    candidate: PathBuf,
    turns: usize,
    rounds: u32,
    pp: u32,
    tg: u32,
}

/// A way to spend the time of a block.
#[derive(Clone, Copy)]
struct Design {
    name: &'static str,
    arrangement: Arrangement,
    /// Samples of each workload in a round.
    inner: u32,
    /// Tokens generated before the other model has its turn.
    block_tokens: u32,
}

/// More than any sample has: no blocks.
const WHOLE: u32 = 1 << 20;

const DESIGNS: [Design; 5] = [
    Design { name: "sequential, k=1", arrangement: Arrangement::Sequential, inner: 1, block_tokens: WHOLE },
    Design { name: "alternating, k=1", arrangement: Arrangement::Alternating, inner: 1, block_tokens: WHOLE },
    Design {
        name: "alternating, k=1, blocks of 32",
        arrangement: Arrangement::Alternating,
        inner: 1,
        block_tokens: 32,
    },
    Design {
        name: "alternating, k=1, blocks of 16",
        arrangement: Arrangement::Alternating,
        inner: 1,
        block_tokens: 16,
    },
    Design {
        name: "alternating, k=2, blocks of 32",
        arrangement: Arrangement::Alternating,
        inner: 2,
        block_tokens: 32,
    },
];

/// What a block gave for one metric and one way to reduce its rounds.
struct Outcome1 {
    half_width: f64,
    value: f64,
    excludes_none: bool,
}

/// Times a small fixed piece of work before every sample: arithmetic, then memory.
struct Calibration {
    memory: Vec<u64>,
    next: BTreeMap<String, Vec<f64>>,
}

impl Calibration {
    fn new() -> Self {
        Self { memory: vec![1; 4 << 20], next: BTreeMap::new() }
    }

    fn kernel(&self) -> f64 {
        let start = Instant::now();
        let mut x = 1.0_f64;
        for _ in 0..1_000_000 {
            x = x.mul_add(1.000_000_1, 1e-9);
        }
        black_box(x);
        black_box(self.memory.iter().copied().map(black_box).sum::<u64>());
        start.elapsed().as_secs_f64()
    }
}

impl Observer for Calibration {
    fn on(&mut self, event: Event<'_>) {
        if let Event::Step { model, what, phase: Some(_) } = event
            && !what.ends_with("warm-up")
        {
            let took = self.kernel();
            self.next.entry(format!("{model} {what}")).or_default().push(took.ln());
        }
    }
}

fn main() {
    let Some(options) = options() else {
        println!("usage: cargo bench --bench design -- ORIGINAL CANDIDATE [--turns N] [--rounds N] [--pp N] [--tg N]");
        return;
    };
    for (title, candidate) in [("against itself", &options.original), ("known difference", &options.candidate)] {
        let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); DESIGNS.len()];
        let mut results: BTreeMap<(usize, String, &str), Vec<Outcome1>> = BTreeMap::new();
        for turn in 0..options.turns {
            let mut order: Vec<usize> = (0..DESIGNS.len()).collect();
            if turn % 2 == 1 {
                order.reverse();
            }
            for design in order {
                let mut calibration = Calibration::new();
                let start = Instant::now();
                let run = block(&options, candidate, DESIGNS[design], turn as u64, &mut calibration);
                seconds[design].push(start.elapsed().as_secs_f64());
                for (metric, kind, outcome) in reduce(&run, &calibration, DESIGNS[design].inner) {
                    results.entry((design, metric, kind)).or_default().push(outcome);
                }
            }
            eprintln!("{title}: turn {} of {} done", turn + 1, options.turns);
        }
        table(title, &seconds, &results);
    }
}

fn table(title: &str, seconds: &[Vec<f64>], results: &BTreeMap<(usize, String, &str), Vec<Outcome1>>) {
    println!("\n{title}\n");
    println!(
        "| design | datum | metric | blocks | s a block | ratio | half-width | half-width in 60 s | intervals without 1 |"
    );
    println!("|---|---|---|--:|--:|--:|--:|--:|--:|");
    for ((design, metric, kind), outcomes) in results {
        let median = |of: &dyn Fn(&Outcome1) -> f64| {
            stats::median(&outcomes.iter().map(of).collect::<Vec<_>>()).expect("a block was run")
        };
        let took = stats::median(&seconds[*design]).expect("a block was run");
        let half = median(&|o| o.half_width);
        println!(
            "| {} | {kind} | {metric} | {} | {took:.1} | {:.3} | {:.2} % | {:.2} % | {} |",
            DESIGNS[*design].name,
            outcomes.len(),
            median(&|o| o.value).exp(),
            half * 100.0,
            half * 100.0 * (took / 60.0).sqrt(),
            outcomes.iter().filter(|o| o.excludes_none).count()
        );
    }
}

/// The intervals of a block: by round, by mirrored pair, and by round with the calibration as control variate.
fn reduce(run: &Run, calibration: &Calibration, inner: u32) -> Vec<(String, &'static str, Outcome1)> {
    let mut all = Vec::new();
    for (index, workload) in run.plan.workloads.iter().enumerate() {
        let series = |model| by_round(run, model, |visit| rate(visit, index));
        let d = log_ratios(&series(1), &series(0));
        let pairs: Vec<f64> = d.chunks_exact(2).map(|p| f64::midpoint(p[0], p[1])).collect();
        let mut push = |kind, d: &[f64], confidence: f64| {
            if let Ok(e) = stats::paired_effect(d, confidence) {
                let outcome = Outcome1 { half_width: e.half_width(), value: e.value, excludes_none: !e.contains(0.0) };
                all.push((workload.id.clone(), kind, outcome));
            }
        };
        push("round", &d, 0.95);
        push("pair", &pairs, 0.95);
        if let Some(adjusted) = controlled(&d, calibration, &workload.id, inner) {
            push("round, calibrated", &adjusted, 0.95);
        }
    }
    all
}

/// d less what the calibration explains of it, by least squares through the mean.
fn controlled(d: &[f64], calibration: &Calibration, workload: &str, inner: u32) -> Option<Vec<f64>> {
    let of = |model: &str| -> Option<Vec<f64>> {
        let logs = calibration.next.get(&format!("{model} {workload}"))?;
        logs.chunks_exact(inner as usize).map(|samples| stats::median(samples).ok()).collect()
    };
    let (own, other) = (of("b")?, of("a")?);
    if own.len() != d.len() || other.len() != d.len() {
        return None;
    }
    // The kernel's time, as a rate like d.
    let c: Vec<f64> = own.iter().zip(&other).map(|(own, other)| other - own).collect();
    let (mean_c, mean_d) = (stats::mean(&c).ok()?, stats::mean(d).ok()?);
    let covariance: f64 = c.iter().zip(d).map(|(c, d)| (c - mean_c) * (d - mean_d)).sum();
    let variance: f64 = c.iter().map(|c| (c - mean_c).powi(2)).sum();
    let slope = covariance / variance;
    Some(c.iter().zip(d).map(|(c, d)| d - slope * c).collect())
}

fn block(options: &Options, candidate: &Path, design: Design, seed: u64, observer: &mut Calibration) -> Run {
    let mut run = template();
    run.plan.workloads = vec![
        Workload { id: format!("pp{}", options.pp), kind: WorkloadKind::Pp { n_tokens: options.pp, n_depth: 0 } },
        Workload { id: format!("tg{}", options.tg), kind: WorkloadKind::Tg { n_tokens: options.tg, n_depth: 0 } },
    ];
    run.plan.protocol = Protocol {
        min_rounds: options.rounds,
        max_rounds: options.rounds,
        inner_samples: design.inner,
        inner: InnerPolicy::Fixed,
        arrangement: design.arrangement,
        block_tokens: Some(design.block_tokens),
        preparation: Preparation::default(),
        prompt_rounds: 0,
        prompt_turns: PromptTurns::InTurn,
        prompts: PromptPolicy::Always,
        precision: 0.01,
        confidence: 0.95,
        equivalence: 0.01,
        budget_s: None,
        budget: Budget::Aim,
        quick: false,
    };
    run.plan.seed = seed;
    let threads = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let settings = Settings { n_threads: threads, n_threads_batch: threads, ..run.subjects[0].settings.clone() };
    let subject = |name: &str, role| Subject {
        name: name.into(),
        role,
        model: Model { file: name.into(), facts: None },
        settings: settings.clone(),
        outcome: Outcome::Done,
    };
    run.subjects = vec![subject("a", Role::Original), subject("b", Role::Candidate)];
    (run.rounds, run.probes, run.time_plan, run.adaptation, run.quality) = (Vec::new(), Vec::new(), None, None, None);
    let arguments = ["worker", "--tied", "serve"].map(String::from).into();
    let launcher = ProcessLauncher::new(env!("CARGO_BIN_EXE_gguf-bench").into(), arguments, Deadline::Learned);
    let plan = run.plan.clone();
    let files = [options.original.clone(), candidate.to_owned()];
    let bench = Bench {
        plan: &plan,
        files: &files,
        launcher: &launcher,
        clock: Arc::new(Monotonic::start()),
        devices: &[],
        interrupt: &AtomicBool::new(false),
        judge: &NoJudge,
        without_original: WithoutOriginal::Ends,
    };
    run::execute(&bench, &mut run, observer, &mut |_, _| Ok::<(), std::convert::Infallible>(()))
        .expect("nothing is saved");
    assert!(run.subjects.iter().all(|m| m.outcome == Outcome::Done), "{:?}", run.subjects);
    black_box(analysis::analyse(&run));
    run
}

/// A record of the right shape, to be emptied and filled.
fn template() -> Run {
    record::read_run(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/runs/v1.json"))).expect("a record")
}

fn options() -> Option<Options> {
    let mut words = std::env::args().skip(1).filter(|w| w != "--bench");
    let mut files = Vec::new();
    let (mut turns, mut rounds, mut pp, mut tg) = (3, 10, 128, 32);
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u32>().ok();
        match word.as_str() {
            "--turns" => turns = number()? as usize,
            "--rounds" => rounds = number()?,
            "--pp" => pp = number()?,
            "--tg" => tg = number()?,
            _ => files.push(PathBuf::from(word)),
        }
    }
    let [original, candidate] = files.try_into().ok()?;
    Some(Options { original, candidate, turns, rounds, pp, tg })
}
