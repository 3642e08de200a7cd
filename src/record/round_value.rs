//! A round's value: from the samples of one worker to one value, the same for whoever stops by it and whoever reports it.

use std::collections::BTreeSet;

use super::{Phase, Run, Sample, Visit, WorkloadKind};

/// Time of a sample: llama.cpp's own account where it kept one, else our clock.
pub(crate) fn time_ns(sample: &Sample) -> u64 {
    sample.native_ns.unwrap_or(sample.wall_ns)
}

/// The phase a synthetic workload times; `None` for those that have both, and for prompts.
pub(crate) fn synthetic_phase(kind: &WorkloadKind) -> Option<Phase> {
    match kind {
        WorkloadKind::Pp { .. } | WorkloadKind::PpParallel { .. } => Some(Phase::Prefill),
        WorkloadKind::Tg { .. } | WorkloadKind::TgParallel { .. } => Some(Phase::Decode),
        WorkloadKind::PpTg { .. } | WorkloadKind::Prompt(_) => None,
    }
}

/// Tokens a second of each inner sample of a synthetic workload in a visit, in time order. Samples without time are left out.
pub(crate) fn sample_rates(visit: &Visit, workload: usize) -> Vec<f64> {
    let own = visit.samples.iter().filter(|s| s.workload == workload);
    own.filter_map(|s| crate::units::tokens_per_second(u64::from(s.n_tokens), time_ns(s))).collect()
}

/// A calibration that lies apart from the others by so many times their own spread is no scatter of theirs.
const OUTLYING: f64 = 3.0;

/// The rounds in which the machine itself was another: a fixed calculation before or after them took longer or shorter than usual, by
/// more than the region of equivalence and by more than it usually scatters.
pub(crate) fn spoilt(run: &Run) -> BTreeSet<u32> {
    let calibrated: Vec<(u32, [f64; 2])> = run
        .rounds
        .iter()
        .filter_map(|round| Some((round.index, round.calibration_ns?.map(|ns| (ns.max(1) as f64).ln()))))
        .collect();
    let all: Vec<f64> = calibrated.iter().flat_map(|(_, both)| *both).collect();
    let Ok((usual, spread)) = crate::stats::median_and_spread(&all) else { return BTreeSet::new() };
    let most = (1.0 + run.plan.protocol.equivalence).ln().max(OUTLYING * spread);
    let is_spoilt = |both: &[f64; 2]| both.iter().any(|ln_ns| (ln_ns - usual).abs() > most);
    calibrated.into_iter().filter(|(_, both)| is_spoilt(both)).map(|(index, _)| index).collect()
}

/// Rounds that are left out of every figure: the spoilt ones, where they are the exception and enough others are left for intervals.
pub(crate) fn left_out(run: &Run) -> BTreeSet<u32> {
    /// As many as an interval needs.
    const ENOUGH: usize = 6;
    /// Where more rounds than a third are spoilt, that is how the machine is.
    const MOST: usize = 3;
    let spoilt = spoilt(run);
    let steady = run.rounds.len().saturating_sub(spoilt.len());
    if steady >= ENOUGH && spoilt.len() * MOST <= run.rounds.len() { spoilt } else { BTreeSet::new() }
}

/// The visits to a model with their rounds, in time order, but for the rounds that are left out.
pub(crate) fn visits(run: &Run, model: usize) -> impl Iterator<Item = (u32, &Visit)> {
    let left_out = left_out(run);
    run.rounds
        .iter()
        .filter(move |round| !left_out.contains(&round.index))
        .flat_map(|round| round.visits.iter().map(|visit| (round.index, visit)))
        .filter(move |(_, visit)| visit.model == model)
}

/// One value a round: `(round, value)`, rounds ascending; rounds without one are left out.
pub fn by_round(run: &Run, model: usize, value: impl Fn(&Visit) -> Option<f64>) -> Vec<(u32, f64)> {
    visits(run, model).filter_map(|(round, visit)| Some((round, value(visit)?))).collect()
}

/// The value of a synthetic workload: the median of its samples' rates.
#[must_use]
pub fn rate(visit: &Visit, workload: usize) -> Option<f64> {
    crate::stats::median(&sample_rates(visit, workload)).ok()
}

/// ln(own / other) of every round in which both have a value, rounds ascending.
#[must_use]
pub fn log_ratios(own: &[(u32, f64)], other: &[(u32, f64)]) -> Vec<f64> {
    own.iter()
        .filter_map(|&(round, value)| {
            let (_, of_other) = other.iter().find(|(r, _)| *r == round)?;
            Some((value / of_other).ln())
        })
        .filter(|d| d.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_without_a_partner_do_not_count() {
        let own = [(0, 1.0), (1, 2.0), (2, 3.0)];
        let other = [(0, 1.0), (2, 3.0)];
        assert_eq!(log_ratios(&own, &other), [0.0, 0.0]);
        assert_eq!(log_ratios(&own, &[(1, 0.0)]), [0.0; 0], "a ratio to nothing is none");
    }

    #[test]
    fn rounds_beside_which_the_machine_was_another_are_left_out_where_they_are_the_exception() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = crate::record::read_run(&path).expect("the fixture is a record");
        assert!(spoilt(&run).is_empty(), "nobody looked");
        let first = run.rounds[0].clone();
        let with = |calibrations: &[[u64; 2]]| {
            let rounds = (0..).zip(calibrations).map(|(index, &both)| crate::record::Round {
                index,
                calibration_ns: Some(both),
                ..first.clone()
            });
            rounds.collect::<Vec<_>>()
        };
        let mut steady = [[1000, 1002]; 9];
        steady[4] = [1001, 1200];
        run.rounds = with(&steady);
        assert_eq!(spoilt(&run), [4].into());
        assert!(visits(&run, 0).all(|(round, _)| round != 4) && visits(&run, 0).count() == 8);
        // Too few others for an interval: it counts all the same.
        run.rounds = with(&steady[..6]);
        assert_eq!((spoilt(&run), left_out(&run)), ([4].into(), BTreeSet::new()));
        // Where it always scatters by as much, that is how the machine is.
        run.rounds =
            with(&[[1000, 1200], [1200, 1000], [1000, 1150], [1150, 1000], [1100, 1200], [1000, 1100], [1200, 1100]]);
        assert!(spoilt(&run).is_empty());
    }
}
