//! resume: goes on with a run that was killed or stopped, when everything it measures is as it was.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    bench,
    exit::Exit,
    fits, interrupt,
    machine::{self, Here},
    outputs::{Outputs, ResultArgs, Stdout},
    remake, say, selfcheck,
    session::{Finished, Needs, Session, Stamp},
    subjects::{self, Found},
};
use crate::{
    analysis::comparable,
    event::Observer,
    probe::{self, Continued},
    record::{
        self, Outcome, Purpose, Resumed, Run, Subject,
        journal::{Entry, Journal, JournalFile},
    },
    text::printable,
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
}

const WHAT: &str = "\
The run goes on with its recorded plan at the first round that its journal does not hold whole, in the order it would
have had; the time between does not count. Checkpoints that a sweep made and deleted are made again. It is refused when a
model's file, this program, llama.cpp or the machine is another one now: rounds before and after could not be held against
each other. A run that is finished is reported again.";

pub(super) fn run(args: &ResumeArgs) -> Result<Exit> {
    args.results.check()?;
    let path = if args.run.is_dir() { args.run.join("run.jsonl") } else { args.run.clone() };
    let mut file = JournalFile::open(&path)?;
    let Some(Journal { mut run, inputs, next_round, .. }) = file.read()? else {
        bail!("{}", record::ReadError::NothingYet { path });
    };
    let mut needs: Needs = serde_json::from_value(inputs).with_context(|| {
        format!("{} does not hold what this program needs to go on: it was written by another version", path.display())
    })?;
    if needs.files.len() != run.subjects.len() {
        bail!("{} names {} files for {} models", path.display(), needs.files.len(), run.subjects.len());
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let outputs = Outputs::of(&needs.layout, || folder);
    if run.is_finished() {
        return again(&run, &outputs, &args.results);
    }
    let here = machine::here()?;
    let mut observer = bench::watcher(&args.results);
    let elapsed_ns = run.elapsed_ns();
    let resumed = Entry::Resumed(Resumed { from_round: next_round, at_utc: probe::utc_now().to_string() });
    run.apply(&resumed);
    // They are kept until the end of this function.
    let _made = remake::remake(&run, &mut needs, observer.as_mut())?;
    refuse_changes(&run, &here, &needs, observer.as_mut())?;
    if !args.force {
        refuse_want(&run, &here)?;
    }
    let interrupt = interrupt::interrupt()?;
    file.append(&resumed)?;
    let clock = Arc::new(Continued::after(elapsed_ns));
    let session =
        Session { run, outputs, journal: file, needs, devices: here.machine.devices, clock, interrupt, observer };
    let finished: Finished = session.measure()?;
    let stdout = finished.report(&args.results)?;
    conclude(&finished.run, stdout)
}

/// The last word is that of the command which began the run.
fn conclude(run: &Run, stdout: Stdout) -> Result<Exit> {
    match run.purpose {
        Purpose::SelfCheck => selfcheck::conclude(run, stdout),
        Purpose::Comparison => Ok(bench::exit(run)),
    }
}

/// A finished run: its record, which may have been missed by a kill, and its reports.
fn again(run: &Run, outputs: &Outputs, args: &ResultArgs) -> Result<Exit> {
    record::write_run(outputs.record(), run)?;
    if outputs.report(run, args)? == Stdout::Free {
        say("\nNothing was left to measure: this run is finished, and its reports were written again.\n")?;
    }
    Ok(Exit::Fine)
}

/// Rounds before and after a change could not be held against each other.
fn refuse_changes(run: &Run, here: &Here, needs: &Needs, observer: &mut dyn Observer) -> Result<()> {
    let subjects = as_found(run, needs, observer)?;
    let now = Run { build: here.build.clone(), machine: here.machine.clone(), subjects, ..run.clone() };
    let mut changes: Vec<String> = comparable::differences(run, &now)
        .into_iter()
        .map(|d| format!("{}: {} then, {} now", printable(&d.what), printable(&d.old), printable(&d.new)))
        .collect();
    if needs.logits != needs.inputs.logits.as_deref().and_then(Stamp::of) {
        changes.push("the file of log-probabilities was written to, or is gone".into());
    }
    if changes.is_empty() {
        return Ok(());
    }
    bail!(
        "this run can't go on, since rounds before and after would differ by more than chance:\n  {}",
        changes.join("\n  ")
    )
}

/// Less memory than when the run began is no failure of a model: it can be resumed when there is enough again.
fn refuse_want(run: &Run, here: &Here) -> Result<()> {
    for model in run.subjects.iter().filter(|m| m.outcome == Outcome::Done) {
        if let Some(reason) = fits::too_much(model, &here.machine, &run.plan) {
            bail!("{}: {reason}", printable(&model.name));
        }
    }
    Ok(())
}

/// The models with the hashes that their files have now. Of those that failed nothing more is measured, so nothing is asked.
fn as_found(run: &Run, needs: &Needs, observer: &mut dyn Observer) -> Result<Vec<Subject>> {
    let mut models = run.subjects.clone();
    for (model, path) in models.iter_mut().zip(&needs.files) {
        let hashed = model.model.facts.as_ref().is_some_and(|facts| facts.sha256.is_some());
        if model.outcome != Outcome::Done || !hashed {
            continue;
        }
        if !path.exists() {
            bail!("{} is not there any more", path.display());
        }
        let mut subject = [Found { subject: model.clone(), path: path.clone(), pending: None }];
        if let Some(facts) = &mut subject[0].subject.model.facts {
            facts.sha256 = None;
        }
        subjects::hash(&mut subject, bench::hash_cache().as_deref(), observer);
        let [found] = subject;
        if let Outcome::Failed { reason, .. } = found.subject.outcome {
            bail!("{}: {reason}", path.display());
        }
        *model = found.subject;
    }
    Ok(models)
}
