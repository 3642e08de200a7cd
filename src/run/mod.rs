//! Measuring: rounds of workers in mirrored order, from a plan to the record. Draws no conclusion.

mod course;
mod depth;
mod launcher;
mod protocol;
pub mod quality;
mod round;
mod schedule;
mod simulated;
mod stopping;
#[cfg(test)]
mod testing;
mod together;
mod visit;
mod warmup;
mod worker;

pub use launcher::{Launcher, Lost, ProcessLauncher, Worker, run_to_end};
pub use protocol::{Answered, Reply, Request, Together};
pub use schedule::{order, prompts_in};
pub use simulated::SimulatedLauncher;
pub use worker::{handle, serve};

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    event::Observer,
    probe::Clock,
    record::{DeviceInfo, Ended, Outcome, Plan, Run},
};

/// What measuring needs besides the record it fills.
pub struct Bench<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The files, in the order of the run's models; the first part of split ones.
    pub files: &'a [PathBuf],
    /// Starts workers.
    pub launcher: &'a dyn Launcher,
    /// Our clock, at 0 when the run began.
    pub clock: Arc<dyn Clock>,
    /// The devices, as they were before the run.
    pub devices: &'a [DeviceInfo],
    /// Set when the person asked to stop.
    pub interrupt: &'a AtomicBool,
}

impl Bench<'_> {
    fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}

/// Runs the rounds of the plan and adds them to `run`; after each, `save` is given the run.
///
/// # Errors
/// What `save` returned; what was measured until then is in `run`.
pub fn execute<E>(
    bench: &Bench<'_>,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut dyn FnMut(&Run) -> Result<(), E>,
) -> Result<(), E> {
    let mut decided = course::Decided::at_start(bench, run);
    let mut stable: round::Stable = run.models.iter().map(|_| None).collect();
    run.ended = Ended::RoundsDone;
    for index in 0..bench.plan.protocol.max_rounds {
        let round = round::make(bench, run, index, &decided, &mut stable, observer);
        if !round.visits.is_empty() {
            run.rounds.push(round);
        }
        save(run)?;
        if let Some(ended) = cut_short(bench, run) {
            run.ended = ended;
            break;
        }
        let done = index + 1;
        // Decisions fall between mirrored pairs: half a pair is not balanced.
        if done % 2 == 0 {
            decided.learn(bench, run, done);
            let outlook = stopping::look(run, done, bench.clock.now_ns());
            decided.expected_rounds = outlook.expected_rounds;
            if let Some(ended) = outlook.ended {
                run.ended = ended;
                break;
            }
        }
    }
    save(run)
}

fn cut_short(bench: &Bench<'_>, run: &Run) -> Option<Ended> {
    if bench.interrupted() {
        Some(Ended::Interrupted)
    } else if run.models.iter().all(|m| m.outcome != Outcome::Done) {
        Some(Ended::NothingLeft)
    } else {
        None
    }
}
