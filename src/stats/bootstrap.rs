//! A seeded bootstrap over windows, for statistics without a formula, such as ratios of sums.

use super::order::Sorted;
use super::{Error, Estimate, Method, SplitMix64, check};

/// Resamples drawn: with one added for the data themselves, p-values are multiples of 1/10,000.
pub(crate) const RESAMPLES: usize = 9_999;

const FUNCTION: &str = "block_bootstrap";
const FEWEST_WINDOWS: usize = 10;

/// The outcome of [`block_bootstrap`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bootstrap {
    /// The statistic of the data, with the percentile interval.
    pub estimate: Estimate,
    replicates: Sorted,
}

impl Bootstrap {
    /// The statistic of every resample, ascending.
    #[must_use]
    pub(crate) fn replicates(&self) -> &[f64] {
        self.replicates.values()
    }

    /// Two-sided p-value of "the statistic is `null`": twice the smaller of (hits+1)/(B+1), where
    /// hits are the replicates at or below, and at or above, `null`; at most 1 and, by the added
    /// one, never 0 (Davison & Hinkley 1997, 4.11).
    ///
    /// It agrees with the percentile interval: under 1 − confidence, up to a resample, where the
    /// interval excludes `null`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] for a `null` that is not.
    pub(crate) fn p_value(&self, null: f64) -> Result<f64, Error> {
        check::finite("p_value", &[null])?;
        let replicates = self.replicates.values();
        let at_or_below = replicates.partition_point(|&r| r <= null);
        let at_or_above = replicates.len() - replicates.partition_point(|&r| r < null);
        let hits = at_or_below.min(at_or_above);
        Ok((2.0 * (hits + 1) as f64 / (replicates.len() + 1) as f64).min(1.0))
    }
}

/// The percentile interval of any statistic of `windows` independent windows (Efron 1979; whole
/// windows are the blocks, since tokens inside one depend on each other: Künsch 1989).
///
/// `statistic` gets the indices of the windows to use, as many as there are, with repetitions; the
/// first call gets each once, in order, and gives the value. So a ratio of sums is resampled as
/// such, never as a mean of ratios. Then 9,999 resamples with replacement from [`SplitMix64`] of
/// `seed`, and the interval is the α/2 and 1 − α/2 [`quantile`](super::quantile) of their
/// statistics.
///
/// Assumes independent windows and a statistic that is smooth in their weights. With few windows the
/// interval is too narrow: around the mean of 10 normal values by √(9/10) and for want of Student's
/// t, which makes 90 % of 95 %. Ties need no special case; the order of the windows matters as much
/// as the seed. Smallest n: 10.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::Probability`], and [`Error::NotFinite`] with the position of the
/// call, counted from 0, in which the statistic was not finite.
pub(crate) fn block_bootstrap(
    windows: usize,
    seed: u64,
    confidence: f64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Result<Bootstrap, Error> {
    let alpha = check::alpha(confidence)?;
    check::at_least(FUNCTION, FEWEST_WINDOWS, windows)?;
    let mut drawn: Vec<usize> = (0..windows).collect();
    let mut rng = SplitMix64::new(seed);
    let mut statistics = Vec::with_capacity(RESAMPLES + 1);
    statistics.push(statistic(&drawn));
    for _ in 0..RESAMPLES {
        drawn.fill_with(|| rng.below(windows));
        statistics.push(statistic(&drawn));
    }
    check::finite(FUNCTION, &statistics)?;
    let value = statistics.swap_remove(0);
    let replicates = Sorted::of(FUNCTION, statistics)?;
    let (low, high) = (replicates.quantile(alpha / 2.0)?, replicates.quantile(1.0 - alpha / 2.0)?);
    let method = Method::Bootstrap;
    let estimate = Estimate { value, low, high, confidence, achieved: None, n: windows, method };
    Ok(Bootstrap { estimate, replicates })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_an_independent_implementation_and_roughly_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/bootstrap.json"));
        for case in fixture["ratio_of_sums"].as_array().expect("cases") {
            let (above, below) = (fixture::numbers(&case["numerators"]), fixture::numbers(&case["denominators"]));
            let ratio = |drawn: &[usize]| {
                drawn.iter().map(|&i| above[i]).sum::<f64>() / drawn.iter().map(|&i| below[i]).sum::<f64>()
            };
            let seed = case["seed"].as_u64().expect("seed");
            let confidence = fixture::number(&case["confidence"]);
            let outcome = block_bootstrap(above.len(), seed, confidence, ratio).expect("enough windows");
            assert_estimate(&outcome.estimate, case, 1e-12);
            let null = fixture::number(&case["null"]);
            assert_close("p", outcome.p_value(null).expect("finite"), fixture::number(&case["p_value"]), 1e-14);
            let monte_carlo = 0.05 * outcome.estimate.half_width();
            assert!((outcome.estimate.low - fixture::number(&case["scipy_low"])).abs() < monte_carlo);
            assert!((outcome.estimate.high - fixture::number(&case["scipy_high"])).abs() < monte_carlo);
        }
    }

    #[test]
    fn same_seed_same_interval_other_seed_another() {
        let first = |drawn: &[usize]| drawn.iter().sum::<usize>() as f64;
        let run = |seed| block_bootstrap(12, seed, 0.95, first).expect("enough windows");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).replicates(), run(2).replicates());
        assert_eq!(run(1).replicates().len(), RESAMPLES);
    }

    #[test]
    fn a_constant_statistic_has_no_width_and_no_evidence_against_itself() {
        let outcome = block_bootstrap(10, 1, 0.95, |_| 0.0).expect("enough windows");
        assert_close("half width", outcome.estimate.half_width(), 0.0, 0.0);
        assert_close("p of the value", outcome.p_value(0.0).expect("finite"), 1.0, 0.0);
        assert_close("p of another", outcome.p_value(1.0).expect("finite"), 2e-4, 1e-12);
    }

    #[test]
    fn refuses_few_windows_and_statistics_that_fail() {
        let few = Error::TooFew { function: "block_bootstrap", required: 10, actual: 9 };
        assert_eq!(block_bootstrap(9, 1, 0.95, |_| 0.0), Err(few));
        let mut calls = 0;
        let fails_third = |_: &[usize]| {
            calls += 1;
            if calls == 3 { f64::NAN } else { 0.0 }
        };
        let error = Error::NotFinite { function: "block_bootstrap", index: 2 };
        assert_eq!(block_bootstrap(10, 1, 0.95, fails_third), Err(error));
    }
}
