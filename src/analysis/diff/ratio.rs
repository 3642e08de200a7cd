//! Ratios between the rounds of two independent runs.

use super::{Change, ChangeKind, MetricDiff};
use crate::{
    analysis::{
        comparable::Pair,
        series::{self, Series},
        verdict,
    },
    metric::MetricId,
    record::{CacheState, Protocol, Run},
    stats::{self, Dependence, Estimate},
};

/// Two mirrored pairs in each record: fewer rounds say nothing of what changes within a run.
const FEWEST_ROUNDS: usize = 4;

/// A metric's rounds in both records.
pub(super) struct Two {
    old: Series,
    new: Series,
}

/// Every metric that both have and that means the same in both.
pub(super) fn series(old: &Run, new: &Run, pair: &Pair) -> Vec<Two> {
    let before = series::of_model(old, pair.old);
    let partner = |own: &Series| before.iter().find(|s| s.id == own.id).cloned();
    let two = series::of_model(new, pair.new).into_iter().filter_map(|new| Some(Two { old: partner(&new)?, new }));
    let same_cache = warm(old, pair.old) == warm(new, pair.new);
    two.filter(|two| same_cache || two.new.id != MetricId::Load).collect()
}

/// Whether the loads counted were warm.
fn warm(run: &Run, model: usize) -> bool {
    crate::analysis::visits(run, model).any(|v| v.load.as_ref().is_some_and(|l| l.cache == CacheState::Warm))
}

impl Two {
    /// The interval of ln(new / old), widened where a run's rounds resemble their neighbours: without pairs a drift is not cancelled.
    pub(super) fn interval(&self, confidence: f64) -> Result<Estimate, stats::Error> {
        let (old, new) = (logs(&self.old), logs(&self.new));
        let fewest = old.len().min(new.len());
        if fewest < FEWEST_ROUNDS {
            return Err(stats::Error::TooFew { function: "diff", required: FEWEST_ROUNDS, actual: fewest });
        }
        let widening = |series: &[f64]| Dependence::of(series).map_or(1.0, |d| d.widening());
        let estimate = stats::hodges_lehmann_shift(&old, &new, confidence)?;
        Ok(estimate.widened(widening(&old).max(widening(&new))))
    }

    /// The change with its verdict, held to a confidence adjusted for `verdicts` of them (Bonferroni).
    pub(super) fn compare(&self, protocol: &Protocol, verdicts: usize) -> MetricDiff {
        let values = |s: &Series| s.by_round.iter().map(|(_, v)| *v).collect::<Vec<f64>>();
        let median = |s: &Series| stats::median(&values(s)).unwrap_or(f64::NAN);
        let (old, new) = (median(&self.old), median(&self.new));
        let interval = self.interval(protocol.confidence).ok();
        let strict = verdict::adjusted(protocol.confidence, verdicts);
        let (n_old, n_new) = (self.old.by_round.len(), self.new.by_round.len());
        let judged = || verdict::judge(&self.interval(strict), n_old.min(n_new), protocol.equivalence, &self.new.id);
        let ratio = interval.as_ref().map(Estimate::exp);
        let spec = self.new.id.spec();
        MetricDiff {
            metric: self.new.id.clone(),
            old,
            new,
            unit: spec.unit,
            better: spec.better,
            change: Change {
                kind: ChangeKind::Ratio,
                value: ratio.as_ref().map_or(new / old, |r| r.value),
                low: ratio.as_ref().map(|r| r.low),
                high: ratio.as_ref().map(|r| r.high),
            },
            verdict: interval.is_some().then(judged),
            n_old,
            n_new,
        }
    }
}

/// Logarithms, in time order.
fn logs(series: &Series) -> Vec<f64> {
    series.by_round.iter().map(|(_, v)| v.ln()).filter(|l| l.is_finite()).collect()
}
