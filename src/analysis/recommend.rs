//! Which of the files to take: limits, then dominance, then a preference. Every step by intervals; without them it says why not.
//!
//! 1. A model must keep every limit with its whole interval: mean KLD, generation speed, memory.
//! 2. It must not be dominated: by another model that is nowhere worse and somewhere better.
//! 3. Of the rest the preferred respect decides: the time of a request, unless the person prefers another. Those that can't be told
//!    from the best in it are equals there, and of equals the one with the smallest file is taken.
//!
//! Divergence excludes and does not rank: within the limit a smaller KLD says nothing of usefulness, so it decides only for who asked
//! for quality.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    model::ModelAnalysis,
    pareto::{Axis, Field, Relation},
};
use crate::{
    metric::MetricId,
    record::{Constraints, Outcome, Prefer, Role, Run},
};

/// The mean KLD accepted when nobody said, in nats: between the K-quants of four bits of Llama-3-8B (0.031 and 0.043) and its
/// `Q4_0` (0.072) in llama-perplexity's published tables.
pub(crate) const MAX_KLD_NATS: f64 = 0.05;

/// The rule, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Advice {
    /// The limits and the preference applied.
    pub rule: Rule,
    /// What to take, or why nothing can be recommended.
    pub choice: Choice,
    /// How each model stands, in the models' order.
    pub standings: Vec<Standing>,
}

/// The limits and the preference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Rule {
    /// Greatest mean KLD, in nats.
    pub max_kld_nats: f64,
    /// Where that limit comes from.
    pub max_kld_from: Source,
    /// Least generated tokens a second.
    pub min_tg_tps: Option<f64>,
    /// Most memory.
    pub max_memory_bytes: Option<f64>,
    /// What decides.
    pub prefer: Prefer,
    /// The respect in which it decides here.
    pub by: Axis,
}

/// Who set a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The person.
    Given,
    /// This program.
    Default,
}

/// What to take. Models are indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// This one.
    Take {
        /// It; the original when no candidate beats it.
        model: usize,
        /// Within the limits, not dominated, and not to be told from it in the preferred respect.
        equals: Vec<usize>,
    },
    /// Nothing can be recommended.
    Nothing {
        /// Why.
        because: NoRecommendation,
    },
}

/// Why nothing can be recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schemars(rename = "Obstacle"))]
pub enum NoRecommendation {
    /// There is no candidate that could be measured.
    NoCandidate,
    /// Every candidate is a copy of the original, as in a self-check.
    OnlyCopies,
    /// Outputs were compared and nothing else was to be measured, so nothing decides between the candidates.
    OutputsAlone,
    /// Every KLD is a lower bound, by which no limit is shown to be kept.
    OnlyBounds,
    /// Outputs were not compared, so what quantizing cost is not known.
    OutputsNotCompared,
    /// The preferred respect was not measured.
    NotMeasured,
    /// It was measured too few times for intervals.
    NoIntervals,
    /// No model keeps every limit.
    NothingWithinLimits,
}

/// How a model stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Standing {
    /// Each limit that applies.
    pub limits: Vec<Check>,
    /// The models within the limits that dominate it.
    pub dominated_by: Vec<usize>,
    /// What became of it.
    pub place: Rank,
}

/// A limit and a model's interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Check {
    /// The limit.
    pub limit: Limit,
    /// How the interval lies to it.
    pub held: LimitCheck,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Mean KLD at most.
    Kld,
    /// Generation at least.
    Generation,
    /// Memory at most.
    Memory,
}

/// How an interval lies to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schemars(rename = "Held"))]
pub enum LimitCheck {
    /// Wholly within.
    Within,
    /// Wholly outside.
    Outside,
    /// Across it, or there is no interval.
    NotResolved,
    /// There is no figure.
    NotMeasured,
}

/// What became of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schemars(rename = "Place"))]
pub enum Rank {
    /// Recommended.
    Chosen,
    /// Can't be told from the chosen one in the preferred respect.
    Equal,
    /// Within the limits, but behind in the preferred respect.
    Behind,
    /// Another model is nowhere worse and somewhere better.
    Dominated,
    /// Breaks a limit.
    OutsideLimits,
    /// Whether it keeps a limit is not resolved, or was not measured.
    LimitNotResolved,
    /// Failed, or has no figure in the preferred respect.
    NotMeasured,
    /// What the others are compared with.
    Original,
    /// Nothing is recommended in this run, so it has no place.
    Unplaced,
}

/// A value with its interval, as far as known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Observation {
    value: f64,
    interval: Option<(f64, f64)>,
}

/// The work by whose speed models are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) pp: Option<MetricId>,
    pub(super) tg: Option<MetricId>,
    pub(super) energy: Option<MetricId>,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    role: Role,
    is_copy: bool,
    /// Its outputs were compared, and no more than a lower bound of its KLD is known.
    only_bound: bool,
    kld_nats: Option<Observation>,
    request_s: Option<Observation>,
    pp_tps: Option<Observation>,
    tg_tps: Option<Observation>,
    joules_a_token: Option<Observation>,
    /// Where its weights lie.
    memory_bytes: Option<Observation>,
    file_bytes: Option<f64>,
}

impl Candidate {
    /// `is_copy`: a candidate of the original's bytes; `weights`: the memory that its weights take.
    pub(super) fn of(model: &ModelAnalysis, is_copy: bool, timed: &Timed, weights: &MetricId) -> Self {
        let metric = |id: &MetricId| {
            let m = model.metric(id)?;
            Some(Observation { value: m.value.filter(|v| v.is_finite())?, interval: m.low.zip(m.high) })
        };
        // A lower bound can't show that a model keeps a limit.
        let compared = model.quality.as_ref().filter(|q| q.overall.is_some());
        let only_bound = compared.is_some_and(|q| q.kld.is_lower_bound());
        let kld = compared.filter(|_| !only_bound).and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats);
        let own = Observation { value: 0.0, interval: Some((0.0, 0.0)) };
        let alive = model.outcome == Outcome::Done;
        Self {
            role: model.role,
            is_copy,
            only_bound,
            kld_nats: match model.role {
                Role::Original => Some(own),
                Role::Candidate => kld.map(|f| Observation { value: f.value, interval: f.low.zip(f.high) }),
            },
            request_s: metric(&MetricId::Request).filter(|_| alive),
            pp_tps: timed.pp.as_ref().and_then(metric).filter(|_| alive),
            tg_tps: timed.tg.as_ref().and_then(metric).filter(|_| alive),
            joules_a_token: timed.energy.as_ref().and_then(metric).filter(|_| alive),
            memory_bytes: metric(weights).filter(|_| alive).map(|observed| Observation {
                // What a device holds is read once, alone, in the probe: that is exact.
                interval: observed
                    .interval
                    .or_else(|| (*weights == MetricId::DeviceMemory).then_some((observed.value, observed.value))),
                ..observed
            }),
            file_bytes: model.size_bytes.filter(|_| alive).map(|b| b as f64),
        }
    }

    /// The interval that a limit is held against; `size`: what stands for memory.
    pub(super) fn interval(&self, limit: Limit, size: Axis) -> Option<(f64, f64)> {
        self.under(limit, size)?.interval
    }

    fn under(&self, limit: Limit, size: Axis) -> Option<Observation> {
        match limit {
            Limit::Kld => self.kld_nats,
            Limit::Generation => self.tg_tps,
            Limit::Memory => self.size(size),
        }
    }

    /// Memory, or the file where no memory was measured.
    fn size(&self, by: Axis) -> Option<Observation> {
        let file = self.file_bytes.map(|value| Observation { value, interval: Some((value, value)) });
        if by == Axis::File { file } else { self.memory_bytes }
    }

    fn on(&self, axis: Axis) -> Option<Observation> {
        match axis {
            Axis::Divergence => self.kld_nats,
            Axis::Request => self.request_s,
            Axis::Generation => self.tg_tps,
            Axis::Prompt => self.pp_tps,
            Axis::Energy => self.joules_a_token,
            Axis::Memory | Axis::File => self.size(axis),
        }
    }
}

/// The rule for a run: what the person said, else the plan's limit, else the default. `prefer` is what decides.
pub(super) fn rule(run: &Run, prefer: Prefer, field: &Field) -> Rule {
    let constraints = run.constraints.clone().unwrap_or_default();
    let given = constraints.max_kld_nats.or_else(|| run.plan.quality.as_ref().and_then(|q| q.max_kld_nats));
    let Constraints { min_tg_tps, max_memory_bytes, .. } = constraints;
    Rule {
        max_kld_nats: given.unwrap_or(MAX_KLD_NATS),
        max_kld_from: if given.is_some() { Source::Given } else { Source::Default },
        min_tg_tps,
        max_memory_bytes,
        prefer,
        by: match prefer {
            Prefer::Speed => {
                let measured = |axis: &Axis| field.axes().any(|own| own == *axis);
                [Axis::Request, Axis::Generation, Axis::Prompt].into_iter().find(measured).unwrap_or(Axis::Request)
            }
            Prefer::Quality => Axis::Divergence,
            Prefer::Energy => Axis::Energy,
            Prefer::Size => field.size(),
        },
    }
}

/// Applies the rule.
pub(super) fn advise(rule: Rule, candidates: &[Candidate], field: &Field) -> Advice {
    let size = field.size();
    let limits: Vec<Vec<Check>> = candidates.iter().map(|candidate| checks(&rule, candidate, size)).collect();
    // What breaks a limit is nothing to be had, so it takes nobody's place.
    let dominates = |other: usize, model| worst(&limits[other]) == LimitCheck::Within && field.dominates(other, model);
    let mut standings: Vec<Standing> = (0..candidates.len())
        .map(|model| Standing {
            limits: limits[model].clone(),
            dominated_by: (0..candidates.len()).filter(|&other| dominates(other, model)).collect(),
            place: Rank::Unplaced,
        })
        .collect();
    let choice = match no_recommendation(&rule, candidates) {
        Some(because) => Choice::Nothing { because },
        None => choose(&rule, candidates, field, &mut standings),
    };
    Advice { rule, choice, standings }
}

fn no_recommendation(rule: &Rule, candidates: &[Candidate]) -> Option<NoRecommendation> {
    let candidates = || candidates.iter().filter(|c| c.role == Role::Candidate);
    let compared = |c: &Candidate| c.kld_nats.is_some() || c.only_bound;
    let ran = |c: &Candidate| c.tg_tps.is_some() || c.pp_tps.is_some() || c.size(Axis::Memory).is_some();
    if !candidates().any(|c| compared(c) || ran(c)) {
        Some(NoRecommendation::NoCandidate)
    } else if candidates().all(|c| c.is_copy) {
        Some(NoRecommendation::OnlyCopies)
    } else if !candidates().any(ran) && candidates().all(|c| c.kld_nats.is_none() || c.on(rule.by).is_none()) {
        Some(NoRecommendation::OutputsAlone)
    } else if candidates().all(|c| c.kld_nats.is_none()) {
        let bounds = candidates().any(|c| c.only_bound);
        Some(if bounds { NoRecommendation::OnlyBounds } else { NoRecommendation::OutputsNotCompared })
    } else if candidates().all(|c| c.on(rule.by).is_none()) {
        Some(NoRecommendation::NotMeasured)
    } else if [rule.by, Axis::Divergence]
        .iter()
        .any(|&axis| candidates().filter_map(|c| c.on(axis)).all(|observed| observed.interval.is_none()))
    {
        Some(NoRecommendation::NoIntervals)
    } else {
        None
    }
}

fn choose(rule: &Rule, candidates: &[Candidate], field: &Field, standings: &mut [Standing]) -> Choice {
    for (candidate, standing) in candidates.iter().zip(standings.iter_mut()) {
        standing.place = match worst(&standing.limits) {
            _ if candidate.on(rule.by).is_none_or(|observed| observed.interval.is_none()) => Rank::NotMeasured,
            LimitCheck::Outside => Rank::OutsideLimits,
            LimitCheck::NotResolved | LimitCheck::NotMeasured => Rank::LimitNotResolved,
            LimitCheck::Within if !standing.dominated_by.is_empty() => Rank::Dominated,
            LimitCheck::Within => Rank::Behind,
        };
    }
    // Nothing diverges less than the original: where that decides, it stands aside while a candidate is left.
    let aside = |model: usize| rule.by == Axis::Divergence && candidates[model].role == Role::Original;
    let left = |aside_too: bool| -> Vec<usize> {
        let behind = |model: &usize| standings[*model].place == Rank::Behind;
        (0..candidates.len()).filter(behind).filter(|&model| aside_too || !aside(model)).collect()
    };
    let left = if left(false).is_empty() { left(true) } else { left(false) };
    let key = |model: usize, axis: Axis| {
        let observed = candidates[model].on(axis).map_or(f64::INFINITY, |observed| observed.value);
        if matches!(axis, Axis::Generation | Axis::Prompt) { -observed } else { observed }
    };
    let by = |axis: Axis| move |a: &&usize, b: &&usize| key(**a, axis).total_cmp(&key(**b, axis));
    let Some(&best) = left.iter().min_by(by(rule.by)) else {
        place_original(candidates, standings);
        return Choice::Nothing { because: NoRecommendation::NothingWithinLimits };
    };
    let told = |model: usize| field.relation(rule.by, best, model) == Relation::Better;
    let equals: Vec<usize> = left.iter().copied().filter(|&model| model == best || !told(model)).collect();
    let chosen = equals.iter().min_by(by(Axis::File)).copied().unwrap_or(best);
    let equals: Vec<usize> = equals.into_iter().filter(|&model| model != chosen).collect();
    for &model in &equals {
        standings[model].place = Rank::Equal;
    }
    standings[chosen].place = Rank::Chosen;
    place_original(candidates, standings);
    Choice::Take { model: chosen, equals }
}

/// The original is what the others are measured by; it has a place of its own unless it is the one to take, or as good.
fn place_original(candidates: &[Candidate], standings: &mut [Standing]) {
    for (candidate, standing) in candidates.iter().zip(standings) {
        if candidate.role == Role::Original && matches!(standing.place, Rank::Behind | Rank::Dominated) {
            standing.place = Rank::Original;
        }
    }
}

fn checks(rule: &Rule, model: &Candidate, size: Axis) -> Vec<Check> {
    let most = |limit: Limit, border: f64| {
        let held = held(model.under(limit, size), |low, high| (high <= border, low > border));
        Check { limit, held }
    };
    let mut out = vec![most(Limit::Kld, rule.max_kld_nats)];
    if let Some(least) = rule.min_tg_tps {
        let held = held(model.under(Limit::Generation, size), |low, high| (low >= least, high < least));
        out.push(Check { limit: Limit::Generation, held });
    }
    out.extend(rule.max_memory_bytes.map(|border| most(Limit::Memory, border)));
    out
}

/// `test` says of an interval whether it lies within and whether it lies outside.
fn held(observed: Option<Observation>, test: impl Fn(f64, f64) -> (bool, bool)) -> LimitCheck {
    match observed.map(|observed| observed.interval.map(|(low, high)| test(low, high))) {
        None => LimitCheck::NotMeasured,
        Some(Some((true, _))) => LimitCheck::Within,
        Some(Some((_, true))) => LimitCheck::Outside,
        Some(_) => LimitCheck::NotResolved,
    }
}

fn worst(checks: &[Check]) -> LimitCheck {
    let any = |held: LimitCheck| checks.iter().any(|c| c.held == held);
    [LimitCheck::Outside, LimitCheck::NotMeasured, LimitCheck::NotResolved]
        .into_iter()
        .find(|&h| any(h))
        .unwrap_or(LimitCheck::Within)
}

#[cfg(test)]
mod tests;
