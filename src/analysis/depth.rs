//! What of a model's speed is left at a depth of context, paired by round with its speed at the least depth.

use serde::Serialize;

use super::series::Series;
use crate::{
    record::{Run, Workload, datum::log_ratios},
    stats,
};

/// Speed at a depth over speed at the least depth of the same work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retained {
    /// The metric's key: `tg128 @ d4096`.
    pub key: String,
    /// The key it is held against: `tg128`.
    pub of: String,
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
        let same = run.plan.workloads.iter().filter(|w| w.at_any_depth() == workload.at_any_depth());
        let base = same.filter(|w| w.kind.depth() < Some(n_depth)).min_by_key(|w| w.kind.depth())?;
        let series = |key: &str| own.iter().find(|s| s.key == key);
        let d = log_ratios(&series(&workload.id)?.by_round, &series(&base.id)?.by_round);
        let interval = stats::paired_effect(&d, run.plan.protocol.confidence).ok().map(|e| e.exp());
        let share = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp))?;
        let (low, high) = interval.map_or((None, None), |e| (Some(e.low), Some(e.high)));
        Some(Retained { key: workload.id.clone(), of: base.id.clone(), n_depth, share, low, high, n: d.len() })
    };
    run.plan.workloads.iter().filter_map(of).collect()
}
