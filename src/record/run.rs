//! One run: the plan, what it ran on, and every reading.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Adaptation, Build, CandidateQuality, Constraints, Machine, Outcome, Plan, Probe, Quality, Resumed, Role, Round,
    Settings, Subject, Tasks, TimePlan, Tuning,
};
use crate::text::counted;

/// The version of the format this program writes; raised when a field that matters is added or changes meaning.
pub(crate) const FORMAT: u32 = 2;

/// One run: the plan, what it ran on, and every reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Run {
    /// Version of the format, see `FORMAT`.
    pub format: u32,
    /// The program that measured.
    pub build: Build,
    /// The machine it measured on.
    pub machine: Machine,
    /// What it was begun for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// When the run began, UTC, RFC 3339. A label: it places a record among others, and no figure is computed from it.
    pub started_utc: String,
    /// What was to be done.
    pub plan: Plan,
    /// What is compared: files with settings. `Visit::model` indexes this list and the first is the original.
    pub subjects: Vec<Subject>,
    /// A first look at each subject, before any round; empty in older records and where nothing is timed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// What was planned by it; `None` where there was no probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_plan: Option<TimePlan>,
    /// The rounds that were finished, in time order.
    pub rounds: Vec<Round>,
    /// Why no more rounds were run.
    pub ended: Ended,
    /// How the rounds were really run; `None` in records without rounds, and in older ones, whose plan says it.
    #[serde(default)]
    pub adaptation: Option<Adaptation>,
    /// What quantizing did to the output, when that was measured.
    #[serde(default)]
    pub quality: Option<Quality>,
    /// Tasks with right answers, when any were asked; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
    /// When and where the run was taken up again after it had ended too early.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumed>,
    /// By what a model is to be recommended, when the person said.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "wishes")]
    pub constraints: Option<Constraints>,
    /// How its settings were found, where it confirms a tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

impl Run {
    /// Positions of each window of text that are scored, as asked for or as the time allows; `None` of the whole second half.
    pub(crate) fn scored_positions(&self) -> Option<u32> {
        let asked = self.plan.quality.as_ref().and_then(|plan| plan.positions);
        let planned = self.time_plan.as_ref().and_then(|plan| plan.positions);
        asked.into_iter().chain(planned).min()
    }

    /// Index of the original; `None` in a record without one.
    #[must_use]
    pub fn original(&self) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.role == Role::Original)
    }

    /// The settings that the others are held against: the first subject's.
    pub(crate) fn base_settings(&self) -> &Settings {
        &self.subjects[0].settings
    }

    /// How far it came, in what it is made of: one that compares outputs alone has no rounds.
    pub(crate) fn progress(&self) -> String {
        if self.plan.has_rounds() {
            return counted(self.rounds.len(), "round");
        }
        let windows = |result: &CandidateQuality| result.texts.iter().map(|text| text.windows.len()).sum::<usize>();
        let results = self.quality.iter().flat_map(|quality| &quality.results);
        counted(results.map(windows).max().unwrap_or(0), "window")
    }

    /// Whether a subject is measured in a round: it has not failed, and was not dropped before.
    pub(crate) fn is_measured(&self, subject: usize, round: u32) -> bool {
        let dropped = self.adaptation.as_ref().and_then(|adaptation| adaptation.dropped_from(subject));
        self.subjects[subject].outcome == Outcome::Done && dropped.is_none_or(|from| round < from)
    }

    /// Whether a server of llama.cpp's RPC was not there when it was needed.
    pub(crate) fn server_lost(&self) -> Option<&Outcome> {
        let subjects = self.subjects.iter().map(|subject| &subject.outcome);
        let compared = self.quality.iter().flat_map(|quality| &quality.results).map(|result| &result.outcome);
        let asked = self.tasks.iter().flat_map(|tasks| &tasks.results).map(|result| &result.outcome);
        subjects.chain(compared).chain(asked).find(|outcome| outcome.is_server_lost())
    }

    /// Indices of the models beside `original` that have not failed.
    pub fn candidates_left(&self, original: usize) -> impl Iterator<Item = usize> {
        (0..self.subjects.len())
            .filter(move |&subject| subject != original && self.subjects[subject].outcome == Outcome::Done)
    }
}

/// What a run was begun for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To compare the subjects.
    #[default]
    Comparison,
    /// To see whether a model is found to differ from itself.
    SelfCheck,
    /// To find the best settings: one of the races, or what confirms their result.
    Tuning,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every planned round was run.
    RoundsDone,
    /// Every primary metric was as precise as asked.
    Precise,
    /// One subject was left in a race.
    OneLeft,
    /// The time was spent, or the next rounds would not have fitted it.
    Budget,
    /// The person asked to stop.
    Interrupted,
    /// No model was left that could be measured.
    NothingLeft,
    /// The original could not be measured, and without it the others answer nothing.
    OriginalFailed,
    /// A server of llama.cpp's RPC was not there any more: the run can be taken up again when it is.
    ServerLost,
    /// The run is under way, or was cut off.
    Unfinished,
}

impl Ended {
    /// Whether nothing is left that `resume` could go on with.
    pub(crate) fn is_finished(self) -> bool {
        !matches!(self, Self::Unfinished | Self::Interrupted | Self::ServerLost)
    }
}
