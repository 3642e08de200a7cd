//! resume: goes on with a run that was killed or stopped, when everything it measures is as it was.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    bench, cache,
    console::{Exit, print_text},
    demo, fits,
    gate::{self, GateArgs},
    guide, interrupt,
    machine::Environment,
    outputs::{Layout, Outputs, ResultArgs, Stdout},
    quantize::{self, CheckpointDir},
    selfcheck,
    session::{self, Finished, QuantizedFile, ResumeState, Session, Stamp},
    subjects::{self, Found, Recipe},
    tune,
};
use crate::{
    analysis::{Analysis, analyse, comparable},
    event::Observer,
    probe::{self, Continued},
    record::{
        self, Outcome, Purpose, Resumed, Run, Subject,
        journal::{Entry, Journal, JournalFile},
    },
    report::{RunReport, gate::Held},
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
    #[command(flatten)]
    gate: GateArgs,
}

const WHAT: &str = "\
The run goes on with its recorded plan at the first round that its journal does not hold whole, in the order it would
have had; the time between does not count. The limits it was held to (--fail-if) and the files it was to write are those
it was begun with, as far as no others are given. Checkpoints that a sweep made and deleted are made again. It is refused when a
model's file, this program, llama.cpp or the machine is another one now: rounds before and after could not be held against
each other. A run that is finished is reported again.";

pub(super) fn run(args: &ResumeArgs) -> Result<Exit> {
    let path = if args.run.is_dir() { args.run.join("run.jsonl") } else { args.run.clone() };
    let mut file = JournalFile::open(&path)?;
    let Some(Journal { mut run, inputs, next_round, .. }) = file.read()? else {
        bail!("{}", record::ReadError::NothingYet { path });
    };
    let mut state: ResumeState = serde_json::from_value(inputs).with_context(|| {
        format!("{} does not hold what this program needs to go on: it was written by another version", path.display())
    })?;
    if state.files.len() != run.subjects.len() {
        bail!("{} names {} files for {} models", path.display(), state.files.len(), run.subjects.len());
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let outputs = Outputs::of(&state.layout, || folder);
    let (results, conditions) = (args.results.or(&state.results), args.gate.or(&state.gate));
    results.check()?;
    conditions.check(&run.plan)?;
    if run.is_finished() {
        return again(&run, (&outputs, &state.layout), &results, &conditions);
    }
    let environment = Environment::with_servers(&run.base_settings().rpc)?;
    let mut observer = bench::observer(&results);
    let elapsed_ns = run.elapsed_ns();
    let resumed = Entry::Resumed(Resumed { from_round: next_round, at_utc: probe::utc_now().to_string() });
    run.apply(&resumed);
    // They are kept until the end of this function.
    let _made = remake(&run, &mut state, observer.as_mut())?;
    refuse_changes(&run, &environment, &state, observer.as_mut())?;
    if !args.force {
        refuse_want(&run, &environment)?;
    }
    let layout = state.layout.clone();
    let interrupt = interrupt::measuring(session::target(&outputs));
    file.append(&resumed)?;
    let clock = Arc::new(Continued::after(elapsed_ns));
    let session = Session {
        run,
        outputs,
        journal: file,
        resume: state,
        devices: environment.machine.devices,
        clock,
        interrupt,
        observer,
    };
    let finished: Finished = session.measure()?;
    let gate = conditions.of_run(&finished.run)?;
    let stdout = finished.report(&results, gate.as_ref())?;
    conditions.write(gate.as_ref(), Held::Run, "gguf-bench")?;
    in_words_of_the_guide(&layout, &finished.run, &finished.analysis)?;
    Ok(gate::exit(gate.as_ref(), conclude(&finished.run, &finished.analysis, stdout)?))
}

/// The last word is that of the command which began the run.
fn conclude(run: &Run, analysis: &Analysis, stdout: Stdout) -> Result<Exit> {
    match run.purpose {
        Purpose::SelfCheck => selfcheck::conclude(run, analysis, stdout),
        Purpose::Tuning => tune::conclude(run, analysis, stdout, None),
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

/// Rounds before and after a change could not be held against each other.
fn refuse_changes(
    run: &Run,
    environment: &Environment,
    state: &ResumeState,
    observer: &mut dyn Observer,
) -> Result<()> {
    let subjects = as_found(run, state, observer)?;
    let now = Run { build: environment.build.clone(), machine: environment.machine.clone(), subjects, ..run.clone() };
    let mut changes: Vec<String> = comparable::differences(run, &now)
        .into_iter()
        .map(|d| format!("{}: {} then, {} now", printable(&d.what), printable(&d.old), printable(&d.new)))
        .collect();
    if state.logits != state.inputs.stands_for_original().and_then(Stamp::of) {
        changes.push("the file that stands for the original was written to, or is gone".into());
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
fn refuse_want(run: &Run, environment: &Environment) -> Result<()> {
    for model in run.subjects.iter().filter(|m| m.outcome == Outcome::Done) {
        if let Some(reason) = fits::too_much(model, &environment.machine, &run.plan) {
            bail!("{}: {reason}", printable(&model.name));
        }
    }
    Ok(())
}

/// The models with the hashes that their files have now. Of those that failed nothing more is measured, so nothing is asked.
fn as_found(run: &Run, state: &ResumeState, observer: &mut dyn Observer) -> Result<Vec<Subject>> {
    let mut models = run.subjects.clone();
    for (model, path) in models.iter_mut().zip(&state.files) {
        let hashed = model.model.facts.as_ref().is_some_and(|facts| facts.sha256.is_some());
        if model.outcome != Outcome::Done || !hashed {
            continue;
        }
        if !path.exists() {
            bail!("{} is not there any more", path.display());
        }
        let mut subject = [Found::unread(model.clone(), path.clone())];
        if let Some(facts) = &mut subject[0].subject.model.facts {
            facts.sha256 = None;
        }
        subjects::hash(&mut subject, cache::hashes().as_deref(), observer);
        let [found] = subject;
        if let Outcome::Failed { reason, .. } = found.subject.outcome {
            bail!("{}: {reason}", path.display());
        }
        *model = found.subject;
    }
    Ok(models)
}

/// Makes the files that the run made and that are gone; the state then names the new ones, which live as long as what is returned. That they are byte for byte
/// what they were is for the hashes to say.
fn remake(run: &Run, state: &mut ResumeState, observer: &mut dyn Observer) -> Result<Option<CheckpointDir>> {
    let mut made = None;
    // The original comes first, and the others are made of it.
    for index in 0..state.files.len() {
        let file = &state.files[index];
        let wanted = run.subjects[index].outcome == Outcome::Done && !file.exists();
        let Some(QuantizedFile { recipe, .. }) = state.made.iter().find(|own| own.file == *file).filter(|_| wanted)
        else {
            continue;
        };
        let folder = match &mut made {
            Some(open) => open,
            none => none.insert(CheckpointDir::open(None)?),
        };
        let path = folder.path().join(file.file_name().unwrap_or_default());
        match recipe {
            Recipe::Bundled => demo::unpack(&path)?,
            Recipe::Quantized { to, options } => {
                let original = &state.files[run.original().context("the record names no original")?];
                quantize::again(original, &path, to, options, run.base_settings().n_threads, observer)
                    .with_context(|| format!("make {} again, which is not there any more", file.display()))?;
            }
        }
        state.files[index] = path;
    }
    Ok(made)
}
