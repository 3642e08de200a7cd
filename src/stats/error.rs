//! Why a statistic cannot be given.

/// The reason a function of this module refuses its input. `function` names the refusing function.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Fewer values than the function, or the confidence asked of it, needs.
    #[error("{function} needs at least {required} values, got {actual}")]
    TooFew {
        /// The refusing function.
        function: &'static str,
        /// The smallest number of values that would do.
        required: usize,
        /// The number of values given.
        actual: usize,
    },
    /// A NaN or an infinity among the values.
    #[error("{function} was given a value that is not finite, at index {index}")]
    NotFinite {
        /// The refusing function.
        function: &'static str,
        /// Position of the first such value, counted from 0.
        index: usize,
    },
    /// Two slices that belong together have different lengths.
    #[error("{function} needs as many values on the right as on the left, got {left} and {right}")]
    Lengths {
        /// The refusing function.
        function: &'static str,
        /// Length of the first slice.
        left: usize,
        /// Length of the second slice.
        right: usize,
    },
    /// All values are equal, and the statistic divides by their spread.
    #[error("{function} is undefined for values that are all equal")]
    NoVariation {
        /// The refusing function.
        function: &'static str,
    },
    /// Positions of a series that do not strictly increase.
    #[error("{function} needs strictly increasing positions, index {index} is not above the one before")]
    NotIncreasing {
        /// The refusing function.
        function: &'static str,
        /// The first offending position, counted from 0.
        index: usize,
    },
    /// A confidence or probability outside its range.
    #[error("{value} is not a usable {what}")]
    Probability {
        /// What the number was meant to be.
        what: &'static str,
        /// The number given.
        value: f64,
    },
    /// Rounds of a pilot with different numbers of inner samples.
    #[error("round {round} has {actual} inner samples where the first has {expected}")]
    Unbalanced {
        /// The deviating round, counted from 0.
        round: usize,
        /// Inner samples of the first round.
        expected: usize,
        /// Inner samples of this round.
        actual: usize,
    },
    /// A cost, limit or scale that has to be positive and finite.
    #[error("{what} must be positive, got {value}")]
    NotPositive {
        /// What the number was meant to be.
        what: &'static str,
        /// The number given.
        value: f64,
    },
    /// More successes than trials.
    #[error("{successes} successes in {trials} trials")]
    Count {
        /// Successes given.
        successes: u64,
        /// Trials given.
        trials: u64,
    },
}
