//! Options of how well and how long is measured: they become a plan's protocol.

use anyhow::Result;
use clap::{Args, Command, FromArgMatches};

use super::values::{Rounds, confidence, duration_s, percentage};
use crate::record::{
    Arrangement, Budget, InnerPolicy, Preparation, PromptPolicy, PromptTurns, Protocol, WarmUpPolicy, Workload,
};

/// Rounds when nothing is said: as many as an interval needs, and as many as narrow one further.
const ROUNDS: Rounds = Rounds { min: 6, max: 40 };
/// A quick look is one sample of everything.
const QUICK_ROUNDS: u32 = 1;
/// Wall time that a run aims at when nothing is said: what a person waits for.
const AIM_S: u64 = 300;
/// The same of the guide's commands: two models of a hundred million parameters are answered for in about a minute.
const GUIDE_AIM_S: u64 = 45;

/// By this the guide's commands say another default.
pub(crate) const BUDGET: &str = "budget";

#[derive(Debug, Args)]
#[command(next_help_heading = "Precision")]
pub(crate) struct PrecisionArgs {
    /// Rounds, at least and at most, or exactly; an interval needs 6 [default: 6..40]
    #[arg(long, value_name = "MIN..MAX|N", value_parser = Rounds::parse)]
    pub(crate) rounds: Option<Rounds>,
    /// Stop when every speed ratio is known this well, at the level of its verdict [default: half of --equivalence]
    #[arg(long, value_name = "P%", value_parser = percentage)]
    pub(crate) precision: Option<f64>,
    /// Time limit for measuring, e.g. 90s, 10m, 1h: it ends in time, and says beforehand what it can't do [default: about 5m]
    #[arg(id = BUDGET, long, value_name = "TIME", value_parser = duration_s)]
    pub(crate) budget: Option<u64>,
    /// Confidence of every interval
    #[arg(long, default_value = "0.95", value_name = "P", value_parser = confidence)]
    pub(crate) confidence: f64,
    /// Differences up to this are not relevant
    #[arg(long, default_value = "3%", value_name = "P%", value_parser = percentage)]
    pub(crate) equivalence: f64,
    /// Samples of each workload in a round, whose median is the round's value [default: as many as are worth their time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) inner: Option<u32>,
    // The winner of the experiment in benches/design.rs; docs/validation.md has its table.
    /// How the models of a round share its time
    #[arg(long, value_enum, default_value_t = Arrangement::Alternating, value_name = "HOW")]
    pub(crate) arrangement: Arrangement,
    /// Rest so many seconds before each workload, as llama-bench does
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=3600))]
    pub(crate) delay: u32,
    /// Time from the first evaluation on: what the caches, the clock and a device take to wake is then in the figures
    #[arg(long)]
    pub(crate) no_warmup: bool,
    /// One round: a quick look without intervals, labelled as such
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
    /// Most rounds in which prompts are asked.
    pub(crate) prompt_rounds: u32,
}

impl Scale {
    /// Of models whose samples last a second or so.
    pub(crate) fn usual() -> Self {
        Self { quick_inner: 1, aim_s: Some(AIM_S), prompt_rounds: u32::MAX }
    }

    /// Of the guide's commands, which ask every prompt and are waited for.
    pub(crate) fn of_guide() -> Self {
        Self { aim_s: Some(GUIDE_AIM_S), prompt_rounds: 1, ..Self::usual() }
    }
}

impl PrecisionArgs {
    /// What they are when nothing is typed.
    pub(crate) fn defaults() -> Result<Self> {
        Ok(Self::from_arg_matches(&Self::augment_args(Command::default()).try_get_matches_from([""])?)?)
    }

    pub(crate) fn into_protocol(self, scale: Scale, workloads: &[Workload], prompts: PromptPolicy) -> Protocol {
        let Self { rounds, precision, budget, confidence, equivalence, inner, arrangement, delay, no_warmup, quick } =
            self;
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
            None => (1, InnerPolicy::Planned),
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
            block_tokens: None,
            preparation: Preparation {
                delay_s: delay,
                warm_up: if no_warmup { WarmUpPolicy::None } else { WarmUpPolicy::UntilAlike },
            },
            prompt_rounds: min_rounds.min(scale.prompt_rounds),
            prompts,
            prompt_turns: PromptTurns::InTurn,
            // Half: an interval at the verdict's own level then fits into the region, so that "the same" can be said.
            precision: precision.unwrap_or(equivalence / 2.0),
            confidence,
            equivalence,
            budget_s,
            budget,
            quick,
        }
    }
}
