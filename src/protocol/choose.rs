//! The call that weighs endings: texts that begin alike, and how likely a model finds what follows.

use serde::{Deserialize, Serialize};

use super::call::{Call, Never, Operation};

/// Say how likely the endings of questions are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choose {
    pub(crate) passages: Vec<Alternatives>,
}

/// Endings of one text, which is evaluated once for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alternatives {
    pub(crate) text: String,
    pub(crate) weighed: Weighed,
    /// By question: what comes between the text and what is weighed, and what is weighed.
    pub(crate) questions: Vec<Vec<(String, String)>>,
}

/// Which tokens of a whole text are weighed: their log-probabilities' mean is the ending's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weighed {
    /// From the first on in which the endings of a question differ, as llama-perplexity does with `HellaSwag`.
    WhatDiffers,
    /// What follows the words that differ, the last token left out where it is not the only one; the words too, where no more than
    /// three tokens differ in all: as llama-perplexity does with Winogrande.
    WhatFollows,
    /// The ending itself.
    Ending,
}

/// What a model makes of a text's endings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Likelihoods {
    /// By question the mean log-probability of each ending, in nats; none where the text is longer than the model was trained for.
    pub(crate) questions_nats: Vec<Vec<f32>>,
    /// Tokens of the longest.
    pub(crate) longest_tokens: u32,
}

impl Call for Choose {
    type Event = Never;
    type Answer = Vec<Likelihoods>;

    fn operation(&self) -> Operation {
        let ending = |(before, text): &(String, String)| before.len() + text.len();
        let bytes = |p: &Alternatives| p.text.len() + p.questions.iter().flatten().map(ending).sum::<usize>();
        Operation::Choose { bytes_log2: self.passages.iter().map(bytes).sum::<usize>().max(1).ilog2() }
    }
}
