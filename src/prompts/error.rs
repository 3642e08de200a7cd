//! Why a prompt file or an evaluation text cannot be used.

use std::io;
use std::path::PathBuf;

/// A file that cannot be used, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is larger than any file of prompts or evaluation text should be.
    #[error("{} is larger than {limit_mib} MiB", path.display())]
    TooLarge {
        path: PathBuf,
        /// The limit in MiB.
        limit_mib: u64,
    },
    #[error("{} is not UTF-8: byte {offset} (line {line}) does not belong to a character", path.display())]
    NotUtf8 {
        path: PathBuf,
        offset: usize,
        /// The line of the bad byte, from 1.
        line: usize,
    },
    /// It holds no entry, or nothing but white space.
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    /// It is JSON by its name or its beginning, but does not parse.
    #[error("{} is not valid JSON: {reason}", path.display())]
    Json { path: PathBuf, reason: String },
    #[error("{}: entry {entry} {fault}", path.display())]
    Entry {
        path: PathBuf,
        /// The entry's place in the file, from 1.
        entry: usize,
        fault: EntryFault,
    },
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        path: PathBuf,
        /// From 1.
        line: usize,
        reason: String,
    },
    /// `NAME=FILE` without a name or without a file.
    #[error("\"{spec}\" names no {missing}: write FILE or NAME=FILE")]
    Spec { spec: String, missing: &'static str },
}

/// What is wrong with one entry of a prompt file; reads after "entry 3".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryFault {
    #[error("is {found}; expected a string or an object with \"text\"")]
    WrongType {
        /// The JSON type found, with its article.
        found: &'static str,
    },
    #[error("has no \"text\" (its fields: {})", if fields.is_empty() { "none" } else { fields })]
    NoText {
        /// The fields it has, separated by commas.
        fields: String,
    },
    /// A field of the wrong JSON type.
    #[error("has {found} as \"{field}\"; expected a string")]
    FieldType {
        field: &'static str,
        /// The JSON type found, with its article.
        found: &'static str,
    },
    /// A field that is empty or only white space.
    #[error("has an empty \"{field}\"")]
    EmptyField { field: &'static str },
    /// A character that the field cannot hold: NUL in a text, any control character in a name or category.
    #[error("has the control character U+{code:04X} in its \"{field}\"")]
    Control {
        field: &'static str,
        /// The character's code point.
        code: u32,
    },
    /// A name that an earlier entry has.
    #[error("has the name \"{name}\", which entry {first} has already")]
    DuplicateName {
        name: String,
        /// The earlier entry's number, from 1.
        first: usize,
    },
}
