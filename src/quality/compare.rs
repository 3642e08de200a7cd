//! One scored position: the original's row of logits against a candidate's.

use serde::{Deserialize, Serialize};

use super::divergence::divergence;
use super::row::{Row, RowError, entropy, overlap, token_index};

/// A divergence more negative than this is a fault and not rounding, in nats.
pub(super) const LOWEST_KLD_NATS: f64 = -1e-9;

/// What two models make of one position, in a few dozen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenComparison {
    /// −log p of the correct token under the original, in nats.
    pub nll_base_nats: f64,
    /// −log p of the correct token under the candidate, in nats.
    pub nll_candidate_nats: f64,
    /// KL(original ‖ candidate), in nats.
    pub kld_nats: f64,
    /// Jensen–Shannon divergence, in nats, from 0 to ln 2; absent where the original's whole distribution was not at hand.
    pub jsd_nats: Option<f32>,
    /// Entropy of the original's distribution, in nats.
    pub base_entropy_nats: f32,
    /// By how much the original prefers its first choice to its second, log p₁ − log p₂ in nats; absent where only one entry is possible.
    pub base_margin_nats: Option<f32>,
    pub token: i32,
    /// The original's first choice.
    pub top1_base: i32,
    /// The candidate's first choice.
    pub top1_candidate: i32,
    /// How many of the original's five first choices are among the candidate's five.
    pub top5_overlap: u8,
    /// Whether the original's probability of the correct token was cut, so that it was less.
    pub at_floor: bool,
}

/// Whether the first choice came to be, or ceased to be, the correct token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flip {
    /// Both models choose the same token.
    None,
    /// Only the candidate chooses the correct token.
    TowardsCorrect,
    /// Only the original chooses the correct token.
    AwayFromCorrect,
    /// The choices differ and both are wrong.
    BetweenWrong,
}

impl TokenComparison {
    /// Probability of the correct token under the original.
    pub(crate) fn p_base(&self) -> f64 {
        (-self.nll_base_nats).exp()
    }

    /// Probability of the correct token under the candidate.
    pub(crate) fn p_candidate(&self) -> f64 {
        (-self.nll_candidate_nats).exp()
    }

    /// Whether both models have the same first choice.
    pub(crate) fn same_top(&self) -> bool {
        self.top1_base == self.top1_candidate
    }

    /// How the candidate's first choice differs, with respect to the correct token.
    pub(crate) fn flip(&self) -> Flip {
        match (self.top1_base == self.token, self.top1_candidate == self.token) {
            _ if self.same_top() => Flip::None,
            (true, _) => Flip::AwayFromCorrect,
            (_, true) => Flip::TowardsCorrect,
            (false, false) => Flip::BetweenWrong,
        }
    }
}

/// The original's row at one position, reduced once and compared with any number of candidates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BaseRow<'a> {
    row: Row<'a>,
}

impl<'a> BaseRow<'a> {
    /// Reduces a row of logits, `[vocabulary]`. Minus infinity marks an entry the model excludes.
    pub(crate) fn new(logits: &'a [f32]) -> Result<Self, RowError> {
        Row::new(logits).map(|row| Self { row })
    }

    /// Compares with a candidate's row at the same position, where `token` is the correct one. Entries at minus infinity in
    /// both rows are ignored. A row against itself gives a divergence of exactly 0 and twice the same nll.
    pub(crate) fn compare(&self, candidate: &[f32], token: i32) -> Result<TokenComparison, RowError> {
        let base = &self.row;
        if base.logits.len() != candidate.len() {
            return Err(RowError::LengthMismatch { base: base.logits.len(), candidate: candidate.len() });
        }
        let candidate = Row::new(candidate)?;
        let at = token_index(token, base.logits.len())?;
        let unmasked = base.scan.masked == 0 && candidate.scan.masked == 0;
        let divergence = if unmasked {
            divergence((base.logits, &base.softmax), (candidate.logits, &candidate.softmax))
        } else {
            let (base_kept, candidate_kept) = unmask(base.logits, candidate.logits)?;
            divergence((&base_kept, &base.softmax), (&candidate_kept, &candidate.softmax))
        };
        if base.logits[at].is_infinite() {
            return Err(RowError::MaskedToken { token });
        }
        if !divergence.kld_nats.is_finite() || divergence.kld_nats < LOWEST_KLD_NATS {
            return Err(RowError::ImpossibleDivergence { kld_nats: divergence.kld_nats });
        }
        Ok(TokenComparison {
            nll_base_nats: base.softmax.nll_nats(base.logits[at]),
            nll_candidate_nats: candidate.softmax.nll_nats(candidate.logits[at]),
            kld_nats: divergence.kld_nats,
            jsd_nats: Some(divergence.jsd()),
            base_entropy_nats: entropy(&base.softmax),
            base_margin_nats: base.margin_nats(),
            token,
            top1_base: base.top1(),
            top1_candidate: candidate.top1(),
            top5_overlap: overlap(base, &candidate),
            at_floor: false,
        })
    }
}

/// Both rows without the entries both mask.
fn unmask(base: &[f32], candidate: &[f32]) -> Result<(Vec<f32>, Vec<f32>), RowError> {
    let mut kept = (Vec::with_capacity(base.len()), Vec::with_capacity(base.len()));
    for (index, (&base, &candidate)) in base.iter().zip(candidate).enumerate() {
        match (base.is_infinite(), candidate.is_infinite()) {
            (false, false) => {
                kept.0.push(base);
                kept.1.push(candidate);
            }
            (true, true) => {}
            _ => return Err(RowError::MaskMismatch { index }),
        }
    }
    Ok(kept)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data of a few digits")]
mod tests {
    use super::*;
    use crate::quality::testing::{Random, divergences, log_softmax};

    fn compare(base: &[f32], candidate: &[f32], token: i32) -> Result<TokenComparison, RowError> {
        BaseRow::new(base)?.compare(candidate, token)
    }

    fn close(actual: f64, expected: f64, relative: f64) {
        assert!(
            (actual - expected).abs() <= relative * expected.abs(),
            "{actual} is not {expected} within {relative:e}"
        );
    }

    fn jsd(row: &TokenComparison) -> f64 {
        f64::from(row.jsd_nats.expect("exact"))
    }

    /// ln p as `f32` logits.
    fn logits(probabilities: &[f64]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln() as f32).collect()
    }

    #[test]
    fn two_symbols_have_closed_forms() {
        for (p, q) in [(0.5, 0.25), (0.9, 0.1), (0.6, 0.599), (1e-3, 0.7), (0.999_999, 0.5)] {
            let row = compare(&logits(&[p, 1.0 - p]), &logits(&[q, 1.0 - q]), 0).expect("comparable");
            let kl = |p: f64, q: f64| p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
            let m = f64::midpoint(p, q);
            // The logits themselves are rounded to f32, which the closest pair feels most.
            close(row.kld_nats, kl(p, q), 1e-4);
            close(jsd(&row), f64::midpoint(kl(p, m), kl(q, m)), 1e-4);
            close(row.nll_base_nats, -p.ln(), 1e-6);
            close(row.nll_candidate_nats, -q.ln(), 1e-6);
            close(row.p_candidate(), q, 1e-6);
            close(f64::from(row.base_entropy_nats), -p * p.ln() - (1.0 - p) * (1.0 - p).ln(), 1e-5);
            close(f64::from(row.base_margin_nats.expect("two entries")), (p / (1.0 - p)).ln().abs(), 1e-5);
            assert_eq!(row.top5_overlap, 2);
        }
    }

    #[test]
    fn mean_divergence_agrees_with_double_precision_to_1e_6() {
        let mut random = Random::new(1);
        // (spread of the logits, noise): flat to peaked, Q8_0-like to ruined.
        for n_vocab in [4096, 49_152, 151_936] {
            for (spread, noise) in
                [(0.1, 0.01), (2.0, 0.01), (2.0, 0.2), (4.0, 1.5), (8.0, 0.05), (30.0, 0.3), (30.0, 9.0)]
            {
                let (mut ours, mut exact) = ([0.0; 2], [0.0; 2]);
                for _ in 0..4 {
                    let (base, candidate) = random.rows(n_vocab, spread, noise);
                    let row = compare(&base, &candidate, 7).expect("comparable");
                    let (kld, exact_jsd) = divergences(&base, &candidate);
                    close(row.nll_base_nats, -log_softmax(&base)[7], 1e-7);
                    ours = [ours[0] + row.kld_nats, ours[1] + jsd(&row)];
                    exact = [exact[0] + kld, exact[1] + exact_jsd];
                }
                close(ours[0], exact[0], 1e-6);
                close(ours[1], exact[1], 1e-6);
            }
        }
    }

    #[test]
    fn a_row_against_itself_is_exact() {
        let mut random = Random::new(2);
        for n_vocab in [1, 2, 255, 256, 4097] {
            let (row, _) = random.rows(n_vocab, 3.0, 0.0);
            let same = compare(&row, &row.clone(), 0).expect("comparable");
            assert_eq!(same.kld_nats.to_bits(), 0.0_f64.to_bits());
            assert_eq!(same.jsd_nats.map(f32::to_bits), Some(0.0_f32.to_bits()));
            assert_eq!(same.nll_base_nats.to_bits(), same.nll_candidate_nats.to_bits());
            assert_eq!(same.flip(), Flip::None);
            assert_eq!(usize::from(same.top5_overlap), n_vocab.min(5));
        }
    }

    #[test]
    fn a_common_shift_changes_nothing() {
        let mut random = Random::new(4);
        let (base, candidate) = random.rows(5000, 2.0, 0.1);
        let plain = compare(&base, &candidate, 9).expect("comparable");
        // Multiples of 2⁻¹⁰ stay exact under a shift by 64.
        let coarse =
            |row: &[f32], shift: f32| row.iter().map(|l| (l * 1024.0).round() / 1024.0 + shift).collect::<Vec<_>>();
        let still = compare(&coarse(&base, 0.0), &coarse(&candidate, 0.0), 9).expect("comparable");
        let shifted = compare(&coarse(&base, 64.0), &coarse(&candidate, -64.0), 9).expect("comparable");
        close(shifted.kld_nats, still.kld_nats, 1e-6);
        close(shifted.nll_candidate_nats, still.nll_candidate_nats, 1e-12);
        close(plain.kld_nats, still.kld_nats, 1e-2);
    }

    #[test]
    fn disjoint_distributions_reach_the_bounds() {
        let row = compare(&[0.0, -300.0], &[-300.0, 0.0], 0).expect("comparable");
        close(row.kld_nats, 300.0, 1e-6);
        close(jsd(&row), std::f64::consts::LN_2, 1e-6);
        assert_eq!(row.flip(), Flip::AwayFromCorrect);
        let back = compare(&[-300.0, 0.0], &[0.0, -300.0], 0).expect("comparable");
        assert_eq!(back.flip(), Flip::TowardsCorrect);
        let wrong = compare(&[0.0, -1.0, -9.0], &[-1.0, 0.0, -9.0], 2).expect("comparable");
        assert_eq!(wrong.flip(), Flip::BetweenWrong);
    }

    #[test]
    fn entries_masked_in_both_rows_do_not_count() {
        let mut random = Random::new(5);
        let (mut base, mut candidate) = random.rows(600, 2.0, 0.3);
        let (kept, kept_candidate) = (base[..500].to_vec(), candidate[..500].to_vec());
        base[500..].fill(f32::NEG_INFINITY);
        candidate[500..].fill(f32::NEG_INFINITY);
        let masked = compare(&base, &candidate, 3).expect("comparable");
        let short = compare(&kept, &kept_candidate, 3).expect("comparable");
        close(masked.kld_nats, short.kld_nats, 1e-12);
        close(masked.nll_base_nats, short.nll_base_nats, 1e-12);
        assert_eq!(compare(&base, &candidate, 599), Err(RowError::MaskedToken { token: 599 }));
        candidate[510] = 0.0;
        assert_eq!(compare(&base, &candidate, 3), Err(RowError::MaskMismatch { index: 510 }));
    }

    #[test]
    fn wrong_rows_are_refused_by_name() {
        let good = [0.0, 1.0, 2.0];
        let length = RowError::LengthMismatch { base: 3, candidate: 2 };
        assert_eq!(compare(&good, &good[..2], 0), Err(length));
        assert_eq!(compare(&good, &[0.0, f32::NAN, 0.0], 0), Err(RowError::NotANumber { index: 1 }));
        assert_eq!(compare(&[0.0, 0.0, f32::INFINITY], &good, 0), Err(RowError::PositiveInfinity { index: 2 }));
        assert_eq!(compare(&good, &good, 3), Err(RowError::TokenOutOfRange { token: 3, n_vocab: 3 }));
        assert_eq!(compare(&good, &good, -1), Err(RowError::TokenOutOfRange { token: -1, n_vocab: 3 }));
    }
}
