//! A race of subjects: what they race for, and within which limit.

use clap::ValueEnum;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What settings are to be best for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Prompt processing.
    Pp,
    /// Generation.
    Tg,
    /// The time of a prompt and its answer.
    Request,
}

/// A race: subjects that are clearly slower are dropped after each pair of rounds, the first one too, and the one left ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Race {
    /// The speeds that decide; a subject is dropped when it is behind in each of them.
    pub goals: Vec<Goal>,
    /// Most memory that a subject may take, in bytes.
    #[serde(default)]
    pub max_memory_bytes: Option<f64>,
}
