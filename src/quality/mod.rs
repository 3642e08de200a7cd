//! What quantizing does to a model's output: pure functions on logits and tokens.
//!
//! ```text
//! tokens ─windows→ windows ─(engine)→ logits of the original and its candidates, a micro-batch at a time
//!                                        │ batch, compare
//!                                        ▼
//!                            a TokenComparison each, logits forgotten ─accumulator→ Summary, WindowMeans
//! ```
//!
//! It evaluates no model and gives no interval: windows are the independent unit, and intervals over them belong to the
//! analysis. Divergences are in nats.

pub mod accumulator;
pub mod batch;
mod bins;
pub mod cache;
pub mod compare;
mod divergence;
pub mod error;
mod exp;
pub mod identity;
mod lanes;
pub mod logits_file;
mod moments;
mod percentiles;
pub mod pieces;
pub mod precision;
mod softmax;
pub mod stored;
#[cfg(test)]
mod testing;
pub mod text;
pub mod top;
pub mod turns;
pub mod windows;
