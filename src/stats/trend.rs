//! A robust trend in a series, and whether there is one: Theil–Sen slope with Kendall's S.

use super::distribution::normal_two_sided;
use super::order::Sorted;
use super::{Error, check};

/// From here on S is near enough to normal for its p-value.
const FEWEST: usize = 8;

/// A monotone trend of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    /// Median of the slopes of all pairs: units of the values per unit of the positions.
    pub slope: f64,
    /// Kendall's S: pairs that rise less pairs that fall.
    pub s: i64,
    /// Kendall's τₐ: S over the number of pairs, −1 to 1.
    pub tau: f64,
    /// Variance of S where there is no trend.
    pub variance: f64,
    /// Two-sided p-value of S.
    pub p_value: f64,
    pub n: usize,
}

/// The trend of `values` measured at `positions`, such as times.
///
/// ```text
/// slope = median of (yⱼ − yᵢ)/(xⱼ − xᵢ),   S = Σ sign(yⱼ − yᵢ),   over i < j
/// variance of S = [n(n−1)(2n+5) − Σ t(t−1)(2t+5)]/18,   t the sizes of groups of equal y
/// p = P(|Z| ≥ (|S| − 1)/σ)
/// ```
///
/// Theil 1950 and Sen 1968 for the slope; Mann 1945 and Kendall, *Rank Correlation Methods* (1970)
/// for S, with continuity correction.
///
/// Assumes independent deviations from the trend; autocorrelated ones make p too small. Equal
/// values count as neither rising nor falling; when all are equal the slope is 0, S is 0 in every
/// order and p is 1. Equal positions are an error. Time and memory grow with n². Smallest n: 8,
/// where the normal approximation of S begins to hold.
pub(crate) fn theil_sen(positions: &[f64], values: &[f64]) -> Result<Trend, Error> {
    const FUNCTION: &str = "theil_sen";
    check::same_length(FUNCTION, positions, values)?;
    check::sample(FUNCTION, positions, FEWEST)?;
    check::finite(FUNCTION, values)?;
    if let Some(before) = positions.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(Error::NotIncreasing { function: FUNCTION, index: before + 1 });
    }
    let n = values.len();
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut s = 0_i64;
    for (i, (x, y)) in positions.iter().zip(values).enumerate() {
        for (later_x, later_y) in positions.iter().zip(values).skip(i + 1) {
            slopes.push((later_y - y) / (later_x - x));
            s += i64::from(later_y > y) - i64::from(later_y < y);
        }
    }
    let tau = s as f64 / slopes.len() as f64;
    let slope = Sorted::of(FUNCTION, slopes)?.median();
    let variance = variance(values)?;
    let p_value = if s == 0 { 1.0 } else { normal_two_sided((s.abs() - 1) as f64 / variance.sqrt()) };
    Ok(Trend { slope, s, tau, variance, p_value, n })
}

/// The variance of S over all orders of these values.
fn variance(values: &[f64]) -> Result<f64, Error> {
    let of_group = |size: usize| {
        let t = size as f64;
        t * (t - 1.0) * (2.0 * t + 5.0)
    };
    let sorted = Sorted::of("theil_sen", values.to_vec())?;
    // Neither below nor above each other is equality, of 0 and −0 too.
    let ties: f64 = sorted.values().chunk_by(|a, b| a >= b).map(|group| of_group(group.len())).sum();
    Ok((of_group(values.len()) - ties) / 18.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close};

    fn steps(n: u32) -> Vec<f64> {
        (0..n).map(f64::from).collect()
    }

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/robust.json"));
        for case in fixture["theil_sen"].as_array().expect("cases") {
            let positions = fixture::numbers(&case["positions"]);
            let trend = theil_sen(&positions, &fixture::numbers(&case["values"])).expect("enough values");
            assert_close("slope", trend.slope, fixture::number(&case["slope"]), 1e-12);
            assert_eq!(Some(trend.s), case["s"].as_i64());
            assert_close("τ", trend.tau, fixture::number(&case["tau"]), 1e-14);
            assert_close("variance", trend.variance, fixture::number(&case["variance"]), 1e-14);
            assert_close("p", trend.p_value, fixture::number(&case["p_value"]), 2e-10);
        }
    }

    #[test]
    fn one_wild_value_does_not_bend_a_line() {
        let positions = steps(20);
        let mut values: Vec<f64> = positions.iter().map(|x| 3.0 - 0.25 * x).collect();
        values[7] = 1e6;
        let trend = theil_sen(&positions, &values).expect("enough values");
        assert_close("slope", trend.slope, -0.25, 1e-12);
        assert!(trend.p_value < 0.001 && trend.s < 0, "{trend:?}");
    }

    #[test]
    fn a_constant_series_has_no_trend() {
        let trend = theil_sen(&steps(9), &[0.0, -0.0, 0.0, 0.0, 0.0, 0.0, -0.0, 0.0, 0.0]).expect("enough values");
        assert_eq!((trend.s, trend.n), (0, 9));
        assert_close("slope", trend.slope, 0.0, 0.0);
        assert_close("variance", trend.variance, 0.0, 0.0);
        assert_close("p", trend.p_value, 1.0, 0.0);
    }

    #[test]
    fn refuses_short_torn_or_unordered_series() {
        let seven = Error::TooFew { function: "theil_sen", required: 8, actual: 7 };
        assert_eq!(theil_sen(&steps(7), &[0.0; 7]), Err(seven));
        let torn = Error::Lengths { function: "theil_sen", left: 8, right: 9 };
        assert_eq!(theil_sen(&steps(8), &[0.0; 9]), Err(torn));
        let mut twice = steps(8);
        twice[5] = 4.0;
        assert_eq!(theil_sen(&twice, &[0.0; 8]), Err(Error::NotIncreasing { function: "theil_sen", index: 5 }));
    }
}
