//! When the rounds are over: on the width of the intervals or on time. Never on what they say.

use super::{bench::Bench, schedule::FEWEST_FOR_INTERVAL, tasks, workload::synthetic};
use crate::{
    metric::{Family, Verdicts},
    record::{
        Budget, Ended, Outcome, Run, Visit,
        round_value::{by_round, left_out, log_ratios, rate, spoilt},
    },
    stats,
    units::NS_PER_S,
};

/// Which of the rounds are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Those that are planned at least.
    Least,
    /// Those after them, while the precision is not met and there is time.
    Rest,
}

/// Whether there is another round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Round,
    /// This part is over, the run is not.
    PartDone,
    Over(Ended),
}

/// What comes after the rounds that a run has.
pub(super) fn next(bench: &Bench<'_>, run: &Run, part: Part) -> Next {
    let protocol = &run.plan.protocol;
    let done = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
    if bench.interrupted() {
        return Next::Over(Ended::Interrupted);
    }
    if run.server_lost().is_some() {
        return Next::Over(Ended::ServerLost);
    }
    if run.subjects.iter().all(|subject| subject.outcome != Outcome::Done) {
        return Next::Over(Ended::NothingLeft);
    }
    if bench.has_lost_original(run) {
        return Next::Over(Ended::OriginalFailed);
    }
    if bench.out_of_time() {
        return Next::Over(Ended::Budget);
    }
    if run.plan.race.is_some() && (0..run.subjects.len()).filter(|&subject| run.is_measured(subject, done)).count() < 2
    {
        return Next::Over(Ended::OneLeft);
    }
    if done >= protocol.max_rounds {
        return Next::Over(Ended::RoundsDone);
    }
    match part {
        Part::Least => least(bench, run, done),
        // Decisions fall between mirrored pairs: half a pair is not balanced.
        Part::Rest if !done.is_multiple_of(2) && fits(bench, run, 1.0) => Next::Round,
        Part::Rest if !done.is_multiple_of(2) => Next::Over(Ended::Budget),
        Part::Rest => rest(bench, run, done),
    }
}

fn least(bench: &Bench<'_>, run: &Run, done: u32) -> Next {
    let protocol = &run.plan.protocol;
    let planned = run.time_plan.as_ref().map_or(protocol.min_rounds, |plan| plan.rounds.min(protocol.min_rounds));
    let spoilt = u32::try_from(spoilt(run).len()).unwrap_or(u32::MAX);
    // What was spoilt is measured again, as long as that is cheap: a machine that is never steady gets no steadier.
    let again = if fits(bench, run, 1.0) { spoilt.min(planned / 2) } else { 0 };
    if done >= planned + again {
        return Next::PartDone;
    }
    let is_limit = protocol.budget == Budget::Limit;
    // The first one is begun whatever it takes: a limit that is too short ends it between samples.
    if is_limit && done > 0 && !fits(bench, run, 1.0) { Next::PartDone } else { Next::Round }
}

fn rest(bench: &Bench<'_>, run: &Run, done: u32) -> Next {
    let steady = done as usize - left_out(run).len();
    let is_precise = || widest(run).is_some_and(|width| width <= run.plan.protocol.precision);
    if steady >= FEWEST_FOR_INTERVAL as usize && done >= run.plan.protocol.min_rounds && is_precise() {
        return Next::Over(Ended::Precise);
    }
    if fits(bench, run, 2.0) { Next::Round } else { Next::Over(Ended::Budget) }
}

/// The widest half-width of ln ratio of the primary speeds of the candidates that are still measured, at the level that their verdicts
/// are held to: when it is half the region of equivalence, "no relevant difference" can be said. `None` while one has no interval.
pub(super) fn widest(run: &Run) -> Option<f64> {
    let original = run.original()?;
    let level = Verdicts::of_run(run).level(Family::Primary, run.plan.protocol.confidence);
    let next_round = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
    let mut widest: Option<f64> = None;
    for candidate in run.candidates_left(original).filter(|&candidate| run.is_measured(candidate, next_round)) {
        for work in synthetic(&run.plan).filter(|w| run.plan.is_primary(&run.plan.workloads[w.workload].kind)) {
            let series = |model| by_round(run, model, |visit: &Visit| rate(visit, work.workload));
            let width =
                stats::paired_effect(&log_ratios(&series(candidate), &series(original)), level).ok()?.half_width();
            widest = Some(widest.map_or(width, |w: f64| w.max(width)));
        }
    }
    widest
}

/// Whether so many rounds like the last fit the time, with what is kept back for outputs and tasks that are still to come.
fn fits(bench: &Bench<'_>, run: &Run, rounds: f64) -> bool {
    let Some(left_ns) = bench.left_ns() else { return true };
    left_ns >= rounds * round_ns(run) + kept_ns(run)
}

/// What a round takes: as the last did, as planned before there is one.
fn round_ns(run: &Run) -> f64 {
    if let Some(round) = run.rounds.last() {
        return round.duration_ns() as f64;
    }
    run.time_plan.as_ref().map_or(0.0, |plan| plan.planned.rounds_ns as f64 / f64::from(plan.rounds.max(1)))
}

/// What comparing outputs and asking tasks are planned to take, until they were done.
fn kept_ns(run: &Run) -> f64 {
    let planned = run.time_plan.as_ref().filter(|_| run.quality.is_none());
    let outputs_ns = planned.map_or(0, |plan| plan.planned.outputs_ns);
    outputs_ns as f64 + tasks::kept_ns(run) as f64
}

/// Rounds that there will probably be in all.
pub(super) fn expected_rounds(bench: &Bench<'_>, run: &Run) -> u32 {
    let protocol = &run.plan.protocol;
    let done = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
    let planned = run.time_plan.as_ref().map_or(protocol.min_rounds, |plan| plan.rounds).max(done);
    let Some(width) = widest(run) else { return planned };
    // Half-widths shrink with the root of the rounds.
    let wanted = clamped((f64::from(done) * (width / protocol.precision.max(1e-9)).powi(2)).ceil()).next_multiple_of(2);
    let affordable = bench.left_ns().map_or(u32::MAX, |left_ns| {
        let more = ((left_ns - kept_ns(run)) / round_ns(run).max(NS_PER_S / 1e6)).floor();
        done.saturating_add(clamped(more))
    });
    wanted.min(affordable).clamp(planned.min(protocol.max_rounds), protocol.max_rounds.max(done))
}

fn clamped(rounds: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a sane range")]
    {
        rounds.clamp(0.0, 100_000.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TaskResult, TaskStop, Tasks};
    use crate::run::{
        testing::{at, no_results, run_of_rates},
        time_planning::{Situation, plan_time},
    };

    /// A run of so many rounds of 2 s each, that may have 6 to 40, and rates that scatter by so much.
    fn with(n: usize, scatter: f64) -> Run {
        let rates: Vec<f64> = (0..n).map(|i| 150.0 * (1.0 + scatter * ((i * 7 % 11) as f64 / 5.0 - 1.0))).collect();
        let mut run = run_of_rates(&vec![100.0; n], &rates);
        let p = &mut run.plan.protocol;
        (p.min_rounds, p.max_rounds, p.precision) = (6, 40, 0.01);
        run
    }

    fn next_at(run: &Run, seconds: u64, part: Part) -> Next {
        at(run, seconds, |bench| next(bench, run, part))
    }

    #[test]
    fn it_stops_when_every_interval_is_narrow_and_not_before_the_least_rounds() {
        assert_eq!(next_at(&with(4, 0.0), 8, Part::Least), Next::Round);
        assert_eq!(next_at(&with(6, 0.2), 12, Part::Least), Next::PartDone);
        assert_eq!(next_at(&with(6, 0.0), 12, Part::Rest), Next::Over(Ended::Precise));
        assert_eq!(next_at(&with(7, 0.0), 14, Part::Rest), Next::Round, "half a pair is not balanced");
        assert_eq!(next_at(&with(40, 0.2), 80, Part::Rest), Next::Over(Ended::RoundsDone));
    }

    #[test]
    fn it_never_stops_because_a_difference_shows() {
        // A difference of 50 % that every round confirms, known to ±6 % only.
        let run = with(12, 0.15);
        assert!(widest(&run).is_some_and(|width| width > 0.01));
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Round);
    }

    #[test]
    fn the_width_is_that_of_the_verdicts_level() {
        let run = with(12, 0.01);
        let series = |model| by_round(&run, model, |visit: &Visit| rate(visit, 0));
        let plain =
            stats::paired_effect(&log_ratios(&series(1), &series(0)), 0.95).expect("twelve rounds").half_width();
        assert!(widest(&run).is_some_and(|width| width > 1.1 * plain), "{plain} {:?}", widest(&run));
    }

    #[test]
    fn an_aim_yields_to_the_least_rounds_and_a_limit_does_not() {
        let mut run = with(4, 0.2);
        run.plan.protocol.budget_s = Some(9);
        assert_eq!(next_at(&run, 8, Part::Least), Next::Round);
        run.plan.protocol.budget = Budget::Limit;
        assert_eq!(next_at(&run, 8, Part::Least), Next::PartDone, "a round takes 2 s");
        assert_eq!(next_at(&run, 7, Part::Least), Next::Round);
        assert_eq!(next_at(&run, 9, Part::Least), Next::Over(Ended::Budget));
        let mut more = with(12, 0.2);
        more.plan.protocol.budget_s = Some(27);
        assert_eq!(next_at(&more, 24, Part::Rest), Next::Over(Ended::Budget), "past them an aim holds, too");
        assert_eq!(next_at(&more, 23, Part::Rest), Next::Round, "a pair takes 4 s");
    }

    #[test]
    fn what_outputs_will_take_is_kept_back_until_they_were_compared() {
        let mut run = with(12, 0.2);
        run.plan.protocol.budget_s = Some(30);
        let mut plan =
            plan_time(&run.plan, Vec::new(), Situation { spent_ns: 0, original_passes: 1, has_original: true });
        plan.planned.outputs_ns = 20_000_000_000;
        run.time_plan = Some(plan);
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Over(Ended::Budget));
        run.quality = Some(no_results());
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Round);
    }

    #[test]
    fn what_tasks_will_take_is_kept_back_until_they_were_asked() {
        let mut run = with(12, 0.2);
        run.plan.protocol.budget_s = Some(30);
        let mut plan =
            plan_time(&run.plan, Vec::new(), Situation { spent_ns: 0, original_passes: 1, has_original: true });
        plan.planned.tasks_ns = 20_000_000_000;
        run.time_plan = Some(plan);
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Over(Ended::Budget));
        let asked = |subject| TaskResult {
            subject,
            outcome: Outcome::Done,
            stopped: Some(TaskStop::ItemsDone),
            tasks: Vec::new(),
            wall_ns: 1,
        };
        run.tasks = Some(Tasks { plans: Vec::new(), results: vec![asked(0)] });
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Over(Ended::Budget), "the other is still to be asked");
        run.tasks = Some(Tasks { plans: Vec::new(), results: vec![asked(0), asked(1)] });
        assert_eq!(next_at(&run, 24, Part::Rest), Next::Round);
    }

    #[test]
    fn what_a_burst_spoilt_is_measured_again_while_there_is_time() {
        let mut run = with(6, 0.2);
        for round in &mut run.rounds {
            round.calibration_ns = Some([1000, 1001]);
        }
        run.rounds[3].calibration_ns = Some([1000, 1300]);
        assert_eq!(next_at(&run, 12, Part::Least), Next::Round);
        run.plan.protocol.budget_s = Some(13);
        assert_eq!(next_at(&run, 12, Part::Least), Next::PartDone, "another takes 2 s");
    }
}
