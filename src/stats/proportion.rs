//! Shares of trials: Wilson's interval, and the sign test of whether one of two was preferred more often than chance explains.

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

/// The two-sided p-value of `wins` against `losses` where both were equally likely; ties are left out before (Dixon & Mood 1946).
///
/// ```text
/// p = min(1, 2 · Σ_{i ≤ min(wins, losses)} C(n, i) / 2ⁿ),  n = wins + losses
/// ```
///
/// Exact. Assumes independent trials. Smallest n: 1, whose p is 1.
pub(crate) fn sign_test(wins: u32, losses: u32) -> Result<f64, Error> {
    let n = u64::from(wins) + u64::from(losses);
    check::at_least("sign_test", 1, usize::try_from(n).unwrap_or(usize::MAX))?;
    let n = n as f64;
    // Logarithms, since 2ⁿ and the largest terms leave the range of a float from n = 1024 on.
    let mut ln_term = -n * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for i in 0..wins.min(losses) {
        ln_term += ((n - f64::from(i)) / (f64::from(i) + 1.0)).ln();
        tail += ln_term.exp();
    }
    Ok((2.0 * tail).min(1.0))
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

    /// Closed forms: binomial coefficients by hand.
    #[test]
    fn tails_of_the_binomial_distribution() {
        let near = |a: u32, b: u32, p: f64| {
            let found = sign_test(a, b).expect("trials");
            assert!((found - p).abs() < 1e-12, "{a} to {b}: {found}");
        };
        near(0, 5, 2.0 / 32.0);
        near(5, 0, 2.0 / 32.0);
        near(1, 8, 2.0 * (1.0 + 9.0) / 512.0);
        near(3, 9, 2.0 * (1.0 + 12.0 + 66.0 + 220.0) / 4096.0);
        near(4, 4, 1.0);
        near(1, 0, 1.0);
        assert!(sign_test(900, 1100).is_ok_and(|p| (1e-6..1e-4).contains(&p)), "far beyond the range of 2ⁿ");
        assert!(sign_test(0, 0).is_err());
    }
}
