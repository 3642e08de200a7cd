//! What a tuning did: what settings were raced for, each stage with all that was tried, and what was not tried and why.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, adaptation::DropReason, race::Goal};

/// How the settings of a run's subjects were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Tuning {
    /// What they are to be best for.
    pub goal: Goal,
    /// Most memory that may be taken, in bytes.
    pub max_memory_bytes: Option<f64>,
    /// Greatest mean KLD from the outputs with the cache types that were given, in nats.
    pub max_kld_nats: f64,
    /// The races, in time order. Each set out from what the one before had found.
    pub stages: Vec<TuningStage>,
    /// Settings that were not tried.
    pub not_tried: Vec<NotTried>,
    /// Index of the subject with the settings found: 0 where the given ones are the best.
    pub best: usize,
    /// Index of the subject that came closest to it, where there is one.
    pub runner_up: Option<usize>,
}

/// Values of a setting that were raced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TuningStage {
    /// The flags: `-t`, `-ctk -ctv`.
    pub flags: String,
    /// The record of its rounds, in the same folder.
    pub record: String,
    /// Rounds it took.
    pub rounds: u32,
    /// What was tried, the value it set out from first.
    pub tried: Vec<Tried>,
}

/// A value of a setting, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Tried {
    /// As it is typed: `-t 2`.
    pub name: String,
    /// How fast it was over the value that the stage set out from, in each speed that decided.
    pub speeds: Vec<TriedSpeed>,
    /// Its mean KLD from the outputs with the cache types that were given, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kld: Option<TriedKld>,
    /// What became of it.
    pub fate: Fate,
}

/// A speed over that of the value a stage set out from, paired by round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TriedSpeed {
    /// Which speed.
    pub goal: Goal,
    /// The ratio: 2 is twice as fast.
    pub ratio: f64,
    /// Lower end of its interval; `None` of one round.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Rounds in which both were measured.
    pub n: usize,
}

/// A mean KLD with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TriedKld {
    /// In nats.
    pub nats: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// What became of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes on, for these speeds.
    Taken(Vec<Goal>),
    /// It was measured to the end of the stage, and is not shown to be faster.
    NotFaster,
    /// It was measured no further.
    Dropped {
        /// The first round without it: 0 after the first look.
        from_round: u32,
        /// Why.
        because: DropReason,
    },
    /// It was shown to be faster and is not taken: too few of its outputs were compared.
    NotCompared {
        /// Why, in words.
        because: String,
    },
    /// It could not be measured: out of memory, or refused.
    Failed(Outcome),
    /// Nothing is known of it: the time was spent.
    NotMeasured,
}

/// A setting, or values of it, that were not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct NotTried {
    /// As it is typed.
    pub flags: String,
    /// Why, in words.
    pub because: String,
}
