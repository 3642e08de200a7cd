//! A race of settings: who is dropped, what a stage found, and what the rounds that confirm it say.
//!
//! A race may drop early, by intervals that are wide of few rounds; its figures choose what is confirmed and are not reported as a result.
//! What is reported comes from rounds of their own, which chose nothing. What is not shown to be faster is left as it was.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{device_memory, series};
use crate::{
    metric::{MetricId, memory_of_weights},
    record::{
        DropReason, Fate, Goal, Outcome, Phase, Probe, Race, Run, Tried, TriedSpeed, Tuning, TuningStage, Workload,
        round_value::{by_round, log_ratios, rate},
    },
    stats::{self, Estimate},
};

/// Subjects of a race that need no more rounds, and why.
pub(super) fn dropped(run: &Run, race: &Race) -> Vec<(usize, DropReason)> {
    let next = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
    let left: Vec<usize> = (0..run.subjects.len()).filter(|&subject| run.is_measured(subject, next)).collect();
    let mut out: Vec<(usize, DropReason)> = Vec::new();
    for &subject in &left {
        if takes_too_much(run, race, subject) {
            out.push((subject, DropReason::OutsideLimit { limit: "--max-memory".into() }));
        }
    }
    let within: Vec<usize> = left.into_iter().filter(|subject| out.iter().all(|(gone, _)| gone != subject)).collect();
    for &subject in &within {
        let by_goal: Option<Vec<DropReason>> =
            race.goals.iter().map(|&goal| behind(run, goal, subject, &within)).collect();
        if let Some(because) = by_goal.and_then(|all| all.into_iter().next()) {
            out.push((subject, because));
        }
    }
    out
}

/// By whom a subject is beaten in a speed; `None` while nobody is shown to be faster. A first look shows nothing: it is one short timing, and
/// what else the machine did at that moment may be all of it.
fn behind(run: &Run, goal: Goal, subject: usize, all: &[usize]) -> Option<DropReason> {
    let others = all.iter().copied().filter(|&other| other != subject);
    let faster = others.filter_map(|other| Some((other, effect(run, goal, subject, other)?)));
    let (by, worst) = faster.filter(|(_, found)| found.high < 0.0).min_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let Estimate { value, low, high } = worst.exp();
    Some(DropReason::Slower { by: run.subjects[by].name.clone(), ratio: value, low, high })
}

/// ln of a subject's speed over another's, paired by round; `None` below two rounds.
fn effect(run: &Run, goal: Goal, own: usize, other: usize) -> Option<Estimate> {
    let d = log_ratios(&speeds(run, goal, own), &speeds(run, goal, other));
    stats::early_effect(&d, run.plan.protocol.confidence).ok()
}

/// A speed by round, more being better.
fn speeds(run: &Run, goal: Goal, subject: usize) -> Vec<(u32, f64)> {
    match goal {
        Goal::Pp | Goal::Tg => {
            let Some(workload) = workload_of(run, goal) else { return Vec::new() };
            by_round(run, subject, |visit| rate(visit, workload))
        }
        Goal::Request => {
            let time = series::request(run, &series::of_model(run, subject));
            time.map_or_else(Vec::new, |time| time.by_round.iter().map(|&(round, s)| (round, 1.0 / s)).collect())
        }
    }
}

/// The first work of one kind.
fn workload_of(run: &Run, goal: Goal) -> Option<usize> {
    let phase = if goal == Goal::Pp { Phase::Prefill } else { Phase::Decode };
    let is_of = |w: &Workload| run.plan.is_primary(&w.kind) && w.kind.metric().is_some_and(|id| id.is_of(phase));
    run.plan.workloads.iter().position(is_of)
}

/// Memory of a subject where its weights lie, as its first look found it.
fn memory_bytes(run: &Run, subject: usize) -> Option<f64> {
    if memory_of_weights(&run.machine, &run.subjects[subject].settings) == MetricId::DeviceMemory {
        let on_devices = device_memory::of_model(run, subject);
        return (!on_devices.is_empty()).then(|| on_devices.iter().map(|d| d.taken_bytes() as f64).sum());
    }
    let of_probe = |probe: &Probe| (probe.model == subject).then_some(probe.peak_rss_bytes).flatten();
    let in_rounds = series::visits(run, subject).filter_map(|visit| visit.memory.as_ref()?.peak_rss_bytes);
    run.probes.iter().filter_map(of_probe).chain(in_rounds).max().map(|bytes| bytes as f64)
}

fn takes_too_much(run: &Run, race: &Race, subject: usize) -> bool {
    race.max_memory_bytes.zip(memory_bytes(run, subject)).is_some_and(|(most, taken)| taken > most)
}

/// What a race found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raced {
    /// What was tried, in the order of the subjects.
    pub(crate) tried: Vec<Tried>,
    /// For each speed that decided, the subject to go on with; the first where none is shown to be faster. `None` where none could be
    /// measured.
    pub(crate) chosen: Vec<(Goal, Option<usize>)>,
    /// The subject that came closest to the chosen one in the last of the speeds, and is within the limits.
    pub(crate) next_best: Option<usize>,
}

/// What a race found of its subjects, the first of which is what it set out from.
pub(crate) fn raced(run: &Run, race: &Race) -> Raced {
    let n = run.subjects.len();
    let is_gone = |subject: usize| {
        run.subjects[subject].outcome != Outcome::Done
            || takes_too_much(run, race, subject)
            || fate_of_dropped(run, subject).is_some()
    };
    let left: Vec<usize> = (0..n).filter(|&subject| !is_gone(subject)).collect();
    let chosen: Vec<(Goal, Option<usize>)> = race.goals.iter().map(|&goal| (goal, choose(run, goal, &left))).collect();
    let fate = |subject: usize| {
        if let failed @ Outcome::Failed { .. } = &run.subjects[subject].outcome {
            return Fate::Failed(failed.clone());
        }
        if let Some(dropped) = fate_of_dropped(run, subject) {
            return dropped;
        }
        if takes_too_much(run, race, subject) {
            let because = DropReason::OutsideLimit { limit: "--max-memory".into() };
            return Fate::Dropped { from_round: rounds(run), because };
        }
        let taken_for: Vec<Goal> =
            chosen.iter().filter(|(_, chosen)| *chosen == Some(subject)).map(|(goal, _)| *goal).collect();
        let is_measured = race.goals.iter().any(|&goal| !speeds(run, goal, subject).is_empty());
        match (taken_for.is_empty(), is_measured) {
            (false, _) => Fate::Taken(taken_for),
            (true, true) => Fate::NotFaster,
            (true, false) => Fate::NotMeasured,
        }
    };
    let tried = (0..n).map(|subject| Tried {
        name: run.subjects[subject].name.clone(),
        speeds: race.goals.iter().filter_map(|&goal| over_first(run, goal, subject)).collect(),
        kld: None,
        fate: fate(subject),
    });
    let next_best = chosen.last().and_then(|&(goal, chosen)| {
        let within = |subject: &usize| {
            Some(*subject) != chosen
                && run.subjects[*subject].outcome == Outcome::Done
                && !takes_too_much(run, race, *subject)
        };
        let over = |subject: usize| Some((subject, centre(run, goal, subject, chosen?)?));
        let best = (0..n).filter(within).filter_map(over).max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(best.0)
    });
    Raced { tried: tried.collect(), chosen, next_best }
}

fn rounds(run: &Run) -> u32 {
    u32::try_from(run.rounds.len()).unwrap_or(u32::MAX)
}

/// A stage of a tuning, as it is kept.
pub(crate) fn stage(run: &Run, raced: Raced, flags: String, record: String) -> TuningStage {
    TuningStage { flags, record, rounds: rounds(run), tried: raced.tried }
}

fn fate_of_dropped(run: &Run, subject: usize) -> Option<Fate> {
    use crate::record::Decision;
    run.adaptation.iter().flat_map(|adaptation| &adaptation.decisions).find_map(|decision| match decision {
        Decision::Dropped { subject: gone, from_round, because, .. } if *gone == subject => {
            Some(Fate::Dropped { from_round: *from_round, because: because.clone() })
        }
        _ => None,
    })
}

/// The first of those left, unless others are shown to be faster than it: then the fastest, or who comes before it and can't be told from it.
fn choose(run: &Run, goal: Goal, left: &[usize]) -> Option<usize> {
    let &first = left.first()?;
    let is_first_raced = first == 0;
    let is_faster = |&subject: &usize| match effect(run, goal, subject, first) {
        Some(found) => found.low > 0.0 && found.value > run.plan.protocol.equivalence.ln_1p(),
        None => false,
    };
    let faster: Vec<usize> = if is_first_raced {
        left[1..].iter().copied().filter(is_faster).collect()
    } else {
        // What it set out from is gone: whoever is left stands for himself.
        left.to_vec()
    };
    let over_first = |subject: usize| if subject == first { Some(0.0) } else { centre(run, goal, subject, first) };
    let measured = |&subject: &usize| Some((subject, over_first(subject)?));
    let Some((best, _)) = faster.iter().filter_map(measured).max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Some(first);
    };
    let ties =
        |&subject: &usize| subject == best || effect(run, goal, best, subject).is_none_or(|found| found.low <= 0.0);
    faster.into_iter().find(ties).or(Some(best))
}

/// ln of a speed over another's; `None` where they have no round in common.
fn centre(run: &Run, goal: Goal, own: usize, other: usize) -> Option<f64> {
    stats::median(&log_ratios(&speeds(run, goal, own), &speeds(run, goal, other))).ok()
}

/// A subject's speed over another's in the last of the speeds that decide; `None` where they have no round in common.
pub(crate) fn ratio(run: &Run, race: &Race, own: usize, other: Option<usize>) -> Option<f64> {
    centre(run, *race.goals.last()?, own, other?).map(f64::exp)
}

fn over_first(run: &Run, goal: Goal, subject: usize) -> Option<TriedSpeed> {
    if subject == 0 {
        return None;
    }
    let n = log_ratios(&speeds(run, goal, subject), &speeds(run, goal, 0)).len();
    let value = centre(run, goal, subject, 0)?;
    let interval = effect(run, goal, subject, 0).map(|found| found.exp());
    Some(TriedSpeed {
        goal,
        ratio: interval.as_ref().map_or(value.exp(), |found| found.value),
        low: interval.as_ref().map(|found| found.low),
        high: interval.as_ref().map(|found| found.high),
        n,
    })
}

/// What a tuning comes to, by the rounds that confirm it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TuneConclusion {
    /// Index of the subject whose settings are to be taken.
    pub take: usize,
    /// Whether it is what was there before.
    pub is_given: bool,
    /// Whether anything that was tried could be measured within the limits.
    pub keeps_limits: bool,
    /// Its speed over that of the given settings; `None` where it is those, and where they could not be measured.
    pub over_given: Option<SpeedRatio>,
    /// The settings that the races found, over the given ones, where these are kept since the others are not shown to be faster.
    pub not_shown: Option<SpeedRatio>,
    /// Index of the subject that came closest.
    pub runner_up: Option<usize>,
    /// Its own speed over that of the runner-up.
    pub over_runner_up: Option<SpeedRatio>,
    /// The races, and what was not tried.
    pub tuning: Tuning,
}

/// A speed over another's, paired by round.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SpeedRatio {
    /// The ratio: 2 is twice as fast.
    pub ratio: f64,
    /// Lower end of its interval; `None` below six rounds.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Rounds.
    pub n: usize,
}

impl SpeedRatio {
    fn is_shown_faster(&self, equivalence: f64) -> bool {
        self.low.is_some_and(|low| low > 1.0) && self.ratio > 1.0 + equivalence
    }
}

fn speed_ratio(run: &Run, goal: Goal, own: usize, other: usize) -> Option<SpeedRatio> {
    let d = log_ratios(&speeds(run, goal, own), &speeds(run, goal, other));
    let interval = stats::paired_effect(&d, run.plan.protocol.confidence).ok().map(|found| found.exp());
    let ratio = interval.as_ref().map(|found| found.value).or_else(|| stats::median(&d).ok().map(f64::exp))?;
    let (low, high) = interval.map(|found| (found.low, found.high)).unzip();
    Some(SpeedRatio { ratio, low, high, n: d.len() })
}

/// What a run that confirms a tuning says; `None` of any other.
pub(super) fn conclude(run: &Run) -> Option<TuneConclusion> {
    let tuning = run.tuning.clone()?;
    let alive = |subject: usize| run.subjects.get(subject).is_some_and(|s| s.outcome == Outcome::Done);
    let over = |own: usize, other: usize| speed_ratio(run, tuning.goal, own, other);
    let equivalence = run.plan.protocol.equivalence;
    let best = tuning.best;
    let found = (best != 0).then(|| over(best, 0)).flatten();
    let given_is_out = tuning.stages.iter().filter_map(|stage| stage.tried.first()).any(|given| {
        matches!(&given.fate, Fate::Failed(_) | Fate::Dropped { because: DropReason::OutsideLimit { .. }, .. })
    });
    // Where the given settings can't be had there is nothing to keep.
    let takes_best = best == 0
        || !alive(0)
        || given_is_out
        || found.as_ref().is_some_and(|found| found.is_shown_faster(equivalence));
    let mut take = if takes_best && alive(best) { best } else { 0 };
    let mut runner_up = tuning.runner_up.filter(|&subject| alive(subject));
    if let Some(other) = runner_up
        && over(other, take).is_some_and(|found| found.is_shown_faster(equivalence))
    {
        (take, runner_up) = (other, Some(take));
    }
    Some(TuneConclusion {
        take,
        is_given: take == 0,
        keeps_limits: take != 0 || !given_is_out,
        over_given: (take != 0).then(|| over(take, 0)).flatten(),
        not_shown: found.filter(|_| take == 0),
        runner_up,
        over_runner_up: runner_up.filter(|&other| other != 0).and_then(|other| over(take, other)),
        tuning,
    })
}
