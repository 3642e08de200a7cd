//! The effect in a paired comparison: what rounds say of a difference, dependence between them included.

use super::{Dependence, Error, Estimate, check, critical::fewest_signs, hodges_lehmann};

/// The Hodges–Lehmann estimate of `differences` in time order with its Wilcoxon interval, widened where neighbours are notably alike.
///
/// [`hodges_lehmann`] assumes independent values. A machine that changes slowly makes neighbours alike, and an interval that
/// takes them for independent is too narrow by the factor of [`Dependence::widening`]; under its 8 values nothing is widened.
///
/// # Errors
///
/// Those of [`hodges_lehmann`].
pub fn paired_effect(differences: &[f64], confidence: f64) -> Result<Estimate, Error> {
    let estimate = hodges_lehmann(differences, confidence)?;
    // Too few values or none that differ say nothing of dependence.
    let factor = Dependence::of(differences).map_or(1.0, |dependence| dependence.widening());
    Ok(estimate.widened(factor))
}

/// The fewest differences of which [`paired_effect`] gives an interval: n with 2·2⁻ⁿ ≤ 1 − confidence.
///
/// # Errors
///
/// [`Error::Probability`].
pub(crate) fn fewest_for_effect(confidence: f64) -> Result<usize, Error> {
    check::alpha(confidence).map(fewest_signs)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the same arithmetic gives the same bits")]
mod tests {
    use super::*;

    #[test]
    fn independent_values_keep_their_interval_and_a_trend_widens_it() {
        let alternating: Vec<f64> =
            (0..12).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 } + f64::from(i) * 1e-3).collect();
        let plain = hodges_lehmann(&alternating, 0.95).expect("enough values");
        assert_eq!(paired_effect(&alternating, 0.95).expect("enough values"), plain);

        let trend: Vec<f64> = (0..12).map(|i| f64::from(i) * 0.01).collect();
        let plain = hodges_lehmann(&trend, 0.95).expect("enough values");
        let wide = paired_effect(&trend, 0.95).expect("enough values");
        assert!(wide.half_width() > 1.5 * plain.half_width(), "{wide:?}");
        assert_eq!(wide.value, plain.value);
    }

    #[test]
    fn the_fewest_are_enough_and_one_less_is_not() {
        for confidence in [0.9, 0.95, 0.999] {
            let n = fewest_for_effect(confidence).expect("a confidence");
            assert!(paired_effect(&vec![0.1; n], confidence).is_ok());
            assert!(paired_effect(&vec![0.1; n - 1], confidence).is_err());
        }
    }

    #[test]
    fn equal_values_are_known_exactly() {
        let effect = paired_effect(&[0.02; 10], 0.95).expect("enough values");
        assert_eq!((effect.low, effect.high), (0.02, 0.02));
    }
}
