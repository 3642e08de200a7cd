//! How the rounds were really run, and why: what the plan left to the first of them, and where the run was taken up again.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Arrangement;
use crate::units::{NS_PER_S, in_gib};

/// Decisions taken in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adaptation {
    /// How the models shared the time of a round.
    pub arrangement: Arrangement,
    /// The first round from which workers were kept; `None` when each lived one round.
    pub resident_from_round: Option<u32>,
    /// Samples of each synthetic workload after the pilot; empty when they were fixed.
    pub samples_per_round: Vec<SamplesChoice>,
    /// What was decided and by which numbers, in time order.
    pub decisions: Vec<Decision>,
}

/// A run that had been killed or stopped was taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// The first round that was made after it.
    pub from_round: u32,
    /// When, UTC, RFC 3339. A label: nothing is computed from it.
    pub at_utc: String,
}

/// How many samples of a workload a round is worth (Kalibera & Jones 2013).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesChoice {
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

/// A decision on how rounds are run. Rounds are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Models that were to be loaded side by side are measured one after the other: together they do not fit.
    OneAfterTheOther {
        /// Expected for all.
        needed_bytes: u64,
        /// There is.
        available_bytes: u64,
    },
    /// Workers are kept from the first round on, as asked.
    WorkersKeptAsAsked,
    /// The least rounds would not have fitted the time with as many samples as are best.
    FewerSamples {
        /// The first round of which it holds.
        from_round: u32,
        /// Samples of each synthetic workload in a round.
        samples: Vec<u32>,
        /// How prompts are cut; `None` where none were to be asked any more.
        prompts: Option<PromptsCut>,
        /// To the least rounds, with the samples that are best.
        needed_ns: u64,
        /// Left for them.
        left_ns: u64,
    },
    /// Workers are kept, since loading takes longer than measuring.
    WorkersKept {
        /// The first round of which it holds: what differs from process to process was seen before it alone.
        from_round: u32,
        /// A load, with its context.
        load_ns: u64,
        /// The samples of a round.
        samples_ns: u64,
    },
    /// Loading takes longer than measuring, but together the models do not fit.
    WorkersNotKept {
        /// A load, with its context.
        load_ns: u64,
        /// The samples of a round.
        samples_ns: u64,
        /// Expected for all.
        needed_bytes: u64,
        /// There is.
        available_bytes: u64,
    },
    /// In words, in a record of format 1.
    Told(String),
}

/// How prompts are cut to the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptsCut {
    /// Asked until there is an interval.
    UntilInterval,
    /// The same, and the longest of each category in two rounds alone.
    LongestInTwoRounds,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ns: u64| ns as f64 / NS_PER_S;
        let room = |needed: u64, available: u64| {
            format!("together they need {:.2} GiB of the {:.2} available", in_gib(needed), in_gib(available))
        };
        let times = |load_ns: u64, samples_ns: u64| {
            format!("a load takes {:.2} s, the samples of a round {:.2} s", seconds(load_ns), seconds(samples_ns))
        };
        match self {
            Self::OneAfterTheOther { needed_bytes, available_bytes } => {
                write!(f, "models are measured one after the other: {}", room(*needed_bytes, *available_bytes))
            }
            Self::WorkersKeptAsAsked => f.write_str("workers are kept from the first round on, as asked"),
            Self::FewerSamples { from_round, samples, prompts, needed_ns, left_ns } => {
                let samples: Vec<String> = samples.iter().map(ToString::to_string).collect();
                let prompts = match prompts {
                    None => "",
                    Some(PromptsCut::UntilInterval) => ", and prompts until there is an interval",
                    Some(PromptsCut::LongestInTwoRounds) => {
                        ", and prompts until there is an interval, the longest in two rounds alone"
                    }
                };
                write!(
                    f,
                    "from round {} on {} sample(s) of each workload{prompts}: as many as are best would take {:.0} s to \
                     the least rounds, and {:.0} s are left for them",
                    u64::from(*from_round) + 1,
                    samples.join(" and "),
                    seconds(*needed_ns),
                    seconds(*left_ns)
                )
            }
            Self::WorkersKept { from_round, load_ns, samples_ns } => write!(
                f,
                "workers are kept from round {} on: {}; what differs from process to process was seen in {from_round} \
                 rounds only",
                u64::from(*from_round) + 1,
                times(*load_ns, *samples_ns)
            ),
            Self::WorkersNotKept { load_ns, samples_ns, needed_bytes, available_bytes } => write!(
                f,
                "every round loads again although {}: {}",
                times(*load_ns, *samples_ns),
                room(*needed_bytes, *available_bytes)
            ),
            Self::Told(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_with_their_numbers() {
        let (needed_bytes, available_bytes) = (3 << 30, 2 << 30);
        let (load_ns, samples_ns) = (1_500_000_000, 250_000_000);
        let fewer = |prompts| Decision::FewerSamples {
            from_round: 2,
            samples: vec![1, 2],
            prompts,
            needed_ns: 90_000_000_000,
            left_ns: 14_600_000_000,
        };
        let told = [
            Decision::OneAfterTheOther { needed_bytes, available_bytes },
            Decision::WorkersKeptAsAsked,
            fewer(None),
            fewer(Some(PromptsCut::UntilInterval)),
            fewer(Some(PromptsCut::LongestInTwoRounds)),
            Decision::WorkersKept { from_round: 4, load_ns, samples_ns },
            Decision::WorkersNotKept { load_ns, samples_ns, needed_bytes, available_bytes },
            Decision::Told("so it was".into()),
        ]
        .map(|decision| decision.to_string());
        let best = "as many as are best would take 90 s to the least rounds, and 15 s are left for them";
        assert_eq!(
            told.each_ref().map(String::as_str),
            [
                "models are measured one after the other: together they need 3.00 GiB of the 2.00 available",
                "workers are kept from the first round on, as asked",
                &format!("from round 3 on 1 and 2 sample(s) of each workload: {best}"),
                &format!(
                    "from round 3 on 1 and 2 sample(s) of each workload, and prompts until there is an interval: {best}"
                ),
                &format!(
                    "from round 3 on 1 and 2 sample(s) of each workload, and prompts until there is an interval, the \
                     longest in two rounds alone: {best}"
                ),
                "workers are kept from round 5 on: a load takes 1.50 s, the samples of a round 0.25 s; what differs from \
                 process to process was seen in 4 rounds only",
                "every round loads again although a load takes 1.50 s, the samples of a round 0.25 s: together they need \
                 3.00 GiB of the 2.00 available",
                "so it was"
            ]
        );
    }
}
