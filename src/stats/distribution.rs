//! Quantiles and tails of the normal and Student's t distribution, and how many ranks of an exact one may be cut off each end.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf;

/// z such that a standard normal variable exceeds it with probability `upper`, 0 < upper < 1.
pub(super) fn normal_quantile(upper: f64) -> f64 {
    std::f64::consts::SQRT_2 * erf::erfc_inv(2.0 * upper)
}

/// P(|Z| ≥ |z|) of a standard normal variable, to ten digits, far into the tail too.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    erf::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// t such that Student's t with `freedom` degrees of freedom exceeds it with probability `upper`,
/// 0 < upper < 1/2; to ten digits up to a thousand degrees of freedom, to six beyond.
pub(super) fn student_quantile(upper: f64, freedom: f64) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom).expect("callers pass a positive number of degrees of freedom");
    // The lower tail by symmetry: 1 − upper would lose the digits of a small `upper`.
    -student.inverse_cdf(upper)
}

/// The cut of a symmetric test statistic T with values 0, 1, …:
/// the largest `rank` with P(T ≤ rank) ≤ α/2.
///
/// The interval then runs from the element after `rank` others to its mirror image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Critical {
    /// Elements cut off at each end.
    pub(super) rank: usize,
}

impl Critical {
    /// From the probabilities of T = 0, 1, …; `None` when even T = 0 is too likely, that is when
    /// the data are too few.
    pub(super) fn exact(probabilities: impl IntoIterator<Item = f64>, alpha: f64) -> Option<Self> {
        let mut below = 0.0;
        let mut found = None;
        for (rank, probability) in probabilities.into_iter().enumerate() {
            below += probability;
            // α is compared with the doubled tail, which is exact, so that a tie stays a tie.
            if 2.0 * below > alpha {
                break;
            }
            found = Some(Self { rank });
        }
        found
    }

    /// From the normal approximation with continuity correction: rank = ⌊mean − ½ − z·σ⌋.
    pub(super) fn normal(mean: f64, deviation: f64, alpha: f64) -> Self {
        let rank = (mean - 0.5 - normal_quantile(alpha / 2.0) * deviation).floor().max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "floored, at least 0, below the mean"
        )]
        Self { rank: rank as usize }
    }

    /// The two ends in `sorted`, which has one element for each step of T.
    pub(super) fn ends(self, sorted: &[f64]) -> (f64, f64) {
        (sorted[self.rank], sorted[sorted.len() - 1 - self.rank])
    }
}

/// The smallest n with 2·2⁻ⁿ ≤ α: under it, not even the whole range of n fair signs is surprising
/// enough.
pub(super) fn fewest_signs(alpha: f64) -> usize {
    let mut n = 1;
    let mut both_tails = 1.0;
    while both_tails > alpha {
        n += 1;
        both_tails /= 2.0;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/distribution.json"));
        for case in fixture["normal_quantile"].as_array().expect("cases") {
            assert_close("z", normal_quantile(fixture::number(&case["upper"])), fixture::number(&case["z"]), 1e-12);
        }
        for case in fixture["normal_two_sided"].as_array().expect("cases") {
            assert_close("p", normal_two_sided(fixture::number(&case["z"])), fixture::number(&case["p"]), 2e-10);
        }
        for case in fixture["student_quantile"].as_array().expect("cases") {
            let t = student_quantile(fixture::number(&case["upper"]), fixture::number(&case["freedom"]));
            let tolerance = if fixture::count(&case["freedom"]) > 1000 { 1e-6 } else { 1e-10 };
            assert_close("t", t, fixture::number(&case["t"]), tolerance);
        }
    }

    #[test]
    fn fewest_signs_at_common_confidences() {
        assert_eq!([0.5, 0.1, 0.05, 0.03125, 0.01, 0.001].map(fewest_signs), [2, 5, 6, 6, 8, 11]);
    }

    #[test]
    fn a_tail_of_exactly_alpha_counts() {
        let six_signs = [1.0, 6.0, 15.0, 20.0].map(|ways| ways / 64.0);
        assert_eq!(Critical::exact(six_signs, 2.0 / 64.0), Some(Critical { rank: 0 }));
        assert_eq!(Critical::exact(six_signs, 1.9 / 64.0), None);
    }
}
