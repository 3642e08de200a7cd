//! What the program says: results to stdout, errors to stderr, and how it ends as an exit code.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    report::number,
    text::{inert_json, inert_text},
};

/// How the program ends; the codes are documented in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything went through.
    Fine,
    /// Nothing could be measured, or something unforeseen failed.
    Failed,
    /// A model differs from itself: figures from this machine can't be trusted as they are.
    SelfcheckFailed,
    /// What was asked could not be told from what was measured: whether a model differs from itself, or whether a limit is kept.
    NotResolved,
    /// The command line can't be followed: a metric that does not exist, for example.
    Usage,
    /// A limit of --fail-if was passed, wholly and surely.
    Regressed,
    /// Some models were measured, others failed.
    Partial,
    /// The person stopped it; what was measured is saved.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            // As clap's own.
            Exit::Usage => 2,
            Exit::Regressed => 3,
            Exit::SelfcheckFailed => 4,
            Exit::Partial => 5,
            Exit::NotResolved => 6,
            // As shells have it: 128 and the number of SIGINT.
            Exit::Interrupted => 130,
        })
    }
}

/// Prints the error, if there is one, and turns the result into what the system is told.
pub(super) fn finish(result: Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) if error.is::<Misused>() => usage_error(&error.to_string()).into(),
        Err(error) => {
            eprint_error(&error_chain(&error));
            Exit::Failed.into()
        }
    }
}

/// An error and its causes, each once: some say their cause themselves.
pub(super) fn error_chain(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !words.ends_with(&cause) {
            words.push_str(if words.is_empty() { "" } else { ": " });
            words.push_str(&cause);
        }
    }
    words
}

/// What a command line asks that clap could not know to be wrong, found below the command itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misused(pub(super) String);

/// Refuses a command line that clap could not know to be wrong.
pub(super) fn usage_error(error: &str) -> Exit {
    eprint_error(error);
    Exit::Usage
}

fn eprint_error(error: &str) {
    // It may quote what others wrote: names, paths, answers of a server, the last lines of a log.
    to_stderr(&format!("error: {}\n", inert_text(error)));
}

/// Words for a person to stdout: what others wrote in them steers no terminal.
pub(super) fn print_text(words: &str) -> Result<Exit> {
    print_stdout(&inert_text(words))
}

/// A value as indented JSON to stdout, likewise.
pub(super) fn print_json(value: &impl Serialize) -> Result<Exit> {
    print_stdout(&format!("{}\n", inert_json(&serde_json::to_string_pretty(value)?)))
}

/// Words for a person that are no result.
pub(super) fn notice(words: &str) {
    to_stderr(&inert_text(words));
}

/// As it is. Where nobody can be told, there is nobody to tell that: `eprintln!` would end the program.
pub(super) fn to_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Results go to stdout as they are, and nothing else does. A reader who has read enough, as `head` has, is no failure: what is still
/// to be done is done, and the exit code is that of what was found.
pub(super) fn print_stdout(text: &str) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write to stdout"),
        Ok(()) | Err(_) => Ok(Exit::Fine),
    }
}

/// A size in the unit a person would choose.
pub(super) fn size(bytes: u64) -> String {
    number::bytes(bytes as f64)
}
