//! What of a model's speed is left at a depth of context, paired by round with its speed at the least depth.

use schemars::JsonSchema;
use serde::Serialize;

use super::series::Series;
use crate::{
    metric::MetricId,
    record::{Run, Workload, datum::log_ratios},
    stats,
};

/// Speed at a depth over speed at the least depth of the same work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Retained {
    /// The metric's key: `tg128 @ d4096`.
    pub key: MetricId,
    /// The key it is held against: `tg128`.
    pub of: MetricId,
    /// Tokens in the context before.
    pub n_depth: u32,
    /// Share of the speed that is left, as a fraction.
    pub share: f64,
    /// Lower end of its interval; `None` under the rounds it needs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Rounds in which both were measured.
    pub n: usize,
}

/// Every depth but the least, in the plan's order.
pub(super) fn retained(run: &Run, own: &[Series]) -> Vec<Retained> {
    let of = |workload: &Workload| {
        let n_depth = workload.kind.depth()?;
        let key = workload.kind.metric()?;
        let is_same =
            |w: &&Workload| w.kind.metric().is_some_and(|other| other.without_layout() == key.without_layout());
        let shallower = |w: &&Workload| w.kind.depth().is_some_and(|depth| depth < n_depth);
        let base = run.plan.workloads.iter().filter(is_same).filter(shallower).min_by_key(|w| w.kind.depth())?;
        let of = base.kind.metric()?;
        let series = |id: &MetricId| own.iter().find(|s| s.id == *id);
        let d = log_ratios(&series(&key)?.by_round, &series(&of)?.by_round);
        let interval = stats::paired_effect(&d, run.plan.protocol.confidence).ok().map(|e| e.exp());
        let share = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp))?;
        let (low, high) = interval.map_or((None, None), |e| (Some(e.low), Some(e.high)));
        Some(Retained { key, of, n_depth, share, low, high, n: d.len() })
    };
    run.plan.workloads.iter().filter_map(of).collect()
}
