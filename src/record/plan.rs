//! What is to be done: workloads, llama.cpp's parameters, and the protocol of rounds. Printed by `--dry-run`, stored in the run.

use std::fmt;

use clap::ValueEnum;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::NoNextToken, quality::QualityPlan, race::Race};
use crate::{settings::ThreadsReason, text::counted};

/// Everything needed to repeat the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Plan {
    /// What every model is asked to do, in this order.
    pub workloads: Vec<Workload>,
    /// How often and until when.
    pub protocol: Protocol,
    /// How answers to prompts are sampled.
    pub sampling: Sampling,
    /// Seed of the order of models, of token ids and of resampling.
    pub seed: u64,
    /// How the output is compared; `None` when it is not.
    #[serde(default)]
    pub quality: Option<QualityPlan>,
    /// Why generation has the threads that it has; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<ThreadsReason>,
    /// What questions with right answers ask of every model; `None` without any, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_work: Option<TaskWork>,
    /// What was asked for and is not done, since these models can't be asked it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Tokens of context that every subject must hold, however short the work is; absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ctx: Option<u32>,
    /// By what subjects are dropped from the first rounds on; absent where all are to be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub race: Option<Race>,
}

/// What tasks ask of every model, by their characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskWork {
    /// Tokens to evaluate.
    pub tokens: u64,
    /// Tokens that come before each of them, all together: what attention takes grows with them.
    pub tokens_before: u64,
}

/// Something that was asked for and is not done, whatever the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LeftOut {
    /// What.
    pub work: LeftOutWork,
    /// Why.
    pub because: LeftOutReason,
}

/// What is left out of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeftOutWork {
    /// Synthetic work.
    Workload {
        /// As it would be called in the plan.
        id: String,
    },
    /// Prompts.
    Prompts {
        /// How many.
        count: usize,
    },
    /// Comparing outputs.
    Outputs,
    /// Questions with right answers.
    Tasks,
}

/// Why something is left out of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// It takes a next token.
    NoNextToken {
        /// What the models give instead.
        gives: NoNextToken,
    },
    /// The models read one text as a whole: nothing comes before it, and nothing beside it.
    ReadsWhole {
        /// What the models give.
        gives: NoNextToken,
    },
    /// It is longer than what the models were trained for, and they have no positions beyond that.
    LongerThanTrained {
        /// Tokens of context they were trained for.
        n_ctx_train: u32,
    },
}

impl fmt::Display for LeftOutWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload { id } => f.write_str(id),
            Self::Prompts { count } => f.write_str(&counted(*count, "prompt")),
            Self::Outputs => f.write_str("output quality"),
            Self::Tasks => f.write_str("tasks"),
        }
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNextToken { gives } => f.write_str(gives.words()),
            Self::ReadsWhole { .. } => f.write_str("such a model reads one text as a whole"),
            Self::LongerThanTrained { n_ctx_train } => {
                write!(f, "the models were trained for {n_ctx_train} tokens and have no positions beyond them")
            }
        }
    }
}

/// What is left out, by reason: `tg128, 24 prompts: an embedding model, which …`.
pub(crate) fn left_out_words(left_out: &[LeftOut]) -> Vec<String> {
    let mut reasons: Vec<&LeftOutReason> = Vec::new();
    for LeftOut { because, .. } in left_out {
        if !reasons.contains(&because) {
            reasons.push(because);
        }
    }
    let of = |reason: &LeftOutReason| {
        let work = left_out.iter().filter(|own| own.because == *reason).map(|own| own.work.to_string());
        format!("{}: {reason}", work.collect::<Vec<_>>().join(", "))
    };
    reasons.into_iter().map(of).collect()
}

/// llama.cpp rounds contexts up to a multiple of this.
pub(crate) const CONTEXT_STEP: u32 = 256;

impl Plan {
    /// The longest context that is asked for, or that any synthetic workload needs, over all its sequences, of a model trained for so many tokens (`None`: that is
    /// not known); 0 without one.
    #[must_use]
    pub fn largest_synthetic_context(&self, n_ctx_train: Option<u32>) -> u32 {
        let done = self.workloads.iter().filter(|w| !w.kind.is_too_deep(n_ctx_train));
        done.filter_map(|w| w.kind.n_ctx()).chain(self.min_ctx).max().unwrap_or(0)
    }

    /// Whether anything is timed, round by round.
    #[must_use]
    pub fn has_rounds(&self) -> bool {
        !self.workloads.is_empty() && self.protocol.max_rounds > 0
    }

    /// Whether a workload is among those by which a run stops and a model is judged first: synthetic, and at the least depth there is.
    #[must_use]
    pub fn is_primary(&self, kind: &WorkloadKind) -> bool {
        is_primary(&self.workloads, kind)
    }
}

/// As [`Plan::is_primary`], of work that is no plan yet.
pub(crate) fn is_primary(workloads: &[Workload], kind: &WorkloadKind) -> bool {
    let least = workloads.iter().filter_map(|w| w.kind.depth()).min();
    kind.n_ctx().is_some() && kind.depth().is_none_or(|depth| Some(depth) == least)
}

/// One thing every model is asked to do in a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Workload {
    /// Unique name: `pp512`, `tg128`, or the prompt's name.
    pub id: String,
    /// What it is.
    pub kind: WorkloadKind,
}

/// The kinds of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Prompt processing of `n_tokens` given ids, as llama-bench's `-p`.
    Pp {
        /// Tokens evaluated.
        n_tokens: u32,
        /// Tokens in the context before, as llama-bench's `-d`; 0 in older records.
        #[serde(default)]
        n_depth: u32,
    },
    /// Generation of `n_tokens`, one after another, fed with given ids, as llama-bench's `-n`.
    Tg {
        /// Tokens evaluated.
        n_tokens: u32,
        /// Tokens in the context before; 0 in older records.
        #[serde(default)]
        n_depth: u32,
    },
    /// Prompt processing of several sequences side by side, as llama-batched-bench's.
    #[serde(alias = "pp_together")]
    PpParallel {
        /// Tokens of each sequence.
        n_tokens: u32,
        /// Sequences.
        n_seq: u32,
    },
    /// Generation of several sequences side by side, a token of each at a time.
    #[serde(alias = "tg_together")]
    TgParallel {
        /// Tokens of each sequence.
        n_tokens: u32,
        /// Tokens that each sequence has before.
        n_depth: u32,
        /// Sequences.
        n_seq: u32,
    },
    /// A prompt and what is generated after it as one piece of work, as llama-bench's `-pg`: all tokens over all the time.
    PpTg {
        /// Tokens evaluated together.
        n_prompt: u32,
        /// Tokens evaluated one after another.
        n_gen: u32,
        /// Tokens in the context before.
        n_depth: u32,
    },
    /// A prompt of the suite: evaluated, then answered.
    Prompt(PromptText),
}

impl WorkloadKind {
    /// Tokens of context that synthetic work takes, over all its sequences; `None` of prompts, whose length is the model's to say.
    #[must_use]
    pub fn n_ctx(&self) -> Option<u32> {
        match *self {
            Self::Pp { n_tokens, n_depth } | Self::Tg { n_tokens, n_depth } => Some(n_tokens.saturating_add(n_depth)),
            Self::PpTg { n_prompt, n_gen, n_depth } => Some(n_prompt.saturating_add(n_gen).saturating_add(n_depth)),
            Self::PpParallel { n_tokens, n_seq } => Some(n_tokens.saturating_mul(n_seq)),
            Self::TgParallel { n_tokens, n_depth, n_seq } => {
                Some(n_tokens.saturating_add(n_depth).saturating_mul(n_seq))
            }
            Self::Prompt(_) => None,
        }
    }

    /// Whether it is at a depth at which it exceeds what a model was trained for, so that it is not done. Without a depth it is
    /// llama-bench's work, which does not ask.
    #[must_use]
    pub fn is_too_deep(&self, n_ctx_train: Option<u32>) -> bool {
        self.depth().is_some_and(|depth| depth > 0) && n_ctx_train.is_some_and(|most| self.n_ctx() > Some(most))
    }

    /// Tokens in the context before the work of one sequence; `None` of all other work.
    #[must_use]
    pub fn depth(&self) -> Option<u32> {
        match *self {
            Self::Pp { n_depth, .. } | Self::Tg { n_depth, .. } | Self::PpTg { n_depth, .. } => Some(n_depth),
            Self::PpParallel { .. } | Self::TgParallel { .. } | Self::Prompt(_) => None,
        }
    }
}

/// A prompt and how long its answer may get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PromptText {
    /// Category, free text; results are grouped by it.
    pub category: String,
    /// The text before any chat template.
    pub text: String,
    /// Most tokens of the answer.
    pub max_new_tokens: u32,
}

/// How often and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Protocol {
    /// Never fewer rounds than this, unless interrupted or out of a [`Budget::Limit`].
    pub min_rounds: u32,
    /// Never more.
    pub max_rounds: u32,
    /// Samples of each synthetic workload in a round, unless the plan of the time chooses; the round's value is their median.
    pub inner_samples: u32,
    /// Who chooses how many there are.
    #[serde(default)]
    pub inner: InnerPolicy,
    /// How the models of a round share its time.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// Tokens that a model generates before another has its turn, where they alternate; `None` for the usual number. Older records
    /// alternated by whole samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_tokens: Option<u32>,
    /// Rounds in which prompts are asked too.
    pub prompt_rounds: u32,
    /// What comes before the first sample of a workload in a round.
    #[serde(default, skip_serializing_if = "Preparation::is_usual")]
    pub preparation: Preparation,
    /// Whether prompts are asked whatever the time.
    #[serde(default)]
    pub prompts: PromptPolicy,
    /// Which of them are asked in such a round.
    #[serde(default)]
    pub prompt_turns: PromptTurns,
    /// Half-width of the interval of ln ratio at which to stop, at the level that verdicts are held to.
    pub precision: f64,
    /// Confidence of intervals.
    pub confidence: f64,
    /// Differences smaller than this are not relevant.
    pub equivalence: f64,
    /// Wall time to spend on the whole run, seconds.
    pub budget_s: Option<u64>,
    /// How strictly.
    #[serde(default)]
    pub budget: Budget,
    /// Whether this is a quick look, too short for intervals.
    pub quick: bool,
}

/// What comes before the first sample of a workload in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Preparation {
    /// Seconds in which a worker rests, as llama-bench's `--delay`.
    pub delay_s: u32,
    /// What it evaluates untimed.
    pub warm_up: WarmUpPolicy,
}

impl Preparation {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a worker evaluates untimed before the samples of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarmUpPolicy {
    /// Short repetitions until two take as long.
    #[default]
    UntilAlike,
    /// Nothing, as llama-bench's `--no-warmup`; neither after another worker's turn.
    None,
}

/// How many samples of a workload a round takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InnerPolicy {
    /// As many as the protocol says, in every round.
    #[default]
    Fixed,
    /// As many as are worth their time beside what a round costs once, for each workload.
    #[serde(alias = "pilot")]
    Planned,
}

/// How the models of a round share its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// One model after the other, each alone in memory.
    #[default]
    #[value(help = "One model after the other, each alone in memory")]
    Sequential,
    /// All models loaded, their samples alternating.
    #[value(help = "All loaded at once, their samples alternating; falls back to sequential when they do not fit")]
    Alternating,
}

/// Whether prompts are asked whatever the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptPolicy {
    /// They are.
    #[default]
    Always,
    /// Where the plan has time left for them.
    IfTimeAllows,
}

/// Which prompts are asked in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptTurns {
    /// All of them.
    #[default]
    All,
    /// Some of each category, the same in both rounds of a mirrored pair, all of them in the course of the run unless its time is too
    /// short for the longest.
    InTurn,
}

/// How strictly a budget is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// The least work is done even if it takes longer.
    #[default]
    Aim,
    /// Nothing begins once it has passed.
    Limit,
}

/// How the next token of an answer is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The most likely token.
    Greedy,
    /// Top-p, then temperature, with the plan's seed.
    TopP {
        /// Temperature.
        temperature: f32,
        /// Nucleus.
        top_p: f32,
    },
}
