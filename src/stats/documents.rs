//! The mean of positive, skewed values over few units, such as the mean KLD over documents: Student's t on the log scale.

use super::distribution::student_quantile;
use super::mean::{mean, mean_of, variance};
use super::{Error, Estimate, check};

/// With fewer, Student's factor is above 3 at 95 %, and the spread behind it is little known.
const FEWEST: usize = 5;

/// The mean with the interval m·e^±t·s/(m√n): Student's t of ln m, whose standard error is s/(m√n) by the delta method.
///
/// A mean KLD is skewed to the right, and so is what is left of it after a few documents: a symmetric interval misses high values
/// too often. The coverage test of src/analysis/quality holds it against values of real models. Values that are all 0 give 0 exactly.
/// Values that may be negative, as those from a file that rounds, have no log: where their mean is not above 0, and where they
/// are too few, there is no interval.
///
/// # Errors
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub(crate) fn positive_mean(values: &[f64], confidence: f64) -> Result<Estimate, Error> {
    let alpha = check::alpha(confidence)?;
    check::sample("positive_mean", values, FEWEST)?;
    let (n, value) = (values.len(), mean_of(values));
    let error = (variance(values) / n as f64).sqrt();
    if value <= 0.0 {
        let identical = values.iter().all(|value| value.abs() <= 0.0);
        let none = Error::NotFinite { function: "positive_mean", index: 0 };
        return if identical { Ok(Estimate { value: 0.0, low: 0.0, high: 0.0 }) } else { Err(none) };
    }
    let factor = (student_quantile(alpha / 2.0, (n - 1) as f64) * error / value).exp();
    Ok(Estimate { value, low: value / factor, high: value * factor })
}

/// The mean of each text's windows; texts without any are left out.
pub(crate) fn means(texts: &[Vec<f64>]) -> Vec<f64> {
    texts.iter().filter_map(|windows| mean(windows).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students_around_the_log_of_the_mean() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let estimate = positive_mean(&values, 0.95).expect("five values");
        // t = 2.776445 of 4 degrees of freedom, s/(m√n) = 1.581139/(3·2.236068).
        let factor = (2.776_445_f64 * 0.235_702_26).exp();
        assert!((estimate.value - 3.0).abs() < 1e-12);
        assert!((estimate.high - 3.0 * factor).abs() < 1e-5 && (estimate.low - 3.0 / factor).abs() < 1e-5);
    }

    #[test]
    fn what_never_differs_is_known_and_what_has_no_log_is_not() {
        let same = positive_mean(&[0.0; 8], 0.95).expect("eight values");
        assert!(same.low >= 0.0 && same.high <= 0.0);
        assert!(positive_mean(&[-1.0, 0.5, 0.1, 0.1, 0.1], 0.95).is_err());
        assert!(matches!(positive_mean(&[1.0; 4], 0.95), Err(Error::TooFew { required: 5, .. })));
    }

    #[test]
    fn a_texts_windows_are_one_value() {
        assert_eq!(means(&[vec![1.0, 3.0], Vec::new(), vec![5.0]]), [2.0, 5.0]);
    }
}
