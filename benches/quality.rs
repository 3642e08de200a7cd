//! What comparing outputs costs: against the forward passes it contains, and against llama-perplexity's two passes.
//!
//! ```text
//! cargo bench --bench quality -- ORIGINAL CANDIDATE... [--text FILE] [--pairs 10] [--windows 20] [--threads N]
//! ```
//!
//! With one candidate it alternates (a) the comparison and the same windows without statistics, (b) the whole of `gguf-bench
//! quality` and llama-perplexity with a base file and --kl-divergence (on the PATH, or `LLAMA_PERPLEXITY`; left out when it is
//! missing). With several it counts the model passes that one run takes.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod support;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use gguf_bench::testing::record::{QualityWorker, read_run};
use support::{Ran, llama_cpp::Perplexity};

struct Asked {
    models: Vec<PathBuf>,
    text: PathBuf,
    pairs: usize,
    windows: usize,
    threads: usize,
}

fn asked() -> Result<Asked> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut asked = Asked {
        models: Vec::new(),
        text: root.join("prompts/quality/pocket/hacker-lexicon.txt"),
        pairs: 10,
        windows: 20,
        threads: std::thread::available_parallelism()?.get(),
    };
    let mut words = support::arguments().into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--text" => asked.text = value()?.into(),
            "--pairs" => asked.pairs = value()?.parse()?,
            "--windows" => asked.windows = value()?.parse()?,
            "--threads" => asked.threads = value()?.parse()?,
            model => asked.models.push(model.into()),
        }
    }
    if asked.models.len() < 2 {
        bail!("name the original and a candidate: cargo bench --bench quality -- ORIGINAL CANDIDATE...");
    }
    Ok(asked)
}

fn main() -> Result<()> {
    let asked = asked()?;
    println!("{} windows of {}, {} threads", asked.windows, asked.text.display(), asked.threads);
    if asked.models.len() > 2 {
        return passes(&asked);
    }
    against_forward_passes(&asked)?;
    match support::tool("llama-perplexity", "LLAMA_PERPLEXITY") {
        Ok(tool) => against_llama_perplexity(&asked, &tool),
        Err(missing) => {
            println!("not compared with llama-perplexity: {missing}");
            Ok(())
        }
    }
}

/// One run of the program: what it cost from outside, and what its record says of the windows.
struct Quality {
    ran: Ran,
    worker: QualityWorker,
    disk_bytes: u64,
}

fn quality(asked: &Asked, more: &[&str]) -> Result<Quality> {
    let folder = tempfile::tempdir()?;
    let mut words = support::words(["quality", "--quiet", "--quality-precision", "0", "--out"]);
    words.push(folder.path().into());
    words.extend(asked.models.iter().map(OsString::from));
    words.extend([OsString::from("--text"), asked.text.clone().into()]);
    words.extend(["--max-windows", &asked.windows.to_string(), "-t", &asked.threads.to_string()].map(OsString::from));
    words.extend(more.iter().map(OsString::from));
    let ran = support::run(support::gguf_bench(), words)?;
    let run = read_run(&folder.path().join("run.json"))?;
    let mut workers = run.quality.map(|quality| quality.workers).unwrap_or_default();
    let worker = workers.pop().context("no worker compared anything")?;
    let sizes = fs::read_dir(folder.path())?.map(|entry| Ok(entry?.metadata()?.len()));
    let disk_bytes = sizes.collect::<std::io::Result<Vec<u64>>>()?.iter().sum();
    Ok(Quality { ran, worker, disk_bytes })
}

/// (a): what softmax, divergences and percentiles add to the forward passes.
fn against_forward_passes(asked: &Asked) -> Result<()> {
    let mut whole = || quality(asked, &[]);
    let mut forward = || quality(asked, &["--no-statistics"]);
    let pairs = support::alternate(asked.pairs, &mut whole, &mut forward)?;
    println!("(a) with statistics over without, first window to last");
    println!("    {}", support::ratio("wall time, s", &pairs, |quality| quality.worker.wall_ns as f64 / 1e9));
    let inside = pairs.iter().map(|(whole, _)| (whole.worker.wall_ns as f64, whole.worker.evaluate_ns as f64));
    let inside: Vec<(f64, f64)> = inside.collect();
    println!("    {}", support::ratio("of the same runs, all over evaluation alone, s", &inside, |ns| ns / 1e9));
    Ok(())
}

/// What llama-perplexity's two passes cost together.
struct TwoPasses {
    wall_s: f64,
    base: Ran,
    disk_bytes: u64,
}

fn two_passes(asked: &Asked, tool: &Path) -> Result<TwoPasses> {
    let folder = tempfile::tempdir()?;
    let scoring = Perplexity {
        program: tool.into(),
        text: asked.text.clone(),
        base: folder.path().join("base.kld"),
        windows: asked.windows,
        threads: Some(asked.threads),
    };
    let base = scoring.of_original(&asked.models[0])?;
    let disk_bytes = fs::metadata(&scoring.base)?.len();
    let candidate = scoring.of_candidate(&asked.models[1])?;
    Ok(TwoPasses { wall_s: base.wall_s + candidate.wall_s, base, disk_bytes })
}

/// (b): the same question asked of the anchor.
fn against_llama_perplexity(asked: &Asked, tool: &Path) -> Result<()> {
    enum Side {
        Ours(Quality),
        Theirs(TwoPasses),
    }
    let mut ours = || quality(asked, &[]).map(Side::Ours);
    let mut theirs = || two_passes(asked, tool).map(Side::Theirs);
    let pairs = support::alternate(asked.pairs, &mut ours, &mut theirs)?;
    println!("(b) gguf-bench quality over llama-perplexity's two passes, from start to end");
    let wall_s = |side: &Side| match side {
        Side::Ours(ours) => ours.ran.wall_s,
        Side::Theirs(theirs) => theirs.wall_s,
    };
    println!("    {}", support::ratio("wall time, s", &pairs, wall_s));
    let sides: Vec<&Side> = pairs.iter().flat_map(|(ours, theirs)| [ours, theirs]).collect();
    let ours: Vec<&Quality> =
        sides.iter().filter_map(|side| if let Side::Ours(ours) = side { Some(ours) } else { None }).collect();
    let theirs: Vec<&TwoPasses> =
        sides.iter().filter_map(|side| if let Side::Theirs(theirs) = side { Some(theirs) } else { None }).collect();
    let (own, base) = (ours.iter().map(|ours| &ours.ran), theirs.iter().map(|theirs| &theirs.base));
    println!("    peak memory: ours {} (both models, all processes)", support::largest_peak(own));
    println!("                 llama-perplexity's base pass {} (one model)", support::largest_peak(base));
    let weights = fs::metadata(&asked.models[1])?.len();
    println!("                 the candidate's file {:.1} MB", weights as f64 / 1e6);
    let disk = |bytes: Option<u64>| bytes.map_or("unknown".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
    println!(
        "    on disk: ours {} (record and reports, no logits), llama-perplexity {}",
        disk(ours.iter().map(|ours| ours.disk_bytes).max()),
        disk(theirs.iter().map(|theirs| theirs.disk_bytes).max())
    );
    Ok(())
}

/// How many model passes one run takes for all candidates.
fn passes(asked: &Asked) -> Result<()> {
    let Quality { worker, ran, .. } = quality(asked, &["--quality-memory", "shared"])?;
    let evaluated = worker.n_evaluated.context("evaluated windows were not counted")?;
    let passes = evaluated as f64 / worker.n_windows as f64;
    println!(
        "one original and {} candidates: {evaluated} windows evaluated for {} scored = {passes} model passes, {:.1} s, peak {}",
        asked.models.len() - 1,
        worker.n_windows,
        ran.wall_s,
        support::largest_peak([&ran])
    );
    Ok(())
}
