//! Verdicts: an interval of a ratio held against the region of equivalence. Never from the central value alone.

use serde::Serialize;

use super::{
    metric::{Better, Comparison, Unit},
    series::Series,
};
use crate::{record::Protocol, stats};

/// What may be concluded about a candidate's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// Compares every metric that both models have, paired by round. `verdicts` is how many the run draws, see [`count`].
pub(super) fn compare(own: &[Series], original: &[Series], verdicts: usize, protocol: &Protocol) -> Vec<Comparison> {
    let strict = adjusted(protocol.confidence, verdicts);
    let compare_one = |(own, d): (&Series, Vec<f64>)| {
        let interval = stats::hodges_lehmann(&d, protocol.confidence).ok().map(|e| e.exp());
        let ratio = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp));
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

/// How many verdicts a candidate gives rise to: metrics measured in too few rounds for an interval give none.
pub(super) fn count(own: &[Series], original: &[Series], protocol: &Protocol) -> usize {
    paired(own, original).filter(|(_, d)| stats::hodges_lehmann(d, protocol.confidence).is_ok()).count()
}

/// Every metric both have, with its log ratios.
fn paired<'a>(own: &'a [Series], original: &'a [Series]) -> impl Iterator<Item = (&'a Series, Vec<f64>)> {
    own.iter().filter_map(|s| Some((s, log_ratios(s, original.iter().find(|o| o.key == s.key)?))))
}

/// ln(candidate / original) of every round in which both were measured.
fn log_ratios(own: &Series, original: &Series) -> Vec<f64> {
    let of_original = |round| original.by_round.iter().find(|(r, _)| *r == round).map(|(_, v)| *v);
    own.by_round
        .iter()
        .filter_map(|&(round, value)| Some((value / of_original(round)?).ln()))
        .filter(|d| d.is_finite())
        .collect()
}

fn verdict(d: &[f64], confidence: f64, equivalence: f64, of: &Series) -> Verdict {
    judge(stats::hodges_lehmann(d, confidence), d.len(), equivalence, of)
}

/// Holds the interval of a log ratio, which rests on `n` rounds, against the region of equivalence.
pub(super) fn judge(
    interval: Result<stats::Estimate, stats::Error>,
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
            Verdict::NotResolved { rounds_needed: u32::try_from(required).unwrap_or(u32::MAX) }
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
        Series { key: "x".into(), unit, better, by_round, best: None }
    }

    fn verdict_of(ratio: f64, noise: f64, n: u32, better: Better) -> Verdict {
        let values: Vec<f64> = (0..n).map(|i| ratio * (1.0 + noise * (f64::from(i % 5) - 2.0))).collect();
        let own = series(&values, Unit::TokensPerSecond, better);
        let one = series(&vec![1.0; n as usize], Unit::TokensPerSecond, better);
        verdict(&log_ratios(&own, &one), 0.95, 0.01, &own)
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
    fn rounds_without_a_partner_do_not_count() {
        let own = series(&[1.0, 2.0, 3.0], Unit::Bytes, Better::Lower);
        let mut other = own.clone();
        other.by_round.remove(1);
        assert_eq!(log_ratios(&own, &other), [0.0, 0.0]);
    }
}
