//! Whether a user gets the same pp512 and tg128 from this program as from a natively built llama-bench, and what it costs.
//!
//! ```text
//! cargo bench --bench fidelity -- MODEL... [--pairs 40] [--samples 1] [--until 3] [-t N] [-b N] [-u N] [-r 5]
//! ```
//!
//! In turn and in mirrored order: one worker of `gguf-bench compare` and one process of llama-bench (on the PATH, or `LLAMA_BENCH`)
//! on the same file with the same flags, once for pp512 and once for tg128: a process of two seconds follows its counterpart
//! sooner than one of five, and what else a shared machine does changes within seconds. The datum of a process is the median of
//! its samples. Prints tables to be pasted into the README.
//!
//! llama-bench built with the flags that `.cargo/config.toml` gives llama.cpp here (`-DCMAKE_C_FLAGS`, `-DCMAKE_CXX_FLAGS`) shows
//! what the program adds; one built without them, what the compiler adds.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use gguf_bench::testing::{
    analysis::analyse,
    record::{Run, read_run},
    run::order,
    stats::{self, Estimate},
    units::{MIB, NS_PER_S},
};
use support::{
    Ran,
    llama_cpp::{self, Test},
};

/// `compare` wants two models: the bundled one is the cheapest.
const COMPANION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/models/pocket-4m-f16.gguf");
const CONFIDENCE: f64 = 0.95;
/// Half-width at which a value counts as known.
const PRECISE: f64 = 0.01;
/// Intervals of fewer are not looked at to stop.
const FEWEST_PAIRS: usize = 15;

/// Compares pp512 and tg128 of gguf-bench and llama-bench.
#[derive(Parser)]
struct Asked {
    /// The files to measure.
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Pairs of processes.
    #[arg(long, default_value_t = 40)]
    pairs: usize,
    /// Samples of each process.
    #[arg(long, default_value_t = 1)]
    samples: usize,
    /// Stop from 15 pairs on, once the half-width is at most this, in per cent.
    #[arg(long, value_name = "PERCENT")]
    until: Option<f64>,
    /// Threads of both.
    #[arg(short, long)]
    threads: Option<usize>,
    /// Logical batch of both.
    #[arg(short, long, default_value_t = 2048)]
    batch: usize,
    /// Physical batch of both.
    #[arg(short, long, default_value_t = 512)]
    ubatch: usize,
    /// Repetitions of the one long llama-bench whose ± is shown.
    #[arg(short, long, default_value_t = 5)]
    repetitions: usize,
}

/// What is timed, each in processes of its own.
#[derive(Clone, Copy)]
struct Timed {
    name: &'static str,
    /// Tokens of the prompt, and tokens generated, as both programs are told.
    n_prompt: &'static str,
    n_gen: &'static str,
}

const TIMED: [Timed; 2] =
    [Timed { name: "pp512", n_prompt: "512", n_gen: "0" }, Timed { name: "tg128", n_prompt: "0", n_gen: "128" }];

/// What one process of either program gave.
struct Sampled {
    /// Tokens a second in its samples.
    median_tps: f64,
    best_tps: f64,
    /// Peak of resident memory of the process that held the model.
    peak_bytes: Option<f64>,
    /// From the start of the program to its first sample, at most: what followed the last one is in it.
    before_first_s: f64,
    /// Of ours alone.
    parent: Option<Parent>,
}

/// What measuring took.
struct Parent {
    /// From the start of the worker to its end.
    visit_s: f64,
    /// CPU time of reading the worker's memory over that time.
    readings_share: f64,
    /// CPU time of the whole parent over its own time, start and report included.
    cpu_share: Option<f64>,
}

/// Ours and theirs.
type Pair = (Sampled, Sampled);

fn main() -> Result<()> {
    let asked = Asked::parse_from(std::iter::once("fidelity".into()).chain(support::arguments()));
    let llama_bench = support::tool("llama-bench", "LLAMA_BENCH")?;
    let threads = asked.threads.map_or_else(|| std::thread::available_parallelism().map(usize::from), Ok)?;
    let flags: Vec<String> = [("-t", threads), ("-b", asked.batch), ("-ub", asked.ubatch)]
        .iter()
        .flat_map(|(f, n)| [(*f).to_owned(), n.to_string()])
        .collect();
    println!("Flags of both: {}, {} sample(s) of each process\n", flags.join(" "), asked.samples);
    let mut costs = Vec::new();
    println!("| file | metric | gguf-bench | llama-bench | ratio, 95 % interval | ± | best/best | pairs |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for model in &asked.models {
        let name = model.file_name().unwrap_or(model.as_os_str()).to_string_lossy().into_owned();
        let enough = |pairs: &[Pair]| {
            let until = asked.until.map(|percent| percent / 100.0);
            let known = || support::estimate(pairs, |s| s.median_tps).is_ok_and(|e| Some(relative(&e)) <= until);
            until.is_some() && pairs.len() >= FEWEST_PAIRS && known()
        };
        for timed in TIMED {
            let pairs = support::alternate_until(
                asked.pairs,
                &mut || ours(model, timed, &flags, asked.samples),
                &mut || theirs(&llama_bench, model, timed, &flags, asked.samples),
                enough,
            )?;
            println!("{}", fidelity(&name, timed, &pairs));
            let long = theirs_repeated(&llama_bench, model, timed, &flags, asked.repetitions)?;
            costs.extend(cost(&format!("{name} {}", timed.name), &pairs, &long, asked.repetitions));
        }
    }
    println!("\n| file | | gguf-bench | llama-bench |\n|---|---|--:|--:|");
    for row in costs {
        println!("{row}");
    }
    Ok(())
}

/// One worker, as `compare` makes it.
fn ours(model: &Path, timed: Timed, flags: &[String], samples: usize) -> Result<Sampled> {
    let folder = tempfile::tempdir()?;
    // The order of the first round follows from the seed: the model itself comes first.
    let seed = (0..64).find(|&seed| order(2, 0, seed)[0] == 0).context("a seed that puts the model first")?;
    let mut words: Vec<String> = ["compare", &model.display().to_string(), COMPANION].map(Into::into).into();
    words.extend(["-p", timed.n_prompt, "-n", timed.n_gen].map(Into::into));
    words.extend(["--rounds", "1", "--inner", &samples.to_string()].map(Into::into));
    // As llama-bench, which has nothing else loaded.
    words.extend(["--arrangement", "sequential"].map(Into::into));
    words.extend(["--prompts", "none", "--no-quality", "--quiet", "--seed"].map(Into::into));
    words.extend([seed.to_string(), "--out".into(), folder.path().display().to_string()]);
    words.extend_from_slice(flags);
    let ran = support::run(support::gguf_bench(), &words)?;
    let run = read_run(&folder.path().join("run.json"))?;
    sampled_by_us(&run, timed, &ran).context("the run holds no samples of the model")
}

fn sampled_by_us(run: &Run, timed: Timed, ran: &Ran) -> Option<Sampled> {
    let analysis = analyse(run);
    let metric = |key: &str| analysis.models.first()?.metric(&key.parse().ok()?);
    let speed = metric(timed.name)?;
    let visits = || run.rounds.iter().flat_map(|r| &r.visits);
    let visit = visits().find(|v| v.model == 0)?;
    let memory = visit.memory.as_ref();
    let end_ns = visits().map(|v| v.started_ns + v.duration_ns).max()?;
    let seconds = |ns: u64| ns as f64 / NS_PER_S;
    Some(Sampled {
        median_tps: speed.value?,
        best_tps: speed.best?,
        peak_bytes: metric("memory_peak")?.value,
        before_first_s: ran.wall_s - seconds(end_ns - visit.samples.first()?.at_ns),
        parent: Some(Parent {
            visit_s: seconds(visit.duration_ns),
            readings_share: memory?.sampling_cost_ns? as f64 / visit.duration_ns as f64,
            cpu_share: ran.own_cpu_s.map(|cpu| cpu / ran.wall_s),
        }),
    })
}

/// One process of llama-bench.
fn theirs(program: &Path, model: &Path, timed: Timed, flags: &[String], samples: usize) -> Result<Sampled> {
    let (ran, test) = llama_bench(program, model, timed, flags, samples)?;
    Ok(Sampled {
        median_tps: stats::median(&test.samples_tps)?,
        best_tps: test.samples_tps.iter().copied().fold(f64::NAN, f64::max),
        peak_bytes: ran.peak_bytes.map(|bytes| bytes as f64),
        before_first_s: ran.wall_s - test.total_ns / NS_PER_S,
        parent: None,
    })
}

fn llama_bench(
    program: &Path,
    model: &Path,
    timed: Timed,
    flags: &[String],
    repetitions: usize,
) -> Result<(Ran, Test)> {
    let mut words: Vec<String> = ["-p", timed.n_prompt, "-n", timed.n_gen, "-r"].map(Into::into).into();
    words.push(repetitions.to_string());
    words.extend_from_slice(flags);
    let (ran, mut tests) = llama_cpp::bench(program, model, &words)?;
    Ok((ran, tests.pop().context("llama-bench gave no row")?))
}

/// What `llama-bench -r 5` takes, and how well it then says it knows its value.
struct Long {
    wall_s: f64,
    test: Test,
}

fn theirs_repeated(program: &Path, model: &Path, timed: Timed, flags: &[String], repetitions: usize) -> Result<Long> {
    let (ran, test) = llama_bench(program, model, timed, flags, repetitions)?;
    Ok(Long { wall_s: ran.wall_s, test })
}

fn fidelity(file: &str, timed: Timed, pairs: &[Pair]) -> String {
    let values = |side: fn(&Pair) -> &Sampled| pairs.iter().map(|p| side(p).median_tps).collect::<Vec<f64>>();
    let (ours, theirs) = (values(|p| &p.0), values(|p| &p.1));
    let best = |side: fn(&Pair) -> &Sampled| pairs.iter().map(|p| side(p).best_tps).fold(f64::NAN, f64::max);
    let (ratio, half) = if let Ok(e) = support::estimate(pairs, |s| s.median_tps) {
        (format!("{:.4} [{:.4}, {:.4}]", e.value, e.low, e.high), percent(relative(&e)))
    } else {
        let each: Vec<String> = ours.iter().zip(&theirs).map(|(o, t)| format!("{:.3}", o / t)).collect();
        (format!("{} (six pairs give an interval)", each.join(", ")), "n/a".into())
    };
    format!(
        "| {file} | {} | {} | {} | {ratio} | {half} | {:.4} | {} |",
        timed.name,
        rate(stats::median(&ours)),
        rate(stats::median(&theirs)),
        best(|p| &p.0) / best(|p| &p.1),
        pairs.len()
    )
}

fn cost(what_of: &str, pairs: &[Pair], long: &Long, repetitions: usize) -> Vec<String> {
    let median = |values: Vec<f64>| stats::median(&values);
    let ours = |of: fn(&Sampled) -> Option<f64>| median(pairs.iter().filter_map(|p| of(&p.0)).collect());
    let theirs = |of: fn(&Sampled) -> Option<f64>| median(pairs.iter().filter_map(|p| of(&p.1)).collect());
    let seconds = |v: Result<f64, stats::Error>| v.map_or_else(|_| "n/a".into(), |v| format!("{v:.2} s"));
    let mib = |v: Result<f64, stats::Error>| v.map_or_else(|_| "n/a".into(), |v| format!("{:.1} MiB", v / MIB));
    let share = |v: Result<f64, stats::Error>| v.map_or_else(|_| "n/a".into(), percent);
    let parent =
        |of: fn(&Parent) -> Option<f64>| share(median(pairs.iter().filter_map(|p| of(p.0.parent.as_ref()?)).collect()));
    let row = |what: &str, ours: String, theirs: String| format!("| {what_of} | {what} | {ours} | {theirs} |");
    vec![
        row(
            "program start to first sample, at most",
            seconds(ours(|s| Some(s.before_first_s))),
            seconds(theirs(|s| Some(s.before_first_s))),
        ),
        row(
            "peak memory of the process that holds the model",
            mib(ours(|s| s.peak_bytes)),
            mib(theirs(|s| s.peak_bytes)),
        ),
        row(
            "CPU of the parent, share of a core: memory readings alone; all it does",
            format!("{}; {}", parent(|p| Some(p.readings_share)), parent(|p| p.cpu_share)),
            "no parent".into(),
        ),
        row(
            "wall time to ±1 % (95 %), against one run of -r",
            until_precise(pairs),
            format!("-r {repetitions}: {:.1} s, {}", long.wall_s, said(&long.test, repetitions)),
        ),
    ]
}

/// Its own ±, which is the deviation of samples, and the interval of the mean that would follow were they independent.
fn said(test: &Test, repetitions: usize) -> String {
    let spread = test.deviation_tps / test.mean_tps;
    let t = stats::window_t(&unit_spread(repetitions), CONFIDENCE).map(|e| e.half_width());
    let interval = t.map_or_else(|_| "n/a".into(), |factor| percent(factor * spread));
    format!("σ {}, mean ± {interval}", percent(spread))
}

/// So many values of mean 0 and deviation 1: the half-width of their interval is t/√n.
fn unit_spread(n: usize) -> Vec<f64> {
    let (Some(first), true) = (n.checked_sub(1), n > 1) else { return Vec::new() };
    let mut values = vec![0.0; n];
    let arm = (first as f64 / 2.0).sqrt();
    (values[0], values[1]) = (arm, -arm);
    values
}

/// How long our processes took until their median was known this well; they are taken in the order they were run.
fn until_precise(pairs: &[Pair]) -> String {
    let width = |n: usize| {
        let values: Vec<f64> = pairs[..n].iter().map(|p| p.0.median_tps).collect();
        stats::median_interval(&values, CONFIDENCE).map(|e| relative(&e))
    };
    let took = |n: usize| -> f64 { pairs[..n].iter().filter_map(|p| Some(p.0.parent.as_ref()?.visit_s)).sum() };
    let n = pairs.len();
    if let Some(n) = (1..=n).find(|&n| width(n).is_ok_and(|w| w <= PRECISE)) {
        return format!("{:.0} s, {n} processes", took(n));
    }
    let reached = width(n).map_or_else(|_| "n/a".into(), percent);
    format!("not within {:.0} s, {n} processes: ± {reached}", took(n))
}

/// Half the width of an interval over its value.
fn relative(e: &Estimate) -> f64 {
    e.half_width() / e.value
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn rate(tps: Result<f64, stats::Error>) -> String {
    tps.map_or_else(|_| "n/a".into(), |tps| format!("{tps:.2} t/s"))
}
