//! Options of how a run is carried out, whatever it measures.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Args)]
#[command(next_help_heading = "Work")]
pub(crate) struct ExecutionArgs {
    /// Print the plan, the memory it needs and an estimate of the time; measure nothing
    #[arg(long, help_heading = "Output")]
    pub(crate) dry_run: bool,
    /// Seed of the order of models and of the token ids
    #[arg(long, default_value_t = 42, value_name = "N")]
    pub(crate) seed: u64,
    /// Longest silence of a worker before it is stopped, in seconds [default: 20 times what the same work took before, at least
    /// 60; 1800 for what was not seen before]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Load even what is expected not to fit in memory, and measure candidates without an original that can be measured
    #[arg(long)]
    pub(crate) force: bool,
    /// Follow a script instead of llama.cpp (internal)
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
}

/// Whether what is not here may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Downloads {
    /// It is.
    Made,
    /// Only what would be fetched is said.
    Announced,
}

impl ExecutionArgs {
    /// The same from any folder.
    pub(crate) fn absolute(self) -> Self {
        let script = self.script.map(|script| std::path::absolute(&script).unwrap_or(script));
        Self { script, ..self }
    }

    /// A dry run fetches nothing.
    pub(crate) fn downloads(&self) -> Downloads {
        if self.dry_run { Downloads::Announced } else { Downloads::Made }
    }
}
