//! Means over tokens, with the errors llama-perplexity prints beside them.
//!
//! Those errors treat tokens as independent, which they are not within a window: they are here to be held against the
//! anchor's output. Its one-pass formulas are kept in meaning, not in form, since Σx² − n·x̄² cancels.

use crate::record::TokenMean;

/// At this many tokens or fewer llama-perplexity gives no error.
const TOO_FEW_TOKENS: usize = 10;

/// Sum, compensated (Neumaier, 1974).
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// Mean of values, which must not be empty.
pub(super) fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// Mean and √((Σx²/n − x̄²)/(n − 1)).
pub(super) fn token_mean(values: &[f64]) -> TokenMean {
    TokenMean { value: mean(values), naive_standard_error: covariance_of_means(values, values).map(f64::sqrt) }
}

/// (Σxy/n − x̄·ȳ)/(n − 1), the covariance of two means over the same independent tokens.
pub(super) fn covariance_of_means(x: &[f64], y: &[f64]) -> Option<f64> {
    let (n, x_mean, y_mean) = (x.len(), mean(x), mean(y));
    let products = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean));
    (n > TOO_FEW_TOKENS).then(|| sum(products) / n as f64 / (n as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_one_pass_formula() {
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let result = token_mean(&values);
        assert!((result.value - 6.5).abs() < 1e-15);
        // Σx² = 650: √((650/12 − 6.5²)/11).
        let expected = ((650.0 / 12.0 - 42.25) / 11.0_f64).sqrt();
        assert!((result.naive_standard_error.expect("12 tokens") - expected).abs() < 1e-14);
        assert_eq!(token_mean(&values[..10]).naive_standard_error, None);
    }

    #[test]
    fn small_terms_are_not_lost() {
        let total = sum([1e16, 1.0, 1.0, -1e16].into_iter());
        assert_eq!(total.to_bits(), 2.0_f64.to_bits());
    }
}
