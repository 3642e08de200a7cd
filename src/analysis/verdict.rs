//! Verdicts: an interval of a ratio held against the region of equivalence. Never from the central value alone.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    metric::{Better, Comparison, Unit},
    series::{OVERALL, Series},
};
use crate::{
    record::{DEPTH, Protocol, datum::log_ratios},
    stats,
};

/// What may be concluded about a candidate's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Takes relevantly less time.
    Faster,
    /// Takes relevantly more time.
    Slower,
    /// Takes relevantly less memory.
    Smaller,
    /// Takes relevantly more memory.
    Larger,
    /// The whole interval lies inside the region of equivalence.
    NoRelevantDifference,
    /// The interval crosses a border of the region; about so many rounds would settle it.
    NotResolved {
        /// Rounds it would take, as an estimate from the interval's width.
        rounds_needed: u32,
    },
}

/// Verdicts drawn, by family: those of a family are held to a confidence adjusted for their number (Bonferroni), so that one
/// family says anything false in at most 1 − confidence of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdicts {
    /// Speed of the synthetic workloads, load, memory: every candidate's.
    pub primary: usize,
    /// Speed at a depth of context: every candidate's.
    pub depths: usize,
    /// Speed by category of prompts: every candidate's.
    pub categories: usize,
    /// One line over all workloads for each candidate.
    pub overall: usize,
}

/// The families of [`Verdicts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Primary,
    Depth,
    Category,
    Overall,
}

impl Family {
    fn of(series: &Series) -> Self {
        match series.key.as_str() {
            OVERALL => Self::Overall,
            key if key.contains('/') => Self::Category,
            key if key.contains(DEPTH) => Self::Depth,
            _ => Self::Primary,
        }
    }
}

impl Verdicts {
    /// Counts those of one more candidate: metrics measured in too few rounds for an interval give none.
    pub(super) fn add(&mut self, own: &[Series], original: &[Series], protocol: &Protocol) {
        for (series, d) in paired(own, original) {
            if stats::paired_effect(&d, protocol.confidence).is_ok() {
                match Family::of(series) {
                    Family::Primary => self.primary += 1,
                    Family::Depth => self.depths += 1,
                    Family::Category => self.categories += 1,
                    Family::Overall => self.overall += 1,
                }
            }
        }
    }

    /// The confidence a verdict of that family is held to.
    fn strict(self, family: Family, confidence: f64) -> f64 {
        let drawn = match family {
            Family::Primary => self.primary,
            Family::Depth => self.depths,
            Family::Category => self.categories,
            Family::Overall => self.overall,
        };
        adjusted(confidence, drawn)
    }
}

/// Compares every metric that both models have, paired by round. Intervals are shown as they are, verdicts are adjusted.
pub(super) fn compare(own: &[Series], original: &[Series], verdicts: Verdicts, protocol: &Protocol) -> Vec<Comparison> {
    let compare_one = |(own, d): (&Series, Vec<f64>)| {
        let interval = stats::paired_effect(&d, protocol.confidence).ok().map(|e| e.exp());
        let ratio = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp));
        let strict = verdicts.strict(Family::of(own), protocol.confidence);
        Comparison {
            key: own.key.clone(),
            ratio,
            low: interval.as_ref().map(|e| e.low),
            high: interval.as_ref().map(|e| e.high),
            verdict: interval.is_some().then(|| verdict(&d, strict, protocol.equivalence, own)),
            better: own.better,
            n: d.len(),
        }
    };
    paired(own, original).map(compare_one).collect()
}

/// The confidence each of several verdicts is held to (Bonferroni); intervals are shown as they are.
pub(super) fn adjusted(confidence: f64, verdicts: usize) -> f64 {
    1.0 - (1.0 - confidence) / verdicts.max(1) as f64
}

/// Every metric both have, with its log ratios.
fn paired<'a>(own: &'a [Series], original: &'a [Series]) -> impl Iterator<Item = (&'a Series, Vec<f64>)> {
    own.iter().filter_map(|s| {
        let other = original.iter().find(|o| o.key == s.key)?;
        Some((s, log_ratios(&s.by_round, &other.by_round)))
    })
}

fn verdict(d: &[f64], confidence: f64, equivalence: f64, of: &Series) -> Verdict {
    judge(&stats::paired_effect(d, confidence), d.len(), equivalence, of)
}

/// Holds the interval of a log ratio, which rests on `n` rounds, against the region of equivalence.
pub(super) fn judge(
    interval: &Result<stats::Estimate, stats::Error>,
    n: usize,
    equivalence: f64,
    of: &Series,
) -> Verdict {
    let border = (1.0 + equivalence).ln();
    match interval {
        Ok(e) if e.low > border => more(of),
        Ok(e) if e.high < -border => less(of),
        Ok(e) if -border < e.low && e.high < border => Verdict::NoRelevantDifference,
        Ok(e) => {
            // Half-widths shrink with the root of the rounds; resolved is when the nearer border is out of reach.
            let reach = (e.value.abs() - border).abs();
            let needed = n as f64 * (e.half_width() / reach).powi(2);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a sane range")]
            let rounds_needed = needed.ceil().clamp(n as f64 + 2.0, 10_000.0) as u32;
            Verdict::NotResolved { rounds_needed }
        }
        Err(stats::Error::TooFew { required, .. }) => {
            Verdict::NotResolved { rounds_needed: u32::try_from(*required).unwrap_or(u32::MAX) }
        }
        Err(_) => Verdict::NotResolved { rounds_needed: u32::try_from(n + 2).unwrap_or(u32::MAX) },
    }
}

fn more(of: &Series) -> Verdict {
    match (of.unit, of.better) {
        (Unit::Bytes, _) => Verdict::Larger,
        (_, Better::Higher) => Verdict::Faster,
        (_, Better::Lower) => Verdict::Slower,
    }
}

fn less(of: &Series) -> Verdict {
    match (of.unit, of.better) {
        (Unit::Bytes, _) => Verdict::Smaller,
        (_, Better::Higher) => Verdict::Slower,
        (_, Better::Lower) => Verdict::Faster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64], unit: Unit, better: Better) -> Series {
        let by_round = (0..).zip(values.iter().copied()).collect();
        Series { key: "x".into(), unit, better, by_round, best: None, cost_s: None }
    }

    fn verdict_of(ratio: f64, noise: f64, n: u32, better: Better) -> Verdict {
        let values: Vec<f64> = (0..n).map(|i| ratio * (1.0 + noise * (f64::from(i % 5) - 2.0))).collect();
        let own = series(&values, Unit::TokensPerSecond, better);
        let one = series(&vec![1.0; n as usize], Unit::TokensPerSecond, better);
        verdict(&log_ratios(&own.by_round, &one.by_round), 0.95, 0.01, &own)
    }

    #[test]
    fn verdicts_hold_the_interval_against_the_region() {
        assert_eq!(verdict_of(1.5, 0.01, 10, Better::Higher), Verdict::Faster);
        assert_eq!(verdict_of(0.5, 0.01, 10, Better::Higher), Verdict::Slower);
        assert_eq!(verdict_of(1.5, 0.01, 10, Better::Lower), Verdict::Slower);
        assert_eq!(verdict_of(1.001, 0.001, 10, Better::Higher), Verdict::NoRelevantDifference);
        assert!(matches!(verdict_of(1.01, 0.05, 10, Better::Higher), Verdict::NotResolved { rounds_needed: 12.. }));
        // An effect far from the border needs few more rounds, however wide the interval still is.
        assert!(matches!(verdict_of(1.3, 0.25, 10, Better::Higher), Verdict::NotResolved { rounds_needed: 12..60 }));
    }

    #[test]
    fn a_family_is_adjusted_for_its_own_number() {
        let named = |key: &str| Series { key: key.into(), ..series(&[1.0; 10], Unit::Bytes, Better::Lower) };
        let own = [named("pp512"), named("memory_peak"), named("short/tg"), named(OVERALL)];
        let mut verdicts = Verdicts::default();
        let protocol = crate::analysis::testing::protocol();
        verdicts.add(&own, &own, &protocol);
        verdicts.add(&own, &own, &protocol);
        assert_eq!(verdicts, Verdicts { primary: 4, depths: 0, categories: 2, overall: 2 });
        assert!((verdicts.strict(Family::Primary, 0.95) - 0.9875).abs() < 1e-12);
        assert!((verdicts.strict(Family::of(&own[2]), 0.95) - 0.975).abs() < 1e-12);
    }
}
