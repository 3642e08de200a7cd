//! The engine: loads a model and evaluates tokens. Two implementations: llama.cpp, and a scripted one on a virtual clock.
//!
//! What is inside a timed section is decided here: batch building, graph, compute and the final synchronize, as
//! llama-bench counts. Clearing the cache, tokenizing and sampling are outside.

mod ffi;
mod llama;
mod log;
mod logits;
mod noise;
mod params;
mod quantize;
mod scripted;

pub use llama::LlamaEngine;
pub(crate) use log::{buffers, last_words};
pub use noise::Noise;
pub(crate) use quantize::{QuantType, quantize};
pub(crate) use scripted::ScriptedSession;
pub use scripted::{ModelScript, Script, ScriptedEngine};

use std::path::Path;

use thiserror::Error;

use crate::record::{Sampling, Settings, Stage};

/// Loads models.
pub trait Engine {
    /// Loads a model and hands the session on it to `body`; frees it afterwards.
    ///
    /// # Errors
    /// When the model can't be loaded, or what `body` returned.
    fn with_session(
        &self,
        path: &Path,
        config: &Settings,
        body: &mut dyn FnMut(&mut dyn Session, Loaded) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// A loaded model and, once opened, a context on it.
pub trait Session {
    /// Replaces the context by one of `n_ctx` tokens; returns how long that took, in nanoseconds.
    ///
    /// # Errors
    /// When llama.cpp refuses, most often for want of memory.
    fn open_context(&mut self, n_ctx: u32) -> Result<u64, Error>;

    /// Forgets all evaluated tokens. Not timed.
    fn clear(&mut self);

    /// Forgets all evaluated tokens but the first `n_tokens`; `false`, and nothing is changed, when those are not there or can't be
    /// kept alone. Not timed.
    fn keep_first(&mut self, n_tokens: u32) -> bool;

    /// Evaluates `tokens` after those already there, in batches of `n_batch`, one synchronize at the end.
    ///
    /// # Errors
    /// When llama.cpp fails to decode, or the output is not a number.
    fn prefill(&mut self, tokens: &[i32]) -> Result<Timing, Error>;

    /// Evaluates `tokens` one after another, a synchronize after each.
    ///
    /// # Errors
    /// When llama.cpp fails to decode, or the output is not a number.
    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error>;

    /// The tokens of a prompt: through the model's chat template when it has one, plain otherwise.
    ///
    /// # Errors
    /// When the template can't be applied.
    fn tokenize_prompt(&self, text: &str) -> Result<PromptTokens, Error>;

    /// Clears the cache, evaluates the prompt and answers it.
    ///
    /// # Errors
    /// When the prompt does not fit the context or llama.cpp fails to decode.
    fn answer(&mut self, prompt: &[i32], max_new_tokens: u32, sampling: &Sampling, seed: u64) -> Result<Answer, Error>;

    /// The tokens of a plain text, BOS first where the model's texts begin with one.
    fn tokenize_text(&self, text: &str) -> Vec<i32>;

    /// The text of tokens; what is no UTF-8 is replaced.
    fn detokenize(&self, tokens: &[i32]) -> String;

    /// Replaces the context by one for `n_seq` windows of `n_ctx` tokens side by side, of which at most `n_tokens` will be
    /// evaluated at a time.
    ///
    /// # Errors
    /// When llama.cpp refuses, most often for want of memory.
    fn open_windows(&mut self, n_seq: u32, n_ctx: u32, n_tokens: u32) -> Result<(), Error>;

    /// Evaluates tokens of the windows. On a GPU it may return before they are done.
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn evaluate_windows(&mut self, tokens: &[WindowToken]) -> Result<(), Error>;

    /// Evaluates batches of at most `n_ubatch` tokens of the windows, a synchronize after each.
    ///
    /// # Errors
    /// When llama.cpp fails to decode, or the output is not a number.
    fn evaluate_together(&mut self, batches: &[Vec<WindowToken>]) -> Result<Timing, Error>;

    /// The logits of the tokens last evaluated that were wanted, in their order: `[wanted, vocabulary]`, row-major.
    fn window_logits(&self) -> &[f32];
}

/// A token of one of several windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowToken {
    /// Its id.
    pub id: i32,
    /// Its place in its window.
    pub position: u32,
    /// Which of the windows side by side.
    pub sequence: u32,
    /// Whether its logits will be read.
    pub wanted: bool,
}

/// What a load took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// The model alone, without a context.
    pub model_ns: u64,
    /// Size of the vocabulary.
    pub n_vocab: u32,
    /// The longest context the model was trained for.
    pub n_ctx_train: u32,
    /// BOS, when texts begin with one.
    pub bos: Option<i32>,
}

/// How long an evaluation took, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Timing {
    /// Tokens evaluated.
    pub n_tokens: u32,
    /// Our monotonic clock.
    pub wall_ns: u64,
    /// llama.cpp's own account, when it kept one.
    pub native_ns: Option<u64>,
}

/// A prompt as the model will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTokens {
    /// Ids, BOS and template included.
    pub tokens: Vec<i32>,
    /// Whether a chat template was applied.
    pub templated: bool,
}

/// An answer with its timings.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Evaluating the prompt.
    pub prefill: Timing,
    /// Evaluating every generated token but the last; `None` when there were fewer than two.
    pub decode: Option<Timing>,
    /// Generated ids, without the end-of-generation token.
    pub tokens: Vec<i32>,
    /// Their text; invalid UTF-8 replaced.
    pub text: String,
    /// Whether the model ended it.
    pub ended: bool,
    /// From the start of the evaluation to the first token chosen.
    pub ttft_ns: u64,
    /// From each token to the next.
    pub inter_token_ns: Vec<u64>,
    /// By how much the best logit lay above the second best where each token was chosen, in nats.
    pub margins_nats: Vec<f32>,
}

/// What an engine could not do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// llama.cpp could not be started.
    #[error("start llama.cpp: {reason}")]
    Start {
        /// What it said.
        reason: String,
    },
    /// There is no device of the kind asked for.
    #[error("no {wanted} device: this build finds {found}; build with that feature, or choose another --device")]
    NoDevice {
        /// The kind asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// The model could not be loaded.
    #[error("load the model: {reason}")]
    Load {
        /// What llama.cpp said.
        reason: String,
    },
    /// No context could be made.
    #[error("make a context of {n_ctx} tokens: {reason}")]
    Context {
        /// Its size.
        n_ctx: u32,
        /// What llama.cpp said.
        reason: String,
    },
    /// Tokens could not be evaluated.
    #[error("evaluate {n_tokens} tokens: {reason}")]
    Decode {
        /// How many.
        n_tokens: usize,
        /// What llama.cpp said.
        reason: String,
    },
    /// The prompt and its answer do not fit.
    #[error("a prompt of {n_prompt} tokens and an answer of {max_new} do not fit a context of {n_ctx}")]
    TooLong {
        /// Tokens of the prompt.
        n_prompt: usize,
        /// Most tokens of the answer.
        max_new: u32,
        /// The context.
        n_ctx: u32,
    },
    /// The model's logits are not numbers: how fast it computes nothing would mislead.
    #[error(
        "the model's output after {n_tokens} tokens is not a number: the file is damaged, or its arithmetic overflowed"
    )]
    NotANumber {
        /// What was being done.
        stage: Stage,
        /// Tokens evaluated till then.
        n_tokens: usize,
    },
    /// There is nothing to evaluate: a tokenizer may give no token for a text.
    #[error("there is no token to evaluate: the model's tokenizer gives none for the text")]
    NoTokens,
    /// Something was asked of a session without a context.
    #[error("no context is open")]
    NoContext,
}

impl Error {
    /// What was being done, for the row of a failed model.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Start { .. } => Stage::Launch,
            Self::NoDevice { .. } | Self::Load { .. } => Stage::Load,
            Self::Context { .. } | Self::NoContext => Stage::Context,
            Self::NotANumber { stage, .. } => *stage,
            Self::Decode { n_tokens: 1, .. } => Stage::Decode,
            Self::Decode { .. } | Self::TooLong { .. } | Self::NoTokens => Stage::Prefill,
        }
    }
}
