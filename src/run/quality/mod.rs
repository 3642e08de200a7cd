//! Comparing outputs: an original and its candidates side by side in one worker, window by window, logits forgotten.
//!
//! Texts take turns, so that wherever the comparison stops they have had the same number of windows as far as they reach. It
//! stops when the macro-averaged mean KLD of every candidate is known well enough, over all texts together: a text alone
//! would need as many windows each, and a person asks for one answer.

mod attempt;
mod base;
mod cached;
mod job;
mod memory;
mod models;
mod pass;
mod prepare;
mod rows;
mod serve;
mod texts;

pub(crate) use job::{CompareJob, Compared, Hold, Pace, Statistics, Until};
pub(crate) use memory::{Demand, available_bytes, cache_bytes, describe, needed_bytes, sharing};
pub(super) use serve::serve;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Bench, Save, lost::Again, note};
use crate::{
    event::Observer,
    gguf::tokenizer_difference,
    record::{
        CandidateQuality, Outcome, Quality, QualityPlan, QualityStop, QualityWorker, Reference, Role, Run, Sharing,
        Stage, Subject,
        journal::{Compared as Finished, Entry},
    },
};
use attempt::{Attempt, Broken};

/// What a comparison needs besides the bench and the record it fills.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// The plan's texts, as they are tokenized.
    pub texts: Vec<String>,
    /// Compare with this file of log-probabilities instead of the original.
    pub logits: Option<PathBuf>,
    /// Write the original's log-probabilities.
    pub save_logits: Option<PathBuf>,
    /// Evaluate only.
    pub skip_statistics: bool,
    /// Compare at this pace instead of the device's.
    pub pace: Option<Pace>,
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
    if run.quality.is_none() {
        let quality = at_start(bench, inputs, run, &plan);
        note(run, &Entry::Quality(Box::new(quality)), save)?;
    }
    let Some(quality) = &run.quality else { return Ok(()) };
    // Exact values and lower bounds could not be held against each other: what was decided at first holds for those who are left.
    let sharing = quality.sharing;
    let left = left(&quality.results);
    let nothing_to_do = left.is_empty() && (inputs.save_logits.is_none() || !quality.workers.is_empty());
    let mut groups: Vec<Group> = match sharing {
        _ if nothing_to_do => Vec::new(),
        Sharing::Repeated { .. } => left.iter().map(|&candidate| Group::new(vec![candidate])).collect(),
        Sharing::Shared { .. } | Sharing::Cached { .. } => vec![Group::new(left)],
    };
    groups.reverse();
    while let Some(Group { candidates: group, lost: before }) = groups.pop() {
        if bench.interrupted() {
            break;
        }
        let mut attempt = Attempt { bench, inputs, plan: &plan, sharing, group: &group, run, observer };
        let (mut worker, mut alone) = (None, None);
        match attempt.make() {
            Ok(done) => worker = done.map(|done| QualityWorker { retried: before, ..done }),
            // One of several may have taken the worker down: each gets one of its own.
            Err(Broken::Lost(_)) if group.len() > 1 => {
                groups.extend(group.iter().rev().map(|&candidate| Group::new(vec![candidate])));
                continue;
            }
            Err(Broken::Lost(lost)) if before.is_none() && lost.again() == Again::MayHelp => {
                groups.push(Group { candidates: group, lost: Some(lost.to_string()) });
                continue;
            }
            Err(broken) => {
                let reason = broken.after(before.as_deref());
                for &candidate in &group {
                    fail(run, candidate, &reason);
                }
                // Without candidates the original's log-probabilities were wanted, and nobody else can say that there are none.
                alone = group.is_empty().then_some(Outcome::Failed { stage: Stage::Quality, reason });
            }
        }
        let entry = Entry::Compared(Box::new(finished(run, &group, worker, alone)));
        note(run, &entry, save)?;
    }
    Ok(())
}

/// Which models can be compared, and how many are held in memory together.
fn at_start(bench: &Bench<'_>, inputs: &Inputs, run: &Run, plan: &QualityPlan) -> Quality {
    let needs: Vec<u64> = run
        .subjects
        .iter()
        .zip(bench.files)
        .map(|(subject, file)| memory::needed_bytes(subject, file, plan.n_ctx))
        .collect();
    let original = run.original();
    let mut results = candidates(run, original, inputs);
    let demand = Demand {
        original_bytes: original.filter(|_| inputs.logits.is_none()).map(|original| needs[original]),
        candidates_bytes: left(&results).into_iter().map(|candidate| needs[candidate]).collect(),
        cache_bytes: memory::cache_bytes(plan),
        available_bytes: memory::available_bytes(&run.machine, run.base_settings()),
    };
    let sharing = memory::sharing(plan, &demand);
    for result in results.iter_mut().filter(|result| result.outcome == Outcome::Done) {
        if let Some(reason) = memory::too_large(plan, &demand, sharing, needs[result.candidate]) {
            result.outcome = Outcome::Failed { stage: Stage::Quality, reason };
        }
    }
    Quality {
        texts: Vec::new(),
        reference: inputs.logits.as_ref().map_or(Reference::Original, |path| Reference::LogitsFile {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }),
        sharing,
        workers: Vec::new(),
        results,
    }
}

/// What is known of a group once its worker is done.
fn finished(run: &Run, group: &[usize], worker: Option<QualityWorker>, original: Option<Outcome>) -> Finished {
    let quality = run.quality.iter();
    let results = quality.clone().flat_map(|quality| &quality.results);
    Finished {
        texts: quality.flat_map(|quality| &quality.texts).cloned().collect(),
        worker,
        original,
        results: results.filter(|result| group.contains(&result.candidate)).cloned().collect(),
    }
}

/// Every candidate, and whether it may be compared.
fn candidates(run: &Run, original: Option<usize>, inputs: &Inputs) -> Vec<CandidateQuality> {
    let candidates = run.subjects.iter().enumerate().filter(|(_, model)| model.role == Role::Candidate);
    let one = |(candidate, model): (usize, &Subject)| {
        let failed = |reason| Outcome::Failed { stage: Stage::Quality, reason };
        let outcome = match &model.outcome {
            Outcome::Done => unfit(run, original, candidate, inputs).map_or(Outcome::Done, failed),
            failed @ Outcome::Failed { .. } => failed.clone(),
        };
        CandidateQuality { candidate, outcome, stopped: None, texts: Vec::new() }
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

/// Why a candidate may not be compared, from the headers.
fn unfit(run: &Run, original: Option<usize>, candidate: usize, inputs: &Inputs) -> Option<String> {
    if inputs.logits.is_some() {
        return None;
    }
    let Some(original) = original.map(|original| &run.subjects[original]) else {
        return Some("there is no original to compare with".into());
    };
    if let Outcome::Failed { reason, .. } = &original.outcome {
        return Some(format!("there is no original to compare with: {reason}"));
    }
    let (own, others) = (run.subjects[candidate].model.facts.as_ref()?, original.model.facts.as_ref()?);
    let difference = tokenizer_difference(&others.tokenizer, &own.tokenizer)?;
    Some(format!("it can't be compared token by token: {difference}"))
}

fn result_of(run: &mut Run, candidate: usize) -> Option<&mut CandidateQuality> {
    run.quality.as_mut()?.results.iter_mut().find(|result| result.candidate == candidate)
}

fn fail(run: &mut Run, candidate: usize, reason: &str) {
    if let Some(result) = result_of(run, candidate) {
        result.outcome = Outcome::Failed { stage: Stage::Quality, reason: reason.into() };
    }
}

/// Candidates compared by one worker.
struct Group {
    candidates: Vec<usize>,
    /// What ended a worker before that was to do it.
    lost: Option<String>,
}

impl Group {
    fn new(candidates: Vec<usize>) -> Self {
        Self { candidates, lost: None }
    }
}
