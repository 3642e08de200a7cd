//! The entries of a journal, and how they add up to a record.

use serde::{Deserialize, Serialize};

use crate::record::{
    Adaptation, BitsPerByte, CandidateQuality, ComparisonFault, Ended, Outcome, Probe, Quality, QualityStop,
    QualityText, QualityWorker, Resumed, Round, Run, TaskResult, Tasks, TimePlan,
};

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The first line, and only that.
    Begun(Box<Begun>),
    /// A first look at a subject was taken.
    Probe(Box<Probe>),
    /// What is done in which time, by what the probes found.
    TimePlan(Box<TimePlan>),
    /// What was decided of how rounds are run, replacing what was decided before.
    Adaptation(Adaptation),
    /// A round was finished.
    Round(Round),
    /// A round was broken off when the person asked to stop: it counts in the record, and is made anew by whoever goes on.
    CutRound(Round),
    /// Outputs are going to be compared; no candidate was yet.
    Quality(Box<Quality>),
    /// A worker that compared outputs is done.
    Compared(Box<Compared>),
    /// Tasks are going to be asked; no model was yet.
    Tasks(Box<Tasks>),
    /// A model was asked all tasks, or as far as it came: in place of what was known of it.
    Asked(Box<TaskResult>),
    /// The run was taken up again.
    Resumed(Resumed),
    /// The run is over.
    Ended(Ended),
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The record before the first round.
    pub run: Run,
    /// What going on takes besides the record: the program's own affair, and published nowhere.
    pub inputs: serde_json::Value,
}

/// What one worker found when it compared outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The texts as tokens; none when the worker did not come that far.
    pub texts: Vec<QualityText>,
    /// The worker; `None` when it did not come to its end.
    pub worker: Option<QualityWorker>,
    /// What became of the original, when it was evaluated alone and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Outcome>,
    /// The candidates it had, each replacing what was known of it before.
    pub results: Vec<CandidateQuality>,
    /// The original's bits per byte, when they were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_bits_per_byte: Option<BitsPerByte>,
    /// At what it lies that nothing could be compared, where that is no candidate's fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ComparisonFault>,
}

impl Run {
    /// Adds what happened. Indices that lead nowhere are passed over; reading a record checks them.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun(begun) => self.clone_from(&begun.run),
            Entry::Probe(probe) => {
                if let Some(model) = self.subjects.get_mut(probe.model) {
                    model.outcome.clone_from(&probe.outcome);
                }
                self.probes.push((**probe).clone());
            }
            Entry::TimePlan(plan) => self.time_plan = Some((**plan).clone()),
            Entry::Adaptation(adaptation) => self.adaptation = Some(adaptation.clone()),
            Entry::Round(round) | Entry::CutRound(round) => {
                for visit in &round.visits {
                    if let Some(model) = self.subjects.get_mut(visit.model) {
                        model.outcome.clone_from(&visit.outcome);
                    }
                }
                self.rounds.push(round.clone());
            }
            Entry::Quality(quality) => self.quality = Some((**quality).clone()),
            Entry::Compared(compared) => {
                let original = self.original().and_then(|original| self.subjects.get_mut(original));
                if let (Some(original), Some(outcome)) = (original, &compared.original) {
                    original.outcome.clone_from(outcome);
                }
                if let Some(quality) = &mut self.quality {
                    compared.add_to(quality);
                }
            }
            Entry::Tasks(tasks) => self.tasks = Some((**tasks).clone()),
            Entry::Asked(result) => {
                if let Some(tasks) = &mut self.tasks {
                    tasks.results.retain(|known| known.subject != result.subject);
                    tasks.results.push((**result).clone());
                }
            }
            Entry::Resumed(resumed) => {
                self.take_back(resumed.from_round);
                self.forget_lost_servers();
                self.ended = Ended::Unfinished;
                self.resumed.push(resumed.clone());
            }
            Entry::Ended(ended) => self.ended = *ended,
        }
    }

    /// Takes the rounds from `first` on out of the record, as if they had not been made. A model that failed in one of them had not
    /// failed before, or it would not have been visited.
    pub fn take_back(&mut self, first: u32) -> Vec<Round> {
        let at = self.rounds.iter().position(|round| round.index >= first).unwrap_or(self.rounds.len());
        let taken = self.rounds.split_off(at);
        for visit in taken.iter().flat_map(|round| &round.visits) {
            if let Some(model) = self.subjects.get_mut(visit.model) {
                model.outcome = Outcome::Done;
            }
        }
        taken
    }

    /// What failed for want of a server waits for it: whoever goes on tries again.
    fn forget_lost_servers(&mut self) {
        for probe in self.probes.extract_if(.., |probe| probe.outcome.is_server_lost()) {
            if let Some(model) = self.subjects.get_mut(probe.model) {
                model.outcome = Outcome::Done;
            }
        }
        let compared = self.quality.iter_mut().flat_map(|quality| &mut quality.results);
        for result in compared.filter(|result| result.outcome.is_server_lost()) {
            (result.outcome, result.stopped) = (Outcome::Done, Some(QualityStop::Interrupted));
        }
        if let Some(tasks) = &mut self.tasks {
            tasks.results.retain(|result| !result.outcome.is_server_lost());
        }
    }

    /// When the last thing that was recorded ended, since the run began; 0 before there is one.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        let probes = self.probes.iter().map(|probe| probe.started_ns.saturating_add(probe.duration_ns));
        let visits = self.rounds.iter().flat_map(|round| &round.visits);
        let visits = visits.map(|visit| visit.started_ns.saturating_add(visit.duration_ns));
        let compared = self.quality.iter().flat_map(|quality| &quality.workers).filter_map(|worker| worker.ended_ns);
        probes.chain(visits).chain(compared).max().unwrap_or(0)
    }

    /// Whether nothing is left to be done of it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ended.is_finished()
    }
}

impl Compared {
    fn add_to(&self, quality: &mut Quality) {
        if !self.texts.is_empty() {
            quality.texts.clone_from(&self.texts);
        }
        quality.fault = self.fault.or(quality.fault);
        quality.workers.extend(self.worker.clone());
        if self.original_bits_per_byte.is_some() {
            quality.original_bits_per_byte.clone_from(&self.original_bits_per_byte);
        }
        for result in &self.results {
            if let Some(known) = quality.results.iter_mut().find(|known| known.candidate == result.candidate) {
                known.clone_from(result);
            }
        }
    }
}
