//! Exit codes, documented in the README.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything went through.
    Fine,
    /// Nothing could be measured, or something unforeseen failed.
    Failed,
    /// A model differs from itself: figures from this machine can't be trusted as they are.
    SelfcheckFailed,
    /// The command line can't be followed: a metric that does not exist, for example.
    Usage,
    /// A limit of --fail-if was passed.
    Regressed,
    /// Some models were measured, others failed.
    Partial,
    /// The person stopped it; what was measured is saved.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            // As clap's own.
            Exit::Usage => 2,
            Exit::Regressed => 3,
            Exit::SelfcheckFailed => 4,
            Exit::Partial => 5,
            Exit::Interrupted => 130,
        })
    }
}
