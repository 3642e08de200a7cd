//! Measuring: a first look at each subject, then rounds of workers in mirrored order, from a plan to the record, or from where a record
//! ends. Draws no conclusion.

mod bench;
mod connection;
mod costs;
mod exit;
pub(crate) mod fit;
mod invocation;
mod launcher;
mod memory_budget;
mod probe;
pub(crate) mod quality;
mod round;
mod schedule;
mod stopping;
pub(crate) mod tasks;
#[cfg(test)]
mod testing;
mod time_planning;
mod timeout;
mod warmup;
mod workload;

pub(crate) use bench::Save;
pub use bench::{Bench, Judge, NoJudge, WithoutOriginal};
pub(crate) use connection::{Channel, Connection, Launcher};
pub(crate) use costs::Speeds;
#[cfg(test)]
pub(crate) use exit::LogTail;
pub(crate) use exit::WorkerExit;
pub use launcher::ProcessLauncher;
pub(crate) use launcher::{run_for_log, run_to_end};
pub(crate) use memory_budget::{MemoryBudget, available_bytes};
pub use schedule::order;
pub(crate) use stopping::Part;
pub(crate) use tasks::TaskInputs;
pub(crate) use time_planning::{Situation, plan_time};
pub use timeout::Deadline;
pub(crate) use timeout::{Patience, Timeout};

use crate::{
    event::{Event, Observer},
    record::{Adaptation, Arrangement, Decision, DropReason, Ended, Outcome, Run, SubjectCost, journal::Entry},
};
use bench::note;
use memory_budget::Room;
use stopping::Next;

/// Probes, plans the time and runs the rounds, as far as `run` does not have them. What is found is given to `save` before anything
/// else begins.
///
/// # Errors
/// What `save` returned; what was measured until then is in `run`.
pub fn execute<E>(
    bench: &Bench<'_>,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    begin(bench, run, observer, save)?;
    for part in [Part::Least, Part::Rest] {
        if let Some(ended) = rounds(bench, run, part, observer, save)? {
            run.ended = ended;
            break;
        }
    }
    Ok(())
}

/// Looks at every subject, plans the time by what was found, and decides how the subjects of a round share its time.
///
/// # Errors
/// What `save` returned.
pub(crate) fn begin<E>(
    bench: &Bench<'_>,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    run.ended = Ended::Unfinished;
    if run.time_plan.is_none() && run.rounds.is_empty() {
        for model in 0..run.subjects.len() {
            if bench.has_lost_original(run) {
                break;
            }
            let is_known = run.probes.iter().any(|probe| probe.model == model);
            if is_known || run.subjects[model].outcome != Outcome::Done || bench.stops() {
                continue;
            }
            if let Some(probe) = probe::look(bench, run, model, observer) {
                note(run, &Entry::Probe(Box::new(probe)), save)?;
                if run.server_lost().is_some() {
                    return Ok(());
                }
            }
        }
        if bench.interrupted() || bench.has_lost_original(run) {
            return Ok(());
        }
        let plan = plan_time(&run.plan, costs(run), situation(bench, run));
        note(run, &Entry::TimePlan(Box::new(plan)), save)?;
    }
    if run.adaptation.is_none() {
        let adaptation = at_start(bench, run);
        note(run, &Entry::Adaptation(adaptation), save)?;
    }
    // A race ends when it is decided; whoever holds several says their time.
    if let Some(plan) = run.time_plan.as_ref().filter(|_| run.plan.race.is_none()) {
        observer.on(Event::Planned { protocol: &run.plan.protocol, plan });
    }
    Ok(())
}

/// Runs a part of the rounds. `None` when the part is over and the run is not.
///
/// # Errors
/// What `save` returned; what was measured until then is in `run`.
pub(crate) fn rounds<E>(
    bench: &Bench<'_>,
    run: &mut Run,
    part: Part,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<Option<Ended>, E> {
    loop {
        let drops = part == Part::Rest || run.plan.race.is_some();
        if drops && run.rounds.len().is_multiple_of(2) {
            drop_subjects(bench, run, save)?;
        }
        match stopping::next(bench, run, part) {
            Next::PartDone => return Ok(None),
            Next::Over(ended) => return Ok(Some(ended)),
            Next::Round => {}
        }
        let index = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
        observer.on(Event::Rounds { done: index, of: stopping::expected_rounds(bench, run) });
        let round = round::make(bench, run, index, observer);
        if round.visits.is_empty() {
            continue;
        }
        let lost = round::lost_a_server(&round);
        note(run, &if bench.stops() || lost { Entry::CutRound(round) } else { Entry::Round(round) }, save)?;
        if lost {
            return Ok(Some(Ended::ServerLost));
        }
    }
}

/// Takes those out that can't be chosen any more. With two left there is nobody to save time for, but in a race, which one ends.
fn drop_subjects<E>(bench: &Bench<'_>, run: &mut Run, save: &mut Save<'_, E>) -> Result<(), E> {
    let from_round = u32::try_from(run.rounds.len()).unwrap_or(u32::MAX);
    let left = (0..run.subjects.len()).filter(|&subject| run.is_measured(subject, from_round)).count();
    let races = run.plan.race.is_some();
    if left <= if races { 1 } else { 2 } {
        return Ok(());
    }
    let is_new = |(subject, _): &(usize, DropReason)| {
        (races || Some(*subject) != run.original()) && run.is_measured(*subject, from_round)
    };
    let out: Vec<Decision> = bench
        .judge
        .out_of_the_race(run)
        .into_iter()
        .filter(is_new)
        .map(|(subject, because)| Decision::Dropped {
            subject,
            name: run.subjects[subject].name.clone(),
            from_round,
            because,
        })
        .collect();
    let Some(adaptation) = run.adaptation.clone().filter(|_| !out.is_empty()) else { return Ok(()) };
    let decisions = adaptation.decisions.iter().cloned().chain(out).collect();
    note(run, &Entry::Adaptation(Adaptation { decisions, ..adaptation }), save)
}

/// What each subject costs, by its probe; nothing of one that can't be measured.
fn costs(run: &Run) -> Vec<SubjectCost> {
    let cost = |(model, subject): (usize, &crate::record::Subject)| {
        let probe = run.probes.iter().find(|probe| probe.model == model && subject.outcome == Outcome::Done);
        let speeds = probe.and_then(Speeds::of_probe);
        speeds.map(|speeds| speeds.cost(&run.plan, subject.model.facts.as_ref())).unwrap_or_default()
    };
    run.subjects.iter().enumerate().map(cost).collect()
}

fn situation(bench: &Bench<'_>, run: &Run) -> Situation {
    Situation {
        spent_ns: bench.now_ns(),
        original_passes: quality::original_passes(bench.files, run),
        has_original: run.original().is_some(),
    }
}

/// Models that were to be loaded side by side follow each other when together they do not fit.
fn at_start(bench: &Bench<'_>, run: &Run) -> Adaptation {
    let mut adaptation = Adaptation {
        arrangement: bench.plan.protocol.arrangement,
        samples_per_round: run.time_plan.iter().flat_map(|plan| plan.samples.clone()).collect(),
        decisions: Vec::new(),
    };
    if adaptation.arrangement == Arrangement::Alternating && run.subjects.iter().any(|s| !s.settings.rpc.is_empty()) {
        adaptation.arrangement = Arrangement::Sequential;
        adaptation.decisions.push(Decision::OneClientAServer);
    }
    let room = Room::of(bench.plan, run);
    if adaptation.arrangement == Arrangement::Alternating && !room.is_enough() {
        adaptation.arrangement = Arrangement::Sequential;
        let Room { needed_bytes, available_bytes } = room;
        adaptation.decisions.push(Decision::OneAfterTheOther { needed_bytes, available_bytes });
    }
    adaptation
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible};

    use super::*;
    use crate::{
        engine::{Failure, HowItFails, ModelScript, Script, ScriptedEngine},
        probe::{Clock, Virtual},
        record::{InnerPolicy, Stage},
        testing::run::SimulatedLauncher,
    };

    fn script() -> Script {
        let model = |prefill_ns_per_token| ModelScript {
            load_ns: 1000,
            prefill_ns_per_token,
            decode_ns_per_token: 1,
            answer: String::new(),
            logit_noise: 0.0,
            fail: None,
        };
        let models = [("original.gguf", model(30_000)), ("candidate.gguf", model(20_000))];
        Script {
            models: models.map(|(name, model)| (name.to_owned(), model)).into_iter().collect::<BTreeMap<_, _>>(),
            noise: None,
        }
    }

    fn before_the_first_round() -> Run {
        let mut run = testing::run_of_rates(&[], &[]);
        let protocol = &mut run.plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 12, InnerPolicy::Planned);
        run
    }

    /// Measures what is left, on a clock that goes on where the record ends.
    fn measure<E>(run: &mut Run, save: &mut Save<'_, E>) -> Result<(), E> {
        let clock = Virtual::default();
        clock.set(run.elapsed_ns());
        let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script(), clock.clone()));
        testing::measure(&launcher, clock, ["original.gguf", "candidate.gguf"], run, save)
    }

    /// The record once it is whole, and what was added to it.
    fn measured(mut run: Run) -> (Run, Vec<Entry>) {
        let mut entries = Vec::new();
        let mut save = |_: &Run, entry: &Entry| -> Result<(), Infallible> {
            entries.push(entry.clone());
            Ok(())
        };
        measure(&mut run, &mut save).unwrap();
        (run, entries)
    }

    #[test]
    fn going_on_after_any_entry_gives_the_run_that_was_not_interrupted() {
        let (whole, entries) = measured(before_the_first_round());
        assert_eq!((whole.rounds.len(), whole.ended), (6, Ended::Precise));
        assert_eq!((whole.probes.len(), whole.time_plan.is_some()), (2, true));
        assert_eq!(entries.len(), 10, "two looks, the plan, the arrangement, six rounds");
        for n in 0..=entries.len() {
            let mut run = before_the_first_round();
            entries[..n].iter().for_each(|entry| run.apply(entry));
            let (again, added) = measured(run);
            assert_eq!(again, whole, "after {n} entries");
            assert_eq!(added, entries[n..], "after {n} entries");
        }
    }

    /// A run whose original fails at a stage, after it was done so often; what was added to the record.
    fn without_its_original(at: Stage, after: u32, goes_on: bool) -> (Run, Vec<Entry>) {
        let (mut run, mut entries) = (before_the_first_round(), Vec::new());
        let clock = Virtual::default();
        let mut script = script();
        let original = script.models.get_mut("original.gguf").expect("it is in the script");
        original.fail = Some(Failure { at, how: HowItFails::Error, after });
        let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script, clock.clone()));
        let mut save = |_: &Run, entry: &Entry| -> Result<(), Infallible> {
            entries.push(entry.clone());
            Ok(())
        };
        let files = ["original.gguf", "candidate.gguf"];
        let measure = if goes_on { testing::without_original } else { testing::measure };
        let Ok(()) = measure(&launcher, clock, files, &mut run, &mut save);
        (run, entries)
    }

    #[test]
    fn an_original_that_fails_ends_the_run_at_once_unless_it_is_to_go_on() {
        let (run, entries) = without_its_original(Stage::Load, 0, false);
        assert_eq!((run.ended, run.rounds.len(), run.time_plan), (Ended::OriginalFailed, 0, None));
        assert!(matches!(&entries[..], [Entry::Probe(probe)] if probe.model == 0), "nothing else was looked at");
        assert!(matches!(&run.subjects[0].outcome, Outcome::Failed { stage: Stage::Load, .. }));
        // In the first round: the look takes two prompts, of one token and more.
        let (run, _) = without_its_original(Stage::Prefill, 5, false);
        assert_eq!((run.ended, run.rounds.len(), run.probes.len()), (Ended::OriginalFailed, 1, 2));
        let (run, _) = without_its_original(Stage::Load, 0, true);
        assert_eq!((run.ended, run.rounds.len(), run.probes.len()), (Ended::RoundsDone, 12, 2));
    }

    #[test]
    fn what_cannot_be_kept_ends_the_run_and_stays_in_the_record() {
        let mut run = before_the_first_round();
        let mut full = |run: &Run, _: &Entry| if run.rounds.len() == 3 { Err("the disk is full") } else { Ok(()) };
        assert_eq!(measure(&mut run, &mut full), Err("the disk is full"));
        assert_eq!((run.rounds.len(), run.ended), (3, Ended::Unfinished));
    }

    /// Puts a subject out of the race from the sixth round on.
    struct Drops(usize);

    impl Judge for Drops {
        fn out_of_the_race(&self, run: &Run) -> Vec<(usize, DropReason)> {
            assert!(run.rounds.len() >= 6, "nobody is out before there are intervals");
            vec![(self.0, DropReason::Dominated { by: "candidate".into() })]
        }
    }

    #[test]
    fn who_is_out_of_the_race_is_measured_no_further_and_keeps_its_figures() {
        let mut run = before_the_first_round();
        let third = crate::record::Subject { name: "third".into(), ..run.subjects[1].clone() };
        run.subjects.push(third);
        (run.plan.protocol.precision, run.plan.protocol.max_rounds) = (-1.0, 8);
        let clock = Virtual::default();
        let mut script = script();
        script.models.insert("third.gguf".into(), script.models["candidate.gguf"].clone());
        let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script, clock.clone()));
        let files = ["original.gguf", "candidate.gguf", "third.gguf"];
        let mut nothing = |_: &Run, _: &Entry| Ok::<(), Infallible>(());
        testing::judged(&launcher, clock, &files, &Drops(2), &mut run, &mut nothing).unwrap();
        let visited = |round: &crate::record::Round| round.visits.iter().any(|visit| visit.model == 2);
        assert_eq!(run.rounds.iter().map(visited).collect::<Vec<_>>(), [[true; 6].as_slice(), &[false; 2]].concat());
        let decisions = &run.adaptation.as_ref().expect("it was decided").decisions;
        assert!(matches!(&decisions[..], [Decision::Dropped { subject: 2, from_round: 6, .. }]), "{decisions:?}");
        assert_eq!(run.subjects[2].outcome, Outcome::Done);
    }

    #[test]
    fn a_limit_is_passed_by_one_sample_at_most() {
        // A sample takes 3 s of the one and 2 s of the other; a look at both and the least work far more than is allowed.
        for seconds in [1, 4, 9, 20, 31] {
            let mut run = before_the_first_round();
            let protocol = &mut run.plan.protocol;
            (protocol.budget_s, protocol.budget) = (Some(seconds), crate::record::Budget::Limit);
            let clock = Virtual::default();
            let mut script = script();
            for model in script.models.values_mut() {
                model.prefill_ns_per_token *= 1000;
            }
            let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script, clock.clone()));
            let mut nothing = |_: &Run, _: &Entry| Ok::<(), Infallible>(());
            testing::measure(&launcher, clock.clone(), ["original.gguf", "candidate.gguf"], &mut run, &mut nothing)
                .unwrap();
            let passed = clock.now_ns();
            assert!(passed <= seconds * 1_000_000_000 + 3_100_000_000, "{seconds} s: {passed} ns");
            assert_eq!(run.ended, Ended::Budget, "{seconds} s");
            assert!(run.time_plan.is_some_and(|plan| plan.is_quick_look()), "{seconds} s");
        }
    }
}
