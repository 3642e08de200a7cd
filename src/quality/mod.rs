//! What quantizing does to a model's output: pure functions on logits and tokens.
//!
//! ```text
//! tokens ─windows→ windows ─(engine)→ logits of the original and its candidates, a micro-batch at a time
//!                                        │ batch, compare
//!                                        ▼
//!                            a TokenComparison each, logits forgotten ─accumulator→ Summary, WindowMeans
//! ```
//!
//! It evaluates no model and gives no interval: intervals over documents and windows belong to the analysis. Divergences are in
//! nats.

pub(crate) mod accumulator;
pub(crate) mod batch;
mod bytes;
pub(crate) mod cache;
pub(crate) mod compare;
mod divergence;
pub(crate) mod logits_file;
pub(crate) mod reference_file;
mod regular;
pub(crate) mod row;
pub(crate) mod share;
mod softmax;
pub(crate) mod stored;
#[cfg(test)]
mod testing;
pub(crate) mod windows;

pub(crate) use regular::open_regular;
