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
            // 2 is clap's, for usage.
            Exit::SelfcheckFailed => 4,
            Exit::Partial => 5,
            Exit::Interrupted => 130,
        })
    }
}
