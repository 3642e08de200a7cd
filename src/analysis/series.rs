//! A metric of one model, round by round: the datum of a round is the median of its inner samples.

use super::{
    metric::{Better, Unit},
    visits,
};
use crate::{
    record::{CacheState, Phase, Run, Sample, Visit, Workload, WorkloadKind},
    stats,
    units::tokens_per_second,
};

/// The values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) key: String,
    pub(super) unit: Unit,
    pub(super) better: Better,
    /// (round, value), rounds ascending.
    pub(super) by_round: Vec<(u32, f64)>,
    /// Best single sample.
    pub(super) best: Option<f64>,
}

/// Key of the time to load.
pub(super) const LOAD: &str = "load";
/// Key of the peak of resident memory.
pub(super) const PEAK: &str = "memory_peak";
/// As many rounds as an interval needs.
const FEWEST_WITHOUT_PROMPTS: usize = 6;

/// Every metric of a model, in the order people read them. Metrics without a value are left out.
pub(super) fn of_model(run: &Run, model: usize) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for (index, workload) in run.plan.workloads.iter().enumerate() {
        all.extend(synthetic(run, model, index, workload));
    }
    all.push(load(run, model));
    all.push(series(run, model, PEAK, Unit::Bytes, Better::Lower, peak_rss));
    all.push(series(run, model, "device_memory", Unit::Bytes, Better::Lower, device_memory));
    for category in categories(run) {
        let members = members(run, &category);
        for (phase, suffix) in [(Phase::Prefill, "pp"), (Phase::Decode, "tg")] {
            let key = format!("{category}/{suffix}");
            all.push(series(run, model, &key, Unit::TokensPerSecond, Better::Higher, |visit| {
                total_rate(visit.samples.iter().filter(|s| s.phase == phase && members.contains(&s.workload)))
            }));
        }
    }
    all.retain(|s| !s.by_round.is_empty());
    all
}

/// The categories of the prompts, in the order of the suite.
pub(super) fn categories(run: &Run) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for workload in &run.plan.workloads {
        if let WorkloadKind::Prompt(prompt) = &workload.kind
            && !found.contains(&prompt.category)
        {
            found.push(prompt.category.clone());
        }
    }
    found
}

/// The workloads of a category.
pub(super) fn members(run: &Run, category: &str) -> Vec<usize> {
    let belongs = |w: &Workload| matches!(&w.kind, WorkloadKind::Prompt(p) if p.category == category);
    (0..run.plan.workloads.len()).filter(|&i| belongs(&run.plan.workloads[i])).collect()
}

/// Time of a sample: llama.cpp's own account where it kept one, else our clock.
pub(super) fn time_ns(sample: &Sample) -> u64 {
    sample.native_ns.unwrap_or(sample.wall_ns)
}

/// Total tokens over total time.
pub(super) fn total_rate<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<f64> {
    let (tokens, ns) = samples.fold((0, 0), |(tokens, ns), s| (tokens + u64::from(s.n_tokens), ns + time_ns(s)));
    tokens_per_second(tokens, ns)
}

fn synthetic(run: &Run, model: usize, index: usize, workload: &Workload) -> Option<Series> {
    let phase = match workload.kind {
        WorkloadKind::Pp { .. } => Phase::Prefill,
        WorkloadKind::Tg { .. } => Phase::Decode,
        WorkloadKind::Prompt(_) => return None,
    };
    let rates = |visit: &Visit| -> Vec<f64> {
        let own = visit.samples.iter().filter(|s| s.workload == index && s.phase == phase);
        own.filter_map(|s| tokens_per_second(u64::from(s.n_tokens), time_ns(s))).collect()
    };
    let mut series = series(run, model, &workload.id, Unit::TokensPerSecond, Better::Higher, |visit| {
        stats::median(&rates(visit)).ok()
    });
    series.best = visits(run, model).flat_map(rates).reduce(f64::max);
    Some(series)
}

/// Cold loads are another experiment: they count only when there is no warm one.
fn load(run: &Run, model: usize) -> Series {
    let any_warm = visits(run, model).any(|v| v.load.as_ref().is_some_and(|l| l.cache == CacheState::Warm));
    series(run, model, LOAD, Unit::Seconds, Better::Lower, |visit| {
        let load = visit.load.as_ref()?;
        (!any_warm || load.cache == CacheState::Warm).then_some(load.model_ns as f64 / 1e9)
    })
}

/// Peaks of rounds with and without prompts are of different work: where there are rounds enough without, they alone make the absolute value.
/// Ratios are paired by round and need no such care.
pub(super) fn peak(run: &Run, model: usize) -> Series {
    let asked = |round: u32| round < run.plan.protocol.prompt_rounds;
    let mut all = series(run, model, PEAK, Unit::Bytes, Better::Lower, peak_rss);
    let prompts = run.plan.workloads.iter().any(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
    if prompts && all.by_round.iter().filter(|(round, _)| !asked(*round)).count() >= FEWEST_WITHOUT_PROMPTS {
        all.by_round.retain(|(round, _)| !asked(*round));
    }
    all
}

/// Exact where the kernel says, else the greatest reading.
fn peak_rss(visit: &Visit) -> Option<f64> {
    let memory = visit.memory.as_ref()?;
    let sampled = memory.series.rss_kib.iter().max().map(|kib| kib * 1024);
    memory.peak_rss_bytes.or(sampled).map(|bytes| bytes as f64)
}

fn device_memory(visit: &Visit) -> Option<f64> {
    let devices = &visit.memory.as_ref()?.devices;
    (!devices.is_empty())
        .then(|| devices.iter().map(|d| d.free_before_bytes.saturating_sub(d.free_after_bytes) as f64).sum())
}

fn series(
    run: &Run,
    model: usize,
    key: &str,
    unit: Unit,
    better: Better,
    value: impl Fn(&Visit) -> Option<f64>,
) -> Series {
    let by_round: Vec<(u32, f64)> = run
        .rounds
        .iter()
        .flat_map(|round| round.visits.iter().map(|v| (round.index, v)))
        .filter(|(_, visit)| visit.model == model)
        .filter_map(|(round, visit)| Some((round, value(visit)?)))
        .collect();
    let best = by_round.iter().map(|(_, v)| *v).reduce(match better {
        Better::Higher => f64::max,
        Better::Lower => f64::min,
    });
    Series { key: key.into(), unit, better, by_round, best }
}
