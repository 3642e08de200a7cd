//! resume: goes on with a run that was killed or stopped, when everything it measures is as it was.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::{
    bench::{self, Taken},
    console::{Exit, print_text},
    gate::{self, GateArgs},
    go_on::Kept,
    guide,
    machine::Environment,
    outputs::{Layout, Outputs, ResultArgs, Stdout},
    selfcheck,
    session::{self, Finished},
    tune,
};
use crate::{
    analysis::{Analysis, analyse},
    record::{self, Purpose, Run},
    report::{RunReport, gate::Held},
};

#[derive(Debug, Args)]
#[command(after_help = WHAT)]
pub(super) struct ResumeArgs {
    /// The folder of a run, or its journal (.jsonl)
    run: PathBuf,
    /// Load models even when they are expected not to fit in the memory there is
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    gate: GateArgs,
}

const WHAT: &str = "\
The run goes on with its recorded plan at the first round that its journal does not hold whole, in the order it would
have had; the time between does not count. The limits it was held to (--fail-if) and the files it was to write are those
it was begun with, as far as no others are given. Checkpoints that a sweep made and deleted are made again. It is refused when a
model's file, this program, llama.cpp or the machine is another one now: rounds before and after could not be held against
each other. A tuning goes on as a whole: what its races have measured is not measured again. A run that is finished is
reported again.";

pub(super) fn run(args: &ResumeArgs) -> Result<Exit> {
    if args.run.is_dir()
        && let Some(kept) = tune::Kept::read(&args.run)?
    {
        let (file, results) = (kept.file(), args.results.or(kept.results()));
        results.check()?;
        return match tune::resume(kept, &args.run, &results, &args.gate, args.force)? {
            Taken::Planned(exit) => Ok(exit),
            Taken::Finished(finished) => finish(&finished, &results, &args.gate, Some(&file)),
        };
    }
    let path = if args.run.is_dir() { args.run.join("run.jsonl") } else { args.run.clone() };
    let Some(kept) = Kept::read(&path)? else {
        bail!("{}", record::ReadError::NothingYet { path });
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let outputs = Outputs::of(&kept.state.layout, || folder);
    let (results, conditions) = (args.results.or(&kept.state.results), args.gate.or(&kept.state.gate));
    results.check()?;
    conditions.check(&kept.run.plan)?;
    if kept.run.is_finished() {
        return again(&kept.run, (&outputs, &kept.state.layout), &results, &conditions);
    }
    let environment = Environment::with_servers(&kept.run.base_settings().rpc)?;
    let (observer, target) = (bench::observer(&results), session::target(&outputs));
    let layout = kept.state.layout.clone();
    let file = kept.state.files.first().map(|file| file.display().to_string());
    let finished = kept.go_on(outputs, &environment, args.force, target, observer)?;
    let exit = finish(&finished, &results, &conditions, file.as_deref())?;
    in_words_of_the_guide(&layout, &finished.run, &finished.analysis)?;
    Ok(exit)
}

/// What is told in the end, and held against the conditions.
fn finish(finished: &Finished, results: &ResultArgs, conditions: &GateArgs, file: Option<&str>) -> Result<Exit> {
    let gate = conditions.of_run(&finished.run)?;
    let stdout = finished.report(results, gate.as_ref())?;
    conditions.write(gate.as_ref(), Held::Run, "gguf-bench")?;
    Ok(gate::exit(gate.as_ref(), conclude(&finished.run, &finished.analysis, stdout, file)?))
}

/// The last word is that of the command which began the run.
fn conclude(run: &Run, analysis: &Analysis, stdout: Stdout, file: Option<&str>) -> Result<Exit> {
    match run.purpose {
        Purpose::SelfCheck => selfcheck::conclude(run, analysis, stdout),
        Purpose::Tuning => tune::conclude(run, analysis, stdout, file),
        Purpose::Comparison => Ok(bench::exit(run)),
    }
}

/// What the guide's commands, whose results are files of their own, keep beside the record.
fn in_words_of_the_guide(layout: &Layout, run: &Run, analysis: &Analysis) -> Result<()> {
    match layout {
        Layout::Files { record, .. } if run.purpose == Purpose::Comparison => guide::save(record, run, analysis),
        Layout::Files { .. } | Layout::Folder => Ok(()),
    }
}

/// A finished run: its record, which may have been missed by a kill, and its reports.
fn again(
    run: &Run,
    (outputs, layout): (&Outputs, &Layout),
    results: &ResultArgs,
    conditions: &GateArgs,
) -> Result<Exit> {
    record::write_run(outputs.record(), run)?;
    let (gate, analysis) = (conditions.of_run(run)?, analyse(run));
    if outputs.report(&RunReport::new(run, &analysis).gated(gate.as_ref()), results)? == Stdout::Free {
        print_text("\nNothing was left to measure: this run is finished, and its reports were written again.\n")?;
    }
    conditions.write(gate.as_ref(), Held::Run, "gguf-bench")?;
    in_words_of_the_guide(layout, run, &analysis)?;
    Ok(gate::exit(gate.as_ref(), Exit::Fine))
}
