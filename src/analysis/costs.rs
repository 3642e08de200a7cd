//! What a model takes before and while it works: the time of its load and the state of the page cache; memory as the kernel and
//! llama.cpp account for it, and as its header made us expect.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    device_memory::{self, DeviceUse},
    series::{self, total, visits},
};
use crate::{
    record::{Buffer, CacheState, Load, Mark, Memory, Run, Visit},
    stats,
    units::{GIB, KIB, NS_PER_S},
};

/// Loads of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LoadSummary {
    /// Time to load the model: the level of its metric, of loads in one state of the page cache.
    pub model_s: f64,
    /// Median time to make the first context.
    pub context_s: f64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes over time of cold loads; `None` of warm ones, which map a file without reading it.
    pub gib_per_s: Option<f64>,
    /// State of the cache in the loads counted.
    pub cache: CacheState,
    /// The first cold load, when there was one.
    pub first_cold_s: Option<f64>,
    /// Loads counted.
    pub n: usize,
}

/// The loads of one model, with the level of its metric; `None` when it was never loaded.
pub(super) fn load(run: &Run, model: usize, level_s: Option<f64>) -> Option<LoadSummary> {
    let loads: Vec<&Load> = visits(run, model).filter_map(|v| v.load.as_ref()).collect();
    // The first of all loads, which no round counts.
    let probed = run.probes.iter().filter(|probe| probe.model == model).filter_map(|probe| probe.load.as_ref());
    let cache = series::counted_cache(run, model)?;
    let counted: Vec<&Load> = loads.iter().copied().filter(|l| l.cache == cache).collect();
    let median =
        |of: fn(&Load) -> u64| stats::median(&counted.iter().map(|l| of(l) as f64 / NS_PER_S).collect::<Vec<_>>()).ok();
    let model_s = level_s.map_or_else(|| median(|l| l.model_ns), Some)?;
    let bytes = counted.first()?.file_bytes;
    Some(LoadSummary {
        model_s,
        context_s: median(|l| l.context_ns)?,
        bytes,
        gib_per_s: (cache == CacheState::Cold && model_s > 0.0).then(|| bytes as f64 / GIB / model_s),
        cache,
        first_cold_s: probed.chain(loads).find(|l| l.cache == CacheState::Cold).map(|l| l.model_ns as f64 / NS_PER_S),
        n: counted.len(),
    })
}

/// Memory of one model. Medians over rounds, except minimum and maximum, in bytes of resident memory unless named otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// Weights that llama.cpp holds a second time, laid out anew for the CPU, by its own account.
    pub repacked_bytes: u64,
    /// From the header: weights, those expected a second time, and the KV cache for the largest context; `None` when it can't be known.
    pub expected_bytes: Option<u64>,
    /// Memory of devices, read once with no other model loaded.
    pub devices: Vec<DeviceUse>,
    /// Readings a second.
    pub readings_per_s: f64,
    /// Share of one core the readings cost.
    pub sampling_cpu_share: Option<f64>,
}

/// Sums over buffer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct BufferTotals {
    /// Weights, all buffer types.
    pub weights_bytes: u64,
    /// KV cache and other state.
    pub context_bytes: u64,
    /// Compute buffers.
    pub compute_bytes: u64,
}

/// Memory of one model, with the level of its metric; `None` when it was never read.
pub(super) fn memory(run: &Run, model: usize, level_bytes: Option<f64>) -> Option<MemorySummary> {
    let visits: Vec<&Visit> = visits(run, model).filter(|v| v.memory.is_some()).collect();
    let medians = |of: &dyn Fn(&Memory) -> Option<f64>| {
        let values: Vec<f64> = visits.iter().filter_map(|v| of(v.memory.as_ref()?)).collect();
        stats::median(&values).ok()
    };
    let of_series = |of: fn(&[f64]) -> Option<f64>| medians(&move |m: &Memory| of(&loaded_readings(m)));
    let peaks: Vec<f64> = visits.iter().filter_map(|visit| series::peak_rss(run, visit)).collect();
    let peak_bytes = level_bytes.map_or_else(|| stats::median(&peaks).ok(), Some)?;
    let initial_bytes = medians(&|m| Some(m.initial.rss_bytes as f64))?;
    let last = visits.last()?;
    let sum = |of: fn(&Buffer) -> u64| total(last.buffers.iter().map(of));
    let facts = run.subjects[model].model.facts.as_ref();
    Some(MemorySummary {
        initial_bytes,
        after_load_bytes: medians(&|m| Some(m.after_load.rss_bytes as f64))?,
        min_bytes: extreme(&visits, f64::min)?,
        max_bytes: extreme(&visits, f64::max)?,
        average_bytes: of_series(|r| stats::mean(r).ok())?,
        std_bytes: of_series(standard_deviation)?,
        increase_bytes: peak_bytes - initial_bytes,
        peak_bytes,
        peak_anon_bytes: medians(&|m| m.series.anon_kib.iter().max().map(|kib| *kib as f64 * KIB)),
        peak_file_bytes: medians(&greatest_file_part),
        buffers: last.buffers.clone(),
        totals: BufferTotals {
            weights_bytes: sum(|b| b.weights_bytes),
            context_bytes: sum(|b| b.context_bytes),
            compute_bytes: sum(|b| b.compute_bytes),
        },
        repacked_bytes: total(last.buffers.iter().filter(|b| b.is_repacked()).map(|b| b.weights_bytes)),
        expected_bytes: facts
            .and_then(|f| Some(total([f.weights_bytes, f.expected_repacked_bytes.unwrap_or(0), f.expected_kv_bytes?]))),
        devices: device_memory::of_model(run, model),
        readings_per_s: readings_per_second(&visits)?,
        sampling_cpu_share: sampling_share(&visits),
    })
}

/// The least or greatest of all readings of a loaded model.
fn extreme(visits: &[&Visit], pick: fn(f64, f64) -> f64) -> Option<f64> {
    visits.iter().filter_map(|v| v.memory.as_ref()).flat_map(loaded_readings).reduce(pick)
}

/// Resident memory from the first mark after the load on, in bytes; everything when there is no such mark.
fn loaded_readings(memory: &Memory) -> Vec<f64> {
    let from = memory.series.marks.iter().find(|(_, what)| *what == Mark::Loaded).map_or(0, |(at, _)| *at);
    let series = &memory.series;
    let bytes = |kib: &u64| *kib as f64 * KIB;
    series.at_ms.iter().zip(&series.rss_kib).filter(|(at, _)| **at >= from).map(|(_, kib)| bytes(kib)).collect()
}

fn greatest_file_part(memory: &Memory) -> Option<f64> {
    let parts = memory.series.rss_kib.iter().zip(&memory.series.anon_kib);
    parts.map(|(rss, anon)| rss.saturating_sub(*anon)).max().map(|kib| kib as f64 * KIB)
}

fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mut moments = stats::Moments::default();
    for &value in values {
        moments.add(value);
    }
    moments.variance().map(f64::sqrt)
}

fn readings_per_second(visits: &[&Visit]) -> Option<f64> {
    let series = visits.iter().filter_map(|v| v.memory.as_ref()).map(|m| &m.series);
    let (n, ms) =
        series.fold((0, 0), |(n, ms), s| (n + s.at_ms.len(), ms + u64::from(s.at_ms.last().copied().unwrap_or(0))));
    (ms > 0).then(|| n as f64 * 1e3 / ms as f64)
}

fn sampling_share(visits: &[&Visit]) -> Option<f64> {
    let costs: Option<Vec<u64>> = visits.iter().map(|v| v.memory.as_ref()?.sampling_cost_ns).collect();
    let spent = total(visits.iter().map(|v| v.duration_ns));
    (spent > 0).then_some(total(costs?) as f64 / spent as f64)
}
