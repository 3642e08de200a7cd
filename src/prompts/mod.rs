//! What the models read: the prompt suite, prompt files and evaluation texts.
//!
//! Everything built in is compiled into the binary from `prompts/`, whose README lists origin and token counts.

mod error;
mod file;
mod suite;
mod texts;

pub(crate) use file::read;
pub(crate) use suite::Prompt;
pub use suite::{LengthClass, suite};
pub(crate) use texts::{Text, documents, pocket_documents, read_text};
