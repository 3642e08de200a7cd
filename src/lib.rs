//! gguf-bench: what does quantizing a GGUF model cost, and what does it buy, on this machine?
//!
//! Data flows one way. Measuring and analysing meet only in the record, the Run file:
//!
//! ```text
//! argv -> options -> Plan -> rounds -> calls -> worker processes -> Sample... -> Run (file)
//!                                                                               |
//!    HTML, Markdown, CSV, JSON, terminal <- format <- Document <- section <- Analysis
//! ```
//!
//! The library serves the binaries of this package, and makes no promise of stability.
//! Which module may import which is a table in `tests/architecture.rs`.

mod analysis;
mod cli;
mod engine;
mod event;
mod gguf;
mod metric;
mod models;
mod probe;
mod prompts;
mod protocol;
mod quality;
mod record;
mod report;
mod run;
mod settings;
mod stats;
mod text;
mod thresholds;
mod units;
mod worker;

#[doc(hidden)]
pub mod testing;

pub use cli::{benchmark_model, main, run_benchmark, visualize_benchmark};
