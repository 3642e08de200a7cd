//! One worker comparing a group of candidates with the original, from what it is told to what is kept of its answers.

use super::{CompareJob, Compared, Hold, Inputs, Pace, Statistics, Until, job::Base, memory, result_of};
use crate::{
    engine,
    event::{Event, Observer},
    record::{
        CandidateQuality, Outcome, QualityPlan, QualityStop, QualityWorker, Run, Sharing, Stage, TextQuality,
        WindowMeans,
    },
    run::{
        Bench, Lost,
        protocol::{Reply, Request},
        stopping,
    },
    units::whole_ns,
};

/// Why a worker gave no comparison.
pub(super) enum Broken {
    /// It is no more.
    Lost(Lost),
    /// It said it could not.
    Failed(String),
}

impl Broken {
    /// In words, and what a first attempt ended by.
    pub(super) fn after(self, first: Option<&str>) -> String {
        let own = match self {
            Self::Lost(lost) => lost.to_string(),
            Self::Failed(reason) => reason,
        };
        first.map_or_else(|| own.clone(), |first| format!("{own}; a first attempt: {first}"))
    }
}

impl From<Lost> for Broken {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// One worker comparing a group of candidates with the original.
pub(super) struct Attempt<'a, 'b> {
    pub(super) bench: &'a Bench<'a>,
    pub(super) inputs: &'a Inputs,
    pub(super) plan: &'a QualityPlan,
    pub(super) sharing: Sharing,
    pub(super) group: &'a [usize],
    pub(super) run: &'b mut Run,
    pub(super) observer: &'b mut dyn Observer,
}

impl Attempt<'_, '_> {
    /// `None` when the person asked to stop.
    pub(super) fn make(&mut self) -> Result<Option<QualityWorker>, Broken> {
        let job = self.job();
        let mut worker = self.bench.launcher.launch()?;
        let mut reply = worker.ask(&Request::Compare(Box::new(job)))?;
        let mut scored = 0;
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
                    let of = self.windows_in_all();
                    self.observer.on(Event::Windows { model: None, done: 0, of });
                }
                Reply::Window { text, means } => {
                    scored = self.show(scored, &means);
                    for (&candidate, means) in self.group.iter().zip(means) {
                        let Some((result, means)) = result_of(self.run, candidate).zip(means) else { continue };
                        of_text(result, text).windows.push(means);
                    }
                }
                Reply::Compared(compared) => {
                    return Ok(Some(self.keep(*compared)));
                }
                Reply::Failed { reason, .. } => {
                    let words = engine::last_words(&worker.log(), 2);
                    let said =
                        if words.is_empty() { String::new() } else { format!("; llama.cpp: {}", words.join(" | ")) };
                    return Err(Broken::Failed(format!("{reason}{said}")));
                }
                _ => return Err(Lost::Nonsense("it answered another question".into()).into()),
            }
            if self.bench.interrupted() {
                return Ok(None);
            }
            reply = worker.next_reply()?;
        }
    }

    fn job(&self) -> CompareJob {
        let bench = self.bench;
        let original = self.run.original().unwrap_or(0);
        CompareJob {
            base: match &self.inputs.logits {
                Some(path) => Base::Logits(path.clone()),
                None => Base::Model(bench.files[original].clone()),
            },
            candidates: self.group.iter().map(|&candidate| bench.files[candidate].clone()).collect(),
            config: self.run.base_settings().clone(),
            n_ctx: self.plan.n_ctx,
            texts: if self.inputs.logits.is_some() { Vec::new() } else { self.inputs.texts.clone() },
            until: Until {
                precision: self.plan.precision,
                confidence: bench.plan.protocol.confidence,
                min_windows: self.plan.min_windows,
                max_windows: self.plan.max_windows,
                time_ns: self.left_ns(),
            },
            hold: match self.sharing {
                Sharing::Cached { top_k, .. } => Hold::OneAtATime { top_k },
                Sharing::Shared { .. } | Sharing::Repeated { .. } => Hold::Together,
            },
            save_logits: self.inputs.save_logits.clone(),
            statistics: if self.inputs.skip_statistics { Statistics::Skip } else { Statistics::Compare },
            pace: self.inputs.pace.unwrap_or(if memory::on_device(&self.run.machine, self.run.base_settings()) {
                Pace::Overlapped
            } else {
                Pace::InTurn
            }),
        }
    }

    /// What the rounds and the workers before left of the time that is aimed at.
    fn left_ns(&self) -> Option<u64> {
        let workers = self.run.quality.iter().flat_map(|quality| &quality.workers);
        let compared_ns: u64 = workers.map(|worker| worker.wall_ns).sum();
        stopping::left_ns(self.run, self.run.elapsed_ns() + compared_ns).map(whole_ns)
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
        self.plan.max_windows.map_or(all, |most| most.min(all))
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
            for (text, summary) in own.summaries {
                of_text(result, text).summary = Some(summary);
            }
            if let Some(reason) = own.failed {
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
            retried: None,
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
