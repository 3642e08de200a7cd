//! The tests of what a user sees: the real binary, real files, real llama.cpp.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that can't go on fails, and tests make files and processes"
)]

mod support;

mod cli;
mod compare;
mod diff;
mod failures;
mod guide;
mod hub;
mod inspect;
mod interrupt;
mod prompts;
mod quality;
mod records;
mod rounds;
mod schema;
mod sweep;
