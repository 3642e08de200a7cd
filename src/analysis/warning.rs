//! Warnings: what a reader should know before trusting the numbers, with evidence and a remedy.

use serde::Serialize;

/// A warning in plain words. `kind` is stable for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable name: `clocks_disagree`, `cpu_features_unused`, `debug_build`, `busy_machine`, ...
    pub kind: String,
    /// The model it concerns, by name; `None` for the run as a whole.
    pub model: Option<String>,
    /// What was seen, with figures.
    pub evidence: String,
    /// What to do about it.
    pub remedy: String,
}
