//! How precisely a mean over windows is known when they come from several texts.
//!
//! Texts count equally, however long: the mean is that of the texts' means (the macro-average). Windows are independent,
//! texts are chosen and not drawn, so only the spread within texts makes it uncertain: its variance is Σ sᵢ²/nᵢ / k² of a
//! stratified sample (Cochran, 1977). With one text this is the plain t interval over windows.

use crate::stats::{self, Error, Estimate};

/// The macro-average over texts of one value a window, with its t interval.
///
/// Each deviation from its text's mean is scaled by √(N(N − 1) / (nᵢ(nᵢ − 1))) / k, so that the t interval over all N windows
/// has the stratified variance.
///
/// # Errors
/// Fewer than five windows in all, a text with one, or a value that is not finite.
pub(crate) fn macro_mean(texts: &[Vec<f64>], confidence: f64) -> Result<Estimate, Error> {
    let total: usize = texts.iter().map(Vec::len).sum();
    let means = texts.iter().map(|windows| stats::mean(windows)).collect::<Result<Vec<f64>, Error>>()?;
    let mean = stats::mean(&means)?;
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
    stats::window_t(&values, confidence).map(|estimate| Estimate { value: mean, ..estimate })
}

/// Whether the mean is known to this fraction of itself. A mean of 0 that never varied is.
#[must_use]
pub(crate) fn is_precise(estimate: &Estimate, fraction: f64) -> bool {
    estimate.half_width() <= fraction * estimate.value.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_the_plain_interval() {
        let windows = vec![1.0, 2.0, 4.0, 8.0, 16.0, 3.0];
        let (own, plain) = (macro_mean(std::slice::from_ref(&windows), 0.95), stats::window_t(&windows, 0.95));
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
        assert!(is_precise(&estimate, 0.05) && !is_precise(&estimate, 0.01));
    }

    #[test]
    fn a_text_of_one_window_says_nothing_of_its_spread() {
        assert!(matches!(macro_mean(&[vec![1.0], vec![1.0; 9]], 0.95), Err(Error::TooFew { required: 2, .. })));
        let never = macro_mean(&[vec![0.0; 20]], 0.95).expect("twenty windows");
        assert!(is_precise(&never, 0.05));
    }
}
