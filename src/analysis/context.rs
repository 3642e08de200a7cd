//! What the record says of the run itself, for whoever shows it: what was to be done, with what and on what, and what was decided.

use crate::{
    record::{Adaptation, Build, ComparisonFault, Machine, Plan, Resumed, Role, Run, Settings, Subject},
    stats,
};

/// The record but for what was measured, so that a report needs the analysis alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Context {
    pub(crate) build: Build,
    pub(crate) machine: Machine,
    pub(crate) command: Vec<String>,
    pub(crate) started_utc: String,
    pub(crate) plan: Plan,
    /// In the order of [`Analysis::models`](super::Analysis::models).
    pub(crate) subjects: Vec<Subject>,
    /// What the pilot decided; `None` in records without rounds, and in older ones.
    pub(crate) adaptation: Option<Adaptation>,
    pub(crate) resumed: Vec<Resumed>,
    /// At what it lies that no outputs were compared, where that is no candidate's fault.
    pub(crate) comparison_fault: Option<ComparisonFault>,
    /// Rounds in which prompts were answered.
    pub(crate) prompt_rounds: usize,
    /// Share of the machine's CPU time that other processes used, median over visits; `None` where nobody could look.
    pub(crate) other_cpu_share: Option<f64>,
}

impl Context {
    pub(crate) fn of(run: &Run) -> Self {
        let visits = run.rounds.iter().flat_map(|round| &round.visits);
        let others: Vec<f64> = visits.filter_map(|visit| visit.conditions.other_cpu_share).collect();
        Self {
            other_cpu_share: stats::median(&others).ok(),
            build: run.build.clone(),
            machine: run.machine.clone(),
            command: run.command.clone(),
            started_utc: run.started_utc.clone(),
            plan: run.plan.clone(),
            subjects: run.subjects.clone(),
            adaptation: run.adaptation.clone(),
            resumed: run.resumed.clone(),
            comparison_fault: run.quality.as_ref().and_then(|quality| quality.fault),
            prompt_rounds: run.rounds.iter().filter(|round| round.asks_prompts()).count(),
        }
    }

    /// The settings that the others are held against: the first subject's.
    pub(crate) fn base_settings(&self) -> &Settings {
        &self.subjects[0].settings
    }

    /// Index of the original; `None` in a record without one.
    pub(crate) fn original(&self) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.role == Role::Original)
    }
}
