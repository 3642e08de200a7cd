//! Measuring: rounds of fresh workers in mirrored order, from a plan to the record. Draws no conclusion.

mod launcher;
mod protocol;
pub mod quality;
mod schedule;
mod together;
mod visit;
mod worker;

pub use launcher::{Launcher, Lost, ProcessLauncher, Worker, run_to_end};
pub use protocol::{Answered, Reply, Request, Together};
pub use schedule::order;
pub use worker::{handle, serve};

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    event::{Event, Observer},
    probe::Clock,
    record::{DeviceInfo, Ended, Outcome, Plan, Round, Run, WorkloadKind},
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

    fn synthetic_workloads(&self) -> u64 {
        self.plan.workloads.iter().filter(|w| !matches!(w.kind, WorkloadKind::Prompt(_))).count() as u64
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
    let rounds = bench.plan.protocol.max_rounds;
    run.ended = Ended::RoundsDone;
    for index in 0..rounds {
        let visits = run.models.iter().filter(|m| m.outcome == Outcome::Done).count();
        observer.on(Event::Round { index, of: rounds, visits: u32::try_from(visits).unwrap_or(u32::MAX) });
        let round = one_round(bench, run, index, observer);
        if !round.visits.is_empty() {
            run.rounds.push(round);
        }
        observer.on(Event::RoundDone);
        save(run)?;
        if bench.interrupted() {
            run.ended = Ended::Interrupted;
            break;
        }
        if run.models.iter().all(|m| m.outcome != Outcome::Done) {
            run.ended = Ended::NothingLeft;
            break;
        }
    }
    save(run)
}

/// A model that failed is not visited again: it would fail the same way and cost the others their time.
fn one_round(bench: &Bench<'_>, run: &mut Run, index: u32, observer: &mut dyn Observer) -> Round {
    let mut round = Round { index, visits: Vec::new() };
    for model in order(run.models.len(), index, bench.plan.seed) {
        if run.models[model].outcome != Outcome::Done {
            continue;
        }
        if bench.interrupted() {
            break;
        }
        let info = &run.models[model];
        let task = visit::Task {
            model,
            name: &info.name,
            path: &bench.files[model],
            file_bytes: info.facts.as_ref().map_or(0, |f| f.file_bytes),
            round: index,
        };
        let visit = visit::make(bench, &task, observer);
        run.models[model].outcome = visit.outcome.clone();
        round.visits.push(visit);
    }
    round
}
