//! gguf-bench: what does quantizing a GGUF model cost, and what does it buy, on this machine?
//!
//! Data flows one way. Measuring and analysing meet only in the [`record`] file:
//!
//! ```text
//! argv -> Args -> Plan -> rounds -> worker processes -> Sample... -> Run (file)
//!                                                                     |
//!      HTML, Markdown, CSV, terminal <- templates <- View <- Analysis <- stats
//! ```
//!
//! The library exists for the binary, the tests and the doc pages; it makes no promise of stability.
//! Which module may import which is a table in `tests/architecture.rs`.

pub mod analysis;
pub mod cli;
pub mod engine;
pub mod event;
pub mod gguf;
pub mod models;
pub mod probe;
pub mod prompts;
pub mod quality;
pub mod record;
pub mod report;
pub mod run;
pub mod stats;
pub mod text;
pub mod units;
