//! report --votes: a file that the page's blind judging saved, held against the record.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{
    analysis::votes::{self, Cast, VoteCount},
    record::Run,
};

/// Reads and counts votes.
///
/// # Errors
/// When the file can't be read, is no file of votes, or is of another record.
pub(super) fn counted(path: &Path, run: &Run) -> Result<Vec<VoteCount>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the votes in {}", path.display()))?;
    let cast: Cast =
        serde_json::from_str(&text).with_context(|| format!("understand the votes in {}", path.display()))?;
    votes::count(run, &cast).with_context(|| format!("count the votes in {}", path.display()))
}
