//! Options of how well and how long is measured: they become a plan's protocol.

use anyhow::Result;
use clap::{Args, Command, FromArgMatches};

use super::values::{Rounds, confidence, duration_s, percentage};
use crate::record::{Arrangement, Budget, InnerPolicy, PromptTurns, Protocol, Workers, Workload};

/// Rounds when nothing is said.
const ROUNDS: Rounds = Rounds { min: 10, max: 40 };
/// Rounds of a quick look: one mirrored pair.
const QUICK_ROUNDS: u32 = 2;
/// Samples of a round of the pilot: the fewest that have a spread.
const PILOT_INNER: u32 = 2;
/// Wall time a model is given when nothing is said: five minutes for an original and a candidate.
const BUDGET_S_PER_MODEL: u64 = 150;
/// Untimed work before the first sample of a visit.
const WARMUP_MS: u64 = 300;

#[derive(Debug, Args)]
#[command(next_help_heading = "Precision")]
pub(crate) struct PrecisionArgs {
    /// Rounds, at least and at most, or exactly; an interval needs 6 [default: 10..40]
    #[arg(long, value_name = "MIN..MAX|N", value_parser = Rounds::parse)]
    pub(crate) rounds: Option<Rounds>,
    /// Stop when every speed ratio is known this well
    #[arg(long, default_value = "1%", value_name = "P%", value_parser = percentage)]
    pub(crate) precision: f64,
    /// Time budget, e.g. 90s, 10m, 1h. A step that cannot finish in time is not started [default: an aim of 150s a model]
    #[arg(long, value_name = "TIME", value_parser = duration_s)]
    pub(crate) budget: Option<u64>,
    /// Confidence of every interval
    #[arg(long, default_value = "0.95", value_name = "P", value_parser = confidence)]
    pub(crate) confidence: f64,
    /// Differences up to this are not relevant
    #[arg(long, default_value = "1%", value_name = "P%", value_parser = percentage)]
    pub(crate) equivalence: f64,
    /// Samples of each workload in a round, whose median is the round's value [default: what the first rounds find best]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) inner: Option<u32>,
    // The winner of the experiment in benches/design.rs; METHODOLOGY.md has its table.
    /// How the models of a round share its time
    #[arg(long, value_enum, default_value_t = Arrangement::Alternating, value_name = "HOW")]
    pub(crate) arrangement: Arrangement,
    /// How long a worker process lives
    #[arg(long, value_enum, default_value_t = Workers::Auto, value_name = "HOW")]
    pub(crate) workers: Workers,
    /// Two rounds: a quick look without intervals, labelled as such
    #[arg(long, conflicts_with_all = ["rounds", "budget"])]
    pub(crate) quick: bool,
}

/// What a command knows before it plans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Samples of a round of a quick look.
    pub(crate) quick_inner: u32,
    /// Wall time to aim at when nothing is said, in seconds.
    pub(crate) aim_s: Option<u64>,
}

impl Scale {
    /// Of models whose samples last a second or so.
    pub(crate) fn of(n_models: usize) -> Self {
        Self { quick_inner: 1, aim_s: Some(BUDGET_S_PER_MODEL * n_models as u64) }
    }
}

impl PrecisionArgs {
    /// What they are when nothing is typed.
    pub(crate) fn defaults() -> Result<Self> {
        Ok(Self::from_arg_matches(&Self::augment_args(Command::default()).try_get_matches_from([""])?)?)
    }

    pub(crate) fn into_protocol(self, scale: Scale, workloads: &[Workload]) -> Protocol {
        let Self { rounds, precision, budget, confidence, equivalence, inner, arrangement, workers, quick } = self;
        let (min_rounds, max_rounds) = match rounds {
            // Only output is compared.
            _ if workloads.is_empty() => (0, 0),
            _ if quick => (QUICK_ROUNDS, QUICK_ROUNDS),
            Some(Rounds { min, max }) => (min, max),
            None => (ROUNDS.min, ROUNDS.max),
        };
        let (inner_samples, inner) = match inner {
            Some(typed) => (typed, InnerPolicy::Fixed),
            None if quick => (scale.quick_inner, InnerPolicy::Fixed),
            None => (PILOT_INNER, InnerPolicy::Pilot),
        };
        let (budget_s, budget) = match budget {
            Some(typed) => (Some(typed), Budget::Limit),
            // Who names the rounds wants those.
            None if quick || rounds.is_some() => (None, Budget::Aim),
            None => (scale.aim_s, Budget::Aim),
        };
        Protocol {
            min_rounds,
            max_rounds,
            inner_samples,
            inner,
            arrangement,
            workers,
            prompt_rounds: min_rounds,
            prompt_turns: PromptTurns::InTurn,
            warmup_ms: WARMUP_MS,
            precision,
            confidence,
            equivalence,
            budget_s,
            budget,
            quick,
        }
    }
}
