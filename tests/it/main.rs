//! The tests of what a user sees: the real binary, real files, real llama.cpp.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that can't go on fails, and tests make files and processes"
)]

mod support;

#[cfg(unix)]
mod action;
mod answers;
mod cli;
mod compare;
mod depth;
mod diff;
mod disk;
#[cfg(unix)]
mod encoders;
mod environment;
mod failures;
mod fit;
mod guide;
mod hostile;
mod hub;
mod inspect;
mod interrupt;
#[cfg(unix)]
mod kinds;
mod memory;
#[cfg(unix)]
mod models;
mod mutated;
mod network;
mod prompts;
mod quality;
#[cfg(unix)]
mod quantize;
mod records;
mod resume;
mod rounds;
mod rpc;
mod schema;
mod settings;
#[cfg(unix)]
mod shell;
mod sweep;
mod tasks;
mod tune;
mod untrusted;
mod votes;
mod vulkan;
mod workers;
