//! One scored position against log-probabilities from llama-perplexity's file, by that tool's own formula.
//!
//! The file cuts log-probabilities 16 nats under the maximum and rounds the rest, so its rows are no distributions: they
//! are taken as they are, entries at or under −16 nats are left out, KLD may come out negative, and a model against its own
//! file does not give 0. For anything but exchange use [`BaseRow`](super::compare::BaseRow).

use super::compare::TokenComparison;
use super::divergence::divergence;
use super::logits_file::DEPTH_NATS;
use super::row::{Row, RowError, entropy, overlap, token_index};
use super::softmax::Softmax;
use crate::stats::Sum;

/// Entries of the original with a log-probability up to this are left out, in nats.
const CUT_NATS: f32 = -16.0;

/// Compares decoded log-probabilities of the original with a candidate's logits, both `[vocabulary]`. The Jensen–Shannon
/// divergence and the original's entropy are lower bounds: they lack the entries left out.
///
/// # Errors
/// As [`BaseRow::compare`](super::compare::BaseRow::compare), but a negative divergence is none.
pub(crate) fn compare_stored(
    base_log_probs: &[f32],
    candidate: &[f32],
    token: i32,
) -> Result<TokenComparison, RowError> {
    if base_log_probs.len() != candidate.len() {
        return Err(RowError::LengthMismatch { base: base_log_probs.len(), candidate: candidate.len() });
    }
    let at = token_index(token, candidate.len())?;
    let (base, candidate) = (Row::new(base_log_probs)?, Row::new(candidate)?);
    let (mut kept, mut kept_candidate) = (Vec::new(), Vec::new());
    for (index, (&log_p, &logit)) in base.logits.iter().zip(candidate.logits).enumerate() {
        if log_p > CUT_NATS {
            if logit.is_infinite() {
                return Err(RowError::MaskMismatch { index });
            }
            kept.push(log_p);
            kept_candidate.push(logit);
        }
    }
    if candidate.logits[at].is_infinite() || base.logits[at].is_infinite() {
        return Err(RowError::MaskedToken { token });
    }
    let pairs = || kept.iter().copied().map(f64::from).zip(&kept_candidate);
    let terms = pairs().map(|(log_p, &logit)| log_p.exp() * (log_p + candidate.softmax.nll_nats(logit)));
    let kld_nats = terms.collect::<Sum>().total();
    if !kld_nats.is_finite() {
        return Err(RowError::ImpossibleDivergence { kld_nats });
    }
    let normalised = Softmax::normalised(&kept);
    Ok(TokenComparison {
        nll_base_nats: -f64::from(base.logits[at]),
        nll_candidate_nats: candidate.softmax.nll_nats(candidate.logits[at]),
        kld_nats,
        jsd_nats: Some(divergence((&kept, &normalised), (&kept_candidate, &candidate.softmax)).jsd()),
        base_entropy_nats: entropy(&normalised),
        base_margin_nats: base.margin_nats(),
        token,
        top1_base: base.top1(),
        top1_candidate: candidate.top1(),
        top5_overlap: overlap(&base, &candidate),
        at_floor: at_floor(base.logits, at),
    })
}

/// Whether this entry lies at the floor of a row that was cut: how far under it is not known.
fn at_floor(log_probs: &[f32], at: usize) -> bool {
    let ends = log_probs.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    ends.1 - ends.0 >= DEPTH_NATS * (1.0 - f32::EPSILON.sqrt()) && log_probs[at] <= ends.0
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data of a few digits")]
mod tests {
    use super::*;
    use crate::quality::compare::BaseRow;
    use crate::quality::testing::{Random, log_softmax};

    #[test]
    fn without_cut_or_rounding_it_is_the_exact_comparison() {
        let mut random = Random::new(14);
        let (base, candidate) = random.rows(2000, 1.0, 0.2);
        let log_probs: Vec<f32> = log_softmax(&base).into_iter().map(|log_p| log_p as f32).collect();
        assert!(log_probs.iter().all(|&log_p| log_p > CUT_NATS));
        let stored = compare_stored(&log_probs, &candidate, 11).expect("comparable");
        let exact = BaseRow::new(&base).and_then(|base| base.compare(&candidate, 11)).expect("comparable");
        assert!((stored.kld_nats - exact.kld_nats).abs() < 1e-6);
        let jsd = |row: TokenComparison| row.jsd_nats.expect("there");
        assert!((jsd(stored) - jsd(exact)).abs() < 1e-6);
        assert!((stored.nll_base_nats - exact.nll_base_nats).abs() < 1e-6);
        assert!((stored.base_entropy_nats - exact.base_entropy_nats).abs() < 1e-5);
        let top = |row: TokenComparison| (row.top1_base, row.top1_candidate, row.top5_overlap);
        assert_eq!(top(stored), top(exact));
    }

    #[test]
    fn follows_the_tools_formula_under_the_cut() {
        let log_probs = [-1e-6, -15.0, -16.0, -16.0];
        let candidate = [9.0, 0.0, -3.0, -4.0];
        let log_q = log_softmax(&candidate);
        let row = compare_stored(&log_probs, &candidate, 2).expect("comparable");
        let term = |i: usize| f64::from(log_probs[i]).exp() * (f64::from(log_probs[i]) - log_q[i]);
        assert!((row.kld_nats - term(0) - term(1)).abs() < 1e-9);
        assert!((row.nll_base_nats - 16.0).abs() < 1e-12);
        // Less mass on the kept entries than the candidate has there.
        let negative = compare_stored(&[-0.1, -16.0], &[9.0, -9.0], 0).expect("comparable");
        assert!(negative.kld_nats < -0.05);
    }

    #[test]
    fn a_token_at_the_floor_of_a_row_that_was_cut_is_told() {
        let candidate = [9.0, 0.0, -3.0, -4.0];
        let at_floor =
            |log_probs: [f32; 4], token| compare_stored(&log_probs, &candidate, token).expect("comparable").at_floor;
        let cut = [-0.1, -2.0, -16.1, -16.1];
        assert_eq!([0, 1, 2, 3].map(|token| at_floor(cut, token)), [false, false, true, true]);
        assert!(!at_floor([-0.1, -2.0, -9.0, -15.0], 3), "the least of a row that was not cut");
        let mut random = Random::new(15);
        let base = random.rows(500, 6.0, 0.0).0;
        let mut bytes = Vec::new();
        crate::quality::logits_file::encode(&Row::new(&base).expect("finite"), &mut bytes);
        let written = crate::quality::logits_file::decoded(&bytes);
        let lowest = written.iter().copied().fold(f32::INFINITY, f32::min);
        let exact = log_softmax(&base);
        let top = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (at, exact) in exact.into_iter().enumerate() {
            let cut = top - exact > f64::from(DEPTH_NATS);
            if (top - exact - f64::from(DEPTH_NATS)).abs() > 1e-3 {
                assert_eq!(super::at_floor(&written, at), cut, "{exact} of {top}, floor {lowest}");
            }
        }
    }

    #[test]
    fn masks_of_the_candidate_are_refused_where_they_matter() {
        let candidate = [0.0, f32::NEG_INFINITY];
        assert_eq!(compare_stored(&[-0.5, -1.0], &candidate, 0), Err(RowError::MaskMismatch { index: 1 }));
        assert_eq!(compare_stored(&[-0.5, -17.0], &candidate, 1), Err(RowError::MaskedToken { token: 1 }));
        assert!(compare_stored(&[-0.5, -17.0], &candidate, 0).is_ok());
    }
}
