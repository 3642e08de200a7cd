//! The Hodges–Lehmann estimate of one sample with the Wilcoxon signed-rank interval.

use super::distribution::{Critical, fewest_signs};
use super::order::Sorted;
use super::{Error, Estimate, check};

/// Up to this n the null distribution is computed (n³/6 additions, about a million); above it,
/// approximated.
const EXACT_UP_TO: usize = 200;

/// The centre θ of a symmetric distribution: the median of the Walsh averages, with the interval
/// that the signed-rank test does not reject.
///
/// ```text
/// w₍₁₎ ≤ … ≤ w₍M₎   the M = n(n+1)/2 averages (dᵢ + dⱼ)/2, i ≤ j
/// θ̂ = median(w),    k = max { t : P(T⁺ ≤ t) ≤ α/2 },    interval [w₍ₖ₊₁₎, w₍M₋ₖ₎]
/// ```
///
/// Wilcoxon 1945; Hodges & Lehmann 1963; Tukey 1949 for the interval; Hollander, Wolfe & Chicken,
/// *Nonparametric Statistical Methods*, 3.3. The distribution of T⁺ is exact up to n = 200; above,
/// normal with mean n(n+1)/4, variance n(n+1)(2n+1)/24 and continuity correction.
///
/// Assumes `differences` independent and symmetric about θ; no other shape, no outlier rule. Ties
/// and zeros need no special case and make the interval cover more than asked, never less.
/// Memory grows with n². Smallest n: the one with 2·2⁻ⁿ ≤ α, which is 6 at 95 %.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub fn hodges_lehmann(differences: &[f64], confidence: f64) -> Result<Estimate, Error> {
    const FUNCTION: &str = "hodges_lehmann";
    let alpha = check::alpha(confidence)?;
    let n = differences.len();
    check::sample(FUNCTION, differences, fewest_signs(alpha))?;
    let averages = Sorted::of(FUNCTION, walsh_averages(differences))?;
    let critical = critical(n, alpha);
    let (low, high) = critical.ends(averages.values());
    let value = averages.median();
    Ok(Estimate { value, low, high })
}

/// The Hodges–Lehmann estimate alone. Smallest n: 1.
pub(super) fn centre(differences: &[f64]) -> Result<f64, Error> {
    Ok(Sorted::of("hodges_lehmann", walsh_averages(differences))?.median())
}

/// For n of at least the fewest signs.
fn critical(n: usize, alpha: f64) -> Critical {
    if n > EXACT_UP_TO {
        return approximate(n as f64, alpha);
    }
    Critical::exact(signed_rank_probabilities(n), alpha).expect("n is at least the fewest signs")
}

/// (dᵢ + dⱼ)/2 for i ≤ j.
fn walsh_averages(differences: &[f64]) -> Vec<f64> {
    let pairs = differences.iter().enumerate();
    pairs.flat_map(|(i, &a)| differences[i..].iter().map(move |&b| f64::midpoint(a, b))).collect()
}

/// P(T⁺ = 0, 1, …, n(n+1)/2): each rank is in the sum or not, with probability ½.
///
/// Only halves and sums of positive numbers occur, so nothing cancels and nothing overflows,
/// whatever n.
fn signed_rank_probabilities(n: usize) -> Vec<f64> {
    let mut probabilities = vec![0.0; n * (n + 1) / 2 + 1];
    probabilities[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=rank * (rank + 1) / 2).rev() {
            let with_rank = if sum >= rank { probabilities[sum - rank] } else { 0.0 };
            probabilities[sum] = f64::midpoint(probabilities[sum], with_rank);
        }
    }
    probabilities
}

fn approximate(n: f64, alpha: f64) -> Critical {
    Critical::normal(n * (n + 1.0) / 4.0, (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt(), alpha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_an_inverted_scipy_test() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/signed_rank.json"));
        for case in fixture["intervals"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let estimate = hodges_lehmann(&values, fixture::number(&case["confidence"])).expect("enough values");
            assert_estimate(&estimate, case, 1e-13);
        }
    }

    #[test]
    fn published_critical_values_at_95_percent() {
        for (n, k) in [(6, 0), (8, 3), (10, 8), (12, 13), (16, 29), (20, 52)] {
            let critical = Critical::exact(signed_rank_probabilities(n), 0.05).expect("enough");
            assert_eq!(critical.rank, k, "n = {n}");
        }
    }

    #[test]
    fn probabilities_count_the_subsets() {
        let n = 12;
        let mut ways = vec![0.0; n * (n + 1) / 2 + 1];
        for subset in 0_u32..1 << n {
            ways[(1..=n).filter(|rank| subset >> (rank - 1) & 1 == 1).sum::<usize>()] += 1.0;
        }
        for (sum, (probability, ways)) in signed_rank_probabilities(n).into_iter().zip(ways).enumerate() {
            assert_close(&format!("P(T = {sum})"), probability, ways / 4096.0, 0.0);
        }
    }

    #[test]
    fn the_approximation_joins_the_exact_ranks() {
        let exact = Critical::exact(signed_rank_probabilities(EXACT_UP_TO), 0.05).expect("many");
        let normal = approximate(EXACT_UP_TO as f64, 0.05);
        assert!(exact.rank.abs_diff(normal.rank) <= 5, "{exact:?} {normal:?} of 20100");
    }

    #[test]
    fn identical_models_are_exactly_no_difference() {
        let estimate = hodges_lehmann(&[0.0; 10], 0.95).expect("enough values");
        assert!(estimate.contains(0.0));
        assert_close("width", estimate.half_width(), 0.0, 0.0);
    }

    #[test]
    fn five_rounds_are_too_few_for_95_percent() {
        let error = Error::TooFew { function: "hodges_lehmann", required: 6, actual: 5 };
        assert_eq!(hodges_lehmann(&[0.0; 5], 0.95), Err(error));
        assert_eq!(
            hodges_lehmann(&[0.0, 1.0, 2.0, f64::NAN, 4.0, 5.0], 0.95),
            Err(Error::NotFinite { function: "hodges_lehmann", index: 3 })
        );
    }
}
