//! What the models read: the prompt suite, prompt files and evaluation texts.
//!
//! Everything built in is compiled into the binary from `prompts/`, whose README lists origin and token counts.

mod error;
mod file;
mod recall;
mod suite;
mod task;
mod texts;

pub(crate) use file::read;
pub(crate) use suite::Prompt;
pub use suite::{LengthClass, suite};
#[cfg(test)]
pub(crate) use task::Ending;
pub(crate) use texts::{Text, documents, for_windows, longest_window, pocket_documents, read_text};
pub(crate) use {
    recall::{LEAST_TOKENS, MOST_TOKENS, recall},
    task::{Passage, Question, Task, read_task},
};
