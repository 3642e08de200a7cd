//! Order statistics: quantiles, the median and its distribution-free interval, and outliers that a few wild values cannot hide.

use super::distribution::{Critical, fewest_signs};
use super::{Error, Estimate, check};

/// Up to this n the binomial distribution is summed exactly (2⁻ⁿ is still a normal `f64`); above
/// it, approximated.
const EXACT_UP_TO: usize = 1000;

/// Finite values in ascending order, at least one. Sort once, then ask for as many quantiles as
/// needed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    /// Checks and sorts, on behalf of a function that gives its own name.
    pub(super) fn of(function: &'static str, mut values: Vec<f64>) -> Result<Self, Error> {
        check::sample(function, &values, 1)?;
        values.sort_unstable_by(f64::total_cmp);
        Ok(Self(values))
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value below which the share `p` of the data lies, by linear interpolation.
    ///
    /// ```text
    /// h = (n−1)·p,   x₍⌊h⌋₎ + (h − ⌊h⌋)·(x₍⌊h⌋₊₁₎ − x₍⌊h⌋₎),   counted from 0
    /// ```
    ///
    /// Type 7 of Hyndman & Fan, *Sample quantiles in statistical packages* (1996); the only
    /// definition used in this program. `p` = 0 is the minimum, 1 the maximum. Ties need no special
    /// case.
    pub(crate) fn quantile(&self, p: f64) -> Result<f64, Error> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::Probability { what: "quantile", value: p });
        }
        Ok(interpolate(&self.0, p))
    }

    /// The middle value, or the mean of the two middle ones.
    pub(crate) fn median(&self) -> f64 {
        let n = self.0.len();
        f64::midpoint(self.0[(n - 1) / 2], self.0[n / 2])
    }

    /// See [`median_interval`].
    pub(crate) fn median_interval(&self, confidence: f64) -> Result<Estimate, Error> {
        let alpha = check::alpha(confidence)?;
        let n = self.0.len();
        check::at_least("median_interval", fewest_signs(alpha), n)?;
        let critical = critical(n, alpha);
        let (low, high) = critical.ends(&self.0);
        let value = self.median();
        Ok(Estimate { value, low, high })
    }
}

/// [`Sorted::quantile`] of values known to be sorted, finite and at least one, and a `p` from 0 to 1.
pub(crate) fn interpolate(sorted: &[f64], p: f64) -> f64 {
    let position = (sorted.len() - 1) as f64 * p;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let below = position as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// One quantile of unsorted values; see [`Sorted::quantile`]. Smallest n: 1.
pub(crate) fn quantile(values: &[f64], p: f64) -> Result<f64, Error> {
    Sorted::of("quantile", values.to_vec())?.quantile(p)
}

/// The median of unsorted values. Smallest n: 1.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`].
pub fn median(values: &[f64]) -> Result<f64, Error> {
    Ok(Sorted::of("median", values.to_vec())?.median())
}

/// The median and the interval between two order statistics that contains the population's median.
///
/// ```text
/// k = max { i ≥ 1 : 2·P(Bin(n, ½) ≤ i−1) ≤ α },    interval [x₍ₖ₎, x₍ₙ₊₁₋ₖ₎]
/// ```
///
/// Thompson 1936; David & Nagaraja, *Order Statistics*, 7.1. Exact up to n = 1000, above that by
/// the normal approximation with continuity correction.
///
/// Assumes independent data of one distribution, nothing about its shape. Ties make the interval
/// cover more than asked, never less. Smallest n: the one with 2·2⁻ⁿ ≤ α, which is 6 at 95 %.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub fn median_interval(values: &[f64], confidence: f64) -> Result<Estimate, Error> {
    Sorted::of("median_interval", values.to_vec())?.median_interval(confidence)
}

/// For n of at least the fewest signs.
fn critical(n: usize, alpha: f64) -> Critical {
    if n <= EXACT_UP_TO {
        return Critical::exact(fair_binomial(n), alpha).expect("n is at least the fewest signs");
    }
    Critical::normal(n as f64 / 2.0, (n as f64).sqrt() / 2.0, alpha)
}

/// P(Bin(n, ½) = 0, 1, …), each from the one before.
fn fair_binomial(n: usize) -> impl Iterator<Item = f64> {
    let mut probability = 0.5_f64.powf(n as f64);
    (0..=n).map(move |i| {
        let this = probability;
        probability *= (n - i) as f64 / (i + 1) as f64;
        this
    })
}

/// 1/Φ⁻¹(¾), which makes the MAD of a normal distribution its standard deviation.
const NORMAL: f64 = 1.482_602_218_505_602;

/// Distance from the median, in robust standard deviations, beyond which a value is flagged. Iglewicz & Hoaglin's 3.5 flags one
/// normal value of 2,000, which a long run always has; 5 flags less than one of a million.
const FLAGGED_BEYOND: f64 = 5.0;

/// Of two values each lies as far from the median as the other.
const FEWEST: usize = 3;

/// Indices of the values further than five robust standard deviations from the median, ascending;
/// to be shown, never dropped.
///
/// |x − median| > 5 · 1.4826 · max(MAD, `resolution`), after Iglewicz & Hoaglin (1993).
/// `resolution`, in the unit of the values, is what the instrument can tell apart: without it,
/// values that mostly tie would make every other an outlier. Smallest n: 3.
pub(crate) fn outliers(values: &[f64], resolution: f64) -> Result<Vec<usize>, Error> {
    check::sample("outliers", values, FEWEST)?;
    check::positive("resolution", resolution)?;
    let (median, mad) = deviation("outliers", values)?;
    let limit = FLAGGED_BEYOND * NORMAL * mad.max(resolution);
    Ok(values.iter().enumerate().filter(|(_, x)| (*x - median).abs() > limit).map(|(i, _)| i).collect())
}

/// The median and the spread around it as the standard deviation that most values would have: 1.4826 · MAD. A few that lie far off hardly
/// move it.
pub(crate) fn median_and_spread(values: &[f64]) -> Result<(f64, f64), Error> {
    deviation("median_and_spread", values).map(|(median, mad)| (median, NORMAL * mad))
}

/// The median and the median absolute deviation from it.
fn deviation(function: &'static str, values: &[f64]) -> Result<(f64, f64), Error> {
    let median = Sorted::of(function, values.to_vec())?.median();
    let mad = Sorted::of(function, values.iter().map(|x| (x - median).abs()).collect())?.median();
    Ok((median, mad))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_numpy_and_an_inverted_sign_test() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/order.json"));
        for case in fixture["quantiles"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let quantiles = fixture::numbers(&case["quantiles"]);
            for (p, expected) in fixture::numbers(&case["p"]).into_iter().zip(quantiles) {
                assert_close("quantile", quantile(&values, p).expect("valid"), expected, 1e-14);
            }
        }
        for case in fixture["median_intervals"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let estimate = median_interval(&values, fixture::number(&case["confidence"])).expect("enough values");
            assert_estimate(&estimate, case, 1e-14);
        }
    }

    #[test]
    fn ranks_of_the_interval_at_95_percent() {
        for (n, low, high) in [(6, 1, 6), (8, 1, 8), (10, 2, 9), (12, 3, 10), (20, 6, 15)] {
            let ranks: Vec<f64> = (1..=n).map(f64::from).collect();
            let estimate = median_interval(&ranks, 0.95).expect("enough values");
            assert_close("low", estimate.low, f64::from(low), 0.0);
            assert_close("high", estimate.high, f64::from(high), 0.0);
        }
    }

    #[test]
    fn too_few_for_the_confidence_names_how_many() {
        let five = [1.0; 5];
        let error = Error::TooFew { function: "median_interval", required: 6, actual: 5 };
        assert_eq!(median_interval(&five, 0.95), Err(error));
        assert!(median_interval(&five, 0.9).is_ok());
        assert_eq!(
            median_interval(&five, 0.99),
            Err(Error::TooFew { function: "median_interval", required: 8, actual: 5 })
        );
    }

    #[test]
    fn the_approximation_joins_the_exact_ranks() {
        for n in [EXACT_UP_TO - 1, EXACT_UP_TO] {
            let exact = Critical::exact(fair_binomial(n), 0.05).expect("many");
            let normal = Critical::normal(n as f64 / 2.0, (n as f64).sqrt() / 2.0, 0.05);
            assert_eq!(exact.rank, normal.rank, "n = {n}");
        }
    }

    #[test]
    fn refuses_what_has_no_order() {
        assert_eq!(median(&[]), Err(Error::TooFew { function: "median", required: 1, actual: 0 }));
        assert_eq!(median(&[1.0, f64::NAN]), Err(Error::NotFinite { function: "median", index: 1 }));
        assert_eq!(quantile(&[1.0], 1.5), Err(Error::Probability { what: "quantile", value: 1.5 }));
    }

    #[test]
    fn all_equal_values_give_an_interval_of_no_width() {
        let estimate = median_interval(&[2.5; 7], 0.95).expect("enough values");
        assert_close("half width", estimate.half_width(), 0.0, 0.0);
        assert_close("median", estimate.value, 2.5, 0.0);
    }

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/robust.json"));
        for case in fixture["mad_sigma"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let mad = deviation("MAD", &values).expect("enough").1;
            assert_close("MAD σ", NORMAL * mad, fixture::number(&case["sigma"]), 1e-13);
        }
    }

    #[test]
    fn flags_only_what_is_far() {
        let values = [10.0, 10.1, 9.9, 10.2, 9.8, 30.0, 10.0, -5.0];
        assert_eq!(outliers(&values, 1e-9), Ok(vec![5, 7]));
        assert_eq!(outliers(&values, 10.0), Ok(vec![]));
    }

    #[test]
    fn resolution_keeps_ties_from_flagging_the_rest() {
        let ticks = [1.0, 1.0, 1.0, 1.0, 1.001];
        assert_eq!(outliers(&ticks, 1e-9), Ok(vec![4]));
        assert_eq!(outliers(&ticks, 0.001), Ok(vec![]));
        assert_eq!(outliers(&ticks, 0.0), Err(Error::NotPositive { what: "resolution", value: 0.0 }));
    }

    #[test]
    fn two_values_have_no_robust_spread() {
        let error = Error::TooFew { function: "outliers", required: 3, actual: 2 };
        assert_eq!(outliers(&[1.0, 2.0], 1e-9), Err(error));
    }
}
