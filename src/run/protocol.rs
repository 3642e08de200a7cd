//! What the run says to a worker and what it answers: JSON, one message a line, over stdin and stdout.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::quality::{CompareJob, Compared};
use crate::{
    engine::Timing,
    record::{Phase, QualityText, Sampling, Settings, Stage, WindowMeans},
};

/// Sequences side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// Timed tokens of each sequence.
    pub n_tokens: u32,
    /// Tokens that each sequence has before.
    pub n_depth: u32,
    /// Sequences.
    pub n_seq: u32,
}

/// Asked of a worker. Each request gets exactly one [`Reply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Load a model. Must be the first.
    Load {
        /// The file.
        path: PathBuf,
        /// llama.cpp's parameters.
        config: Settings,
    },
    /// Replace the context.
    Context {
        /// Its size in tokens.
        n_ctx: u32,
    },
    /// Evaluate given ids as a prompt.
    Prefill {
        /// How many.
        n_tokens: u32,
        /// Tokens that are to be in the context before, evaluated untimed.
        n_depth: u32,
        /// Which ids: the same seed gives every model the same ids.
        seed: u64,
    },
    /// Evaluate given ids one after another.
    Decode {
        /// How many.
        n_tokens: u32,
        /// Tokens that are to be in the context before, evaluated untimed.
        n_depth: u32,
        /// Which ids.
        seed: u64,
    },
    /// Evaluate several sequences of given ids side by side, in a context of their own.
    Together {
        /// What is timed: the sequences' tokens as prompts, or one after another.
        phase: Phase,
        /// How many of what.
        work: Together,
        /// Most tokens evaluated at a time.
        n_ubatch: u32,
        /// Which ids.
        seed: u64,
    },
    /// Count the tokens of prompts, chat template included.
    Count {
        /// Their texts.
        texts: Vec<String>,
    },
    /// Answer a prompt.
    Answer {
        /// Its text.
        text: String,
        /// Most tokens of the answer.
        max_new_tokens: u32,
        /// How tokens are chosen.
        sampling: Sampling,
        /// Seed of the choice.
        seed: u64,
    },
    /// Compare outputs; must be the first and only request, and is answered by a [`Reply::Texts`], a [`Reply::Window`] for each
    /// window and a [`Reply::Compared`].
    Compare(Box<CompareJob>),
    /// Read the process's own account and end.
    Close,
}

/// A worker's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The process is up and has loaded nothing yet. Sent once, unasked.
    Ready,
    /// The model is there.
    Loaded {
        /// Loading it took.
        model_ns: u64,
        /// Size of its vocabulary.
        n_vocab: u32,
        /// Longest context it was trained for.
        n_ctx_train: u32,
        /// Bytes that came from storage meanwhile, when the kernel says.
        storage_read_bytes: Option<u64>,
    },
    /// The context is there.
    Context {
        /// Making it took.
        context_ns: u64,
    },
    /// Tokens were evaluated.
    Timed(Timing),
    /// Tokens of each prompt.
    Counted(Vec<u32>),
    /// The prompt was answered.
    Answered(Box<Answered>),
    /// The process's own account.
    Closed {
        /// Exact peak of resident memory, when the kernel says.
        peak_rss_bytes: Option<u64>,
        /// Free memory of devices, by name, while everything is still allocated.
        devices_free_bytes: Vec<(String, u64)>,
    },
    /// The texts to be compared on.
    Texts(Vec<QualityText>),
    /// A window was scored.
    Window {
        /// Index of the text.
        text: usize,
        /// One for each candidate, in the job's order; `None` where it failed.
        means: Vec<Option<WindowMeans>>,
    },
    /// The comparison is done; the worker ends.
    Compared(Box<Compared>),
    /// It could not be done; the worker ends.
    Failed {
        /// What was being done.
        stage: Stage,
        /// Why.
        reason: String,
    },
}

/// An answer to a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Tokens of the prompt.
    pub n_prompt: u32,
    /// Whether the chat template was applied.
    pub templated: bool,
    /// Evaluating it.
    pub prefill: Timing,
    /// Generating, from the second token on.
    pub decode: Option<Timing>,
    /// Ids of the answer.
    pub tokens: Vec<i32>,
    /// Its text.
    pub text: String,
    /// Whether the model ended it.
    pub ended: bool,
    /// To the first token.
    pub ttft_ns: u64,
    /// From token to token.
    pub inter_token_ns: Vec<u64>,
    /// Best over second best logit of each token, in nats.
    pub margins_nats: Vec<f32>,
}
