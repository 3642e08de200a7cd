//! What was measured in its course: every sample of synthetic work, memory through one visit, the times from token to token.

use super::{model::ModelAnalysis, series::visits};
use crate::{
    record::{Generation, MemorySeries, Run, Visit, round_value},
    stats,
    units::{NS_PER_MS, NS_PER_S, tokens_per_second},
};

/// A drift is told when it is this unlikely to be chance, and relevant.
const CHANCE: f64 = 0.05;
/// A step must be seen in so many answers to have a tenth.
const FEWEST_STEPS: usize = 5;
/// A bin of positions with fewer times has no tenths.
const FEWEST_IN_BIN: usize = 10;
/// Bins of positions at most, so that each is wide enough to be seen.
const BINS: usize = 16;
/// Tokens of context in the narrowest bin.
const NARROWEST: usize = 16;

/// The traces of every model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traces {
    /// In the order of the models.
    pub(crate) models: Vec<ModelTraces>,
    /// Tokens of context in a bin of [`ModelTraces::by_position_tps`].
    pub(crate) position_width: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelTraces {
    /// Of each synthetic workload with samples, by its index in the plan.
    pub(crate) samples: Vec<SampleTrace>,
    /// The last visit with readings: its page cache is the warmest.
    pub(crate) memory: Option<MemorySeries>,
    /// The time from token to token over all answers, median and 99 %, ms; `None` where nothing was answered.
    pub(crate) inter_token_ms: Option<(f64, f64)>,
    /// The same by the step of the answer, the first step leading to the second token.
    pub(crate) by_step_ms: Vec<Tenths>,
    /// Tokens a second by the tokens of prompt and answer before: middle of a bin, and the rates in it.
    pub(crate) by_position_tps: Vec<(f64, Tenths)>,
}

/// Every sample of one workload against the model's median.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleTrace {
    pub(crate) workload: usize,
    pub(crate) median_tps: f64,
    /// Seconds since the run began, and the share above or below the median.
    pub(crate) points: Vec<(f64, f64)>,
    /// Where the drift begins and ends, when there is a relevant one.
    pub(crate) drift: Option<[(f64, f64); 2]>,
}

/// The first tenth of some values, their half, and their ninth tenth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tenths {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Tenths {
    fn of(values: &[f64]) -> Option<Self> {
        let at = |p| stats::quantile(values, p).ok();
        Some(Self { low: at(0.1)?, median: at(0.5)?, high: at(0.9)? })
    }
}

impl Traces {
    pub(crate) fn of(run: &Run, models: &[ModelAnalysis]) -> Self {
        let positions: Vec<Vec<(usize, u64)>> = (0..models.len()).map(|model| positions(run, model)).collect();
        let longest = positions.iter().flatten().map(|(position, _)| *position).max().unwrap_or(0);
        let position_width = (longest + 1).div_ceil(BINS).next_power_of_two().max(NARROWEST);
        let of_model = |model: usize| {
            let (inter_token_ms, by_step_ms) = by_step(run, model);
            let samples = |workload| samples(run, model, &models[model], workload);
            ModelTraces {
                samples: (0..run.plan.workloads.len()).filter_map(samples).collect(),
                memory: memory(run, model).cloned(),
                inter_token_ms,
                by_step_ms,
                by_position_tps: by_position(&positions[model], position_width),
            }
        };
        Self { models: (0..models.len()).map(of_model).collect(), position_width }
    }
}

fn samples(run: &Run, model: usize, analysis: &ModelAnalysis, workload: usize) -> Option<SampleTrace> {
    let planned = &run.plan.workloads[workload];
    round_value::synthetic_phase(&planned.kind)?;
    let median_tps = analysis.metric(&planned.kind.metric()?)?.value.filter(|v| *v > 0.0)?;
    let own = visits(run, model).flat_map(|v| &v.samples).filter(|s| s.workload == workload);
    let points: Vec<(f64, f64)> = own
        .filter_map(|s| {
            let rate = tokens_per_second(s.n_tokens.into(), round_value::time_ns(s))?;
            Some((s.at_ns as f64 / NS_PER_S, rate / median_tps - 1.0))
        })
        .collect();
    let drift = drift(run, model, workload, median_tps)
        .filter(|[from, to]| (to.1 - from.1).abs() > run.plan.protocol.equivalence);
    (!points.is_empty()).then_some(SampleTrace { workload, median_tps, points, drift })
}

/// The trend of the visits' medians from the first to the last (Theil–Sen), when Kendall's test finds one.
fn drift(run: &Run, model: usize, workload: usize, median_tps: f64) -> Option<[(f64, f64); 2]> {
    let of_visit = |v: &Visit| {
        let first = v.samples.iter().find(|s| s.workload == workload)?;
        Some((first.at_ns as f64 / NS_PER_S, round_value::rate(v, workload)? / median_tps - 1.0))
    };
    let (at, share): (Vec<f64>, Vec<f64>) = visits(run, model).filter_map(of_visit).unzip();
    let trend = stats::theil_sen(&at, &share).ok().filter(|t| t.p_value < CHANCE)?;
    let through = stats::median(&at.iter().zip(&share).map(|(x, y)| y - trend.slope * x).collect::<Vec<_>>()).ok()?;
    let end = |x: f64| (x, through + trend.slope * x);
    Some([end(*at.first()?), end(*at.last()?)])
}

fn memory(run: &Run, model: usize) -> Option<&MemorySeries> {
    let series: Vec<&MemorySeries> = visits(run, model).filter_map(|v| v.memory.as_ref()).map(|m| &m.series).collect();
    series.into_iter().rev().find(|s| s.at_ms.len() > 1 && s.at_ms.len() == s.rss_kib.len())
}

fn answers(run: &Run, model: usize) -> impl Iterator<Item = &Generation> {
    visits(run, model).flat_map(|visit| &visit.generations)
}

/// Median and 99 % of all times, and every step that was seen often enough.
fn by_step(run: &Run, model: usize) -> (Option<(f64, f64)>, Vec<Tenths>) {
    let mut by_step: Vec<Vec<f64>> = Vec::new();
    for answer in answers(run, model) {
        for (i, ns) in answer.inter_token_ns.iter().enumerate() {
            if by_step.len() <= i {
                by_step.push(Vec::new());
            }
            by_step[i].push(*ns as f64 / NS_PER_MS);
        }
    }
    let all = by_step.concat();
    let at = |p| stats::quantile(&all, p).ok();
    let steps = by_step.iter().take_while(|times| times.len() >= FEWEST_STEPS);
    (at(0.5).zip(at(0.99)), steps.filter_map(|times| Tenths::of(times)).collect())
}

/// Tokens in the context before each step of every answer, and the step's time.
fn positions(run: &Run, model: usize) -> Vec<(usize, u64)> {
    let of = |answer: &Generation| {
        let from = answer.n_prompt as usize;
        answer.inter_token_ns.iter().enumerate().map(move |(i, ns)| (from + i, *ns)).collect::<Vec<_>>()
    };
    answers(run, model).flat_map(of).filter(|(_, ns)| *ns > 0).collect()
}

/// The rates of each bin that has times enough, at its middle.
fn by_position(steps: &[(usize, u64)], width: usize) -> Vec<(f64, Tenths)> {
    let most = steps.iter().map(|(position, _)| position / width).max().map_or(0, |last| last + 1);
    let mut by_bin: Vec<Vec<f64>> = vec![Vec::new(); most];
    for &(position, ns) in steps {
        by_bin[position / width].push(NS_PER_S / ns as f64);
    }
    let enough = by_bin.iter().enumerate().filter(|(_, rates)| rates.len() >= FEWEST_IN_BIN);
    let middle = |bin: usize| (bin * width) as f64 + width as f64 / 2.0;
    enough.filter_map(|(bin, rates)| Some((middle(bin), Tenths::of(rates)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_fall_into_bins_with_their_medians() {
        let steps: Vec<(usize, u64)> = (0..40).map(|i| (i, if i < 16 { 10_000_000 } else { 20_000_000 })).collect();
        let bins = by_position(&steps, 16);
        let shown: Vec<(f64, f64)> = bins.iter().map(|(middle, rates)| (*middle, rates.median)).collect();
        assert_eq!(shown, [(8.0, 100.0), (24.0, 50.0)], "the third bin has too few");
        assert_eq!(bins[0].1, Tenths { low: 100.0, median: 100.0, high: 100.0 });
    }
}
