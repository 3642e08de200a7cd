//! How the rounds were really run, and why: what the plan left to the first of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Arrangement;

/// Decisions taken in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Course {
    /// How the models shared the time of a round.
    pub arrangement: Arrangement,
    /// The first round from which workers were kept; `None` when each lived one round.
    pub resident_from_round: Option<u32>,
    /// Samples of each synthetic workload after the pilot; empty when they were fixed.
    pub inner: Vec<InnerChoice>,
    /// Why, one sentence a decision.
    pub reasons: Vec<String>,
}

/// How many samples of a workload a round is worth (Kalibera & Jones 2013).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InnerChoice {
    /// Index into the plan's workloads.
    pub workload: usize,
    /// Samples in a round from here on.
    pub samples: u32,
    /// Rounds of the pilot.
    pub pilot_rounds: u32,
    /// Variance of ln ratio between the samples of a round, mean over candidates.
    pub within: f64,
    /// Variance of ln ratio between rounds beyond that; negative estimates say that rounds do not differ.
    pub between: f64,
    /// Median time of a sample, nanoseconds.
    pub sample_ns: u64,
    /// Median time of what a round costs once, shared by its workloads: start, load, context, warm-up.
    pub round_ns: u64,
}
