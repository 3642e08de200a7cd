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

pub(crate) mod accumulator;
pub(crate) mod batch;
mod bins;
pub(crate) mod cache;
pub(crate) mod compare;
mod divergence;
pub(crate) mod error;
mod exp;
pub(crate) mod identity;
mod lanes;
pub(crate) mod logits_file;
mod moments;
mod percentiles;
pub(crate) mod pieces;
pub(crate) mod precision;
mod softmax;
pub(crate) mod stored;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub(crate) mod top;
pub(crate) mod turns;
pub(crate) mod windows;
