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

pub mod prompts;
pub mod record;
pub mod stats;
pub mod units;
