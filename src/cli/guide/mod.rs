//! The commands of the benchmarking guide, translated to the subcommands: its words, its files, its figures.

mod args;
mod browser;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory, Parser};

use super::{
    bench::{self, Taken},
    card,
    console::{Exit, print_stdout, print_text},
    gate,
    options::precision::Scale,
    outputs::{self, Layout, OutputArgs, Stdout},
    session::Finished,
};
use crate::{
    analysis::{self, Analysis},
    probe,
    record::{self, Run},
    report::{self, Format, RunReport},
};
use args::{BenchmarkModel, RunBenchmark, VisualizeBenchmark, What};
use browser::{Desktop, desktop};

const REPORT: &str = "benchmark_report.html";

pub(super) fn run_benchmark(args: Vec<OsString>) -> Result<Exit> {
    run(RunBenchmark::parse_from(dashed(args)))
}

pub(super) fn benchmark_model(args: Vec<OsString>) -> Result<Exit> {
    model(BenchmarkModel::parse_from(dashed(args)))
}

pub(super) fn visualize_benchmark(args: Vec<OsString>) -> Result<Exit> {
    visualize(&VisualizeBenchmark::parse_from(dashed(args)))
}

pub(super) fn run_benchmark_command() -> Command {
    RunBenchmark::command()
}

pub(super) fn benchmark_model_command() -> Command {
    BenchmarkModel::command()
}

pub(super) fn visualize_benchmark_command() -> Command {
    VisualizeBenchmark::command()
}

/// The guide writes `--max_new_tokens` and `--max-new-tokens`: underscores in an option's name become dashes.
pub(super) fn dashed(args: Vec<OsString>) -> Vec<OsString> {
    let with_dashes = |arg: OsString| match arg.to_str() {
        Some(text) if text.starts_with("--") => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            OsString::from(format!("{}{value}", name.replace('_', "-")))
        }
        _ => arg,
    };
    let ends = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    args.into_iter().enumerate().map(|(i, arg)| if i < ends { with_dashes(arg) } else { arg }).collect()
}

fn run(args: RunBenchmark) -> Result<Exit> {
    let RunBenchmark { what, output_dir, no_open } = args;
    let time = free_time(&output_dir);
    let record = what.output.clone().unwrap_or_else(|| output_dir.join(results_of(&time)));
    let report = output_dir.join(format!("report_{time}")).join(REPORT);
    let dry = what.measure.execution.dry_run;
    let exit = measure(what, &record, Some(&report))?;
    if dry || !report.is_file() {
        return Ok(exit);
    }
    if no_open || desktop() == Desktop::None || browser::open(&report) == Desktop::None {
        print_text(&format!("Results: {}\nReport:  {}\n", record.display(), report.display()))?;
    } else {
        print_text(&format!("Results: {}\nReport:  {} (opened in the browser)\n", record.display(), report.display()))?;
    }
    Ok(exit)
}

fn model(args: BenchmarkModel) -> Result<Exit> {
    // Without --output there is still a record: of a run that breaks off, its rounds are there.
    let record = args.what.output.clone();
    let record = record.unwrap_or_else(|| results_of(&free_time(Path::new("."))).into());
    measure(args.what, &record, None)
}

/// The name of results that were given none.
fn results_of(time: &str) -> String {
    format!("benchmark_results_{time}.json")
}

/// The time for names in a folder; with a number after it where another run began in the same second.
fn free_time(folder: &Path) -> String {
    let time = probe::utc_now().stamp();
    let is_free = |time: &String| {
        let results = folder.join(results_of(time));
        !results.exists() && !results.with_extension("jsonl").exists()
    };
    let numbered = (2..).map(|n: u32| format!("{time}-{n}"));
    std::iter::once(time.clone()).chain(numbered).find(is_free).unwrap_or(time)
}

/// Measures as `compare` does, then says the same in the guide's words.
fn measure(what: What, record: &Path, report: Option<&Path>) -> Result<Exit> {
    let What { original, quantized, output: _, replace, update_model_card, results, gate: conditions, measure } = what;
    let layout = Layout::Files { record: record.into(), report: report.map(Path::to_owned) };
    let stdout = results.stdout();
    let output = OutputArgs { out: None, replace, results };
    let models = (&*original, &*quantized);
    let finished = match bench::compare_models(models, measure, Scale::of_guide(), layout, output, conditions)? {
        Taken::Finished(finished) => finished,
        Taken::Planned(exit) => return Ok(exit),
    };
    let Finished { run, analysis, gate, .. } = *finished;
    let exit = gate::exit(gate.as_ref(), bench::exit(&run));
    if stdout == Stdout::Free {
        print_stdout(&report::guide_tables(&analysis, &outputs::for_terminal()))?;
    }
    save(record, &run, &analysis)?;
    if update_model_card {
        card::update_beside(&run, &analysis, &quantized)?;
    }
    Ok(exit)
}

/// The record with the guide's metrics beside it, which reading it passes over.
pub(super) fn save(path: &Path, run: &Run, analysis: &Analysis) -> Result<()> {
    // Through text, as every record is written: another way to a value would be compiled for all types of a record.
    let text = serde_json::to_vec(run).context("write the results")?;
    let mut value: serde_json::Value = serde_json::from_slice(&text).context("write the results")?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("metrics".into(), serde_json::to_value(report::guide_metrics(analysis))?);
    }
    let mut text = serde_json::to_vec(&value)?;
    text.push(b'\n');
    Ok(record::write_atomically(path, &text)?)
}

fn visualize(args: &VisualizeBenchmark) -> Result<Exit> {
    let run = record::read_run(&args.input)?;
    let analysis = analysis::analyse(&run);
    std::fs::create_dir_all(&args.output_dir)
        .with_context(|| format!("make the folder {}", args.output_dir.display()))?;
    let path: PathBuf = args.output_dir.join(REPORT);
    outputs::write_report(&path, Format::Html, &RunReport::new(&run, &analysis))?;
    print_text(&format!("{}\n", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::{engine::llama_spelling, values::Several};

    fn spelled(line: &str) -> Vec<OsString> {
        dashed(llama_spelling(line.split(' ').map(OsString::from)))
    }

    #[test]
    fn the_command_lines_are_consistent() {
        RunBenchmark::command().debug_assert();
        BenchmarkModel::command().debug_assert();
        VisualizeBenchmark::command().debug_assert();
    }

    #[test]
    fn underscores_and_dashes_are_the_same_but_not_in_values() {
        let words = spelled("x --max_new_tokens=5 --output_dir my_dir --a_b=c_d -- --e_f");
        assert_eq!(words, ["x", "--max-new-tokens=5", "--output-dir", "my_dir", "--a-b=c_d", "--", "--e_f"]);
    }

    #[test]
    fn the_guides_words_mean_what_compare_means() {
        let line = "benchmark-model --original a --quantized b --quantized c --max_tokens 7 --prompts_file p.json \
                    --temperature 0.7 --top_p 0.9 --device mps --seed 1 --quick -b 64 --output o.json -t 2";
        let words: Vec<&str> = line.split_whitespace().collect();
        let args = BenchmarkModel::parse_from(spelled(&words.join(" "))).what;
        assert_eq!((args.original.as_str(), args.quantized.len()), ("a", 2));
        let typed = Several::all(&args.measure.engine.batch_size);
        assert_eq!((args.measure.speed.max_new_tokens, typed), (7, vec![64]));
        assert_eq!(args.measure.speed.prompts.as_deref(), Some("p.json"));
        let defaults = BenchmarkModel::parse_from(spelled("benchmark-model --original a --quantized b")).what;
        assert_eq!(defaults.measure.speed.max_new_tokens, 100);
    }
}
