//! What a worker holds: a model, a context on it, and the system it runs on.

use crate::{
    engine::{Error, Loaded, Model, Session},
    protocol::{Cause, Failure},
    record::{DeviceInfo, Settings, Stage},
};

/// What a worker reads of the system it runs on; elsewhere than in a process of its own there is nothing to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub(crate) devices: fn() -> Vec<DeviceInfo>,
    /// Bytes this process has read from storage.
    pub(crate) storage_read_bytes: fn() -> Option<u64>,
    pub(crate) peak_rss_bytes: fn() -> Option<u64>,
}

pub(super) struct Held {
    pub(super) session: Option<Box<dyn Session>>,
    /// A context for texts that begin alike, and for how many.
    pub(super) branches: Option<(usize, Box<dyn Session>)>,
    pub(super) model: Box<dyn Model>,
    pub(super) facts: Loaded,
    pub(super) settings: Settings,
}

impl Held {
    pub(super) fn session(&mut self) -> Result<&mut dyn Session, Failure> {
        match &mut self.session {
            Some(session) => Ok(&mut **session),
            None => Err(failed(Stage::Context, "no context is open")),
        }
    }
}

pub(super) fn failed(stage: Stage, reason: &str) -> Failure {
    Failure { stage, reason: reason.into(), cause: Cause::Reason, fault: None }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = if error.is_of_llama() { Cause::LlamaCpp } else { Cause::Reason };
        Self { stage: error.stage(), reason: error.to_string(), cause, fault: None }
    }
}

/// The model's logits are not numbers: how fast it computes nothing would mislead.
pub(super) fn not_a_number(stage: Stage, n_tokens: u32) -> Failure {
    let reason = format!(
        "the model's output after {n_tokens} tokens is not a number: the file is damaged, or its arithmetic overflowed"
    );
    Failure { stage, reason, cause: Cause::Reason, fault: None }
}
