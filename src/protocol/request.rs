//! The calls a worker understands, and the one line on which each of them travels.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    bits::ScoreBytes,
    call::{Call, Never, Operation},
    choose::Choose,
    compare::Compare,
};
use crate::record::{Phase, PromptForm, Sampling, Settings, Timing};

/// A call on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Hello(Hello),
    Load(Load),
    OpenContext(OpenContext),
    Prefill(Prefill),
    Decode(Decode),
    PrefillDecode(PrefillDecode),
    TimeSequences(TimeSequences),
    Count(Count),
    Answer(Answer),
    Choose(Choose),
    Compare(Box<Compare>),
    ScoreBytes(ScoreBytes),
    Close(Close),
}

macro_rules! travels {
    ($($call:ident),*) => {
        $(impl From<$call> for Request {
            fn from(call: $call) -> Self {
                Self::$call(call)
            }
        })*
    };
}

travels!(
    Hello,
    Load,
    OpenContext,
    Prefill,
    Decode,
    PrefillDecode,
    TimeSequences,
    Count,
    Answer,
    Choose,
    ScoreBytes,
    Close
);

impl From<Compare> for Request {
    fn from(call: Compare) -> Self {
        Self::Compare(Box::new(call))
    }
}

/// Answered as soon as the process is up; nothing is loaded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello;

impl Call for Hello {
    type Event = Never;
    type Answer = ();

    fn operation(&self) -> Operation {
        Operation::Start
    }
}

/// Load a model, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) path: PathBuf,
    pub(crate) settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) model_ns: u64,
    /// The longest context the model was trained for; 0 when it does not say.
    pub(crate) n_ctx_train: u32,
    /// Bytes that came from storage meanwhile, when the kernel says.
    pub(crate) storage_read_bytes: Option<u64>,
    /// Free memory of devices, by name, before anything was allocated.
    pub(crate) devices_free_bytes: Vec<(String, u64)>,
    /// What llama.cpp calls the model.
    pub(crate) description: Option<String>,
}

impl Call for Load {
    type Event = Never;
    type Answer = Loaded;

    fn operation(&self) -> Operation {
        Operation::Load
    }

    fn models(&self) -> Option<Vec<PathBuf>> {
        Some(vec![self.path.clone()])
    }
}

/// Replace the context by one of `n_ctx` tokens; answered by how long that took, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenContext {
    pub(crate) n_ctx: u32,
}

impl Call for OpenContext {
    type Event = Never;
    type Answer = u64;

    fn operation(&self) -> Operation {
        Operation::OpenContext { n_ctx: self.n_ctx }
    }
}

/// Evaluate ids as a prompt, after `n_depth` others that are not timed. The same seed gives every model the same ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prefill {
    pub(crate) n_tokens: u32,
    pub(crate) n_depth: u32,
    pub(crate) seed: u64,
}

impl Call for Prefill {
    type Event = Never;
    type Answer = Timing;

    fn operation(&self) -> Operation {
        let Self { n_tokens, n_depth, seed: _ } = *self;
        Operation::Prefill { n_tokens, n_depth }
    }
}

/// Evaluate ids one after another, after `n_depth` others that are not timed: a block of a longer generation, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decode {
    pub(crate) n_tokens: u32,
    pub(crate) n_depth: u32,
    /// Ids of the same generation that come before the block and were timed by an earlier call.
    pub(crate) n_before: u32,
    /// Ids evaluated first, untimed, and forgotten: they wake the threads of a worker that was idle.
    pub(crate) n_wake: u32,
    pub(crate) seed: u64,
}

impl Call for Decode {
    type Event = Never;
    type Answer = Timing;

    fn operation(&self) -> Operation {
        let Self { n_tokens, n_depth, n_before, n_wake: _, seed: _ } = *self;
        Operation::Decode { n_tokens, n_depth: n_depth + n_before }
    }
}

/// Evaluate ids as a prompt and then others one after another, timed together, after `n_depth` that are not timed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrefillDecode {
    pub(crate) n_prompt: u32,
    pub(crate) n_gen: u32,
    pub(crate) n_depth: u32,
    pub(crate) seed: u64,
}

impl Call for PrefillDecode {
    type Event = Never;
    type Answer = Timing;

    fn operation(&self) -> Operation {
        let Self { n_prompt, n_gen, n_depth, seed: _ } = *self;
        Operation::PrefillDecode { n_prompt, n_gen, n_depth }
    }
}

/// Sequences in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sequences {
    /// Timed tokens of each sequence.
    pub(crate) n_tokens: u32,
    /// Tokens that each sequence has before.
    pub(crate) n_depth: u32,
    pub(crate) n_seq: u32,
}

/// Evaluate several sequences in a batch, in a context of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimeSequences {
    /// What is timed: the sequences' tokens as prompts, or one of each after another.
    pub(crate) phase: Phase,
    pub(crate) sequences: Sequences,
    pub(crate) seed: u64,
}

impl Call for TimeSequences {
    type Event = Never;
    type Answer = Timing;

    fn operation(&self) -> Operation {
        let Sequences { n_tokens, n_depth, n_seq } = self.sequences;
        match self.phase {
            Phase::Prefill => Operation::PrefillSequences { n_tokens, n_seq },
            Phase::Decode => Operation::DecodeSequences { n_tokens, n_depth, n_seq },
        }
    }
}

/// Count the tokens of prompts, chat template included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) texts: Vec<String>,
}

impl Call for Count {
    type Event = Never;
    type Answer = Vec<u32>;

    fn operation(&self) -> Operation {
        Operation::Count { n_texts: self.texts.len() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) max_new_tokens: u32,
    pub(crate) sampling: Sampling,
    pub(crate) seed: u64,
}

/// An answer with its timings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Tokens of the prompt, chat template included.
    pub(crate) n_prompt: u32,
    /// How the prompt became what the model saw.
    pub(crate) prompt_form: PromptForm,
    pub(crate) prefill: Timing,
    /// Evaluating every generated token but the last; `None` when there were fewer than two.
    pub(crate) decode: Option<Timing>,
    /// Generated ids, without the end-of-generation token.
    pub(crate) tokens: Vec<i32>,
    /// Their text; what is no UTF-8 is replaced.
    pub(crate) text: String,
    /// Whether the model ended it.
    pub(crate) ended: bool,
    /// From the start of the evaluation to the first token chosen.
    pub(crate) ttft_ns: u64,
    /// From each token to the next.
    pub(crate) inter_token_ns: Vec<u64>,
    /// By how much the best logit lay above the second best where each token was chosen, in nats.
    pub(crate) margins_nats: Vec<f32>,
}

impl Call for Answer {
    type Event = Never;
    type Answer = Answered;

    fn operation(&self) -> Operation {
        Operation::Answer { prompt_bytes: self.text.len(), max_new_tokens: self.max_new_tokens }
    }

    /// The same prompt may be answered at greater length.
    fn longest(&self, took: Duration, answer: &Answered) -> Duration {
        let tokens = u32::try_from(answer.tokens.len()).unwrap_or(u32::MAX).max(1);
        took.saturating_mul(self.max_new_tokens.div_ceil(tokens).max(1))
    }
}

/// Read the process's own account and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Close;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// Exact peak of resident memory, when the kernel says.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Free memory of devices, by name, while everything is still allocated.
    pub(crate) devices_free_bytes: Vec<(String, u64)>,
}

impl Call for Close {
    type Event = Never;
    type Answer = Closed;

    fn operation(&self) -> Operation {
        Operation::Close
    }
}
