//! Memory of a model's workers: what the kernel and llama.cpp say, and what the header made us expect.

use serde::Serialize;

use crate::record::{Buffer, DeviceMemory};

/// Memory of one model. Medians over rounds, in bytes of resident memory unless named otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemorySummary {
    /// Worker before the load.
    pub initial_bytes: f64,
    /// After the load and the first context.
    pub after_load_bytes: f64,
    /// Least reading from the load on.
    pub min_bytes: f64,
    /// Greatest reading.
    pub max_bytes: f64,
    /// Mean reading from the load on.
    pub average_bytes: f64,
    /// Standard deviation of the readings from the load on.
    pub std_bytes: f64,
    /// Peak less initial.
    pub increase_bytes: f64,
    /// Exact peak from the kernel, or the greatest reading where it does not say.
    pub peak_bytes: f64,
    /// Greatest anonymous part seen.
    pub peak_anon_bytes: Option<f64>,
    /// Greatest file-backed part seen.
    pub peak_file_bytes: Option<f64>,
    /// llama.cpp's own account.
    pub buffers: Vec<Buffer>,
    /// Its sums.
    pub totals: BufferTotals,
    /// From the header: weights plus KV cache for the largest context; `None` when it can't be known.
    pub expected_bytes: Option<u64>,
    /// Device memory.
    pub devices: Vec<DeviceMemory>,
    /// Readings a second.
    pub readings_per_s: f64,
    /// Share of one core the readings cost.
    pub sampling_cpu_share: Option<f64>,
}

/// Sums over buffer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BufferTotals {
    /// Weights, all buffer types.
    pub weights_bytes: u64,
    /// KV cache and other state.
    pub context_bytes: u64,
    /// Compute buffers.
    pub compute_bytes: u64,
}
