//! The load of a model: time, rate, and what the page cache held.

use schemars::JsonSchema;
use serde::Serialize;

use super::visits;
use crate::{
    record::{CacheState, Load, Run},
    stats,
    units::{GIB, NS_PER_S},
};

/// Loads of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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

/// The loads of one model; `None` when it was never loaded.
pub(super) fn summarise(run: &Run, model: usize) -> Option<LoadSummary> {
    let loads: Vec<&Load> = visits(run, model).filter_map(|v| v.load.as_ref()).collect();
    let warm: Vec<&Load> = loads.iter().copied().filter(|l| l.cache == CacheState::Warm).collect();
    let counted = if warm.is_empty() { loads.clone() } else { warm };
    let median =
        |of: fn(&Load) -> u64| stats::median(&counted.iter().map(|l| of(l) as f64 / NS_PER_S).collect::<Vec<_>>()).ok();
    let model_s = median(|l| l.model_ns)?;
    let first = counted.first()?;
    Some(LoadSummary {
        model_s,
        context_s: median(|l| l.context_ns)?,
        bytes: first.file_bytes,
        gib_per_s: (model_s > 0.0).then(|| first.file_bytes as f64 / GIB / model_s),
        cache: first.cache,
        first_cold_s: loads.iter().find(|l| l.cache == CacheState::Cold).map(|l| l.model_ns as f64 / NS_PER_S),
        n: counted.len(),
    })
}
