//! Sums that keep their digits, and means with Student's t for data independent and many enough to be averaged: windows.

use super::distribution::student_quantile;
use super::{Error, Estimate, check};

/// A running sum whose rounding error does not grow with the number of terms (Neumaier 1974, after
/// Kahan 1965).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, term: f64) {
        let total = self.total + term;
        // The smaller operand is the one whose low digits were rounded away.
        self.lost +=
            if self.total.abs() >= term.abs() { (self.total - total) + term } else { (term - total) + self.total };
        self.total = total;
    }

    /// The sum of the terms so far; 0 of none.
    pub(crate) fn total(&self) -> f64 {
        self.total + self.lost
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }
}

/// Σx / n by compensated addition. Smallest n: 1.
///
/// # Errors
///
/// [`Error::TooFew`] without values, [`Error::NotFinite`].
pub fn mean(values: &[f64]) -> Result<f64, Error> {
    check::sample("mean", values, 1)?;
    Ok(mean_of(values))
}

/// The mean of values already checked to be finite and at least one.
pub(crate) fn mean_of(values: &[f64]) -> f64 {
    values.iter().copied().collect::<Sum>().total() / values.len() as f64
}

/// With fewer, Student's factor is above 3 at 95 %, and the spread behind it is little known.
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
    pub(crate) fn add(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// The unbiased variance, over n − 1; `None` of fewer than two values.
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
/// normal: what is skewed and never negative (KLD) has `positive_mean`. Ties need no special case. Smallest n: 5.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub fn window_t(windows: &[f64], confidence: f64) -> Result<Estimate, Error> {
    let alpha = check::alpha(confidence)?;
    check::sample("window_t", windows, FEWEST_WINDOWS)?;
    let n = windows.len();
    let variance = variance(windows);
    let half_width = student_quantile(alpha / 2.0, (n - 1) as f64) * (variance / n as f64).sqrt();
    let value = mean_of(windows);
    let (low, high) = (value - half_width, value + half_width);
    Ok(Estimate { value, low, high })
}

/// The unbiased variance of checked values, at least two.
pub(super) fn variance(values: &[f64]) -> f64 {
    values.iter().copied().collect::<Moments>().variance().expect("at least two values")
}

/// The macro-average over texts of one value a window, with its t interval.
///
/// Texts count equally, however long: the mean is that of the texts' means. Windows are independent, texts are chosen and not
/// drawn, so only the spread within texts makes it uncertain: its variance is Σ sᵢ²/nᵢ / k² of a stratified sample (Cochran
/// 1977). With one text this is [`window_t`].
///
/// Each deviation from its text's mean is scaled by √(N(N − 1) / (nᵢ(nᵢ − 1))) / k, so that the t interval over all N windows
/// has the stratified variance.
pub(crate) fn macro_mean(texts: &[Vec<f64>], confidence: f64) -> Result<Estimate, Error> {
    let total: usize = texts.iter().map(Vec::len).sum();
    let means = texts.iter().map(|windows| mean(windows)).collect::<Result<Vec<f64>, Error>>()?;
    let mean = mean(&means)?;
    let mut values = Vec::with_capacity(total);
    for (windows, own) in texts.iter().zip(means) {
        let n = windows.len() as f64;
        if windows.len() < 2 {
            return Err(Error::TooFew { function: "macro_mean", required: 2, actual: windows.len() });
        }
        let all = total as f64;
        let scale = (all * (all - 1.0) / (n * (n - 1.0))).sqrt() / texts.len() as f64;
        values.extend(windows.iter().map(|window| mean + (window - own) * scale));
    }
    window_t(&values, confidence).map(|estimate| Estimate { value: mean, ..estimate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn keeps_what_plain_addition_loses() {
        let terms = [1.0, 1e100, 1.0, -1e100];
        assert_close("compensated", terms.into_iter().collect::<Sum>().total(), 2.0, 0.0);
        assert_close("plain", terms.into_iter().sum::<f64>(), 0.0, 0.0);
    }

    #[test]
    fn ten_million_tenths_are_a_million() {
        let sum: Sum = std::iter::repeat_n(0.1, 10_000_000).collect();
        assert_close("sum", sum.total(), 1e6, 1e-15);
    }

    #[test]
    fn no_values_have_no_mean() {
        assert_eq!(mean(&[]), Err(Error::TooFew { function: "mean", required: 1, actual: 0 }));
    }

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

    #[test]
    fn one_text_is_the_plain_interval() {
        let windows = vec![1.0, 2.0, 4.0, 8.0, 16.0, 3.0];
        let (own, plain) = (macro_mean(std::slice::from_ref(&windows), 0.95), window_t(&windows, 0.95));
        let (own, plain) = (own.expect("six windows"), plain.expect("six windows"));
        assert!((own.low - plain.low).abs() < 1e-12 && (own.high - plain.high).abs() < 1e-12);
    }

    #[test]
    fn differences_between_texts_make_nothing_uncertain() {
        let texts = [vec![1.0, 1.2, 0.8], vec![9.0, 9.2, 8.8, 9.0]];
        let estimate = macro_mean(&texts, 0.95).expect("seven windows");
        assert!((estimate.value - 5.0).abs() < 1e-12);
        // √(0.04/3 + 0.02667/4)/2 = 0.0707, t₆ = 2.447.
        assert!((estimate.half_width() - 2.447 * 0.070_71).abs() < 1e-3, "{}", estimate.half_width());
        assert!(estimate.is_precise(0.05) && !estimate.is_precise(0.01));
    }

    #[test]
    fn a_text_of_one_window_says_nothing_of_its_spread() {
        assert!(matches!(macro_mean(&[vec![1.0], vec![1.0; 9]], 0.95), Err(Error::TooFew { required: 2, .. })));
        let never = macro_mean(&[vec![0.0; 20]], 0.95).expect("twenty windows");
        assert!(never.is_precise(0.05));
    }
}
