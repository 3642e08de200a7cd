//! Everything a run says, drawn from its record in one pass.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    context::Context,
    grounds::Grounds,
    model::{self, ModelAnalysis},
    not_done::{self, NotDone},
    quality::{self, QualityAnalysis},
    recommend::Advice,
    roofline::{self, Roofline},
    series::{self, Series},
    tasks::{self, TaskAnalysis},
    time::{self, TimeSpent},
    traces::Traces,
    tune::{self, TuneConclusion},
    verdict,
    votes::{self, VoteCount},
    warning::{self, Warning},
};
use crate::{
    metric::Verdicts,
    record::{Ended, Prefer, Run, TimePlan},
};

/// The version of what is printed as JSON; raised when a key that matters is added or changes meaning.
pub(super) const ANALYSIS_FORMAT: u32 = 2;

/// What a run says. The same run gives the same analysis, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Analysis {
    /// Version of the format of this document.
    pub format: u32,
    /// Rounds that were finished.
    pub rounds: u32,
    /// Why no more were run.
    pub ended: Ended,
    /// Whether this was a quick look, too short for intervals.
    pub quick: bool,
    /// Confidence of every interval.
    pub confidence: f64,
    /// Differences smaller than this are not relevant.
    pub equivalence: f64,
    /// Verdicts the plan draws: each is held to a confidence adjusted for the number of its family.
    pub verdicts: Verdicts,
    /// The models in the plan's order; the first is the original.
    pub models: Vec<ModelAnalysis>,
    /// What a reader should know before trusting the numbers.
    pub warnings: Vec<Warning>,
    /// What was asked for and not done, with its reason.
    pub not_done: Vec<NotDone>,
    /// Tasks with right answers; none where none were asked.
    pub tasks: Vec<TaskAnalysis>,
    /// Which model to take, by which rule, and how the others stand.
    pub advice: Advice,
    /// What a tuning comes to; absent of any other run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuneConclusion>,
    /// Where its time went.
    pub time: TimeSpent,
    /// What a person preferred who did not know whose answers they were, a row a candidate; `None` where no votes were given.
    pub votes: Option<Vec<VoteCount>>,
    /// Generation against the memory; `None` where its bandwidth was not measured.
    pub roofline: Option<Roofline>,
    /// What the record says of the run itself; not printed, since the record is printed as it is.
    #[serde(skip)]
    pub(crate) context: Context,
    /// What was measured in its course; not printed, since it is as long as the record.
    #[serde(skip)]
    pub(crate) traces: Traces,
    /// What the recommendation rests on; not printed, since what follows from it is.
    #[serde(skip)]
    pub(crate) grounds: Grounds,
    /// Pairs of answers that a person may judge; not printed, since it says whose they are.
    #[serde(skip)]
    pub(crate) ballot: Option<votes::Ballot>,
}

/// Draws every conclusion the record supports.
#[must_use]
pub fn analyse(run: &Run) -> Analysis {
    let original = run.original().unwrap_or(0);
    let of_model = |model| {
        let mut own = series::of_model(run, model);
        own.extend(series::overall(run, &own));
        own.extend(series::request(run, &own));
        own
    };
    let series: Vec<Vec<Series>> = (0..run.subjects.len()).map(of_model).collect();
    let protocol = &run.plan.protocol;
    let verdicts = Verdicts::of_run(run);
    let compare = |model: usize| {
        if model == original {
            Vec::new()
        } else {
            verdict::compare(&series[model], &series[original], verdicts, protocol)
        }
    };
    let outputs: Vec<Option<QualityAnalysis>> =
        (0..run.subjects.len()).map(|model| quality::analyse(run, model)).collect();
    let models: Vec<ModelAnalysis> = (0..run.subjects.len())
        .map(|model| model::analyse(run, model, original, &series[model], &series[original], compare(model), &outputs))
        .collect();
    let warnings = warning::find(run, &series, &models);
    let grounds = Grounds::of(run, &series, &models);
    let advice = grounds.own(run.constraints.as_ref().map_or(Prefer::default(), |c| c.prefer));
    let roofline = roofline::of(run, &models);
    let traces = Traces::of(run, &models);
    Analysis {
        format: ANALYSIS_FORMAT,
        rounds: u32::try_from(run.rounds.len()).unwrap_or(u32::MAX),
        ended: run.ended,
        quick: protocol.quick || run.time_plan.as_ref().is_some_and(TimePlan::is_quick_look),
        confidence: protocol.confidence,
        equivalence: protocol.equivalence,
        verdicts,
        models,
        warnings,
        not_done: not_done::find(run, &outputs),
        tasks: tasks::analyse(run),
        advice,
        tuning: tune::conclude(run),
        time: time::spent(run),
        votes: None,
        roofline,
        context: Context::of(run),
        traces,
        grounds,
        ballot: votes::ballot(run),
    }
}
