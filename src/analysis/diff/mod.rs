//! Two records of the same models, from another day, build or machine: what changed, and how surely.
//!
//! Rounds of different runs have nothing in common, so nothing is paired: ratios are shifts of logarithms between independent
//! samples, and a drift within a run widens them. Outputs are paired, window by window, since the same file reads the same text.

mod gate;
mod outputs;
mod ratio;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    comparable::{Difference, MatchedBy, Pair, Weight, differences, pair_models},
    first_failure, series,
    verdict::Verdict,
};
use crate::{
    metric::{Better, MetricId, Unit},
    record::{Outcome, Run},
};

pub(crate) use gate::{Gate, Limit, Passing};

/// What changed from one record to the other.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Diff {
    /// The older record.
    pub old: Side,
    /// The newer one.
    pub new: Side,
    /// Confidence of every interval, the newer record's.
    pub confidence: f64,
    /// Differences smaller than this are not relevant, as the newer record has it.
    pub equivalence: f64,
    /// Verdicts drawn: each is held to a confidence adjusted for their number.
    pub verdicts: usize,
    /// What else differs between the records.
    pub differences: Vec<Difference>,
    /// The models that both have, in the order of the newer record.
    pub models: Vec<ModelDiff>,
    /// The limits that were set, in their order, once for every model they concern.
    pub gates: Vec<Gate>,
}

/// One of the records, to be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Side {
    /// When it was begun, UTC.
    pub started_utc: String,
    /// gguf-bench's version.
    pub version: String,
    /// Version of the crate that carries llama.cpp.
    pub llama_cpp: String,
    /// The processor.
    pub cpu: String,
    /// Rounds.
    pub rounds: usize,
}

/// A model in both records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ModelDiff {
    /// Its name in the newer record.
    pub name: String,
    /// By what it was found in both.
    pub matched_by: MatchedBy,
    /// `Done`, or its first failure in the older record.
    pub old_outcome: Outcome,
    /// The same in the newer one.
    pub new_outcome: Outcome,
    /// Every metric that both have.
    pub metrics: Vec<MetricDiff>,
    /// Metrics that only the older record has.
    pub lost: Vec<MetricId>,
}

/// A metric of a model in both records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct MetricDiff {
    /// `pp512`, `load`, `memory_peak`, `short/tg`, `ppl`, `kld_mean`, ...
    pub metric: MetricId,
    /// Median over the rounds of the older record; of outputs the mean over the windows that both have.
    pub old: f64,
    /// The same of the newer one.
    pub new: f64,
    /// Unit of both.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What became of it.
    pub change: Change,
    /// What may be concluded; `None` without an interval, and for outputs, which have no region of equivalence.
    pub verdict: Option<Verdict>,
    /// Rounds, or windows, of the older record.
    pub n_old: usize,
    /// Of the newer one.
    pub n_new: usize,
}

/// How a metric changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// In which terms.
    pub kind: ChangeKind,
    /// The estimate.
    pub value: f64,
    /// Lower end of its interval; `None` when there was too little for one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The terms of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    /// New over old.
    Ratio,
    /// New less old, in the metric's unit: for what may be 0.
    Difference,
}

impl Diff {
    /// What makes the comparison meaningless; empty when it stands.
    pub(crate) fn objections(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.weight == Weight::Meaningless)
    }

    /// Whether a model that was measured has lost figures.
    #[must_use]
    pub(crate) fn is_partial(&self) -> bool {
        self.models.iter().any(|m| m.old_outcome == Outcome::Done && m.new_outcome != Outcome::Done)
    }
}

/// Compares every model and metric that both records have.
#[must_use]
pub(crate) fn diff(old: &Run, new: &Run) -> Diff {
    held_to(old, new, None)
}

/// The same where the comparison is one of several: `family` verdicts are drawn in all of them.
pub(super) fn held_to(old: &Run, new: &Run, family: Option<usize>) -> Diff {
    let pairs = pair_models(old, new);
    let protocol = &new.plan.protocol;
    let series: Vec<Vec<ratio::Two>> = pairs.iter().map(|pair| ratio::series(old, new, pair)).collect();
    let own = || series.iter().flatten().filter(|two| two.interval(protocol.confidence).is_ok()).count();
    let verdicts = family.unwrap_or_else(own);
    let models = pairs.iter().zip(series).map(|(pair, series)| {
        let mut metrics: Vec<MetricDiff> = series.iter().map(|two| two.compare(protocol, verdicts)).collect();
        metrics.extend(outputs::compare(old, new, pair, &pairs));
        model(old, new, pair, metrics)
    });
    Diff {
        old: side(old),
        new: side(new),
        confidence: protocol.confidence,
        equivalence: protocol.equivalence,
        verdicts,
        differences: differences(old, new),
        models: models.collect(),
        gates: Vec::new(),
    }
}

fn model(old: &Run, new: &Run, pair: &Pair, metrics: Vec<MetricDiff>) -> ModelDiff {
    let had = series::of_model(old, pair.old);
    let lost = had.into_iter().map(|s| s.id).filter(|id| metrics.iter().all(|m| m.metric != *id));
    ModelDiff {
        name: new.subjects[pair.new].name.clone(),
        matched_by: pair.by,
        old_outcome: first_failure(old, pair.old),
        new_outcome: first_failure(new, pair.new),
        lost: lost.collect(),
        metrics,
    }
}

pub(super) fn side(run: &Run) -> Side {
    Side {
        started_utc: run.started_utc.clone(),
        version: run.build.version.clone(),
        llama_cpp: run.build.llama_cpp_sys_2.clone(),
        cpu: run.machine.cpu.clone(),
        rounds: run.rounds.len(),
    }
}

#[cfg(test)]
mod tests;
