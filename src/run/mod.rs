//! Measuring: rounds of workers in mirrored order, from a plan to the record, or from where a record ends. Draws no conclusion.

mod adaptation;
mod bench;
mod connection;
mod exit;
mod invocation;
mod launcher;
mod memory_budget;
pub(crate) mod quality;
mod round;
mod schedule;
mod stopping;
#[cfg(test)]
mod testing;
mod timeout;
mod warmup;
mod workload;

pub use bench::Bench;
pub(crate) use connection::{Channel, Connection, Launcher};
#[cfg(test)]
pub(crate) use exit::LogTail;
pub(crate) use exit::WorkerExit;
pub use launcher::ProcessLauncher;
pub(crate) use launcher::run_to_end;
pub(crate) use memory_budget::{MemoryBudget, available_bytes};
pub use schedule::order;
pub(crate) use schedule::{PromptSchedule, prompts_in};
pub use timeout::Deadline;
pub(crate) use timeout::{Patience, Timeout};

use crate::{
    event::Observer,
    record::{Adaptation, Ended, Outcome, Run, journal::Entry},
};
use bench::{Save, note};

/// Runs the rounds of the plan that `run` does not have and adds them; each is given to `save` before the next begins. Rounds that
/// it has are gone through as if they had just been measured, so that what they decided is decided again.
///
/// # Errors
/// What `save` returned; what was measured until then is in `run`.
pub fn execute<E>(
    bench: &Bench<'_>,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    let mut noted = run.adaptation.take();
    let mut recorded = run.take_back(0).into_iter();
    let mut adapted = adaptation::Adapted::at_start(bench, run);
    let mut residents: round::ResidentWorkers = run.subjects.iter().map(|_| None).collect();
    run.ended = Ended::Unfinished;
    let mut ended = Ended::RoundsDone;
    for index in 0..bench.plan.protocol.max_rounds {
        if let Some(round) = recorded.next() {
            run.apply(&Entry::Round(round));
        } else {
            note_adaptation(run, &mut noted, save)?;
            let round = round::make(bench, run, index, &adapted, &mut residents, observer);
            if !round.visits.is_empty() {
                let cut = bench.interrupted();
                note(run, &if cut { Entry::CutRound(round) } else { Entry::Round(round) }, save)?;
            }
        }
        let up_to_date = recorded.len() == 0;
        if let Some(why) = cut_short(bench, run).filter(|_| up_to_date) {
            ended = why;
            break;
        }
        let done = index + 1;
        // Decisions fall between mirrored pairs: half a pair is not balanced.
        if done % 2 == 0 {
            adapted.learn(bench, run, done);
            let outlook = stopping::look(run, done, run.elapsed_ns());
            adapted.expected_rounds = outlook.expected_rounds;
            if let Some(why) = outlook.ended.filter(|_| up_to_date) {
                ended = why;
                break;
            }
        }
    }
    note_adaptation(run, &mut noted, save)?;
    run.ended = ended;
    Ok(())
}

/// Keeps what was decided since it was `noted` last.
fn note_adaptation<E>(run: &mut Run, noted: &mut Option<Adaptation>, save: &mut Save<'_, E>) -> Result<(), E> {
    let Some(now) = run.adaptation.clone().filter(|now| noted.as_ref() != Some(now)) else { return Ok(()) };
    *noted = Some(now.clone());
    note(run, &Entry::Adaptation(now), save)
}

fn cut_short(bench: &Bench<'_>, run: &Run) -> Option<Ended> {
    if bench.interrupted() {
        Some(Ended::Interrupted)
    } else if run.subjects.iter().all(|m| m.outcome != Outcome::Done) {
        Some(Ended::NothingLeft)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible};

    use super::*;
    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        probe::Virtual,
        record::InnerPolicy,
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
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 12, InnerPolicy::Pilot);
        protocol.inner_samples = 2;
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
        assert_eq!(
            whole.adaptation.as_ref().map(|adaptation| adaptation.samples_per_round.len()),
            Some(1),
            "the pilot decided"
        );
        assert_eq!(entries.len(), 8, "six rounds, and what was decided before the first and after the fourth");
        for n in 0..=entries.len() {
            let mut run = before_the_first_round();
            entries[..n].iter().for_each(|entry| run.apply(entry));
            let (again, added) = measured(run);
            assert_eq!(again, whole, "after {n} entries");
            assert_eq!(added, entries[n..], "after {n} entries");
        }
    }

    #[test]
    fn what_cannot_be_kept_ends_the_run_and_stays_in_the_record() {
        let mut run = before_the_first_round();
        let mut full = |run: &Run, _: &Entry| if run.rounds.len() == 3 { Err("the disk is full") } else { Ok(()) };
        assert_eq!(measure(&mut run, &mut full), Err("the disk is full"));
        assert_eq!((run.rounds.len(), run.ended), (3, Ended::Unfinished));
    }
}
