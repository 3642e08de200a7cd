//! Metrics: what is measured of a model, as values of one type with one table of what is known of each.
//!
//! A metric more is a variant of [`MetricId`], its row in [`MetricId::spec`], its text and where its value lies; the compiler names the places.

mod id;
mod plan;
mod spec;
mod verdicts;

pub(crate) use id::KldOf;
pub(crate) use id::Layout;
pub use id::MetricId;
#[cfg(test)]
pub(crate) use plan::tests::{all_work, every_metric};
pub(crate) use plan::{memory_of_weights, of_workloads, request};
pub use spec::Word;
pub(crate) use spec::{Better, Family, Section, Unit};
#[cfg(test)]
pub(crate) use spec::{MetricSpec, Output};
pub(crate) use verdicts::Verdicts;
pub(crate) use verdicts::adjusted;

/// A metric by its text, for tests.
#[cfg(test)]
pub(crate) fn id(text: &str) -> MetricId {
    text.parse().expect("the text of a metric")
}
