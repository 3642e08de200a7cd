//! Two records held against each other, and limits to what may change.

mod compare;
mod gate;

pub(crate) use compare::{Change, ChangeKind, Diff, Gate, MetricDiff, ModelDiff, Passing, Side, diff, held_to, side};
pub(crate) use gate::Limit;

#[cfg(test)]
pub(crate) mod tests;
