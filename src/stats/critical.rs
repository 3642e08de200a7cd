//! How many ranks may be cut off each end: the shared half of all rank intervals.

use super::distribution::normal_quantile;

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
