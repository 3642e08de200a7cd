//! Which model is better in which respect, and which is worse than another in every one. By intervals, never by central values.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    model::ModelAnalysis,
    quality,
    series::Series,
    verdict::{self, Verdict},
};
use crate::{
    metric::{MetricId, adjusted, memory_of_weights},
    record::{Phase, Prefer, Role, Run, WindowMeans, round_value::log_ratios},
    stats,
};

/// A respect in which models are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Mean KLD from the original. A respect only where quality is preferred: elsewhere a limit on it excludes, and that is all.
    Divergence,
    /// Time of a request: its prompt and its answer.
    Request,
    /// Tokens a second of the first generation workload.
    Generation,
    /// Tokens a second of the first prompt workload.
    Prompt,
    /// Memory where the weights lie: the device's where one computes, else the peak of resident memory.
    Memory,
    /// Energy of a generated token. A respect only where energy is preferred.
    Energy,
    /// Size of the file; counts where no memory was measured.
    File,
}

/// How one model stands to another in one respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Relevantly better: the whole interval says so.
    Better,
    /// Relevantly worse.
    Worse,
    /// No relevant difference.
    Same,
    /// The interval does not tell, or there is none.
    Open,
}

impl Relation {
    fn of(verdict: Option<Verdict>) -> Self {
        match verdict {
            Some(Verdict::Better(_)) => Self::Better,
            Some(Verdict::Worse(_)) => Self::Worse,
            Some(Verdict::NoRelevantDifference) => Self::Same,
            Some(Verdict::NotResolved) | None => Self::Open,
        }
    }
}

/// The models' relations in every respect that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    axes: Vec<(Axis, Vec<Vec<Relation>>)>,
}

impl Field {
    /// A field of given relations: row over column.
    pub(super) fn new(axes: Vec<(Axis, Vec<Vec<Relation>>)>) -> Self {
        Self { axes }
    }

    /// Compares every two models of a run, paired by round and by window. What is preferred may be a respect of its own.
    pub(super) fn of(run: &Run, series: &[Vec<Series>], models: &[ModelAnalysis], prefer: Prefer) -> Self {
        let mut axes = Vec::new();
        let table = |of: &dyn Fn(usize, usize) -> Relation| -> Vec<Vec<Relation>> {
            (0..models.len()).map(|a| (0..models.len()).map(|b| of(a, b)).collect()).collect()
        };
        if prefer == Prefer::Quality && models.iter().any(|m| m.quality.as_ref().is_some_and(|q| q.overall.is_some())) {
            axes.push((Axis::Divergence, table(&|a, b| divergence(run, a, b))));
        }
        let timed = [
            (Axis::Energy, first_energy(run).filter(|_| prefer == Prefer::Energy)),
            (Axis::Request, Some(MetricId::Request)),
            (Axis::Generation, first(run, Phase::Decode)),
            (Axis::Prompt, first(run, Phase::Prefill)),
        ];
        for (axis, id) in timed {
            let Some(id) = id.filter(|id| series.iter().flatten().any(|s| s.id == *id)) else { continue };
            let of = |model: usize| series[model].iter().find(|s| s.id == id);
            axes.push((axis, table(&|a, b| by_round(run, of(a), of(b)))));
        }
        let weights = |model: usize| series[model].iter().find(|s| s.id == weights_in(run, model));
        if (0..models.len()).any(|model| weights(model).is_some()) {
            axes.push((Axis::Memory, table(&|a, b| memory(run, weights(a), weights(b)))));
        }
        if axes.iter().all(|(axis, _)| *axis != Axis::Memory) && models.iter().any(|m| m.size_bytes.is_some()) {
            let equal = run.plan.protocol.equivalence;
            axes.push((Axis::File, table(&|a, b| file(models[a].size_bytes, models[b].size_bytes, equal))));
        }
        Self::new(axes)
    }

    /// The respects there are.
    pub(super) fn axes(&self) -> impl Iterator<Item = Axis> {
        self.axes.iter().map(|(axis, _)| *axis)
    }

    /// What stands for size: memory, or the file where no memory was measured.
    pub(super) fn size(&self) -> Axis {
        if self.axes().any(|axis| axis == Axis::Memory) { Axis::Memory } else { Axis::File }
    }

    /// How `a` stands to `b`; open where the respect was not measured.
    pub(super) fn relation(&self, axis: Axis, a: usize, b: usize) -> Relation {
        self.axes.iter().find(|(own, _)| *own == axis).map_or(Relation::Open, |(_, table)| table[a][b])
    }

    /// Whether `a` is nowhere worse than `b`, somewhere better, and nothing is left open.
    pub(super) fn dominates(&self, a: usize, b: usize) -> bool {
        let all = || self.axes.iter().map(|(_, table)| table[a][b]);
        a != b && all().all(|r| matches!(r, Relation::Better | Relation::Same)) && all().any(|r| r == Relation::Better)
    }
}

/// The first synthetic work of one sequence in this phase.
pub(super) fn first(run: &Run, phase: Phase) -> Option<MetricId> {
    let alone = run.plan.workloads.iter().filter(|w| w.kind.depth().is_some());
    alone.filter_map(|w| w.kind.metric()).find(|id| id.is_of(phase))
}

/// The energy by which models are held against each other: of a generated token, or else of a token of the prompt.
pub(super) fn first_energy(run: &Run) -> Option<MetricId> {
    let found = first(run, Phase::Decode).or_else(|| first(run, Phase::Prefill))?;
    found.synthetic().map(|(phase, shape)| MetricId::Energy { phase, shape })
}

/// The memory that a model's weights take: a device's where one computes for it.
pub(super) fn weights_in(run: &Run, model: usize) -> MetricId {
    memory_of_weights(&run.machine, &run.subjects[model].settings)
}

/// Pairs of models that are compared in each respect. Their intervals are adjusted for that many (Bonferroni).
fn n_pairs(models: usize) -> usize {
    models * models.saturating_sub(1) / 2
}

/// Paired by round, at a confidence adjusted for the pairs of models.
fn by_round(run: &Run, own: Option<&Series>, other: Option<&Series>) -> Relation {
    let Some((own, other)) = own.zip(other) else { return Relation::Open };
    let protocol = &run.plan.protocol;
    let d = log_ratios(&own.by_round, &other.by_round);
    let level = adjusted(protocol.confidence, n_pairs(run.subjects.len()));
    let judged = stats::paired_effect(&d, level).ok().map(|e| verdict::judge(&e, protocol.equivalence, &own.id));
    Relation::of(judged)
}

/// A device's memory is read once, alone, in the probe: that is exact, as a file's size is. Resident memory varies by round.
fn memory(run: &Run, own: Option<&Series>, other: Option<&Series>) -> Relation {
    let once = |series: Option<&Series>| match series?.by_round[..] {
        [(_, bytes)] if series?.id == MetricId::DeviceMemory => Some(bytes),
        _ => None,
    };
    match once(own).zip(once(other)) {
        Some((own, other)) => exact(own / other.max(1.0), run.plan.protocol.equivalence),
        None => by_round(run, own, other),
    }
}

fn file(own: Option<u64>, other: Option<u64>, equivalence: f64) -> Relation {
    let (Some(own), Some(other)) = (own, other) else { return Relation::Open };
    exact(own as f64 / other.max(1) as f64, equivalence)
}

/// Of what has no uncertainty; less is better.
fn exact(ratio: f64, equivalence: f64) -> Relation {
    let border = 1.0 + equivalence;
    if ratio < border.recip() {
        Relation::Better
    } else if ratio > border {
        Relation::Worse
    } else {
        Relation::Same
    }
}

/// Mean KLD, paired by window and document; the original's own is 0.
fn divergence(run: &Run, a: usize, b: usize) -> Relation {
    let (Some(own), Some(other)) = (klds(run, a), klds(run, b)) else { return Relation::Open };
    let Some(differences) = differences(&own, &other) else { return Relation::Open };
    if differences.iter().flatten().all(|d| d.abs() <= 0.0) {
        return Relation::Same;
    }
    let Some(plan) = &run.plan.quality else { return Relation::Open };
    let level = adjusted(run.plan.protocol.confidence, n_pairs(run.subjects.len()));
    match quality::mean_interval(&differences, plan.unit(), level) {
        Some(e) if e.high < 0.0 => Relation::Better,
        Some(e) if e.low > 0.0 => Relation::Worse,
        _ => Relation::Open,
    }
}

/// A text, by index, with its scored windows.
type Text<'a> = (usize, &'a [WindowMeans]);

/// What was scored of a model. The original has no texts: it diverges from itself nowhere.
fn klds(run: &Run, model: usize) -> Option<Vec<Text<'_>>> {
    if run.subjects[model].role == Role::Original {
        return Some(Vec::new());
    }
    let result = run.quality.as_ref()?.results.iter().find(|r| r.candidate == model)?;
    let scored: Vec<Text<'_>> =
        result.texts.iter().filter(|t| !t.windows.is_empty()).map(|t| (t.text, &t.windows[..])).collect();
    (!scored.is_empty()).then_some(scored)
}

/// Window by window, the texts apart, as far as both were scored on the same; `None` when that is nowhere.
fn differences(own: &[Text<'_>], other: &[Text<'_>]) -> Option<Vec<Vec<f64>>> {
    let signed = |scored: &[Text<'_>], sign: f64| -> Vec<Vec<f64>> {
        scored.iter().map(|(_, windows)| windows.iter().map(|w| sign * w.kld_nats).collect()).collect()
    };
    match (own.is_empty(), other.is_empty()) {
        (true, true) => return Some(vec![vec![0.0]]),
        (false, true) => return Some(signed(own, 1.0)),
        (true, false) => return Some(signed(other, -1.0)),
        (false, false) => {}
    }
    let pair = |(text, own): &Text<'_>| {
        let (_, other) = other.iter().find(|(other, _)| other == text)?;
        let of = |w: &WindowMeans| Some(w.kld_nats - other.iter().find(|o| o.window == w.window)?.kld_nats);
        Some(own.iter().filter_map(of).collect::<Vec<f64>>()).filter(|windows| !windows.is_empty())
    };
    let pairs: Vec<Vec<f64>> = own.iter().filter_map(pair).collect();
    (!pairs.is_empty()).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Relation::{Better, Open, Same, Worse};

    /// Two models: what the first is to the second in each respect.
    fn two(relations: &[(Axis, Relation)]) -> Field {
        let opposite = |r| match r {
            Better => Worse,
            Worse => Better,
            r => r,
        };
        Field::new(relations.iter().map(|&(axis, r)| (axis, vec![vec![Same, r], vec![opposite(r), Same]])).collect())
    }

    #[test]
    fn dominance_needs_every_respect_resolved_and_one_better() {
        use Axis::{Divergence, Generation};
        let dominates = |a, b| two(&[(Divergence, a), (Generation, b)]).dominates(0, 1);
        assert!(dominates(Better, Same) && dominates(Better, Better));
        assert!(!dominates(Same, Same), "nowhere better");
        assert!(!dominates(Better, Open), "a respect left open");
        assert!(!dominates(Better, Worse));
        assert!(!two(&[(Divergence, Better)]).dominates(1, 1), "itself");
        assert!(!Field::new(Vec::new()).dominates(0, 1), "nothing measured");
    }

    #[test]
    fn a_respect_that_was_not_measured_is_open() {
        assert_eq!(two(&[(Axis::File, Better)]).relation(Axis::Memory, 0, 1), Open);
        assert_eq!(two(&[(Axis::File, Better)]).relation(Axis::File, 1, 0), Worse);
    }

    #[test]
    fn memory_of_a_device_is_compared_exactly_where_the_probe_read_it() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = crate::record::read_run(&path).expect("the fixture is a record");
        let read = |id: MetricId, bytes: &[f64]| Series {
            id,
            by_round: (0..).zip(bytes.iter().copied()).collect(),
            best: None,
            cost_s: None,
            cache: None,
        };
        let of = |id: MetricId, own: f64| memory(&run, Some(&read(id.clone(), &[own])), Some(&read(id, &[4e9])));
        let device = |own| of(MetricId::DeviceMemory, own);
        assert_eq!([device(2e9), device(4.001e9), device(5e9)], [Better, Same, Worse]);
        assert_eq!(of(MetricId::PeakMemory, 2e9), Open, "one round of what varies");
        assert_eq!(memory(&run, None, Some(&read(MetricId::DeviceMemory, &[4e9]))), Open);
    }

    #[test]
    fn files_are_compared_exactly_with_the_region_of_equivalence() {
        assert_eq!(file(Some(50), Some(100), 0.01), Better);
        assert_eq!(file(Some(1000), Some(1001), 0.01), Same);
        assert_eq!(file(Some(1020), Some(1000), 0.01), Worse);
        assert_eq!(file(None, Some(100), 0.01), Open);
    }

    fn windows(klds: &[f64]) -> Vec<WindowMeans> {
        (0..)
            .zip(klds)
            .map(|(window, &kld_nats)| WindowMeans {
                window,
                tokens: 10,
                nll_base_nats: 1.0,
                nll_candidate_nats: 1.0,
                kld_nats,
                same_top_fraction: 1.0,
                kld_largest_nats: Vec::new(),
                at_floor_tokens: 0,
            })
            .collect()
    }

    #[test]
    fn divergences_are_paired_by_window() {
        let (a, b) = (windows(&[0.3, 0.1]), windows(&[0.1, 0.1]));
        let (one, two) = (vec![(0, &a[..])], vec![(0, &b[..])]);
        let paired = differences(&one, &two).expect("the same windows");
        assert!((paired[0][0] - 0.2).abs() < 1e-12 && paired[0][1].abs() < 1e-12);
        let mut moved = windows(&[0.1, 0.1]);
        moved[1].window = 7;
        for fewer in [&moved[..], &b[..1]] {
            let common = differences(&one, &[(0, fewer)]).expect("a window in common");
            assert!(common.len() == 1 && common[0].len() == 1 && (common[0][0] - 0.2).abs() < 1e-12, "{common:?}");
        }
        assert!(differences(&one, &[(1, &b[..])]).is_none(), "another text");
        assert_eq!(differences(&[], &one), Some(vec![vec![-0.3, -0.1]]), "the original has none");
    }
}
