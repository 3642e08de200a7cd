//! Wilson's interval of a proportion.

use super::distribution::normal_quantile;
use super::{Error, Estimate, check};

/// The share of `successes` in `trials` with Wilson's score interval (Wilson 1927).
///
/// ```text
/// (p̂ + z²/2n ± z√(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n)
/// ```
///
/// It stays between 0 and 1 and has a width at p̂ = 0 and 1. Assumes independent trials: tokens of
/// one window are not, so the agreement of models over windows wants [`window_t`](super::window_t)
/// or a bootstrap. Smallest n: 1.
///
/// # Errors
///
/// [`Error::TooFew`] without trials, [`Error::Count`] with more successes than trials,
/// [`Error::Probability`].
pub(crate) fn wilson(successes: u64, trials: u64, confidence: f64) -> Result<Estimate, Error> {
    let alpha = check::alpha(confidence)?;
    let counted = usize::try_from(trials).unwrap_or(usize::MAX);
    check::at_least("wilson", 1, counted)?;
    if successes > trials {
        return Err(Error::Count { successes, trials });
    }
    let n = trials as f64;
    let value = successes as f64 / n;
    let z = normal_quantile(alpha / 2.0);
    let scale = 1.0 + z * z / n;
    let centre = (value + z * z / (2.0 * n)) / scale;
    let half_width = z * (value * (1.0 - value) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // At the ends of the range the formula gives 0 or 1 exactly; rounding must not put the interval
    // beside the value.
    let low = if successes == 0 { 0.0 } else { centre - half_width };
    let high = if successes == trials { 1.0 } else { centre + half_width };
    Ok(Estimate { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_estimate};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/wilson.json"));
        for case in fixture["intervals"].as_array().expect("cases") {
            let successes = case["successes"].as_u64().expect("count");
            let trials = case["trials"].as_u64().expect("count");
            let estimate = wilson(successes, trials, fixture::number(&case["confidence"])).expect("trials");
            assert_estimate(&estimate, case, 1e-12);
        }
    }

    #[test]
    fn nothing_tried_or_too_much_succeeded() {
        assert_eq!(wilson(0, 0, 0.95), Err(Error::TooFew { function: "wilson", required: 1, actual: 0 }));
        assert_eq!(wilson(3, 2, 0.95), Err(Error::Count { successes: 3, trials: 2 }));
    }
}
