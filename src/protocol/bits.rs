//! The call that scores texts by one model alone, for models whose tokens are not the original's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::call::{Call, Never, Operation};
use crate::record::{Settings, TextBits};

/// Score texts, byte for byte the same whoever is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoreBytes {
    pub(crate) model: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) texts: Vec<String>,
    /// No text is begun past this time, nanoseconds from the call on.
    pub(crate) time_ns: Option<u64>,
}

impl Call for ScoreBytes {
    type Event = Never;
    type Answer = Vec<TextBits>;

    fn operation(&self) -> Operation {
        Operation::Score
    }

    fn models(&self) -> Option<Vec<PathBuf>> {
        Some(vec![self.model.clone()])
    }
}
