//! What the benchmarks of this project share: a program with its time and memory, alternating pairs, and their ratio.
//!
//! ```text
//! let words = support::arguments();                     what follows `--` of `cargo bench --bench NAME -- ...`
//! let tool = support::tool("llama-perplexity", "LLAMA_PERPLEXITY")?;
//! let ran: Ran = support::run(&tool, ["-m", "model.gguf"])?;          wall_s, peak_bytes, stdout, stderr
//! let pairs = support::alternate(10, &mut ours, &mut theirs)?;        ours, theirs, theirs, ours, ...
//! println!("{}", support::ratio("wall time", &pairs, |ran| ran.wall_s));
//! ```
//!
//! A benchmark is a plain program (`harness = false`): the first pair is thrown away, as its files may not be cached.
#![allow(dead_code, reason = "each benchmark uses its part")]
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and times them")]

pub(crate) mod llama_cpp;

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use gguf_bench::testing::{
    probe::process::{Status, process_ticks},
    stats,
};

/// How often a running program is looked at: reading /proc for it and all below it takes CPU time from what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Of every interval.
const CONFIDENCE: f64 = 0.95;

/// A program that ran to its end without an error.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// From its start to its end.
    pub(crate) wall_s: f64,
    /// Peaks of resident memory of the program and of every process below it, added up: as the kernel keeps them, read for the
    /// last time at most [`LOOK_EVERY`] before each ended. `None` where there is no /proc.
    pub(crate) peak_bytes: Option<u64>,
    /// CPU time of the program itself, without the processes below it, seconds; read as `peak_bytes` is.
    pub(crate) own_cpu_s: Option<f64>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it logged.
    pub(crate) stderr: String,
}

/// The program of this project, as built for the benchmark.
pub(crate) fn gguf_bench() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gguf-bench"))
}

/// What was typed after `--`, without what cargo adds.
pub(crate) fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}

/// A program to be measured against: where the variable says, or on the PATH.
///
/// # Errors
/// When it is in neither place.
pub(crate) fn tool(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not on the PATH, and {variable} does not say where it is"))
}

/// Runs a program to its end. Its output goes through files, so that no pipe can slow it down.
///
/// # Errors
/// When it can't be started or fails; the message ends with its last lines.
pub(crate) fn run<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Result<Ran> {
    let folder = tempfile::tempdir()?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start {}", program.display()))?;
    let pid = child.id();
    let (ended, wait) = mpsc::channel::<()>();
    let (status, (peaks, own_cpu_s)) = thread::scope(|scope| {
        let looks = scope.spawn(move || look_until(&wait, pid));
        let status = child.wait();
        drop(ended);
        (status, looks.join().expect("looking does not panic"))
    });
    let status = status?;
    let wall_s = start.elapsed().as_secs_f64();
    let (stdout, stderr) = (text(&out)?, text(&err)?);
    if !status.success() {
        let lines: Vec<&str> = stderr.lines().rev().take(5).collect();
        bail!("{} ended with {status}: {}", program.display(), lines.join(" | "));
    }
    let peak_bytes = (!peaks.is_empty()).then(|| peaks.iter().map(|peak| peak.1).sum());
    Ok(Ran { wall_s, peak_bytes, own_cpu_s, stdout, stderr })
}

/// Peaks of a program and of all below it, by process, and its own CPU time, until told that it has ended.
fn look_until(ended: &mpsc::Receiver<()>, pid: u32) -> (Vec<(u32, u64)>, Option<f64>) {
    let (mut peaks, mut own_cpu_s) = (Vec::new(), None);
    loop {
        look(pid, &mut peaks);
        own_cpu_s = cpu_s(pid).or(own_cpu_s);
        if ended.recv_timeout(LOOK_EVERY) != Err(mpsc::RecvTimeoutError::Timeout) {
            return (peaks, own_cpu_s);
        }
    }
}

fn cpu_s(pid: u32) -> Option<f64> {
    Some(process_ticks(pid)?.own as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn text(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// Notes the peaks of a program and of all below it, by process.
fn look(pid: u32, peaks: &mut Vec<(u32, u64)>) {
    let mut rest = vec![pid];
    while let Some(pid) = rest.pop() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        rest.extend(
            children
                .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()).collect::<Vec<_>>()),
        );
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let Some(peak) = Status::parse(&status).peak_bytes else { continue };
        match peaks.iter_mut().find(|known| known.0 == pid) {
            Some(known) => known.1 = known.1.max(peak),
            None => peaks.push((pid, peak)),
        }
    }
}

/// Runs both in turn, `pairs` times and once before for nothing: ours, theirs, theirs, ours, so that drift falls on both alike.
///
/// # Errors
/// The first that one of them returns.
pub(crate) fn alternate<T>(
    pairs: usize,
    ours: &mut dyn FnMut() -> Result<T>,
    theirs: &mut dyn FnMut() -> Result<T>,
) -> Result<Vec<(T, T)>> {
    alternate_until(pairs, ours, theirs, |_| false)
}

/// The same, but for ending as soon as the pairs so far are `enough`. What is looked at must be the width of an interval, never
/// where it lies.
///
/// # Errors
/// The first that one of them returns.
pub(crate) fn alternate_until<T>(
    pairs: usize,
    ours: &mut dyn FnMut() -> Result<T>,
    theirs: &mut dyn FnMut() -> Result<T>,
    enough: impl Fn(&[(T, T)]) -> bool,
) -> Result<Vec<(T, T)>> {
    let mut all = Vec::new();
    for pair in 0..=pairs {
        let both = if pair % 2 == 1 {
            let first = ours()?;
            (first, theirs()?)
        } else {
            let first = theirs()?;
            (ours()?, first)
        };
        if pair > 0 {
            all.push(both);
        }
        // Complete mirrored pairs of pairs only.
        if pair > 0 && pair % 2 == 0 && enough(&all) {
            break;
        }
    }
    Ok(all)
}

/// Ours over theirs: the Hodges–Lehmann estimate of the ratio with its interval.
///
/// # Errors
/// From fewer than six pairs there is none.
pub(crate) fn estimate<T>(pairs: &[(T, T)], of: impl Fn(&T) -> f64) -> Result<stats::Estimate, stats::Error> {
    let logs: Vec<f64> = pairs.iter().map(|(ours, theirs)| (of(ours) / of(theirs)).ln()).collect();
    stats::hodges_lehmann(&logs, CONFIDENCE).map(|estimate| estimate.exp())
}

/// Ours over theirs in a line: the Hodges–Lehmann estimate with its interval, or from fewer than six pairs all ratios.
pub(crate) fn ratio<T>(what: &str, pairs: &[(T, T)], of: impl Fn(&T) -> f64) -> String {
    let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(ours, theirs)| (of(ours), of(theirs))).unzip();
    let medians = match (stats::median(&ours), stats::median(&theirs)) {
        (Ok(ours), Ok(theirs)) => format!("medians {ours:.4} and {theirs:.4}"),
        _ => "no medians".into(),
    };
    if let Ok(e) = estimate(pairs, of) {
        let (value, low, high) = (e.value, e.low, e.high);
        return format!("{what}: ratio {value:.4} [{low:.4}, {high:.4}] over {} pairs, {medians}", pairs.len());
    }
    let ratios: Vec<String> = ours.iter().zip(&theirs).map(|(ours, theirs)| format!("{:.4}", ours / theirs)).collect();
    format!("{what}: ratios {} (six pairs give an interval), {medians}", ratios.join(", "))
}

/// The largest peak of several runs, for people.
pub(crate) fn largest_peak<'r>(ran: impl IntoIterator<Item = &'r Ran>) -> String {
    let peak = ran.into_iter().filter_map(|ran| ran.peak_bytes).max();
    peak.map_or_else(|| "unknown".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
}

/// Words as arguments.
pub(crate) fn words<const N: usize>(list: [&str; N]) -> Vec<OsString> {
    list.map(OsString::from).to_vec()
}
