//! What may be read from a row of logits, and when there is nothing to read: a model that computes no numbers has no figures.

/// Whether every entry could be a logit. Minus infinity masks an entry; anything else that is not finite comes of a damaged file or of
/// arithmetic that overflowed.
pub(super) fn are_logits(row: &[f32]) -> bool {
    row.iter().all(|&logit| logit < f32::INFINITY)
}

/// How far the best logit lies above the second, which are equally far apart as log-probabilities, in nats; `None` when the row tells no
/// best from a second: any choice would be meaningless, and some samplers abort.
pub(super) fn margin_nats(row: &[f32]) -> Option<f32> {
    let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &logit in row {
        if logit.is_nan() {
            return None;
        }
        second = second.max(logit.min(best));
        best = best.max(logit);
    }
    Some(best - second).filter(|margin| margin.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: f32 = f32::NEG_INFINITY;

    #[test]
    fn a_margin_lies_between_the_best_two() {
        assert_eq!(margin_nats(&[1.0, 4.0, 3.5, HIDDEN]), Some(0.5));
        assert_eq!(margin_nats(&[2.0, 2.0]), Some(0.0));
    }

    #[test]
    fn rows_without_a_best_have_no_margin() {
        for row in [&[1.0, f32::NAN, 3.0][..], &[1.0, f32::INFINITY], &[HIDDEN, HIDDEN], &[1.0, HIDDEN], &[1.0], &[]] {
            assert_eq!(margin_nats(row), None, "{row:?}");
        }
    }

    #[test]
    fn only_masks_may_be_infinite() {
        assert!(are_logits(&[0.0, HIDDEN, f32::MAX]));
        assert!(!are_logits(&[0.0, f32::NAN]) && !are_logits(&[f32::INFINITY]));
    }
}
