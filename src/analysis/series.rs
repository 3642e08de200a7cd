//! A metric of one model, round by round, and its summary: the value of a round is the median of its samples.

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    metric::{Better, MetricId, Unit},
    record::{CacheState, MemorySeries, Protocol, Run, Sample, Visit, round_value},
    stats,
    units::{NS_PER_S, tokens_per_second},
};

/// The values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) id: MetricId,
    /// (round, value), rounds ascending.
    pub(super) by_round: Vec<(u32, f64)>,
    /// Best single sample.
    pub(super) best: Option<f64>,
    /// Wall time spent on it, warm-up included, seconds; `None` of what comes with other work.
    pub(super) cost_s: Option<f64>,
}

impl Series {
    fn costing(self, ns: u64) -> Self {
        Self { cost_s: Some(ns as f64 / NS_PER_S), ..self }
    }
}

/// A metric of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricSummary {
    /// Which metric.
    #[serde(skip)]
    pub id: MetricId,
    /// Median over rounds.
    pub value: Option<f64>,
    /// Lower end of the order-statistic interval; `None` under the rounds it needs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Best seen in any sample. For looking; never compared.
    pub best: Option<f64>,
    /// Unit of all four.
    pub unit: Unit,
    /// Rounds.
    pub n: usize,
    /// Which way is better.
    pub better: Better,
    /// What it took to know: wall time spent on it for this model over all rounds, warm-up included, seconds. `None` of what came
    /// with other work.
    pub cost_s: Option<f64>,
}

/// Things serialized as a map from their metric, in order.
pub(super) trait OfMetric {
    fn id(&self) -> &MetricId;
}

impl OfMetric for MetricSummary {
    fn id(&self) -> &MetricId {
        &self.id
    }
}

/// Serializes a list as a map, keeping its order.
pub(super) fn by_id<T: OfMetric + Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for item in list {
        map.serialize_entry(item.id(), item)?;
    }
    map.end()
}

/// Median over rounds with its interval where there are rounds enough.
pub(super) fn summarise(series: &Series, protocol: &Protocol) -> MetricSummary {
    let values: Vec<f64> = series.by_round.iter().map(|(_, v)| *v).collect();
    let interval = stats::median_interval(&values, protocol.confidence).ok();
    let spec = series.id.spec();
    MetricSummary {
        id: series.id.clone(),
        value: stats::median(&values).ok(),
        low: interval.as_ref().map(|i| i.low),
        high: interval.as_ref().map(|i| i.high),
        best: series.best,
        unit: spec.unit,
        n: values.len(),
        better: spec.better,
        cost_s: series.cost_s,
    }
}

/// The visits to a model, in time order.
pub(super) fn visits(run: &Run, model: usize) -> impl Iterator<Item = &Visit> {
    round_value::visits(run, model).map(|(_, visit)| visit)
}

/// Every metric of a model that has a value in a round, in the order people read them; those made of others are left out.
pub(super) fn of_model(run: &Run, model: usize) -> Vec<Series> {
    let measured = run.plan.metrics().into_iter().filter_map(|id| measured(run, model, id));
    measured.filter(|series| !series.by_round.is_empty()).collect()
}

/// Where a metric's value lies in a visit; `None` of what is made of other metrics or of windows.
fn measured(run: &Run, model: usize, id: MetricId) -> Option<Series> {
    Some(match &id {
        MetricId::Prefill(_) | MetricId::Decode(_) => synthetic(run, model, run.plan.workload_of(&id)?, id),
        MetricId::Load => load(run, model),
        MetricId::PeakMemory => series(run, model, id, |visit| peak_rss(run, visit)),
        MetricId::DeviceMemory => series(run, model, id, device_memory),
        MetricId::Category { category, phase } => {
            let (members, phase) = (members(run, category), *phase);
            let belongs = |s: &&Sample| s.phase == phase && members.contains(&s.workload);
            let rate = |visit: &Visit| total_rate(visit.samples.iter().filter(belongs));
            let spent = visits(run, model).flat_map(|v| &v.samples).filter(belongs).map(|s| s.wall_ns);
            series(run, model, id, rate).costing(total(spent))
        }
        MetricId::Overall
        | MetricId::Perplexity
        | MetricId::MeanKld { .. }
        | MetricId::P99Kld { .. }
        | MetricId::SameTop => return None,
    })
}

/// One line over the synthetic workloads, those at a greater depth than the least excepted: in each round that has them all, the mean of their log rates. `None` of fewer than two.
pub(super) fn overall(run: &Run, own: &[Series]) -> Option<Series> {
    let primary = run.plan.workloads.iter().filter(|w| run.plan.is_primary(&w.kind));
    let parts: Vec<&Series> =
        primary.filter_map(|w| own.iter().find(|s| Some(&s.id) == w.kind.metric().as_ref())).collect();
    let first = parts.first().filter(|_| parts.len() > 1)?;
    let mean = |round: u32| {
        let of = |s: &&Series| s.by_round.iter().find(|(r, _)| *r == round).map(|(_, v)| v.ln());
        let logs: Option<Vec<f64>> = parts.iter().map(of).collect();
        stats::mean(&logs?).ok().map(f64::exp)
    };
    let by_round = first.by_round.iter().filter_map(|&(round, _)| Some((round, mean(round)?))).collect();
    Some(Series { id: MetricId::Overall, by_round, best: None, cost_s: None })
}

/// The categories of the prompts, in the order of the suite.
pub(super) fn categories(run: &Run) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for category in run.plan.workloads.iter().filter_map(|w| w.kind.category()) {
        if found.iter().all(|known| known != category) {
            found.push(category.to_owned());
        }
    }
    found
}

/// The workloads of a category.
pub(super) fn members(run: &Run, category: &str) -> Vec<usize> {
    (0..run.plan.workloads.len()).filter(|&i| run.plan.workloads[i].kind.category() == Some(category)).collect()
}

/// Total tokens over total time.
pub(super) fn total_rate<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<f64> {
    let (tokens, ns) =
        samples.fold((0, 0), |(tokens, ns), s| (tokens + u64::from(s.n_tokens), ns + round_value::time_ns(s)));
    tokens_per_second(tokens, ns)
}

fn synthetic(run: &Run, model: usize, index: usize, id: MetricId) -> Series {
    let mut series = series(run, model, id, |visit| round_value::rate(visit, index));
    series.best = visits(run, model).flat_map(|visit| round_value::sample_rates(visit, index)).reduce(f64::max);
    let warmups = visits(run, model).filter_map(|visit| visit.warmup.as_ref()).flat_map(|warmup| &warmup.samples);
    let timed = visits(run, model).flat_map(|visit| &visit.samples).chain(warmups);
    series.costing(total(timed.filter(|s| s.workload == index).map(|s| s.wall_ns)))
}

/// Cold loads are another experiment: they count only when there is no warm one.
fn load(run: &Run, model: usize) -> Series {
    let any_warm = visits(run, model).any(|v| v.load.as_ref().is_some_and(|l| l.cache == CacheState::Warm));
    series(run, model, MetricId::Load, |visit| {
        let load = visit.load.as_ref()?;
        (!any_warm || load.cache == CacheState::Warm).then_some(load.model_ns as f64 / NS_PER_S)
    })
    .costing(total(visits(run, model).filter_map(|v| v.load.as_ref()).flat_map(|l| [l.model_ns, l.context_ns])))
}

/// Of loading and of the synthetic workloads, which every round has: rounds with prompts take more and are not of equal work. Exact where
/// the kernel says, else the greatest reading.
pub(super) fn peak_rss(run: &Run, visit: &Visit) -> Option<f64> {
    let memory = visit.memory.as_ref()?;
    let greatest = |readings: &[u64]| readings.iter().max().map(|kib| kib.saturating_mul(1024));
    let whole = || memory.peak_rss_bytes.or_else(|| greatest(&memory.series.rss_kib));
    let only_prompts = run.plan.workloads.iter().all(|w| round_value::synthetic_phase(&w.kind).is_none());
    let equal_work = visit.generations.is_empty() || only_prompts;
    // Of several accounts of one process the greatest is the peak.
    let before_prompts =
        || memory.peak_before_prompts_bytes.max(before_prompts(run, visit, &memory.series).and_then(greatest));
    let bytes = if equal_work { whole() } else { before_prompts().or_else(whole) };
    bytes.map(|bytes| bytes as f64)
}

/// The readings until the last sample of a synthetic workload had ended.
fn before_prompts<'a>(run: &Run, visit: &Visit, series: &'a MemorySeries) -> Option<&'a [u64]> {
    let is_synthetic = |s: &&Sample| {
        run.plan.workloads.get(s.workload).is_some_and(|w| round_value::synthetic_phase(&w.kind).is_some())
    };
    let ends = visit.samples.iter().filter(is_synthetic).map(|s| s.at_ns.saturating_add(s.wall_ns));
    let until_ms = ends.max()?.saturating_sub(visit.started_ns) / 1_000_000;
    let readings = series.at_ms.iter().take_while(|at| u64::from(**at) <= until_ms).count();
    series.rss_kib.get(..readings)
}

/// A sum that stays at its largest: a record that someone sent may hold any number.
pub(super) fn total(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

fn device_memory(visit: &Visit) -> Option<f64> {
    let devices = &visit.memory.as_ref()?.devices;
    (!devices.is_empty())
        .then(|| devices.iter().map(|d| d.free_before_bytes.saturating_sub(d.free_after_bytes) as f64).sum())
}

fn series(run: &Run, model: usize, id: MetricId, value: impl Fn(&Visit) -> Option<f64>) -> Series {
    let by_round = round_value::by_round(run, model, value);
    let best = by_round.iter().map(|(_, v)| *v).reduce(match id.spec().better {
        Better::Higher => f64::max,
        Better::Lower => f64::min,
    });
    Series { id, by_round, best, cost_s: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{WorkloadKind, read_run};

    /// The first round of the fixture asks prompts, the third does not.
    fn peaks(change: impl FnOnce(&mut Run)) -> [Option<f64>; 2] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = read_run(&path).expect("the fixture is a record");
        change(&mut run);
        [0, 2].map(|round| peak_rss(&run, &run.rounds[round].visits[0]))
    }

    fn memory(run: &mut Run) -> &mut crate::record::Memory {
        run.rounds[0].visits[0].memory.as_mut().expect("it was read")
    }

    #[test]
    fn what_prompts_take_is_not_in_the_peak_that_is_compared() {
        let [with, without] = peaks(|run| {
            memory(run).peak_rss_bytes = Some(900 << 20);
            *memory(run).series.rss_kib.last_mut().expect("readings") = 900 << 10;
            memory(run).peak_before_prompts_bytes = Some(400 << 20);
        });
        assert_eq!(with, Some(f64::from(400 << 20)));
        assert!(without.is_some_and(|bytes| bytes < f64::from(400 << 20)), "the kernel's, of the whole visit");
        let [older, _] = peaks(|run| memory(run).peak_rss_bytes = Some(900 << 20));
        assert_eq!(older, Some(319_488.0 * 1024.0), "the greatest reading until the synthetic workloads were over");
    }

    #[test]
    fn where_nothing_but_prompts_is_measured_their_peak_is_the_peak() {
        let [with, _] = peaks(|run| {
            memory(run).peak_rss_bytes = Some(900 << 20);
            run.plan.workloads.retain(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
        });
        assert_eq!(with, Some(f64::from(900 << 20)));
    }
}
