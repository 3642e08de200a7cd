//! Compensated addition, so that a mean over a million tokens keeps its digits.

/// A running sum whose rounding error does not grow with the number of terms (Neumaier 1974, after
/// Kahan 1965).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    /// Adds one finite term.
    pub(crate) fn add(&mut self, term: f64) {
        let total = self.total + term;
        // The smaller operand is the one whose low digits were rounded away.
        self.lost +=
            if self.total.abs() >= term.abs() { (self.total - total) + term } else { (term - total) + self.total };
        self.total = total;
    }

    /// The sum of the terms so far; 0 of none.
    #[must_use]
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
/// [`TooFew`](super::Error::TooFew) without values, [`NotFinite`](super::Error::NotFinite).
pub fn mean(values: &[f64]) -> Result<f64, super::Error> {
    super::check::sample("mean", values, 1)?;
    Ok(mean_of(values))
}

/// The mean of values already checked to be finite and at least one.
pub(super) fn mean_of(values: &[f64]) -> f64 {
    values.iter().copied().collect::<Sum>().total() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Error;
    use crate::stats::fixture::assert_close;

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
}
