//! Records held against each other: another day, build or machine.

mod compare;

pub(crate) use super::change::{Change, ChangeKind};
pub(crate) use compare::{Diff, DiffError, MetricDiff, ModelDiff, Scatter, Side, Within, diff, held_to, side};

#[cfg(test)]
mod error_rates;
#[cfg(test)]
pub(crate) mod tests;
