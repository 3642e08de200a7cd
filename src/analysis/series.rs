//! A metric of one model, round by round, and its summary: the value of a round is the median of its samples.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::device_memory::{self, DeviceUse};
use crate::{
    metric::{self, Better, MetricId, Unit},
    record::{CacheState, DeviceMemory, Load, MemorySeries, Phase, Protocol, Run, Sample, Visit, round_value},
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
    /// State of the page cache in the loads counted; `None` of what is no load. Series of different states are never compared.
    pub(super) cache: Option<CacheState>,
}

impl Series {
    fn costing(self, ns: u64) -> Self {
        Self { cost_s: Some(ns as f64 / NS_PER_S), ..self }
    }
}

/// A metric of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MetricSummary {
    /// Which metric.
    #[serde(skip)]
    pub id: MetricId,
    /// The original's is the median over its rounds; a candidate's is the original's times their ratio, so that the two figures beside
    /// each other never disagree. Without a ratio it is the median.
    pub value: Option<f64>,
    /// Lower end of the order-statistic interval, moved as the value is; `None` under the rounds it needs.
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

impl MetricSummary {
    /// A candidate's level beside its ratio: the original's level times the ratio, with the interval moved as far. Rounds are not equal
    /// and candidates are not always measured in all of them. The ratio is paired by round and free of that; a median is not.
    pub(super) fn beside(self, original: &Self, ratio: f64) -> Self {
        let level = original.value.map(|value| value * ratio).filter(|level| level.is_finite() && *level > 0.0);
        let (Some(level), Some(own)) = (level, self.value.filter(|own| *own > 0.0)) else { return self };
        let moved = |end: Option<f64>| end.map(|end| level * (end / own));
        let (low, high) = (moved(self.low), moved(self.high));
        // A rounding must not put the level outside of its own interval.
        let (low, high) = (low.map(|low| low.min(level)), high.map(|high| high.max(level)));
        Self { value: Some(level), low, high, ..self }
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
        MetricId::Prefill(_) | MetricId::Decode(_) | MetricId::PrefillDecode { .. } => {
            synthetic(run, model, run.plan.workload_of(&id)?, id)
        }
        MetricId::Load => load(run, model),
        MetricId::PeakMemory => series(run, model, id, |visit| peak_rss(run, visit)),
        MetricId::DeviceMemory => device_memory(run, model),
        MetricId::Energy { phase, shape } => {
            let work = match phase {
                Phase::Prefill => MetricId::Prefill(*shape),
                Phase::Decode => MetricId::Decode(*shape),
            };
            let index = run.plan.workload_of(&work)?;
            series(run, model, id, |visit| joules_a_token(visit, index))
        }
        MetricId::Category { category, phase } => {
            let (members, phase) = (members(run, category), *phase);
            let belongs = |s: &&Sample| s.phase == phase && members.contains(&s.workload);
            let rate = |visit: &Visit| total_rate(visit.samples.iter().filter(belongs));
            let spent = visits(run, model).flat_map(|v| &v.samples).filter(belongs).map(|s| s.wall_ns);
            series(run, model, id, rate).costing(total(spent))
        }
        MetricId::Overall
        | MetricId::Request
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
    Some(Series { id: MetricId::Overall, by_round, best: None, cost_s: None, cache: None })
}

/// The time of the plan's request, seconds: in each round that has both, its prompt's tokens over their rate and its answer's over
/// theirs.
pub(super) fn request(run: &Run, own: &[Series]) -> Option<Series> {
    let request = metric::request(&run.plan.workloads)?;
    let part = |workload: usize| {
        let id = run.plan.workloads[workload].kind.metric()?;
        let (_, shape) = id.synthetic()?;
        own.iter().find(|s| s.id == id).map(|series| (f64::from(shape.n_tokens), series))
    };
    let ((n_prompt, prompt), (n_answer, answer)) = part(request.prefill).zip(part(request.decode))?;
    let time = |&(round, rate): &(u32, f64)| {
        let (_, of_answer) = answer.by_round.iter().find(|(other, _)| *other == round)?;
        Some((round, n_prompt / rate + n_answer / of_answer))
    };
    let by_round: Vec<(u32, f64)> = prompt.by_round.iter().filter_map(time).collect();
    let best = by_round.iter().map(|(_, seconds)| *seconds).reduce(f64::min)?;
    Some(Series { id: MetricId::Request, by_round, best: Some(best), cost_s: None, cache: None })
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

/// All that was counted over all tokens; `None` where one sample was not counted.
fn joules_a_token(visit: &Visit, workload: usize) -> Option<f64> {
    let mut own = visit.samples.iter().filter(|s| s.workload == workload).peekable();
    own.peek()?;
    let (tokens, uj) = own.try_fold((0_u64, 0_u64), |(tokens, uj), s| {
        Some((tokens + u64::from(s.n_tokens), uj.saturating_add(s.energy_uj?)))
    })?;
    // A counter that did not move says that the work was too short for its steps, not that it was free.
    (tokens > 0 && uj > 0).then(|| uj as f64 / 1e6 / tokens as f64)
}

fn load(run: &Run, model: usize) -> Series {
    let cache = counted_cache(run, model);
    let counted = series(run, model, MetricId::Load, |visit| {
        let load = visit.load.as_ref().filter(|load| Some(load.cache) == cache)?;
        Some(load.model_ns as f64 / NS_PER_S)
    });
    let all = visits(run, model).filter_map(|v| v.load.as_ref()).flat_map(|l| [l.model_ns, l.context_ns]);
    Series { cache, ..counted }.costing(total(all))
}

/// Which of a model's loads are counted: a load from storage and one from the page cache are two experiments. Warm ones where every
/// model has one, else cold ones where every model has one. Where neither is so each has its own, and different ones are not compared.
pub(super) fn counted_cache(run: &Run, model: usize) -> Option<CacheState> {
    let has = |model: usize, state: CacheState| loads(run, model).any(|load| load.cache == state);
    let is_loaded = |model: &usize| loads(run, *model).next().is_some();
    let common = |state: &CacheState| (0..run.subjects.len()).filter(is_loaded).all(|model| has(model, *state));
    let own = |state: &CacheState| has(model, *state);
    let states = || [CacheState::Warm, CacheState::Cold, CacheState::Unknown].into_iter();
    states().find(|state| own(state) && common(state)).or_else(|| states().find(own))
}

fn loads(run: &Run, model: usize) -> impl Iterator<Item = &Load> {
    visits(run, model).filter_map(|visit| visit.load.as_ref())
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

/// From the probe, which saw the subject alone; older records have a reading a round, beside other subjects.
fn device_memory(run: &Run, model: usize) -> Series {
    let id = MetricId::DeviceMemory;
    if run.probes.iter().all(|probe| probe.model != model) {
        let fell = |d: &DeviceMemory| d.free_before_bytes.saturating_sub(d.free_after_bytes) as f64;
        let all = |devices: &[DeviceMemory]| (!devices.is_empty()).then(|| devices.iter().map(fell).sum::<f64>());
        return series(run, model, id, |visit| all(&visit.memory.as_ref()?.devices));
    }
    let devices = device_memory::of_model(run, model);
    let taken = (!devices.is_empty()).then(|| total(devices.iter().map(DeviceUse::taken_bytes)) as f64);
    Series { id, by_round: taken.map(|bytes| (0, bytes)).into_iter().collect(), best: taken, cost_s: None, cache: None }
}

fn series(run: &Run, model: usize, id: MetricId, value: impl Fn(&Visit) -> Option<f64>) -> Series {
    let by_round = round_value::by_round(run, model, value);
    let best = by_round.iter().map(|(_, v)| *v).reduce(match id.spec().better {
        Better::Higher => f64::max,
        Better::Lower => f64::min,
    });
    Series { id, by_round, best, cost_s: None, cache: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{Analysis, analyse},
        metric::id,
        record::{WorkloadKind, read_run},
        stats::SplitMix64,
    };

    fn fixture() -> Run {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        read_run(&path).expect("the fixture is a record")
    }

    /// A run of random rounds: common moods, noise of each model's own, and rounds that some models miss.
    fn random_run(seed: u64, n_rounds: usize) -> Run {
        let mut run = fixture();
        let mut rng = SplitMix64::new(seed);
        let template = run.rounds[0].clone();
        run.rounds.clear();
        for index in 0..n_rounds {
            let mut round = template.clone();
            round.index = u32::try_from(index).expect("few rounds");
            let mood = 0.5 + rng.unit();
            for visit in &mut round.visits {
                let slow = mood * (1.0 + 0.3 * rng.unit()) * (1.0 + visit.model as f64 * 0.02);
                let scaled = |ns: u64| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
                    {
                        (ns as f64 * slow) as u64
                    }
                };
                for sample in &mut visit.samples {
                    sample.wall_ns = scaled(sample.wall_ns);
                    sample.native_ns = sample.native_ns.map(scaled);
                }
                if let Some(load) = &mut visit.load {
                    load.model_ns = scaled(load.model_ns);
                }
            }
            // As a subject that is no longer measured, or that failed once.
            round.visits.retain(|_| rng.unit() < 0.85);
            run.rounds.push(round);
        }
        run
    }

    fn both(analysis: &Analysis, mut check: impl FnMut(&MetricSummary, &MetricSummary, &crate::analysis::Comparison)) {
        let original = &analysis.models[0];
        for model in &analysis.models[1..] {
            for c in model.vs_original.iter().filter(|c| c.ratio.is_some()) {
                let Some((own, base)) = model.metric(&c.id).zip(original.metric(&c.id)) else { continue };
                check(own, base, c);
            }
        }
    }

    #[test]
    fn a_level_and_the_ratio_beside_it_never_disagree() {
        let mut compared = 0;
        for seed in 0..60 {
            let run = random_run(seed, 2 + usize::try_from(seed % 12).expect("small"));
            both(&analyse(&run), |own, base, c| {
                let (level, base, ratio) =
                    (own.value.expect("a level"), base.value.expect("a level"), c.ratio.expect("one"));
                assert!((level / base / ratio - 1.0).abs() < 1e-12, "{} {level} {base} {ratio}", c.id);
                assert!(own.low.is_none_or(|low| low <= level) && own.high.is_none_or(|high| level <= high));
                compared += 1;
            });
        }
        assert!(compared > 1000, "{compared}");
    }

    #[test]
    fn sections_of_their_own_show_the_same_level() {
        let analysis = analyse(&random_run(5, 9));
        for model in &analysis.models {
            let level = |of: &str| model.metric(&id(of)).and_then(|m| m.value);
            assert_eq!(model.load.as_ref().map(|l| l.model_s), level("load"));
            assert_eq!(model.memory.as_ref().map(|m| m.peak_bytes), level("memory_peak"));
        }
    }

    /// The loads of the first two models, round by round.
    fn cached(states: [&[CacheState]; 2]) -> Run {
        let mut run = fixture();
        run.subjects.truncate(2);
        let template = run.rounds[0].clone();
        run.rounds.clear();
        for (index, cache) in (0_u32..).zip(states[0].iter().zip(states[1])) {
            let mut round = template.clone();
            round.index = index;
            round.visits.retain(|visit| visit.model < 2);
            for visit in &mut round.visits {
                let of = if visit.model == 0 { cache.0 } else { cache.1 };
                visit.load.as_mut().expect("it was loaded").cache = *of;
            }
            run.rounds.push(round);
        }
        run
    }

    #[test]
    fn loads_are_compared_warm_with_warm_or_cold_with_cold() {
        use CacheState::{Cold, Warm};
        let compared = |states| {
            let analysis = analyse(&cached(states));
            let loads: Vec<Option<CacheState>> =
                analysis.models.iter().map(|m| m.load.as_ref().map(|l| l.cache)).collect();
            (analysis.models[1].comparison(&id("load")).map(|c| c.n), loads)
        };
        let both_warm = compared([&[Cold, Warm, Warm, Warm], &[Cold, Warm, Cold, Warm]]);
        assert_eq!(both_warm, (Some(2), vec![Some(Warm); 2]), "rounds in which both were warm");
        // The file of the original does not stay in the cache: its loads are all cold, and so is the one that counts.
        let one_never_warm = compared([&[Cold, Cold, Cold, Cold], &[Cold, Warm, Warm, Warm]]);
        assert_eq!(one_never_warm, (Some(1), vec![Some(Cold); 2]));
        let nothing_common = compared([&[Cold, Cold], &[Warm, Warm]]);
        assert_eq!(nothing_common, (None, vec![Some(Cold), Some(Warm)]), "no ratio");
    }

    #[test]
    fn a_warm_load_has_no_rate() {
        let rates = |state| {
            let analysis = analyse(&cached([&[state; 2], &[state; 2]]));
            analysis.models.iter().filter_map(|m| m.load.as_ref()?.gib_per_s).count()
        };
        assert_eq!([CacheState::Warm, CacheState::Unknown, CacheState::Cold].map(rates), [0, 0, 2]);
    }

    /// The first round of the fixture asks prompts, the third does not.
    fn peaks(change: impl FnOnce(&mut Run)) -> [Option<f64>; 2] {
        let mut run = fixture();
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
