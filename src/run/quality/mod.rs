//! Comparing outputs: an original and its candidates side by side in one worker, window by window, logits forgotten.
//!
//! Texts take turns, so that wherever the comparison stops they have had the same number of windows as far as they reach. It
//! stops when the mean KLD of every candidate is known well enough over all texts together, or the time is spent. All candidates
//! are scored on the same windows: where they have workers of their own, the first one's windows bind the others.

mod bits;
mod memory;

pub(crate) use crate::protocol::Pace;
pub(crate) use memory::{Demand, cache_bytes, describe, sharing};

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    bench::{Bench, Save, note},
    exit::WorkerExit,
    memory_budget::{self, MemoryBudget},
    tasks::{self, TaskInputs},
};
use crate::{
    event::{Event, Observer},
    protocol::{self, Base, Bound, Compare, CompareEvent, Compared, Hold, SaveReference, Statistics, StopRule},
    quality::share::fair_share,
    record::{
        CandidateQuality, ComparisonFault, Outcome, Quality, QualityPlan, QualityStop, QualityWorker, Reference, Role,
        Run, Sharing, Stage, Subject, TextQuality, WindowMeans,
        journal::{Compared as Finished, Entry},
    },
};

/// What a comparison needs besides the bench and the record it fills.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// The plan's texts, as they are tokenized.
    pub texts: Vec<String>,
    /// Compare with this file of log-probabilities instead of the original.
    pub logits: Option<PathBuf>,
    /// Write the original's log-probabilities.
    pub save_logits: Option<PathBuf>,
    /// Compare with this file that stands for the original.
    #[serde(default)]
    pub reference: Option<StoredReference>,
    /// Write such a file.
    #[serde(default)]
    pub save_reference: Option<PathBuf>,
    /// Evaluate only.
    pub skip_statistics: bool,
    /// Compare at this pace instead of the device's.
    pub pace: Option<Pace>,
    /// What is asked of every model besides.
    #[serde(default)]
    pub tasks: TaskInputs,
}

/// A file that stands for the original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredReference {
    pub path: PathBuf,
    /// What the record says of it.
    pub described: Reference,
}

impl Inputs {
    /// Whether a file stands for the original.
    pub(crate) fn without_original(&self) -> bool {
        self.stands_for_original().is_some()
    }

    /// The file that stands for the original, if one does.
    pub(crate) fn stands_for_original(&self) -> Option<&Path> {
        self.logits.as_deref().or(self.reference.as_ref().map(|stored| &*stored.path))
    }

    /// Whether something of the original is to be kept, whoever is compared with it.
    fn keeps_original(&self) -> bool {
        self.save_logits.is_some() || self.save_reference.is_some()
    }
}

/// Compares the output of every candidate that can be compared and was not yet, and adds what came out to `run`; what each worker
/// found is given to `save` before the next begins.
///
/// # Errors
/// What `save` returned; what was compared until then is in `run`.
pub(crate) fn execute<E>(
    bench: &Bench<'_>,
    inputs: &Inputs,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    let Some(plan) = bench.plan.quality.clone() else { return Ok(()) };
    let has_no_time = bench.stops() || run.time_plan.as_ref().is_some_and(|time| time.windows == Some(0));
    if run.quality.is_none() && has_no_time {
        return Ok(());
    }
    if run.quality.is_none() {
        let quality = at_start(bench, inputs, run, &plan);
        note(run, &Entry::Quality(Box::new(quality)), save)?;
    }
    let Some(quality) = &run.quality else { return Ok(()) };
    // Exact values and lower bounds could not be held against each other: what was decided at first holds for those who are left.
    let sharing = quality.sharing;
    let left = left(&quality.results);
    let nothing_to_do = left.is_empty() && (!inputs.keeps_original() || !quality.workers.is_empty());
    let mut groups: Vec<Group> = match sharing {
        _ if nothing_to_do => Vec::new(),
        Sharing::Repeated { .. } => left.iter().map(|&candidate| Group::new(vec![candidate])).collect(),
        Sharing::Shared { .. } | Sharing::Cached { .. } => vec![Group::new(left)],
    };
    groups.reverse();
    while let Some(Group { candidates: group, first_exit }) = groups.pop() {
        if bench.stops() {
            break;
        }
        if !group.is_empty() && bench.allowed_ns() == Some(0) {
            for &candidate in &group {
                if let Some(result) = result_of(run, candidate) {
                    result.stopped = Some(QualityStop::TimeSpent);
                }
            }
            let entry = Entry::Compared(Box::new(finished(run, &group, None, None, None)));
            note(run, &entry, save)?;
            continue;
        }
        let workers = 1 + groups.len();
        let mut attempt = Attempt { bench, inputs, plan: &plan, sharing, group: &group, workers, run, observer };
        let (mut worker, mut alone, mut fault) = (None, None, None);
        match attempt.make() {
            Ok(done) => worker = done.map(|done| QualityWorker { retried: first_exit, ..done }),
            // One of several may have taken the worker down: each gets one of its own. What it said itself is true of all of them.
            Err(exit)
                if group.len() > 1 && !matches!(exit, WorkerExit::Reported { .. } | WorkerExit::ServerLost { .. }) =>
            {
                groups.extend(group.iter().rev().map(|&candidate| Group::new(vec![candidate])));
                continue;
            }
            Err(exit) if first_exit.is_none() && exit.is_transient() => {
                groups.push(Group { candidates: group, first_exit: Some(exit.to_string()) });
                continue;
            }
            Err(exit) => {
                let reason = match first_exit {
                    Some(first) => format!("{exit}; a first attempt: {first}"),
                    None => exit.to_string(),
                };
                let stage = exit.stage(Stage::Quality);
                if let WorkerExit::Reported { fault: own, .. } = exit {
                    fault = own;
                }
                for &candidate in &group {
                    fail(run, candidate, stage, &reason);
                }
                // Without candidates the original's log-probabilities were wanted, and nobody else can say that there are none.
                alone = group.is_empty().then_some(Outcome::Failed { stage, reason });
            }
        }
        let entry = Entry::Compared(Box::new(finished(run, &group, worker, alone, fault)));
        note(run, &entry, save)?;
        if run.server_lost().is_some() {
            return Ok(());
        }
    }
    if inputs.without_original() { Ok(()) } else { bits::execute(bench, &inputs.texts, run, save) }
}

/// How often the original is evaluated: once for all candidates, or once for each where they do not fit beside each other.
pub(super) fn original_passes(files: &[PathBuf], run: &Run) -> u64 {
    let Some(plan) = &run.plan.quality else { return 1 };
    let inputs = Inputs::default();
    let candidates = left(&candidates(files, run, run.original(), &inputs));
    match memory::sharing(plan, &demand(&needs(files, run, plan), &inputs, run, plan, &candidates)) {
        Sharing::Repeated { .. } => candidates.len().max(1) as u64,
        Sharing::Shared { .. } | Sharing::Cached { .. } => 1,
    }
}

fn needs(files: &[PathBuf], run: &Run, plan: &QualityPlan) -> Vec<u64> {
    let subjects = run.subjects.iter().zip(files);
    subjects.map(|(subject, file)| MemoryBudget::to_score(subject, file, plan.n_ctx).total()).collect()
}

/// What comparing these candidates takes, by what each subject needs.
fn demand(needs: &[u64], inputs: &Inputs, run: &Run, plan: &QualityPlan, candidates: &[usize]) -> Demand {
    Demand {
        original_bytes: run.original().filter(|_| !inputs.without_original()).map(|original| needs[original]),
        candidates_bytes: candidates.iter().map(|&candidate| needs[candidate]).collect(),
        cache_bytes: memory::cache_bytes(plan),
        available_bytes: memory_budget::available_bytes(&run.machine, run.base_settings()),
    }
}

/// Which models can be compared, and how many are held in memory together.
fn at_start(bench: &Bench<'_>, inputs: &Inputs, run: &Run, plan: &QualityPlan) -> Quality {
    let needs = needs(bench.files, run, plan);
    let mut results = candidates(bench.files, run, run.original(), inputs);
    let demand = demand(&needs, inputs, run, plan, &left(&results));
    let sharing = memory::sharing(plan, &demand);
    for result in results.iter_mut().filter(|result| result.outcome == Outcome::Done) {
        if let Some(reason) = memory::too_large(plan, &demand, sharing, needs[result.candidate]) {
            result.outcome = Outcome::Failed { stage: Stage::Quality, reason };
        }
    }
    Quality {
        texts: Vec::new(),
        reference: match (&inputs.logits, &inputs.reference) {
            (Some(path), _) => {
                Reference::LogitsFile { file: path.file_name().unwrap_or_default().to_string_lossy().into_owned() }
            }
            (None, Some(stored)) => stored.described.clone(),
            (None, None) => Reference::Original,
        },
        sharing,
        workers: Vec::new(),
        results,
        original_bits_per_byte: None,
        fault: None,
    }
}

/// What is known of a group once its worker is done.
fn finished(
    run: &Run,
    group: &[usize],
    worker: Option<QualityWorker>,
    original: Option<Outcome>,
    fault: Option<ComparisonFault>,
) -> Finished {
    let quality = run.quality.iter();
    let results = quality.clone().flat_map(|quality| &quality.results);
    Finished {
        texts: quality.flat_map(|quality| &quality.texts).cloned().collect(),
        worker,
        original,
        results: results.filter(|result| group.contains(&result.candidate)).cloned().collect(),
        original_bits_per_byte: None,
        fault,
    }
}

/// Every candidate, and whether it may be compared.
fn candidates(files: &[PathBuf], run: &Run, original: Option<usize>, inputs: &Inputs) -> Vec<CandidateQuality> {
    let candidates = run.subjects.iter().enumerate().filter(|(_, model)| model.role == Role::Candidate);
    let one = |(candidate, model): (usize, &Subject)| {
        let failed = |reason| Outcome::Failed { stage: Stage::Quality, reason };
        let (outcome, other_tokens) = match &model.outcome {
            Outcome::Done => match bits::other_vocabulary(run, candidate) {
                Some(reason) if !inputs.without_original() => (failed(reason), true),
                _ => (unfit(run, original, inputs).map_or(Outcome::Done, failed), false),
            },
            failed @ Outcome::Failed { .. } => (failed.clone(), false),
        };
        let (texts, domains) = (Vec::new(), Vec::new());
        let (note, bits_per_byte) = (bits::note(files, run, candidate), None);
        CandidateQuality {
            candidate,
            outcome,
            stopped: None,
            texts,
            domains,
            overall: None,
            note,
            other_tokens,
            bits_per_byte,
        }
    };
    candidates.map(one).collect()
}

/// Those that can be compared and were not, or not to the end.
fn left(results: &[CandidateQuality]) -> Vec<usize> {
    let waits = |result: &&CandidateQuality| {
        result.outcome == Outcome::Done && matches!(result.stopped, None | Some(QualityStop::Interrupted))
    };
    results.iter().filter(waits).map(|result| result.candidate).collect()
}

/// Why no candidate may be compared.
fn unfit(run: &Run, original: Option<usize>, inputs: &Inputs) -> Option<String> {
    if inputs.without_original() {
        return None;
    }
    let Some(original) = original.map(|original| &run.subjects[original]) else {
        return Some("there is no original to compare with".into());
    };
    match &original.outcome {
        Outcome::Failed { reason, .. } => Some(format!("there is no original to compare with: {reason}")),
        Outcome::Done => None,
    }
}

fn result_of(run: &mut Run, candidate: usize) -> Option<&mut CandidateQuality> {
    run.quality.as_mut()?.results.iter_mut().find(|result| result.candidate == candidate)
}

fn fail(run: &mut Run, candidate: usize, stage: Stage, reason: &str) {
    if let Some(result) = result_of(run, candidate) {
        result.outcome = Outcome::Failed { stage, reason: reason.into() };
    }
}

/// Candidates compared by one worker.
struct Group {
    candidates: Vec<usize>,
    /// What ended a worker before that was to do it.
    first_exit: Option<String>,
}

impl Group {
    fn new(candidates: Vec<usize>) -> Self {
        Self { candidates, first_exit: None }
    }
}

/// One worker comparing a group of candidates with the original.
struct Attempt<'a, 'b> {
    bench: &'a Bench<'a>,
    inputs: &'a Inputs,
    plan: &'a QualityPlan,
    sharing: Sharing,
    group: &'a [usize],
    /// Workers there will be, this one included.
    workers: usize,
    run: &'b mut Run,
    observer: &'b mut dyn Observer,
}

impl Attempt<'_, '_> {
    /// `None` when the person asked to stop.
    fn make(&mut self) -> Result<Option<QualityWorker>, WorkerExit> {
        let call = self.compare();
        let mut worker = self.bench.launcher.launch()?;
        let mut scored = 0;
        let compared = worker.stream(&call, |event| {
            match event {
                CompareEvent::Texts(texts) => {
                    for &candidate in self.group {
                        if let Some(result) = result_of(self.run, candidate) {
                            (result.texts, result.domains, result.overall) = (Vec::new(), Vec::new(), None);
                            result.stopped = Some(QualityStop::Interrupted);
                        }
                    }
                    if let Some(quality) = &mut self.run.quality {
                        quality.texts = texts;
                    }
                    let of = self.windows_in_all();
                    self.observer.on(Event::Windows { model: None, done: 0, of });
                }
                CompareEvent::Window { text, means } => {
                    scored = self.show(scored, &means);
                    for (&candidate, means) in self.group.iter().zip(means) {
                        let Some((result, means)) = result_of(self.run, candidate).zip(means) else { continue };
                        of_text(result, text).windows.push(means);
                    }
                }
            }
            if self.bench.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let compared = match compared {
            Err(WorkerExit::GivenUp) => None,
            other => other?,
        };
        let warnings = protocol::warnings(&worker.log(), self.plan.n_ctx);
        Ok(compared.map(|compared| QualityWorker { warnings, ..self.keep(compared) }))
    }

    fn compare(&self) -> Compare {
        let bench = self.bench;
        let original = self.run.original().unwrap_or(0);
        let bound = self.bound();
        Compare {
            base: match (&self.inputs.logits, &self.inputs.reference) {
                (Some(path), _) => Base::Logits(path.clone()),
                (None, Some(stored)) => Base::Reference(stored.path.clone()),
                (None, None) => Base::Model(bench.files[original].clone()),
            },
            candidates: self.group.iter().map(|&candidate| bench.files[candidate].clone()).collect(),
            settings: self.run.base_settings().clone(),
            candidate_settings: self
                .group
                .iter()
                .map(|&candidate| self.run.subjects[candidate].settings.clone())
                .collect(),
            n_ctx: self.plan.n_ctx,
            positions: self.run.scored_positions(),
            texts: if self.inputs.logits.is_some() { Vec::new() } else { self.inputs.texts.clone() },
            domains: self.plan.texts.iter().map(|text| text.domain.clone()).collect(),
            stop: StopRule {
                precision: if bound.is_some() { 0.0 } else { self.plan.precision },
                confidence: bench.plan.protocol.confidence,
                unit: self.plan.unit(),
                min_windows: self.plan.min_windows,
                max_windows: self.max_windows(),
                bound,
                time_ns: self.share_ns(bound.is_none()),
            },
            hold: match self.sharing {
                Sharing::Cached { top_k, .. } => Hold::OneAtATime { top_k },
                Sharing::Shared { .. } | Sharing::Repeated { .. } => Hold::Together,
            },
            save_logits: self.inputs.save_logits.clone(),
            save_reference: self.save_reference(original),
            statistics: if self.inputs.skip_statistics { Statistics::Skip } else { Statistics::Compare },
            pace: self.inputs.pace.unwrap_or(
                if memory_budget::on_device(&self.run.machine, self.run.base_settings()) {
                    Pace::Overlapped
                } else {
                    Pace::InTurn
                },
            ),
        }
    }

    /// The most windows, by the plan of the comparison and by that of the time.
    fn max_windows(&self) -> Option<usize> {
        let planned = self.run.time_plan.as_ref().and_then(|plan| plan.windows);
        self.plan.max_windows.into_iter().chain(planned).min()
    }

    fn save_reference(&self, original: usize) -> Option<SaveReference> {
        let path = self.inputs.save_reference.clone()?;
        let subject = self.run.subjects.get(original)?;
        Some(SaveReference {
            path,
            program: self.run.build.version.clone(),
            model: subject.name.clone(),
            model_sha256: subject.model.facts.as_ref().and_then(|facts| facts.sha256.clone()),
            texts: self.plan.texts.clone(),
        })
    }

    /// Its share of the time that is left; the first worker of several takes less than those which are bound to its windows.
    fn share_ns(&self, first: bool) -> Option<u64> {
        let kept_ns = tasks::kept_ns(self.run);
        let allowed_ns = self.bench.allowed_ns().map(|left_ns| left_ns.saturating_sub(kept_ns));
        allowed_ns.map(|left_ns| fair_share(0, left_ns, self.workers, first))
    }

    /// What candidates before were scored on: the fewest windows any of them came to.
    fn bound(&self) -> Option<Bound> {
        let results = self.run.quality.iter().flat_map(|quality| &quality.results);
        let done = results.filter(|result| result.outcome == Outcome::Done && !self.group.contains(&result.candidate));
        let bounds = done.filter_map(|result| match result.stopped? {
            QualityStop::Interrupted => None,
            stopped => Some(Bound { windows: result.texts.iter().map(|text| text.windows.len()).sum(), stopped }),
        });
        bounds.min_by_key(|bound| bound.windows)
    }

    /// Shows that another window was scored after `scored` of them; returns how many it is now, counting the original alone and
    /// every candidate by itself where they are.
    fn show(&mut self, scored: usize, means: &[Option<WindowMeans>]) -> usize {
        let of = self.windows_in_all();
        let Sharing::Cached { .. } = self.sharing else {
            self.observer.on(Event::Windows { model: None, done: scored + 1, of });
            return scored + 1;
        };
        let at = means.iter().position(Option::is_some);
        // A candidate before may have stopped early.
        let done = (scored + 1).max(at.map_or(0, |at| self.windows_ahead() * (at + 1) + 1));
        let model = at.map_or("the original", |at| &self.run.subjects[self.group[at]].name);
        self.observer.on(Event::Windows { model: Some(model), done, of });
        done
    }

    fn windows_ahead(&self) -> usize {
        let texts = self.run.quality.iter().flat_map(|quality| &quality.texts);
        let all: usize = texts.map(|text| text.n_windows).sum();
        self.max_windows().map_or(all, |most| most.min(all))
    }

    /// The same, counted as [`Self::show`] does.
    fn windows_in_all(&self) -> usize {
        let passes = if matches!(self.sharing, Sharing::Cached { .. }) { self.group.len() + 1 } else { 1 };
        self.windows_ahead() * passes
    }

    fn keep(&mut self, compared: Compared) -> QualityWorker {
        for (&candidate, own) in self.group.iter().zip(compared.results) {
            let Some(result) = result_of(self.run, candidate) else { continue };
            result.stopped = own.stopped;
            (result.domains, result.overall) = (own.domains, own.overall);
            for (text, summary) in own.summaries {
                of_text(result, text).summary = Some(summary);
            }
            result.other_tokens = own.other_tokens;
            if let Some(reason) = own.failed {
                let reason = match (own.other_tokens, result.note.take()) {
                    (true, Some(difference)) => format!("it can't be compared token by token: {reason} ({difference})"),
                    (true, None) => format!("it can't be compared token by token: {reason}"),
                    (false, _) => reason,
                };
                result.outcome = Outcome::Failed { stage: Stage::Quality, reason };
            }
        }
        QualityWorker {
            candidates: self.group.to_vec(),
            wall_ns: compared.wall_ns,
            evaluate_ns: compared.evaluate_ns,
            n_windows: compared.n_windows,
            n_evaluated: Some(compared.n_evaluated),
            peak_rss_bytes: compared.peak_rss_bytes,
            ended_ns: Some(self.bench.now_ns()),
            retried: None,
            warnings: Vec::new(),
        }
    }
}

/// A candidate's results on a text, begun when they come first.
fn of_text(result: &mut CandidateQuality, text: usize) -> &mut TextQuality {
    let at = result.texts.partition_point(|known| known.text < text);
    if result.texts.get(at).is_none_or(|known| known.text != text) {
        result.texts.insert(at, TextQuality { text, windows: Vec::new(), summary: None });
    }
    &mut result.texts[at]
}
