//! What a person gets in a given time: from llama-bench with llama-perplexity, and from this program in a share of their time.
//!
//! ```text
//! cargo bench --bench answer -- ORIGINAL CANDIDATE... [--pairs 2] [--share 0.6] [--windows 14] [-r 5] [-t N]
//! ```
//!
//! In turn and in alternating order: (a) `llama-bench -r 5` on each file, then llama-perplexity on the original
//! (`--kl-divergence-base`) and on each candidate (`--kl-divergence`), over so many windows of a text of ours; (b) `gguf-bench compare`
//! on the same files with `--budget` of that share of the last (a)'s time. The tools are on the PATH, or where `LLAMA_BENCH` and
//! `LLAMA_PERPLEXITY` say. Every file is read once before, so that nobody pays for the first.
//!
//! Prints the ratios to the original with what each says of its own precision, and whether every primary ratio has an interval, a model
//! is recommended and the budget was kept. `make answer` does it with five files of `SmolLM2`.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod support;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::Value;
use support::llama_cpp::{self, Perplexity, Test};

/// Of more than [`Asked::windows`] windows for any tokenizer.
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/quality/pocket/hacker-lexicon.txt");
/// What a file is judged by first.
const PRIMARY: [&str; 4] = ["pp512", "tg128", "load", "memory_peak"];

/// Compares the answers of llama.cpp's tools and of gguf-bench, and the time they take.
#[derive(Parser)]
struct Asked {
    /// The original, then its quantized checkpoints.
    #[arg(required = true, num_args = 2..)]
    models: Vec<PathBuf>,
    /// Pairs of (a) and (b).
    #[arg(long, default_value_t = 2)]
    pairs: usize,
    /// (b)'s budget as a share of the time of the last (a).
    #[arg(long, default_value_t = 0.6)]
    share: f64,
    /// Windows that llama-perplexity scores.
    #[arg(long, default_value_t = 14)]
    windows: usize,
    /// Repetitions of llama-bench.
    #[arg(short, long, default_value_t = 5)]
    repetitions: usize,
    /// Threads of all; each program's own choice when nothing is said.
    #[arg(short, long)]
    threads: Option<usize>,
    /// One more word for gguf-bench compare; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    with: Vec<String>,
}

/// (a): by file.
struct Tools {
    bench_s: f64,
    perplexity_s: f64,
    tests: Vec<Vec<Test>>,
    /// Mean KLD and its ±; `None` of the original.
    kld: Vec<Option<(f64, f64)>>,
}

/// (b).
struct Ours {
    asked_s: u64,
    /// From the start of the program to its end.
    wall_s: f64,
    report: Value,
}

fn main() -> Result<()> {
    let asked = Asked::parse_from(std::iter::once("answer".into()).chain(support::arguments()));
    let bench = support::tool("llama-bench", "LLAMA_BENCH")?;
    let perplexity = support::tool("llama-perplexity", "LLAMA_PERPLEXITY")?;
    for model in &asked.models {
        io::copy(&mut File::open(model).with_context(|| format!("open {}", model.display()))?, &mut io::sink())?;
    }
    let mut last: Option<Tools> = None;
    for pair in 0..asked.pairs {
        // Of the first pair nobody knows yet how long the tools take.
        let before = match last.take().filter(|_| pair % 2 == 1) {
            Some(last) => Some(ours(&asked, share_of(&last, asked.share))?),
            None => None,
        };
        let tools = tools(&asked, &bench, &perplexity)?;
        let ours = match before {
            Some(ours) => ours,
            None => ours(&asked, share_of(&tools, asked.share))?,
        };
        print(&asked, pair, &tools, &ours);
        last = Some(tools);
    }
    Ok(())
}

impl Tools {
    fn wall_s(&self) -> f64 {
        self.bench_s + self.perplexity_s
    }
}

/// Whole seconds, as `--budget` takes them.
fn share_of(tools: &Tools, share: f64) -> Duration {
    Duration::from_secs(Duration::from_secs_f64(tools.wall_s() * share).as_secs().max(1))
}

fn tools(asked: &Asked, bench: &Path, perplexity: &Path) -> Result<Tools> {
    let mut options = vec!["-r".to_owned(), asked.repetitions.to_string()];
    options.extend(asked.threads.iter().flat_map(|n| ["-t".to_owned(), n.to_string()]));
    let (mut bench_s, mut tests) = (0.0, Vec::new());
    for model in &asked.models {
        let (ran, own) = llama_cpp::bench(bench, model, &options)?;
        bench_s += ran.wall_s;
        tests.push(own);
    }
    let folder = tempfile::tempdir()?;
    let scoring = Perplexity {
        program: perplexity.into(),
        text: TEXT.into(),
        base: folder.path().join("base.kld"),
        windows: asked.windows,
        threads: asked.threads,
    };
    let (original, candidates) = asked.models.split_first().context("an original")?;
    let mut perplexity_s = scoring.of_original(original)?.wall_s;
    let mut kld = vec![None];
    for candidate in candidates {
        let ran = scoring.of_candidate(candidate)?;
        perplexity_s += ran.wall_s;
        kld.push(llama_cpp::mean_kld(&ran.stdout));
    }
    Ok(Tools { bench_s, perplexity_s, tests, kld })
}

fn ours(asked: &Asked, budget: Duration) -> Result<Ours> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("report.json");
    let mut words = support::words(["compare", "--quiet", "--budget"]);
    words.extend([format!("{}s", budget.as_secs()).into(), "--json".into(), json.clone().into()]);
    words.extend(["--out".into(), folder.path().join("out").into()]);
    words.extend(asked.threads.iter().flat_map(|n| ["-t".into(), n.to_string().into()]));
    words.extend(asked.with.iter().map(Into::into));
    words.extend(asked.models.iter().map(Into::into));
    let ran = support::run(support::gguf_bench(), words)?;
    Ok(Ours {
        asked_s: budget.as_secs(),
        wall_s: ran.wall_s,
        report: serde_json::from_reader(io::BufReader::new(File::open(&json)?))?,
    })
}

fn print(asked: &Asked, pair: usize, tools: &Tools, ours: &Ours) {
    let report = &ours.report;
    println!("\nPair {} of {}", pair + 1, asked.pairs);
    println!("| | llama.cpp's tools | gguf-bench |");
    println!("|---|--:|--:|");
    println!("| time | {:.0} s | {:.0} s |", tools.wall_s(), ours.wall_s);
    println!(
        "| of it | llama-bench {:.0} s, llama-perplexity {:.0} s | asked {} s, planned {}, by its own account {} |",
        tools.bench_s,
        tools.perplexity_s,
        ours.asked_s,
        parts_s(&report["time"]["planned"]),
        parts_s(&report["time"]["taken"])
    );
    println!("| rounds | | {} |", report["rounds"]);
    let (mut without_interval, mut ratios) = (Vec::new(), 0);
    let models = report["models"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, model) in models.iter().enumerate().skip(1) {
        let name = model["name"].as_str().unwrap_or("?");
        for key in PRIMARY {
            let compared = &model["vs_original"][key];
            let row = format!("{key} of {name}");
            println!("| {row} | {} | {} |", by_llama_bench(tools, index, key), interval(&compared["ratio"], compared));
            ratios += 1;
            if compared["low"].is_null() {
                without_interval.push(row);
            }
        }
        let theirs = tools.kld.get(index).copied().flatten();
        let theirs = theirs.map_or_else(|| "none".into(), |(mean, error)| format!("{mean:.5} ± {error:.5}"));
        let kld = &model["metrics"]["kld_mean"];
        println!("| mean KLD of {name}, nats | {theirs} | {} |", interval(&kld["value"], kld));
    }
    let recommended =
        report["advice"]["choice"]["take"]["model"].as_u64().and_then(|n| models.get(usize::try_from(n).ok()?));
    let advice = recommended.map_or_else(
        || format!("none: {}", report["advice"]["choice"]),
        |model| model["name"].as_str().unwrap_or("?").to_owned(),
    );
    println!("| recommended | none | {advice} |");
    println!("\nIntervals: {} of {ratios} primary ratios.", ratios - without_interval.len());
    for row in &without_interval {
        println!("No interval: {row}.");
    }
    println!("Recommendation: {}.", if recommended.is_some() { "yes" } else { "no" });
    let over_s = ours.wall_s - ours.asked_s as f64;
    let word = if over_s > 0.0 { "over" } else { "under" };
    println!("Budget: {:.1} s {word} it, start and reports included.", over_s.abs());
}

/// A sum of parts in nanoseconds, in seconds.
fn parts_s(parts: &Value) -> String {
    let Some(parts) = parts.as_object() else { return "unknown".into() };
    format!("{:.0} s", parts.values().filter_map(Value::as_f64).sum::<f64>() / 1e9)
}

/// The ratio that a reader of llama-bench's table would take, with what its two ± come to. They are deviations of samples.
fn by_llama_bench(tools: &Tools, model: usize, key: &str) -> String {
    let of = |model: usize| tools.tests.get(model)?.iter().find(|test| test.name == key);
    let Some((own, original)) = of(model).zip(of(0)) else { return "not measured".into() };
    let spread = |test: &Test| test.deviation_tps / test.mean_tps;
    let both = spread(own).hypot(spread(original));
    format!("{:.3} (σ {:.1} %)", own.mean_tps / original.mean_tps, both * 100.0)
}

/// A value with its interval, and half of its width as a share of the value.
fn interval(value: &Value, of: &Value) -> String {
    let Some(value) = value.as_f64() else { return "not measured".into() };
    let digits = if value < 0.01 { 5 } else { 3 };
    let (Some(low), Some(high)) = (of["low"].as_f64(), of["high"].as_f64()) else {
        return format!("{value:.digits$}, no interval");
    };
    let half = if value > 0.0 { format!(", ± {:.1} %", (high - low) / 2.0 / value * 100.0) } else { String::new() };
    format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]{half}")
}
