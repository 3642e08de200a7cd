//! Tests of whole reports: snapshots of a synthetic run, the page's structure, and hostile input.

mod fixture;
mod formats;
mod hostile;
mod page;
mod real;
mod snapshots;
mod wording;
