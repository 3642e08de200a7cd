//! When to stop: on the width of the intervals or on time, after complete mirrored pairs. Never on what they say.

use super::workload::synthetic;
use crate::{
    record::{
        Budget, Ended, Run, Visit,
        round_value::{by_round, log_ratios, rate},
    },
    stats,
};

/// How a run stands after a mirrored pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Why it is over, when it is.
    pub(super) ended: Option<Ended>,
    /// Rounds there will probably be in all.
    pub(super) expected_rounds: u32,
}

/// Looks at a run after `done` rounds, `elapsed_ns` after it began.
pub(super) fn look(run: &Run, done: u32, elapsed_ns: u64) -> Outlook {
    let protocol = &run.plan.protocol;
    let widest = widest(run);
    if done >= protocol.min_rounds && widest.is_some_and(|width| width <= protocol.precision) {
        return Outlook { ended: Some(Ended::Precise), expected_rounds: done };
    }
    let wanted = widest.map_or(protocol.min_rounds, |width| rounds_for(done, width, protocol.precision));
    let affordable = left_ns(run, elapsed_ns).map(|left_ns| {
        let pairs = ((left_ns - quality_ns(run)) / pair_ns(run).max(1.0)).floor().max(0.0);
        done.saturating_add(2 * clamped(pairs))
    });
    let least = match (protocol.budget, affordable) {
        (Budget::Limit, Some(affordable)) => protocol.min_rounds.min(affordable),
        _ => protocol.min_rounds,
    };
    let most = protocol.max_rounds.min(affordable.unwrap_or(u32::MAX)).max(least);
    let ended = (done >= most && most < protocol.max_rounds).then_some(Ended::Budget);
    Outlook { ended, expected_rounds: wanted.clamp(least, most).max(done) }
}

/// What is left of the time that is aimed at; less than 0 when it has passed. `None` without one.
pub(super) fn left_ns(run: &Run, elapsed_ns: u64) -> Option<f64> {
    run.plan.protocol.budget_s.map(|seconds| seconds as f64 * 1e9 - elapsed_ns as f64)
}

/// The widest half-width of ln ratio of the primary metrics: every candidate's synthetic workloads, those at a greater depth than the least
/// excepted. `None` while one has no interval.
pub(super) fn widest(run: &Run) -> Option<f64> {
    let original = run.original()?;
    let mut widest: Option<f64> = None;
    for candidate in run.candidates_left(original) {
        for work in synthetic(&run.plan).filter(|w| run.plan.is_primary(&run.plan.workloads[w.workload].kind)) {
            let series = |model| by_round(run, model, |visit: &Visit| rate(visit, work.workload));
            let d = log_ratios(&series(candidate), &series(original));
            let width = stats::paired_effect(&d, run.plan.protocol.confidence).ok()?.half_width();
            widest = Some(widest.map_or(width, |w: f64| w.max(width)));
        }
    }
    widest
}

/// Half-widths shrink with the root of the rounds.
fn rounds_for(done: u32, width: f64, precision: f64) -> u32 {
    let needed = f64::from(done) * (width / precision.max(1e-9)).powi(2);
    clamped(needed.ceil()).next_multiple_of(2)
}

/// Wall time of the newest mirrored pair.
pub(super) fn pair_ns(run: &Run) -> f64 {
    let newest = run.rounds.len().saturating_sub(2);
    let visits = || run.rounds[newest..].iter().flat_map(|r| &r.visits);
    let begin = visits().map(|v| v.started_ns).min().unwrap_or(0);
    let end = visits().map(|v| v.started_ns + v.duration_ns).max().unwrap_or(0);
    (end - begin) as f64
}

/// What comparing outputs will take, when it follows: its windows, as far as they are known, at the speed of each model's prompt
/// evaluation.
pub(super) fn quality_ns(run: &Run) -> f64 {
    let Some(quality) = &run.plan.quality else { return 0.0 };
    let windows = quality.max_windows.unwrap_or(quality.min_windows) as f64 * f64::from(quality.n_ctx);
    let Some(prefill) = synthetic(&run.plan).find(|work| work.phase == crate::record::Phase::Prefill) else {
        return 0.0;
    };
    let seconds = |model| {
        let rates: Vec<f64> =
            by_round(run, model, |visit| rate(visit, prefill.workload)).into_iter().map(|(_, rate)| rate).collect();
        stats::median(&rates).map_or(0.0, |rate| windows / rate)
    };
    (0..run.subjects.len()).map(seconds).sum::<f64>() * 1e9
}

fn clamped(rounds: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a sane range")]
    {
        rounds.clamp(0.0, 100_000.0) as u32
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::run::testing::run_of_rates;

    fn with(rates: &[f64]) -> Run {
        let mut run = run_of_rates(&vec![100.0; rates.len()], rates);
        let p = &mut run.plan.protocol;
        (p.min_rounds, p.max_rounds, p.precision) = (10, 40, 0.01);
        run
    }

    fn noisy(n: usize, size: f64) -> Vec<f64> {
        (0..n).map(|i| 150.0 * (1.0 + size * ((i * 7 % 11) as f64 / 5.0 - 1.0))).collect()
    }

    fn done(run: &Run) -> u32 {
        u32::try_from(run.rounds.len()).unwrap()
    }

    #[test]
    fn it_stops_when_every_interval_is_narrow_and_not_before_the_least_rounds() {
        let few = with(&noisy(8, 0.001));
        assert_eq!(look(&few, 8, 0).ended, None);
        let enough = with(&noisy(10, 0.001));
        assert_eq!(look(&enough, 10, 0).ended, Some(Ended::Precise));
        let wide = with(&noisy(10, 0.2));
        let outlook = look(&wide, 10, 0);
        assert_eq!(outlook.ended, None);
        assert_eq!(outlook.expected_rounds, 40, "as many as allowed");
    }

    #[test]
    fn it_never_stops_because_a_difference_shows() {
        // A difference of 50 % that every round confirms, known to ±6 % only.
        let run = with(&noisy(12, 0.15));
        assert!(widest(&run).unwrap() > 0.01);
        assert_eq!(look(&run, 12, 0).ended, None);
    }

    #[test]
    fn a_budget_is_an_aim_or_a_limit() {
        let mut run = with(&noisy(4, 0.2));
        // A pair takes 4 s in these runs.
        run.plan.protocol.budget_s = Some(10);
        assert_eq!(look(&run, done(&run), 8_000_000_000).ended, None, "an aim yields to the least rounds");
        run.plan.protocol.budget = Budget::Limit;
        assert_eq!(look(&run, done(&run), 8_000_000_000).ended, Some(Ended::Budget));
        let room = look(&run, done(&run), 5_000_000_000);
        assert_eq!((room.ended, room.expected_rounds), (None, 6), "one more pair fits");
        let mut long = with(&noisy(12, 0.2));
        long.plan.protocol.budget_s = Some(10);
        assert_eq!(look(&long, 12, 8_000_000_000).ended, Some(Ended::Budget), "past the least rounds the aim holds");
    }

    #[test]
    fn what_quality_will_take_is_kept_back() {
        let mut run = with(&noisy(12, 0.2));
        run.plan.protocol.budget_s = Some(30);
        assert_eq!(look(&run, 12, 5_000_000_000).ended, None);
        run.plan.quality = Some(crate::run::testing::quality(10));
        // 10 windows of 512 at 100 and at 150 t/s: 51 and 34 s.
        assert!((80e9..90e9).contains(&quality_ns(&run)), "{}", quality_ns(&run));
        assert_eq!(look(&run, 12, 5_000_000_000).ended, Some(Ended::Budget));
    }
}
