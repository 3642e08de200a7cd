//! The commands of the benchmarking guide, translated to the subcommands: its words, its files, its figures.

mod args;
mod browser;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;

use super::{
    args::{CompareArgs, MeasureArgs},
    bench, card,
    exit::Exit,
    finish, llama_spelling,
    outputs::{self, Layout, Stdout},
    print, say,
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

/// The program run-benchmark.
#[must_use]
pub fn run_benchmark() -> ExitCode {
    command(|args| run(RunBenchmark::parse_from(args)))
}

/// The program benchmark-model.
#[must_use]
pub fn benchmark_model() -> ExitCode {
    command(|args| model(BenchmarkModel::parse_from(args)))
}

/// The program visualize-benchmark.
#[must_use]
pub fn visualize_benchmark() -> ExitCode {
    command(|args| visualize(&VisualizeBenchmark::parse_from(args)))
}

/// Runs a command on the process's arguments. These programs start themselves as workers, too.
fn command(of: impl FnOnce(Vec<OsString>) -> Result<Exit>) -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "worker") {
        return super::main();
    }
    finish(of(spelling(llama_spelling(std::env::args_os()))))
}

/// The guide writes `--max_new_tokens` and `--max-new-tokens`: underscores in an option's name become dashes.
fn spelling(args: Vec<OsString>) -> Vec<OsString> {
    let dashed = |arg: OsString| match arg.to_str() {
        Some(text) if text.starts_with("--") => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            OsString::from(format!("{}{value}", name.replace('_', "-")))
        }
        _ => arg,
    };
    let ends = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    args.into_iter().enumerate().map(|(i, arg)| if i < ends { dashed(arg) } else { arg }).collect()
}

fn run(args: RunBenchmark) -> Result<Exit> {
    let RunBenchmark { what, output_dir, no_open } = args;
    let time = probe::utc_now().stamp();
    let record = what.output.clone().unwrap_or_else(|| output_dir.join(format!("benchmark_results_{time}.json")));
    let report = output_dir.join(format!("report_{time}")).join(REPORT);
    let dry = what.measure.dry_run;
    let exit = measure(what, &record, Some(&report))?;
    if dry || !report.is_file() {
        return Ok(exit);
    }
    if no_open || desktop() == Desktop::None || browser::open(&report) == Desktop::None {
        say(&format!("Results: {}\nReport:  {}\n", record.display(), report.display()))?;
    } else {
        say(&format!("Results: {}\nReport:  {} (opened in the browser)\n", record.display(), report.display()))?;
    }
    Ok(exit)
}

fn model(args: BenchmarkModel) -> Result<Exit> {
    // Without --output there is still a record: of a run that breaks off, its rounds are there.
    let record = args.what.output.clone();
    let record = record.unwrap_or_else(|| format!("benchmark_results_{}.json", probe::utc_now().stamp()).into());
    measure(args.what, &record, None)
}

/// Measures as `compare` does, then says the same in the guide's words.
fn measure(what: What, record: &Path, report: Option<&Path>) -> Result<Exit> {
    let What { original, quantized, output: _, update_model_card, measure } = what;
    let layout = Layout::Files { record: record.into(), report: report.map(Path::to_owned) };
    let measure = MeasureArgs { layout, ..measure };
    let dry_run = measure.dry_run;
    let args = CompareArgs { original, quantized, measure };
    let exit = bench::compare(&args)?;
    if dry_run {
        return Ok(exit);
    }
    let run = record::read_run(record)?;
    let analysis = analysis::analyse(&run);
    if args.measure.results.stdout() == Stdout::Free {
        print(&report::guide_tables(&analysis, &outputs::for_terminal()))?;
    }
    save(record, &run, &analysis)?;
    if update_model_card {
        card::update_beside(&run, &analysis, &args.quantized)?;
    }
    Ok(exit)
}

/// The record with the guide's metrics beside it, which reading it passes over.
fn save(path: &Path, run: &Run, analysis: &Analysis) -> Result<()> {
    let mut value = serde_json::to_value(run).context("write the results")?;
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
    outputs::write(&path, Format::Html, &RunReport::new(&run, &analysis))?;
    say(&format!("{}\n", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn spelled(line: &str) -> Vec<OsString> {
        spelling(llama_spelling(line.split(' ').map(OsString::from)))
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
        assert_eq!((args.measure.max_new_tokens, args.measure.batch_size), (7, 64));
        assert_eq!(args.measure.prompts.as_deref(), Some("p.json"));
        let defaults = BenchmarkModel::parse_from(spelled("benchmark-model --original a --quantized b")).what;
        assert_eq!(defaults.measure.max_new_tokens, 100);
    }
}
