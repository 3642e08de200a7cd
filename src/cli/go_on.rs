//! Going on with a run that was killed or stopped: its journal is read, what changed since is refused, and what is left is measured.

use std::{path::Path, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};

use super::{
    cache, demo, fits, interrupt,
    machine::Environment,
    outputs::Outputs,
    quantize::{self, CheckpointDir},
    session::{Finished, QuantizedFile, ResumeState, Session, Stamp},
    subjects::{self, Found, Recipe},
};
use crate::{
    analysis::comparable,
    event::Observer,
    probe::{self, Continued},
    record::{
        Outcome, Resumed, Run, Subject,
        journal::{Entry, Journal, JournalFile},
    },
    text::printable,
};

/// Of a file whose content is not what going on takes.
pub(super) fn of_another_version(path: &Path) -> String {
    format!("{} does not hold what this program needs to go on: it was written by another version", path.display())
}

/// A run as its journal holds it, which no other program writes to meanwhile.
pub(super) struct Kept {
    pub(super) run: Run,
    pub(super) state: ResumeState,
    file: JournalFile,
    next_round: u32,
}

impl Kept {
    /// `None` of a journal in which nothing was begun.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let mut file = JournalFile::open(path)?;
        let Some(Journal { run, inputs, next_round, .. }) = file.read()? else { return Ok(None) };
        let state: ResumeState = serde_json::from_value(inputs).with_context(|| of_another_version(path))?;
        if state.files.len() != run.subjects.len() {
            bail!("{} names {} files for {} models", path.display(), state.files.len(), run.subjects.len());
        }
        Ok(Some(Self { run, state, file, next_round }))
    }

    /// Measures what is left of it. `target` is what a person gives to `resume` when it is interrupted again.
    pub(super) fn go_on(
        self,
        outputs: Outputs,
        environment: &Environment,
        force: bool,
        target: PathBuf,
        mut observer: Box<dyn Observer>,
    ) -> Result<Finished> {
        let Self { mut run, mut state, mut file, next_round } = self;
        let elapsed_ns = run.elapsed_ns();
        let resumed = Entry::Resumed(Resumed { from_round: next_round, at_utc: probe::utc_now().to_string() });
        run.apply(&resumed);
        // They are kept until the end of this function.
        let _made = remake(&run, &mut state, observer.as_mut())?;
        refuse_changes(&run, environment, &state, observer.as_mut())?;
        if !force {
            refuse_want(&run, environment)?;
        }
        let interrupt = interrupt::measuring(target);
        file.append(&resumed)?;
        let session = Session {
            run,
            outputs,
            journal: file,
            resume: state,
            devices: environment.machine.devices.clone(),
            clock: Arc::new(Continued::after(elapsed_ns)),
            interrupt,
            observer,
        };
        session.measure()
    }
}

/// Rounds before and after a change could not be held against each other.
pub(super) fn refuse_changes(
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
