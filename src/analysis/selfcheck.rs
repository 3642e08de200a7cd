//! A model against itself: every difference found is false, and the width of the rest is what this machine can tell apart.

use schemars::JsonSchema;
use serde::Serialize;

use crate::metric::MetricId;

use super::{
    analyse::Analysis,
    verdict::{Comparison, Verdict},
    warning::Warning,
};

/// What a self-check found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct SelfCheck {
    /// Metrics that came out relevantly different, with their intervals.
    pub differences: Vec<(MetricId, Comparison)>,
    /// Metrics whose interval lies inside the region of equivalence.
    pub equivalent: Vec<(MetricId, Comparison)>,
    /// Metrics too unsteady to say either.
    pub unresolved: Vec<(MetricId, Comparison)>,
    /// Rounds it took.
    pub rounds: u32,
    /// Differences smaller than this are not relevant.
    pub equivalence: f64,
    /// What was seen of the machine meanwhile.
    pub warnings: Vec<Warning>,
}

/// What that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finding {
    /// Nothing was found where there is nothing.
    Passed,
    /// A difference was found where there is none.
    Failed,
    /// Too few rounds for a single interval: nothing could have been found.
    Undecided,
}

impl SelfCheck {
    /// What the verdicts come to.
    #[must_use]
    pub(crate) fn finding(&self) -> Finding {
        let has_interval = |(_, c): &(MetricId, Comparison)| c.verdict.is_some();
        if !self.differences.is_empty() {
            Finding::Failed
        } else if self.equivalent.iter().chain(&self.unresolved).any(has_interval) {
            Finding::Passed
        } else {
            Finding::Undecided
        }
    }
}

/// Sorts the verdicts on the second model, which is the first one again.
#[must_use]
pub(crate) fn selfcheck(analysis: &Analysis) -> SelfCheck {
    let mut found = SelfCheck {
        differences: Vec::new(),
        equivalent: Vec::new(),
        unresolved: Vec::new(),
        rounds: analysis.rounds,
        equivalence: analysis.equivalence,
        warnings: analysis.warnings.clone(),
    };
    for comparison in analysis.models.iter().flat_map(|m| &m.vs_original) {
        let into = match comparison.verdict {
            Some(Verdict::NoRelevantDifference) => &mut found.equivalent,
            None | Some(Verdict::NotResolved) => &mut found.unresolved,
            Some(Verdict::Better(_) | Verdict::Worse(_)) => &mut found.differences,
        };
        into.push((comparison.id.clone(), comparison.clone()));
    }
    found
}
