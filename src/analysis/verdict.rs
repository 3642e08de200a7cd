//! Verdicts: an interval of a ratio held against the region of equivalence. Never from the central value alone.

use serde::Serialize;

use super::{
    metric::{Better, Comparison, Unit},
    series::Series,
};
use crate::{record::Run, stats};

/// What may be concluded about a candidate's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Takes relevantly less time.
    Faster,
    /// Takes relevantly more time.
    Slower,
    /// Takes relevantly less memory.
    Smaller,
    /// Takes relevantly more memory.
    Larger,
    /// The whole interval lies inside the region of equivalence.
    NoRelevantDifference,
    /// The interval crosses a border of the region; about so many rounds would settle it.
    NotResolved {
        /// Rounds it would take, as an estimate from the interval's width.
        rounds_needed: u32,
    },
}
