//! Means with Student's t, for data independent and many enough to be averaged: windows.

use super::distribution::student_quantile;
use super::sum::mean_of;
use super::{Error, Estimate, check};

const FEWEST_WINDOWS: usize = 5;

/// Mean and variance in one pass, without the cancelling difference of two large sums (Welford
/// 1962).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    n: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds one finite value.
    pub(crate) fn add(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// The unbiased variance, over n − 1; `None` of fewer than two values.
    #[must_use]
    pub(crate) fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.squares / (self.n - 1) as f64)
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
}

/// The mean over windows: m ± t₁₋α/₂,ₙ₋₁ · s/√n (Student 1908).
///
/// `windows` holds one mean per window, the unit of independence; tokens inside a window are not
/// independent. Assumes windows of equal weight, independent, and a mean over them that is about
/// normal: skewed data (KLD) should be shown with [`stratified_bootstrap`](super::stratified_bootstrap)
/// beside it. Ties need no special case. Smallest n: 5.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub fn window_t(windows: &[f64], confidence: f64) -> Result<Estimate, Error> {
    let alpha = check::alpha(confidence)?;
    check::sample("window_t", windows, FEWEST_WINDOWS)?;
    let n = windows.len();
    let variance = variance(windows);
    let half_width = student_quantile(alpha / 2.0, n - 1) * (variance / n as f64).sqrt();
    let value = mean_of(windows);
    let (low, high) = (value - half_width, value + half_width);
    Ok(Estimate { value, low, high })
}

/// The unbiased variance of checked values, at least two.
pub(super) fn variance(values: &[f64]) -> f64 {
    values.iter().copied().collect::<Moments>().variance().expect("at least two values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/mean.json"));
        for case in fixture["window_t"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let estimate = window_t(&values, fixture::number(&case["confidence"])).expect("enough windows");
            assert_estimate(&estimate, case, 1e-10);
        }
    }

    #[test]
    fn a_large_offset_does_not_swallow_the_variance() {
        let moments: Moments = [4.0, 7.0, 13.0, 16.0].into_iter().map(|x| x + 1e9).collect();
        assert_close("variance", moments.variance().expect("four values"), 30.0, 1e-12);
    }

    #[test]
    fn one_value_has_no_variance() {
        let mut moments = Moments::default();
        assert_eq!(moments.variance(), None);
        moments.add(3.0);
        assert_eq!(moments.variance(), None);
    }

    #[test]
    fn a_model_against_itself_is_exactly_zero() {
        let estimate = window_t(&[0.0; 5], 0.95).expect("five windows");
        assert_eq!([estimate.value, estimate.low, estimate.high].map(f64::to_bits), [0; 3]);
    }

    #[test]
    fn four_windows_are_too_few() {
        let few = Error::TooFew { function: "window_t", required: 5, actual: 4 };
        assert_eq!(window_t(&[1.0; 4], 0.95), Err(few));
    }
}
