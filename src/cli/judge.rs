//! What a run asks of those who know more than it does: how fast the machine is, and who is out of the race.

use crate::{
    analysis,
    probe::{self, Monotonic},
    record::{DropReason, Run},
    run::Judge,
};

/// Judges runs on this machine.
pub(super) struct Referee {
    clock: Monotonic,
    /// A script is followed: its clock is not this machine's.
    is_scripted: bool,
}

impl Referee {
    pub(super) fn new(is_scripted: bool) -> Self {
        Self { clock: Monotonic::start(), is_scripted }
    }
}

impl Judge for Referee {
    fn calibrate(&self) -> Option<u64> {
        (!self.is_scripted).then(|| probe::calibration_ns(&self.clock))
    }

    fn out_of_the_race(&self, run: &Run) -> Vec<(usize, DropReason)> {
        analysis::out_of_the_race(run)
    }
}
