//! Tests of whole reports: snapshots of a synthetic run, the page's structure, and hostile input.

mod absurd;
mod cautions;
pub(in crate::report) mod fixture;
mod formats;
mod hostile;
mod measured;
mod metrics;
mod mutate;
pub(in crate::report) mod page;
mod real;
mod snapshots;
mod wording;
