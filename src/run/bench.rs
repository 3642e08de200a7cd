//! What measuring needs besides the record it fills, and how that record is kept.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::connection::Launcher;
use crate::{
    probe::Clock,
    record::{Budget, DeviceInfo, DropReason, Outcome, Plan, Run, journal::Entry},
    units::{NS_PER_S, whole_ns},
};

/// What measuring needs besides the record it fills.
pub struct Bench<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The files, in the order of the run's models; the first part of split ones.
    pub files: &'a [PathBuf],
    pub launcher: &'a dyn Launcher,
    /// Our clock, at 0 when the run began; what passed between a kill and going on does not count.
    pub clock: Arc<dyn Clock>,
    /// The devices, as they were before the run.
    pub devices: &'a [DeviceInfo],
    /// Set when the person asked to stop.
    pub interrupt: &'a AtomicBool,
    /// What the run asks of those who know more than it does.
    pub judge: &'a dyn Judge,
    pub without_original: WithoutOriginal,
}

/// What becomes of a comparison whose original can't be measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutOriginal {
    /// It ends at once: the others answer nothing without it, and measuring them takes minutes to hours.
    #[default]
    Ends,
    /// It goes on: somebody wants the others' figures all the same.
    GoesOn,
}

/// What measuring has to ask: how fast the machine is at the moment, and what the results so far say. It draws no conclusion itself.
pub trait Judge {
    /// Nanoseconds of a fixed calculation; `None` where nothing is really timed.
    fn calibrate(&self) -> Option<u64> {
        None
    }

    /// Subjects that can't be chosen any more, beyond doubt, and why.
    fn out_of_the_race(&self, run: &Run) -> Vec<(usize, DropReason)> {
        let _ = run;
        Vec::new()
    }
}

/// Nobody is dropped, and the machine is taken as it is.
#[derive(Debug, Clone, Copy)]
pub struct NoJudge;

impl Judge for NoJudge {}

impl Bench<'_> {
    /// Time since the run began.
    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// What is left of the time that is aimed at or allowed, in nanoseconds; less than 0 when it has passed. `None` without one.
    pub(super) fn left_ns(&self) -> Option<f64> {
        let seconds = self.plan.protocol.budget_s?;
        Some(seconds as f64 * NS_PER_S - self.now_ns() as f64)
    }

    /// What is left of the time that is allowed, at least 0; what is only aimed at was planned for.
    pub(super) fn allowed_ns(&self) -> Option<u64> {
        let is_limit = self.plan.protocol.budget == Budget::Limit;
        self.left_ns().filter(|_| is_limit).map(|left_ns| whole_ns(left_ns.max(0.0)))
    }

    /// Whether the time allowed has passed: nothing more begins.
    pub(super) fn out_of_time(&self) -> bool {
        self.plan.protocol.budget == Budget::Limit && self.left_ns().is_some_and(|left_ns| left_ns <= 0.0)
    }

    /// Whether the original failed and there is no more to be learnt from the others.
    pub(super) fn has_lost_original(&self, run: &Run) -> bool {
        let failed = run.original().is_some_and(|original| run.subjects[original].outcome != Outcome::Done);
        let waits = run.server_lost().is_some();
        self.without_original == WithoutOriginal::Ends && failed && !waits && run.subjects.len() > 1
    }

    /// Whether nothing more is to begin.
    pub(super) fn stops(&self) -> bool {
        self.interrupted() || self.out_of_time()
    }

    pub(super) fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}

/// Keeps what was just added to the run, before anything else is measured.
pub(crate) type Save<'s, E> = dyn FnMut(&Run, &Entry) -> Result<(), E> + 's;

/// Adds an entry to the run and keeps it. What can't be kept is in the run all the same.
pub(super) fn note<E>(run: &mut Run, entry: &Entry, save: &mut Save<'_, E>) -> Result<(), E> {
    run.apply(entry);
    save(run, entry)
}
