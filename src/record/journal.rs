//! The journal of a run: one entry a line, in the order in which things were finished. A record is what its entries add up to.

mod entry;
mod read;
mod write;

pub use entry::Entry;
pub(crate) use entry::{Begun, Compared};
pub(crate) use read::Journal;
pub(crate) use write::JournalFile;

/// How a journal is told from a record that is one object.
pub(super) const FIRST_BYTES: &[u8] = b"{\"begun\":";
