//! What going on with a tuning takes until it is confirmed: what was asked for, and which races were begun. The races have journals of their
//! own; the rounds that confirm have run.jsonl.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    super::{go_on::of_another_version, options::execution::ExecutionArgs, outputs::ResultArgs},
    grid::Tuned,
    typed::Typed,
};
use crate::record::{self, Goal, ThreadsReason, Workload, journal::Journal};

/// Beside the records of the races.
const FILE: &str = "tune.state";

/// What a tuning is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) goal: Goal,
    /// The settings to tune, in their order.
    pub(super) order: Vec<Tuned>,
    pub(super) typed: Typed,
    pub(super) max_memory_bytes: Option<f64>,
    pub(super) max_kld_nats: f64,
    pub(super) equivalence: f64,
    pub(super) budget_s: Option<u64>,
    pub(super) min_ctx: Option<u32>,
    pub(super) work: Vec<Workload>,
    pub(super) threads: ThreadsReason,
    pub(super) execution: ExecutionArgs,
}

/// A tuning that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(super) asked: Asked,
    /// The model's file.
    pub(super) model: PathBuf,
    /// What it is called.
    pub(super) name: String,
    /// The command line that began it.
    pub(super) command: Vec<String>,
    pub(super) started_utc: String,
    /// Records of the races that were begun, in their order; what lies beside them under other names is of another tuning.
    pub(super) races: Vec<String>,
    /// What was to be written besides its own files.
    #[serde(default)]
    pub(super) results: ResultArgs,
}

impl Kept {
    /// The model's file, as a command line names it.
    pub(crate) fn file(&self) -> String {
        self.model.display().to_string()
    }

    pub(crate) fn results(&self) -> &ResultArgs {
        &self.results
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        record::write_atomically(&folder.join(FILE), &serde_json::to_vec(self)?)?;
        Ok(())
    }

    /// The tuning that a folder holds, if one was begun there and its confirmation was not.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let Ok(text) = std::fs::read(&path) else { return Ok(None) };
        let kept: Self = serde_json::from_slice(&text).with_context(|| of_another_version(&path))?;
        let confirmation = folder.join("run.jsonl");
        let journal = std::fs::read(&confirmation).ok().and_then(|text| Journal::parse(&confirmation, &text).ok()?);
        // One that began earlier is an older tuning's, which this one was to replace.
        let has_begun = journal.is_some_and(|journal| journal.run.started_utc >= kept.started_utc);
        Ok((!has_begun).then_some(kept))
    }

    /// Refuses to begin another in the same folder.
    pub(super) fn refuse_to_replace(folder: &Path) -> Result<()> {
        if matches!(Self::read(folder), Ok(None)) {
            return Ok(());
        }
        let folder = folder.display();
        bail!(
            "{folder} holds a tuning that is not finished: go on with `gguf-bench resume {folder}`, choose another --out, or replace \
             it with --overwrite"
        )
    }

    /// It was confirmed. What can't be removed is no tuning to go on with all the same: the confirmation is newer.
    pub(super) fn remove(folder: &Path) {
        let _ = std::fs::remove_file(folder.join(FILE));
    }
}
