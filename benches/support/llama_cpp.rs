//! llama.cpp's own tools, run and read: llama-bench and llama-perplexity.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Ran, run};

/// A test of llama-bench, by its own account.
pub(crate) struct Test {
    /// As in its table: `pp512`, `tg128`.
    pub(crate) name: String,
    pub(crate) mean_tps: f64,
    /// Of the samples.
    pub(crate) deviation_tps: f64,
    /// All samples together.
    pub(crate) total_ns: f64,
    pub(crate) samples_tps: Vec<f64>,
}

/// Runs llama-bench on one file.
///
/// # Errors
/// When it fails, or what it prints is not understood.
pub(crate) fn bench<S: Into<OsString>>(
    program: &Path,
    model: &Path,
    options: impl IntoIterator<Item = S>,
) -> Result<(Ran, Vec<Test>)> {
    let mut words: Vec<OsString> = vec!["-o".into(), "jsonl".into(), "-m".into(), model.into()];
    words.extend(options.into_iter().map(Into::into));
    let ran = run(program, words)?;
    let rows = ran.stdout.lines().filter(|line| line.starts_with('{'));
    let tests = rows.map(test).collect::<Result<Vec<Test>>>()?;
    Ok((ran, tests))
}

fn test(row: &str) -> Result<Test> {
    let json: serde_json::Value = serde_json::from_str(row)?;
    let number = |key: &str| json[key].as_f64().with_context(|| format!("llama-bench gave no {key}"));
    let name = match (json["n_prompt"].as_u64(), json["n_gen"].as_u64()) {
        (Some(0), Some(n_gen)) => format!("tg{n_gen}"),
        (Some(n_prompt), Some(0)) => format!("pp{n_prompt}"),
        other => format!("{other:?}"),
    };
    let samples: Vec<f64> =
        json["samples_ts"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect();
    Ok(Test {
        name,
        mean_tps: number("avg_ts")?,
        deviation_tps: number("stddev_ts")?,
        total_ns: number("avg_ns")? * samples.len() as f64,
        samples_tps: samples,
    })
}

/// llama-perplexity over the same windows of 512 tokens of one text, through a file that holds the original's log-probabilities.
pub(crate) struct Perplexity {
    pub(crate) program: PathBuf,
    pub(crate) text: PathBuf,
    pub(crate) base: PathBuf,
    pub(crate) windows: usize,
    /// The tool's own number when nothing is said.
    pub(crate) threads: Option<usize>,
}

impl Perplexity {
    /// The original: writes the file.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn of_original(&self, model: &Path) -> Result<Ran> {
        self.pass(model, &[])
    }

    /// A candidate: reads the file.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn of_candidate(&self, model: &Path) -> Result<Ran> {
        self.pass(model, &["--kl-divergence"])
    }

    fn pass(&self, model: &Path, more: &[&str]) -> Result<Ran> {
        let Self { program, text, base, windows, threads } = self;
        let mut words = vec![OsString::from("-m"), model.into(), "-f".into(), text.into()];
        words.extend(["--kl-divergence-base".into(), base.into(), "-c".into(), "512".into()]);
        words.extend(["--chunks".into(), windows.to_string().into()]);
        words.extend(threads.iter().flat_map(|n| [OsString::from("-t"), n.to_string().into()]));
        words.extend(more.iter().map(OsString::from));
        run(program, words)
    }
}

/// The mean KLD that llama-perplexity printed, and its ±.
pub(crate) fn mean_kld(stdout: &str) -> Option<(f64, f64)> {
    let line = stdout.lines().find_map(|line| line.trim().strip_prefix("Mean")?.trim_start().strip_prefix("KLD:"))?;
    let (mean, error) = line.split_once('±')?;
    Some((mean.trim().parse().ok()?, error.trim().parse().ok()?))
}
