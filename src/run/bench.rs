//! What measuring needs besides the record it fills, and how that record is kept.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::connection::Launcher;
use crate::{
    probe::Clock,
    record::{DeviceInfo, Plan, Run, journal::Entry},
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
}

impl Bench<'_> {
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
