//! Comparing outputs: an original and its candidates side by side in one worker, window by window, logits forgotten.
//!
//! Texts take turns, so that wherever the comparison stops they have had the same number of windows as far as they reach. It
//! stops when the macro-averaged mean KLD of every candidate is known well enough, over all texts together: a text alone
//! would need as many windows each, and a person asks for one answer.

mod job;
mod memory;
mod models;
mod pass;
mod prepare;
mod rows;
mod serve;
mod texts;

pub use job::{Base, CandidateResult, CompareJob, Compared, Pace, Statistics, Until};
pub use memory::{available_bytes, describe, needed_bytes, sharing, too_large};
pub(super) use serve::serve;

use std::path::PathBuf;

use super::{
    Bench, Lost,
    protocol::{Reply, Request},
};
use crate::{
    engine,
    event::{Event, Observer},
    quality::identity,
    record::{
        CandidateQuality, Outcome, Quality, QualityPlan, QualityStop, QualityWorker, Reference, Role, Run, Sharing,
        Stage, TextQuality,
    },
};

/// What a comparison needs besides the bench and the record it fills.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The plan's texts, as they are tokenized.
    pub texts: Vec<String>,
    /// Compare with this file of log-probabilities instead of the original.
    pub logits: Option<PathBuf>,
    /// Write the original's log-probabilities.
    pub save_logits: Option<PathBuf>,
    /// Evaluate only.
    pub skip_statistics: bool,
}

/// Compares the output of every candidate that can be compared and adds what came out to `run`; after each worker, `save` is
/// given the run.
///
/// # Errors
/// What `save` returned; what was compared until then is in `run`.
pub fn execute<E>(
    bench: &Bench<'_>,
    inputs: &Inputs,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut dyn FnMut(&Run) -> Result<(), E>,
) -> Result<(), E> {
    let Some(plan) = bench.plan.quality.clone() else { return Ok(()) };
    let needs: Vec<u64> = run
        .models
        .iter()
        .zip(bench.files)
        .map(|(model, file)| memory::needed_bytes(model, file, &bench.plan.engine, plan.n_ctx))
        .collect();
    let available = memory::available_bytes(&run.machine, &bench.plan.engine);
    let original = run.models.iter().position(|model| model.role == Role::Original);
    let mut quality = Quality {
        texts: Vec::new(),
        reference: inputs.logits.as_ref().map_or(Reference::Original, |path| Reference::LogitsFile {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }),
        sharing: Sharing::Shared { needed_bytes: 0, available_bytes: available },
        workers: Vec::new(),
        results: Vec::new(),
    };
    let mut fit = Vec::new();
    for (candidate, model) in run.models.iter().enumerate().filter(|(_, model)| model.role == Role::Candidate) {
        let unfit = unfit(run, original, candidate, inputs)
            .or_else(|| memory::too_large(original.map_or(0, |o| needs[o]), needs[candidate], available));
        let outcome = match (&model.outcome, unfit) {
            (Outcome::Failed { .. }, _) => model.outcome.clone(),
            (Outcome::Done, Some(reason)) => Outcome::Failed { stage: Stage::Quality, reason },
            (Outcome::Done, None) => {
                fit.push(candidate);
                Outcome::Done
            }
        };
        quality.results.push(CandidateQuality { candidate, outcome, stopped: None, texts: Vec::new() });
    }
    let together: Vec<u64> = original.iter().chain(&fit).map(|&model| needs[model]).collect();
    quality.sharing = memory::sharing(&together, available);
    run.quality = Some(quality);

    let nothing_to_do = fit.is_empty() && inputs.save_logits.is_none();
    let mut groups: Vec<Vec<usize>> = match run.quality.as_ref().map(|quality| quality.sharing) {
        _ if nothing_to_do => Vec::new(),
        Some(Sharing::Repeated { .. }) => fit.iter().map(|&candidate| vec![candidate]).collect(),
        _ => vec![fit],
    };
    groups.reverse();
    while let Some(group) = groups.pop() {
        if bench.interrupted() {
            break;
        }
        let mut pass = Pass { bench, inputs, plan: &plan, group: &group, run, observer };
        match pass.make() {
            Ok(()) | Err(Broken::Interrupted) => {}
            // One of several may have taken the worker down: each gets one of its own.
            Err(Broken::Lost(_)) if group.len() > 1 => {
                groups.extend(group.iter().rev().map(|&candidate| vec![candidate]));
            }
            Err(Broken::Lost(reason) | Broken::Failed(reason)) => {
                for candidate in group {
                    fail(run, candidate, &reason);
                }
            }
        }
        save(run)?;
    }
    save(run)
}

/// Why a candidate may not be compared, from the headers.
fn unfit(run: &Run, original: Option<usize>, candidate: usize, inputs: &Inputs) -> Option<String> {
    if inputs.logits.is_some() {
        return None;
    }
    let Some(original) = original.map(|original| &run.models[original]) else {
        return Some("there is no original to compare with".into());
    };
    if let Outcome::Failed { reason, .. } = &original.outcome {
        return Some(format!("there is no original to compare with: {reason}"));
    }
    let (own, others) = (run.models[candidate].facts.as_ref()?, original.facts.as_ref()?);
    let difference = identity::difference(&others.tokenizer, &own.tokenizer)?;
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

/// Why a worker gave no comparison.
enum Broken {
    /// It is no more.
    Lost(String),
    /// It said it could not.
    Failed(String),
    Interrupted,
}

impl From<Lost> for Broken {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost.to_string())
    }
}

/// One worker comparing a group of candidates with the original.
struct Pass<'a, 'b> {
    bench: &'a Bench<'a>,
    inputs: &'a Inputs,
    plan: &'a QualityPlan,
    group: &'a [usize],
    run: &'b mut Run,
    observer: &'b mut dyn Observer,
}

impl Pass<'_, '_> {
    fn make(&mut self) -> Result<(), Broken> {
        let job = self.job();
        let mut worker = self.bench.launcher.launch()?;
        let mut reply = worker.ask(&Request::Compare(Box::new(job)))?;
        let mut n_windows = 0;
        for &candidate in self.group {
            if let Some(result) = result_of(self.run, candidate) {
                (result.texts, result.stopped) = (Vec::new(), Some(QualityStop::Interrupted));
            }
        }
        loop {
            match reply {
                Reply::Texts(texts) => {
                    if let Some(quality) = &mut self.run.quality {
                        quality.texts = texts;
                    }
                }
                Reply::Window { text, means } => {
                    n_windows += 1;
                    let what = format!("window {n_windows} of {}", self.windows_ahead());
                    self.observer.on(Event::Step { model: "quality", what: &what, phase: None });
                    for (&candidate, means) in self.group.iter().zip(means) {
                        let Some((result, means)) = result_of(self.run, candidate).zip(means) else { continue };
                        of_text(result, text).windows.push(means);
                    }
                }
                Reply::Compared(compared) => {
                    self.keep(*compared, n_windows);
                    return Ok(());
                }
                Reply::Failed { reason, .. } => {
                    let words = engine::last_words(&worker.log(), 2);
                    let said =
                        if words.is_empty() { String::new() } else { format!("; llama.cpp: {}", words.join(" | ")) };
                    return Err(Broken::Failed(format!("{reason}{said}")));
                }
                _ => return Err(Broken::Lost("the worker answered another question".into())),
            }
            if self.bench.interrupted() {
                return Err(Broken::Interrupted);
            }
            reply = worker.next_reply()?;
        }
    }

    fn job(&self) -> CompareJob {
        let bench = self.bench;
        let original = self.run.models.iter().position(|model| model.role == Role::Original).unwrap_or(0);
        CompareJob {
            base: match &self.inputs.logits {
                Some(path) => Base::Logits(path.clone()),
                None => Base::Model(bench.files[original].clone()),
            },
            candidates: self.group.iter().map(|&candidate| bench.files[candidate].clone()).collect(),
            config: bench.plan.engine.clone(),
            n_ctx: self.plan.n_ctx,
            texts: if self.inputs.logits.is_some() { Vec::new() } else { self.inputs.texts.clone() },
            until: Until {
                precision: self.plan.precision,
                confidence: bench.plan.protocol.confidence,
                min_windows: self.plan.min_windows,
                max_windows: self.plan.max_windows,
            },
            save_logits: self.inputs.save_logits.clone(),
            statistics: if self.inputs.skip_statistics { Statistics::Skip } else { Statistics::Compare },
            pace: if memory::on_device(&self.run.machine, &bench.plan.engine) {
                Pace::Overlapped
            } else {
                Pace::InTurn
            },
        }
    }

    fn windows_ahead(&self) -> usize {
        let texts = self.run.quality.iter().flat_map(|quality| &quality.texts);
        let all: usize = texts.map(|text| text.n_windows).sum();
        self.plan.max_windows.map_or(all, |most| most.min(all))
    }

    fn keep(&mut self, compared: Compared, n_windows: usize) {
        for (&candidate, own) in self.group.iter().zip(compared.results) {
            let Some(result) = result_of(self.run, candidate) else { continue };
            result.stopped = Some(compared.stopped);
            for (text, summary) in own.summaries {
                of_text(result, text).summary = Some(summary);
            }
            if let Some(reason) = own.failed {
                (result.outcome, result.stopped) = (Outcome::Failed { stage: Stage::Quality, reason }, None);
            }
        }
        if let Some(quality) = &mut self.run.quality {
            quality.workers.push(QualityWorker {
                candidates: self.group.to_vec(),
                wall_ns: compared.wall_ns,
                evaluate_ns: compared.evaluate_ns,
                n_windows,
                peak_rss_bytes: compared.peak_rss_bytes,
            });
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
