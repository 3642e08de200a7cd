//! The Hodges–Lehmann shift between two independent samples with the Mann–Whitney interval.

use super::distribution::Critical;
use super::order::Sorted;
use super::{Error, Estimate, check};

/// Up to this product of the sample sizes (50 · 50) the null distribution is computed; above it,
/// approximated.
const EXACT_UP_TO: usize = 2500;

/// By how much `after` lies above `before`: the median of all differences, with the interval that
/// the rank-sum test does not reject.
///
/// ```text
/// D₍₁₎ ≤ … ≤ D₍ₘₙ₎   the differences yⱼ − xᵢ
/// Δ̂ = median(D),     k = max { t : P(U ≤ t) ≤ α/2 },    interval [D₍ₖ₊₁₎, D₍ₘₙ₋ₖ₎]
/// ```
///
/// Mann & Whitney 1947; Hodges & Lehmann 1963; Moses 1953 for the interval; Hollander, Wolfe &
/// Chicken, *Nonparametric Statistical Methods*, 4.3. The distribution of U is exact while
/// mn ≤ 2500; above, normal with mean mn/2, variance mn(m+n+1)/12 and continuity correction.
///
/// Assumes both samples independent, of one shape, apart by a shift. For runs of different days
/// that excludes whatever differs between the days: the interval speaks of these two runs. Ties
/// make it cover more than asked, never less. Memory grows with mn. Smallest n: the sizes with
/// 2/C(m+n, m) ≤ α; 4 and 4, or 3 and 5, at 95 %.
///
/// # Errors
///
/// [`Error::TooFew`] with the smaller size and the one that always suffices, [`Error::NotFinite`],
/// [`Error::Probability`].
pub(crate) fn hodges_lehmann_shift(before: &[f64], after: &[f64], confidence: f64) -> Result<Estimate, Error> {
    const FUNCTION: &str = "hodges_lehmann_shift";
    let alpha = check::alpha(confidence)?;
    let (m, n) = (before.len(), after.len());
    let too_few = Error::TooFew { function: FUNCTION, required: fewest_each(alpha), actual: m.min(n) };
    if m == 0 || n == 0 {
        return Err(too_few);
    }
    check::finite(FUNCTION, before)?;
    check::finite(FUNCTION, after)?;
    let critical = if m * n <= EXACT_UP_TO {
        Critical::exact(rank_sum_probabilities(m, n), alpha).ok_or(too_few)?
    } else if two_extremes(m, n) <= alpha {
        approximate(m as f64, n as f64, alpha)
    } else {
        return Err(too_few);
    };
    let differences = before.iter().flat_map(|x| after.iter().map(move |y| y - x)).collect();
    let differences = Sorted::of(FUNCTION, differences)?;
    let (low, high) = critical.ends(differences.values());
    let value = differences.median();
    Ok(Estimate { value, low, high })
}

/// P(U = 0, 1, …, mn), by whether the largest of all values is of the first sample or the second:
/// P(m, n, u) = m/(m+n) · P(m−1, n, u−n) + n/(m+n) · P(m, n−1, u), a sum of positive numbers.
fn rank_sum_probabilities(m: usize, n: usize) -> Vec<f64> {
    // Row i holds the distribution for i values of the first sample and the current number of the
    // second.
    let mut rows = vec![vec![1.0]; m + 1];
    for second in 1..=n {
        for first in 1..=m {
            let total = (first + second) as f64;
            let mut row = vec![0.0; first * second + 1];
            for (u, probability) in rows[first].iter().enumerate() {
                row[u] += probability * second as f64 / total;
            }
            for (u, probability) in rows[first - 1].iter().enumerate() {
                row[u + second] += probability * first as f64 / total;
            }
            rows[first] = row;
        }
    }
    rows.swap_remove(m)
}

/// 2/C(m+n, m): the probability that one sample lies wholly above or wholly below the other.
fn two_extremes(m: usize, n: usize) -> f64 {
    (1..=m).map(|i| i as f64 / (n + i) as f64).product::<f64>() * 2.0
}

/// The smallest size that, for both samples, allows the confidence.
fn fewest_each(alpha: f64) -> usize {
    let mut size = 1;
    while two_extremes(size, size) > alpha {
        size += 1;
    }
    size
}

fn approximate(m: f64, n: f64, alpha: f64) -> Critical {
    Critical::normal(m * n / 2.0, (m * n * (m + n + 1.0) / 12.0).sqrt(), alpha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_an_inverted_scipy_test() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/rank_sum.json"));
        for case in fixture["intervals"].as_array().expect("cases") {
            let (before, after) = (fixture::numbers(&case["before"]), fixture::numbers(&case["after"]));
            let confidence = fixture::number(&case["confidence"]);
            let estimate = hodges_lehmann_shift(&before, &after, confidence).expect("enough values");
            assert_estimate(&estimate, case, 1e-13);
        }
    }

    #[test]
    fn probabilities_count_the_arrangements() {
        let (m, n) = (4, 5);
        let mut ways = vec![0.0; m * n + 1];
        let arrangements = (0_u32..1 << (m + n)).filter(|a| a.count_ones() as usize == m);
        for arrangement in arrangements {
            let is_first = |position: usize| arrangement >> position & 1 == 1;
            let below = |position: usize| (0..position).filter(|&p| !is_first(p)).count();
            ways[(0..m + n).filter(|&p| is_first(p)).map(below).sum::<usize>()] += 1.0;
        }
        for (u, (probability, ways)) in rank_sum_probabilities(m, n).into_iter().zip(ways).enumerate() {
            assert_close(&format!("P(U = {u})"), probability, ways / 126.0, 1e-15);
        }
    }

    #[test]
    fn sizes_that_cannot_reach_the_confidence_are_refused() {
        let error = Error::TooFew { function: "hodges_lehmann_shift", required: 4, actual: 3 };
        assert_eq!(hodges_lehmann_shift(&[1.0; 3], &[1.0; 4], 0.95), Err(error));
        assert!(hodges_lehmann_shift(&[1.0; 3], &[1.0; 5], 0.95).is_ok());
        let none = Error::TooFew { function: "hodges_lehmann_shift", required: 4, actual: 0 };
        assert_eq!(hodges_lehmann_shift(&[], &[1.0; 5], 0.95), Err(none));
        let nan = Error::NotFinite { function: "hodges_lehmann_shift", index: 0 };
        assert_eq!(hodges_lehmann_shift(&[1.0; 5], &[f64::NAN], 0.95), Err(nan));
    }

    #[test]
    fn the_approximation_joins_the_exact_ranks() {
        let exact = Critical::exact(rank_sum_probabilities(50, 50), 0.05).expect("many");
        let normal = approximate(50.0, 50.0, 0.05);
        assert!(exact.rank.abs_diff(normal.rank) <= 2, "{exact:?} {normal:?}");
    }
}
