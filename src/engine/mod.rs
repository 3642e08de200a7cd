//! The engine: loads a model and evaluates tokens. Two implementations: llama.cpp, and a scripted one on a virtual clock.
//!
//! What is inside a timed section is decided here: batch building, graph, compute and the final synchronize, as
//! llama-bench counts. Clearing the cache, tokenizing and sampling are outside.

mod chat_template;
mod ffi;
#[cfg(feature = "portable")]
mod libraries;
mod llama;
mod noise;
mod placement;
mod quantize;
mod scripted;

pub(crate) use ffi::{LogMarks, mark_log};
pub use llama::LlamaEngine;
pub use noise::Noise;
pub(crate) use quantize::{Effect, ImatrixData, QuantType, QuantizeOptions, quantize};
#[cfg(test)]
pub(crate) use scripted::{Failure, HowItFails};
pub use scripted::{ModelScript, Script, ScriptedEngine};

use std::path::Path;

use thiserror::Error;

use crate::{
    probe::{Clock, rpc::RpcError},
    record::{PromptForm, Sampling, Settings, Stage, Timing},
};

pub trait Engine {
    /// # Errors
    /// When the model can't be loaded.
    fn load(&self, path: &Path, settings: &Settings) -> Result<Box<dyn Model>, Error>;

    /// The clock that its work is timed by.
    fn clock(&self) -> &dyn Clock;
}

pub trait Model {
    fn facts(&self) -> Loaded;

    /// What llama.cpp calls it, in a few words.
    fn description(&self) -> Option<String> {
        None
    }

    /// A context of `n_ctx` tokens for one sequence.
    ///
    /// # Errors
    /// When llama.cpp refuses, most often for want of memory.
    fn open(&self, n_ctx: u32) -> Result<Box<dyn Session>, Error>;

    /// A context for `n_seq` sequences of `n_ctx` tokens in a batch, of which at most `n_tokens` will be evaluated at a time.
    ///
    /// # Errors
    /// As [`Model::open`].
    fn open_sequences(&self, n_seq: u32, n_ctx: u32, n_tokens: u32) -> Result<Box<dyn Session>, Error>;

    /// A context of `n_ctx` tokens for up to `n_seq` sequences that may have tokens in common.
    ///
    /// # Errors
    /// As [`Model::open`].
    fn open_branches(&self, n_seq: u32, n_ctx: u32) -> Result<Box<dyn Session>, Error>;

    /// The tokens of a prompt: through the model's chat template when it has one, plain otherwise. One BOS at most begins them, and no
    /// EOS ends them, after which there would be nothing to say.
    fn tokenize_prompt(&self, text: &str) -> PromptTokens;

    /// The tokens of a plain text, BOS first where the model's texts begin with one.
    fn tokenize_text(&self, text: &str) -> Vec<i32>;

    /// The text of tokens; what is no UTF-8 is replaced.
    fn detokenize(&self, tokens: &[i32]) -> String;

    fn ends_generation(&self, token: i32) -> bool;
}

/// A context of a model, which lives as long as it does.
pub trait Session {
    fn n_ctx(&self) -> u32;

    /// Forgets all evaluated tokens. Not timed.
    fn clear(&mut self);

    /// Forgets all evaluated tokens but the first `n_tokens`; `false`, and nothing is changed, when those are not there or can't be
    /// kept alone. Not timed.
    fn keep_first(&mut self, n_tokens: u32) -> bool;

    /// Evaluates `tokens` after those already there, in batches of `n_batch`, one synchronize at the end.
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn prefill(&mut self, tokens: &[i32]) -> Result<Timing, Error>;

    /// Evaluates `tokens` one after another, a synchronize after each.
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error>;

    /// The logits after the last of the tokens evaluated by [`Session::prefill`] or [`Session::decode`].
    ///
    /// # Errors
    /// When there is no such token: a tokenizer may give none for a text.
    fn last_logits(&mut self) -> Result<&[f32], Error>;

    /// What the model gave for the last of those tokens: its logits, or the embedding where it was asked for one.
    ///
    /// # Errors
    /// As [`Session::last_logits`].
    fn last_output(&mut self) -> Result<&[f32], Error> {
        self.last_logits()
    }

    /// From here on tokens are chosen in this way.
    fn start_sampling(&mut self, sampling: &Sampling, seed: u64);

    /// Chooses a token by the last logits, which must be numbers with a greatest one: some samplers abort otherwise.
    fn sample(&mut self) -> i32;

    /// Evaluates tokens of several sequences. On a GPU it may return before they are done.
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn evaluate(&mut self, tokens: &[BatchToken]) -> Result<(), Error>;

    /// Evaluates tokens that several sequences may have in common; the context is one of [`Model::open_branches`].
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn evaluate_branches(&mut self, tokens: &[BranchToken]) -> Result<(), Error>;

    /// Evaluates such batches, a synchronize after each.
    ///
    /// # Errors
    /// When llama.cpp fails to decode.
    fn time_batches(&mut self, batches: &[Vec<BatchToken>]) -> Result<Timing, Error>;

    /// The logits of the tokens of the last batch that were wanted, in their order: `[wanted, vocabulary]`, row-major. Waits for them.
    fn batch_logits(&self) -> &[f32];
}

/// A token of one of several sequences in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchToken {
    pub(crate) id: i32,
    /// Its place in its sequence.
    pub(crate) position: u32,
    pub(crate) sequence: u32,
    /// Whether its logits will be read.
    pub(crate) wanted: bool,
}

/// A token that neighbouring sequences have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchToken {
    pub(crate) id: i32,
    /// Its place in each of them.
    pub(crate) position: u32,
    pub(crate) sequences: std::ops::Range<u32>,
    /// Whether its logits will be read.
    pub(crate) wanted: bool,
}

/// What a load gave, and took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Loading the model alone, without a context.
    pub(crate) model_ns: u64,
    pub(crate) n_vocab: u32,
    /// The longest context the model was trained for.
    pub(crate) n_ctx_train: u32,
    /// BOS, when texts begin with one.
    pub(crate) bos: Option<i32>,
}

/// A prompt as the model will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTokens {
    /// Ids, BOS and template included.
    pub tokens: Vec<i32>,
    /// How they came of the text.
    pub form: PromptForm,
}

/// What an engine could not do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    #[error("start llama.cpp: {reason}")]
    Start { reason: String },
    #[error("no {wanted} device: this build finds {found}; build with that feature, or choose another --device")]
    NoDevice { wanted: String, found: String },
    #[error("{reason}")]
    Server { reason: String },
    #[error("llama.cpp can't load the model{}", detail(reason))]
    Load { reason: String },
    /// The system refused what was asked of the process.
    #[error("{what}: {why}")]
    Placement { what: String, why: String },
    #[error("no buffer is called {wanted}: there are {found} (--override-tensor)")]
    NoBuffer { wanted: String, found: String },
    #[error("llama.cpp can't make a context of {n_ctx} tokens{}", detail(reason))]
    Context { n_ctx: u32, reason: String },
    #[error("evaluate {n_tokens} tokens: {reason}")]
    Decode { n_tokens: usize, reason: String },
    /// There is nothing to evaluate: a tokenizer may give no token for a text.
    #[error("there is no token to evaluate: the model's tokenizer gives none for the text")]
    NoTokens,
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Self {
        Self::Server { reason: error.to_string() }
    }
}

/// What is known of a reason, if anything.
fn detail(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

impl Error {
    /// Whether llama.cpp has the reason in its log.
    pub(crate) fn is_of_llama(&self) -> bool {
        match self {
            Self::Load { reason } | Self::Context { reason, .. } => reason.is_empty(),
            Self::Start { .. } | Self::Decode { .. } => true,
            Self::NoDevice { .. }
            | Self::Server { .. }
            | Self::Placement { .. }
            | Self::NoBuffer { .. }
            | Self::NoTokens => false,
        }
    }

    /// What was being done, for the row of a failed model.
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Start { .. } => Stage::Launch,
            Self::Server { .. } => Stage::Server,
            Self::NoDevice { .. } | Self::NoBuffer { .. } | Self::Placement { .. } | Self::Load { .. } => Stage::Load,
            Self::Context { .. } => Stage::Context,
            Self::Decode { n_tokens: 1, .. } => Stage::Decode,
            Self::Decode { .. } | Self::NoTokens => Stage::Prefill,
        }
    }
}
