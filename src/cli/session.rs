//! A run under way: what going on with it takes, everything it finishes kept at once, and what is told however it ends.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    cache,
    gate::GateArgs,
    interrupt,
    judge::Referee,
    machine,
    options::execution::ExecutionArgs,
    outputs::{Layout, Outputs, ReplaceArgs, ResultArgs, Stdout, absolute},
    past_speeds,
    subjects::{Found, Recipe},
};
use crate::{
    analysis::{Analysis, analyse, gate::Gate},
    event::Observer,
    probe::Clock,
    record::{
        self, DeviceInfo, Ended, Outcome, ReadError, Run, WriteError,
        journal::{Begun, Entry, Journal, JournalFile},
    },
    report::RunReport,
    run::{
        self, Bench, Part, Save, WithoutOriginal,
        quality::{Inputs, StoredReference},
    },
    text::printable,
};

/// What going on with a run takes besides its record. The paths are absolute: the journal keeps them, and is not published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ResumeState {
    /// The models' files, in the order of the record's subjects.
    pub(super) files: Vec<PathBuf>,
    /// Those of them that the run made.
    pub(super) made: Vec<QuantizedFile>,
    /// Where results go; in a folder, the journal's own.
    pub(super) layout: Layout,
    pub(super) inputs: Inputs,
    /// What the file was that stands for the original, of which the record holds no hash.
    pub(super) logits: Option<Stamp>,
    script: Option<PathBuf>,
    timeout_s: Option<u64>,
    #[serde(default)]
    without_original: WithoutOriginal,
    /// What it was to be held against.
    #[serde(default)]
    pub(super) gate: GateArgs,
    /// What was to be written besides its own files.
    #[serde(default)]
    pub(super) results: ResultArgs,
}

/// A file that the run made, and how it is made again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QuantizedFile {
    pub(super) file: PathBuf,
    pub(super) recipe: Recipe,
}

/// What shows that a file was not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    modified_ns: Option<u64>,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Some(Self { bytes: meta.len(), modified_ns: since.and_then(|since| u64::try_from(since.as_nanos()).ok()) })
    }
}

impl ResumeState {
    pub(super) fn new(
        layout: &Layout,
        execution: &ExecutionArgs,
        subjects: &[Found],
        inputs: Inputs,
        without_original: WithoutOriginal,
        (gate, results): (&GateArgs, &ResultArgs),
    ) -> Self {
        let layout = match layout {
            Layout::Folder => Layout::Folder,
            Layout::Files { record, report } => {
                Layout::Files { record: absolute(record), report: report.as_deref().map(absolute) }
            }
        };
        let made = |found: &Found| {
            let recipe = found.recipe.clone()?;
            Some(QuantizedFile { file: absolute(&found.path), recipe })
        };
        Self {
            files: subjects.iter().map(|found| absolute(&found.path)).collect(),
            made: subjects.iter().filter_map(made).collect(),
            layout,
            logits: inputs.stands_for_original().and_then(Stamp::of),
            inputs: Inputs {
                logits: inputs.logits.as_deref().map(absolute),
                save_logits: inputs.save_logits.as_deref().map(absolute),
                reference: inputs.reference.map(|stored| StoredReference { path: absolute(&stored.path), ..stored }),
                save_reference: inputs.save_reference.as_deref().map(absolute),
                ..inputs
            },
            script: execution.script.as_deref().map(absolute),
            timeout_s: execution.timeout,
            without_original,
            gate: gate.absolute(),
            results: results.files(),
        }
    }
}

/// Takes hold of the place where results go. What another run left there is not written over, unless the person said so.
pub(super) fn claim(outputs: &Outputs, replace: ReplaceArgs) -> Result<JournalFile> {
    let path = outputs.journal();
    if !path.exists() {
        // Until something stands in it.
        interrupt::temporary(&path);
    }
    let mut journal = JournalFile::create(&path)?;
    if !replace.overwrite {
        refuse_to_replace(outputs, journal.read())?;
    }
    Ok(journal)
}

/// Begins the journal with a run. From here on there is something to go on with; says whether the person asked to stop.
pub(super) fn begin(
    journal: &mut JournalFile,
    run: &Run,
    resume: &ResumeState,
    outputs: &Outputs,
) -> Result<Arc<AtomicBool>> {
    journal.begin(Begun { run: run.clone(), inputs: serde_json::to_value(resume)? })?;
    interrupt::kept(&outputs.journal());
    Ok(interrupt::measuring(target(outputs)))
}

/// The same before there is anything to take hold of: for a dry run, and before files are made.
pub(super) fn check_place(outputs: &Outputs, replace: ReplaceArgs) -> Result<()> {
    let path = outputs.journal();
    if replace.overwrite {
        return Ok(());
    }
    let journal = match std::fs::read(&path) {
        Ok(text) => Journal::parse(&path, &text),
        // What can't be read is told when it is to be written.
        Err(_) => Ok(None),
    };
    refuse_to_replace(outputs, journal)
}

/// Refuses to write over results of an earlier run. One that has none is nobody's loss.
fn refuse_to_replace(outputs: &Outputs, journal: Result<Option<Journal>, ReadError>) -> Result<()> {
    let (record, choose) = (outputs.record(), outputs.choose());
    let before = match journal {
        Ok(Some(journal)) => Some(journal.run),
        Ok(None) if record.exists() => Some(
            record::read_run(record)
                .with_context(|| format!("look at what is there already ({choose}, or replace it with --overwrite)"))?,
        ),
        Ok(None) => None,
        Err(error) => {
            return Err(error).with_context(|| {
                format!("look at what an earlier run left ({choose}, or replace it with --overwrite)")
            });
        }
    };
    match before.filter(has_results) {
        None => Ok(()),
        Some(run) if run.is_finished() => bail!(
            "{} holds the results of a run that began at {}: {choose}, or replace them with --overwrite",
            target(outputs).display(),
            printable(&run.started_utc)
        ),
        Some(run) => bail!(
            "{} holds a run that is not finished ({}): go on with `gguf-bench resume {}`, {choose}, or replace it with --overwrite",
            target(outputs).display(),
            run.progress(),
            target(outputs).display()
        ),
    }
}

fn has_results(run: &Run) -> bool {
    !run.rounds.is_empty()
        || run.quality.iter().any(|quality| !quality.workers.is_empty())
        || run.tasks.iter().any(|tasks| !tasks.results.is_empty())
}

/// What a person gives to `resume`.
pub(super) fn target(outputs: &Outputs) -> PathBuf {
    let journal = outputs.journal();
    match journal.parent() {
        Some(folder) if journal.ends_with("run.jsonl") && !folder.as_os_str().is_empty() => folder.into(),
        _ => journal,
    }
}

/// Everything that is ready when the first round begins.
pub(super) struct Session {
    pub(super) run: Run,
    pub(super) outputs: Outputs,
    pub(super) journal: JournalFile,
    pub(super) resume: ResumeState,
    /// As they are now.
    pub(super) devices: Vec<DeviceInfo>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) observer: Box<dyn Observer>,
}

/// A run that is over, where its reports go, and why it could not be kept, when that is why it is over.
pub(super) struct Finished {
    pub(super) run: Run,
    pub(super) analysis: Analysis,
    /// What became of the conditions, once it was reported.
    pub(super) gate: Option<Gate>,
    outputs: Outputs,
    unsaved: Option<WriteError>,
}

impl Session {
    /// Measures what is left of the plan. A disk that takes no more ends the run; what was measured is in what is returned.
    pub(super) fn measure(self) -> Result<Finished> {
        let Self { mut run, outputs, mut journal, resume, devices, clock, interrupt, mut observer } = self;
        let launcher = machine::launcher(resume.script.as_ref(), resume.timeout_s)?;
        let plan = run.plan.clone();
        let bench = Bench {
            plan: &plan,
            files: &resume.files,
            launcher: &launcher,
            clock,
            devices: &devices,
            interrupt: &interrupt,
            judge: &Referee::new(resume.script.is_some()),
            without_original: resume.without_original,
        };
        let mut save = |run: &Run, entry: &Entry| keep(&mut journal, outputs.record(), run, entry);
        let measured = measure(&bench, &resume.inputs, &mut run, observer.as_mut(), &mut save);
        if interrupt.load(Ordering::Relaxed) {
            run.ended = Ended::Interrupted;
        }
        drop(observer);
        past_speeds::remember(&run, cache::speeds().as_deref());
        let kept = measured.and_then(|()| journal.append(&Entry::Ended(run.ended)));
        if kept.is_err() {
            run.ended = Ended::Unfinished;
        }
        let written = record::write_run(outputs.record(), &run);
        let analysis = analyse(&run);
        Ok(Finished { run, analysis, gate: None, outputs, unsaved: kept.and(written).err() })
    }
}

/// The least rounds, then the outputs, then as many rounds more as the precision asks for and the time allows: whoever is out of the
/// race by then needs none.
fn measure<E>(
    bench: &Bench<'_>,
    inputs: &Inputs,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    run.ended = Ended::RoundsDone;
    let has_rounds = bench.plan.protocol.max_rounds > 0;
    // Whatever comes of it, the record says what was to be asked.
    run::tasks::announce(&inputs.tasks, run, save)?;
    let mut over = None;
    if has_rounds {
        run::begin(bench, run, observer, save)?;
        over = run::rounds(bench, run, Part::Least, observer, save)?;
    }
    let goes_on =
        |run: &Run| !matches!(over, Some(Ended::Interrupted | Ended::OriginalFailed)) && run.server_lost().is_none();
    if goes_on(run) {
        run::quality::execute(bench, inputs, run, observer, save)?;
    }
    if goes_on(run) {
        run::tasks::execute(bench, &inputs.tasks, run, observer, save)?;
    }
    if has_rounds && over.is_none() {
        over = run::rounds(bench, run, Part::Rest, observer, save)?;
    }
    let without_rounds = if run.server_lost().is_some() { Ended::ServerLost } else { Ended::RoundsDone };
    run.ended = over.unwrap_or(without_rounds);
    Ok(())
}

/// Keeps an entry in the journal, and now and then the whole record beside it: after 1, 2, 4, 8 rounds, so that all of them together
/// cost no more than the last.
fn keep(journal: &mut JournalFile, record: &Path, run: &Run, entry: &Entry) -> Result<(), WriteError> {
    journal.append(entry)?;
    if matches!(entry, Entry::Round(_)) && run.rounds.len().is_power_of_two() {
        // The journal has it all; that the record can't be written is told when it must be.
        let _ = record::write_run(record, run);
    }
    Ok(())
}

impl Finished {
    /// The run, as a part of a larger work, which ends where it could not be kept.
    pub(super) fn into_run(self) -> Result<Run> {
        self.unsaved.map_or(Ok(self.run), |error| Err(error).context("make room, then go on with gguf-bench resume"))
    }

    /// Writes every report and tells the person, also of a run that could not be kept.
    pub(super) fn report(&self, args: &ResultArgs, gate: Option<&Gate>) -> Result<Stdout> {
        if self.run.ended == Ended::Interrupted {
            let target = target(&self.outputs);
            interrupt::say(&format!(
                "Interrupted after {}. What was measured is saved. To go on: gguf-bench resume {}",
                self.run.progress(),
                target.display()
            ));
        }
        let reported = self.outputs.report(&RunReport::new(&self.run, &self.analysis).gated(gate), args);
        if let (None, Some(Outcome::Failed { reason, .. })) = (&self.unsaved, self.run.server_lost()) {
            reported?;
            bail!(
                "{reason}: what was measured until then is shown and kept; when the server is back, `gguf-bench resume {}` goes on",
                target(&self.outputs).display()
            )
        }
        let Some(error) = &self.unsaved else { return reported };
        let others = reported.err().map(|error| format!("\n       {error:#}")).unwrap_or_default();
        bail!(
            "{error}: what was measured until then is shown, and not all of it is on the disk; make room, then `gguf-bench resume {}` \
             goes on{others}",
            target(&self.outputs).display()
        )
    }
}
