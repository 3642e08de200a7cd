//! How the rounds were really run, and why: what the plan left to the first of them, and where the run was taken up again.

use std::fmt;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Arrangement;
use crate::units::in_gib;

/// Decisions taken in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Adaptation {
    /// How the models shared the time of a round.
    pub arrangement: Arrangement,
    /// Samples of each synthetic workload in a round where they were chosen; empty when they were fixed.
    pub samples_per_round: Vec<SamplesChoice>,
    /// What was decided and by which numbers, in time order.
    pub decisions: Vec<Decision>,
}

impl Adaptation {
    /// The first round in which a subject was not measured any more.
    pub(crate) fn dropped_from(&self, subject: usize) -> Option<u32> {
        self.decisions.iter().find_map(|decision| match decision {
            Decision::Dropped { subject: dropped, from_round, .. } if *dropped == subject => Some(*from_round),
            _ => None,
        })
    }
}

/// A run that had been killed or stopped was taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Resumed {
    /// The first round that was made after it.
    pub from_round: u32,
    /// When, UTC, RFC 3339. A label: nothing is computed from it.
    pub at_utc: String,
}

/// How many samples of a workload a round is worth (Kalibera & Jones 2013).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SamplesChoice {
    /// Index into the plan's workloads.
    pub workload: usize,
    /// Samples in a round.
    pub samples: u32,
    /// Time of a sample, mean over the subjects, nanoseconds.
    pub sample_ns: u64,
    /// Time of what a round costs once, shared by its workloads: start, load, context, warm-up. Mean over the subjects, nanoseconds.
    pub round_ns: u64,
}

/// A decision on how rounds are run. Rounds are counted from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Models that were to be loaded side by side are measured one after the other: together they do not fit.
    OneAfterTheOther {
        /// Expected for all.
        needed_bytes: u64,
        /// There is.
        available_bytes: u64,
    },
    /// Models that were to be loaded side by side are measured one after the other: a server of llama.cpp's RPC serves one process at a
    /// time.
    OneClientAServer,
    /// A subject is measured no further: it can't be chosen any more. What was measured stays.
    Dropped {
        /// Index into the run's subjects.
        subject: usize,
        /// Its name.
        name: String,
        /// The first round without it.
        from_round: u32,
        /// Why it can't be chosen.
        because: DropReason,
    },
    /// In words, in an older record.
    Told(String),
}

/// Why a subject can't be chosen any more, beyond doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Another is better in something and worse in nothing, by whole intervals.
    Dominated {
        /// Its name.
        by: String,
    },
    /// Its whole interval lies outside a limit.
    OutsideLimit {
        /// The limit, in words.
        limit: String,
    },
    /// In a race: another is faster, by the whole interval of their ratio.
    Slower {
        /// Its name.
        by: String,
        /// Its speed over the other's.
        ratio: f64,
        /// Lower end of the interval.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dominated { by } => write!(f, "{by} is better in something and worse in nothing"),
            Self::OutsideLimit { limit } => write!(f, "it lies outside the limit ({limit})"),
            Self::Slower { by, ratio, low, high } => {
                write!(f, "it has {ratio:.3}× [{low:.3}, {high:.3}] the speed of {by}")
            }
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneAfterTheOther { needed_bytes, available_bytes } => write!(
                f,
                "models are measured one after the other: together they need {:.2} GiB of the {:.2} available",
                in_gib(*needed_bytes),
                in_gib(*available_bytes)
            ),
            Self::OneClientAServer => {
                f.write_str("models are measured one after the other: an RPC server serves one process at a time")
            }
            Self::Dropped { name, from_round, because, .. } => {
                if *from_round == 0 {
                    return write!(f, "{name} was not measured after the first look: {because}");
                }
                match from_round {
                    1 => write!(f, "{name} was measured in the first round only: {because}"),
                    n => write!(f, "{name} was measured in the first {n} rounds only: {because}"),
                }
            }
            Self::Told(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_with_their_numbers() {
        let dropped = |because| Decision::Dropped { subject: 2, name: "Q2_K".into(), from_round: 6, because };
        let decisions = [
            Decision::OneAfterTheOther { needed_bytes: 3 << 30, available_bytes: 2 << 30 },
            dropped(DropReason::Dominated { by: "Q4_K_M".into() }),
            dropped(DropReason::OutsideLimit { limit: "--max-kld 0.05".into() }),
            Decision::Told("so it was".into()),
        ];
        assert_eq!(
            decisions.each_ref().map(ToString::to_string),
            [
                "models are measured one after the other: together they need 3.00 GiB of the 2.00 available",
                "Q2_K was measured in the first 6 rounds only: Q4_K_M is better in something and worse in nothing",
                "Q2_K was measured in the first 6 rounds only: it lies outside the limit (--max-kld 0.05)",
                "so it was"
            ]
        );
        let adaptation = Adaptation {
            arrangement: Arrangement::Alternating,
            samples_per_round: Vec::new(),
            decisions: decisions.to_vec(),
        };
        assert_eq!([0, 2].map(|subject| adaptation.dropped_from(subject)), [None, Some(6)]);
    }
}
