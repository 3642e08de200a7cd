//! What a call is: a question with a type for its answer, and what its duration is known by.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::record::{ComparisonFault, Stage};

/// A question to a worker.
pub(crate) trait Call: Clone {
    /// What the worker says, any number of times, before it answers.
    type Event: Serialize + DeserializeOwned;
    type Answer: Serialize + DeserializeOwned;

    /// Calls of the same operation on the same models take about as long.
    fn operation(&self) -> Operation;

    /// The operation of each line after the first; `None` when nothing is known of how long they take.
    fn operation_of_next(&self) -> Option<Operation> {
        None
    }

    /// The files it makes the worker hold, when it does.
    fn models(&self) -> Option<Vec<PathBuf>> {
        None
    }

    /// How long the same call may take that took so long this time.
    fn longest(&self, took: Duration, _: &Self::Answer) -> Duration {
        took
    }
}

/// The event of calls that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Never {}

/// A line from a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message<E, A> {
    Event(E),
    Answer(A),
    /// It could not be done; the worker ends.
    Failed(Failure),
}

/// What a worker could not do, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) reason: String,
    pub(crate) cause: Cause,
    /// At what it lies; `None` of a call that is of one model.
    #[serde(default)]
    pub(crate) fault: Option<ComparisonFault>,
}

/// Who says why something could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The reason itself, and nothing in a log.
    Reason,
    /// llama.cpp, in its log.
    LlamaCpp,
}

/// What a call does, without the part that makes no difference to its duration, such as which ids are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Start,
    Load,
    OpenContext {
        n_ctx: u32,
    },
    Prefill {
        n_tokens: u32,
        n_depth: u32,
    },
    Decode {
        n_tokens: u32,
        n_depth: u32,
    },
    PrefillDecode {
        n_prompt: u32,
        n_gen: u32,
        n_depth: u32,
    },
    PrefillSequences {
        n_tokens: u32,
        n_seq: u32,
    },
    DecodeSequences {
        n_tokens: u32,
        n_depth: u32,
        n_seq: u32,
    },
    Count {
        n_texts: usize,
    },
    /// A prompt is known by its length: others as long take as long.
    Answer {
        prompt_bytes: usize,
        max_new_tokens: u32,
    },
    /// Texts of another order of length take another time.
    Choose {
        bytes_log2: u32,
    },
    Compare,
    /// Texts scored by one model alone.
    Score,
    /// One more window of a comparison.
    Window,
    Close,
}
