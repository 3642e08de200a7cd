//! The load of a model: time, rate, and what the page cache held.

use serde::Serialize;

use crate::record::CacheState;

/// Loads of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadSummary {
    /// Median time to load the model, warm loads alone when there are any.
    pub model_s: f64,
    /// Median time to make the first context.
    pub context_s: f64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes over time.
    pub gib_per_s: Option<f64>,
    /// State of the cache in the loads counted.
    pub cache: CacheState,
    /// The first cold load, when there was one.
    pub first_cold_s: Option<f64>,
    /// Loads counted.
    pub n: usize,
}
