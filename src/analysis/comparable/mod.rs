//! Whether two records can be held against each other: what differs between them besides what was measured.

mod build;
mod difference;
mod models;
mod plan;

use crate::record::Run;

use difference::Found;
pub(crate) use difference::{Difference, Scope, Weight};
pub(crate) use models::{MatchedBy, Pair, pair_models};
pub(crate) use plan::BEGUN;

/// Everything that differs, in the order of the records: program, machine, plan, models.
#[must_use]
pub(crate) fn differences(old: &Run, new: &Run) -> Vec<Difference> {
    let mut found = Found::default();
    build::compare(&mut found, old, new);
    plan::compare(&mut found, old, new);
    models::compare(&mut found, old, new);
    found.0
}

#[cfg(test)]
mod tests;
