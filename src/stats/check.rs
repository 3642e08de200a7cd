//! Preconditions of every statistic, and the error that names what one refuses.

/// The reason a function of this module refuses its input. `function` names the refusing function.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Fewer values than the function, or the confidence asked of it, needs.
    #[error("{function} needs at least {required} values, got {actual}")]
    TooFew { function: &'static str, required: usize, actual: usize },
    /// A NaN or an infinity among the values.
    #[error("{function} was given a value that is not finite, at index {index}")]
    NotFinite {
        function: &'static str,
        /// Position of the first such value, counted from 0.
        index: usize,
    },
    /// Two slices that belong together have different lengths.
    #[error("{function} needs as many values on the right as on the left, got {left} and {right}")]
    Lengths { function: &'static str, left: usize, right: usize },
    /// All values are equal, and the statistic divides by their spread.
    #[error("{function} is undefined for values that are all equal")]
    NoVariation { function: &'static str },
    /// Positions of a series that do not strictly increase.
    #[error("{function} needs strictly increasing positions, index {index} is not above the one before")]
    NotIncreasing {
        function: &'static str,
        /// The first offending position, counted from 0.
        index: usize,
    },
    /// A confidence or probability outside its range.
    #[error("{value} is not a usable {what}")]
    Probability { what: &'static str, value: f64 },
    /// Rounds of a pilot with different numbers of inner samples.
    #[error("round {round} has {actual} inner samples where the first has {expected}")]
    Unbalanced {
        /// The deviating round, counted from 0.
        round: usize,
        expected: usize,
        actual: usize,
    },
    /// A cost, limit or scale that has to be positive and finite.
    #[error("{what} must be positive, got {value}")]
    NotPositive { what: &'static str, value: f64 },
    #[error("{successes} successes in {trials} trials")]
    Count { successes: u64, trials: u64 },
}

pub(super) fn finite(function: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { function, index }),
        None => Ok(()),
    }
}

/// At least `required` values, all finite.
pub(super) fn sample(function: &'static str, values: &[f64], required: usize) -> Result<(), Error> {
    at_least(function, required, values.len())?;
    finite(function, values)
}

/// At least `required` of whatever is counted.
pub(super) fn at_least(function: &'static str, required: usize, actual: usize) -> Result<(), Error> {
    if actual < required {
        return Err(Error::TooFew { function, required, actual });
    }
    Ok(())
}

/// Equal lengths of two slices that are read side by side.
pub(super) fn same_length(function: &'static str, left: &[f64], right: &[f64]) -> Result<(), Error> {
    if left.len() == right.len() {
        return Ok(());
    }
    Err(Error::Lengths { function, left: left.len(), right: right.len() })
}

/// The error probability α = 1 − confidence, for a confidence strictly between 0 and 1.
pub(super) fn alpha(confidence: f64) -> Result<f64, Error> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(1.0 - confidence);
    }
    Err(Error::Probability { what: "confidence", value: confidence })
}

/// A finite number above zero.
pub(super) fn positive(what: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::NotPositive { what, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_value_that_is_not_finite() {
        let values = [1.0, f64::INFINITY, f64::NAN];
        assert_eq!(finite("f", &values), Err(Error::NotFinite { function: "f", index: 1 }));
    }

    #[test]
    fn confidence_is_an_open_interval() {
        for bad in [0.0, 1.0, -0.1, 95.0, f64::NAN] {
            assert!(alpha(bad).is_err(), "{bad}");
        }
        assert!(alpha(0.95).is_ok());
    }

    #[test]
    fn zero_and_infinity_are_not_positive() {
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(positive("cost", bad).is_err(), "{bad}");
        }
    }
}
