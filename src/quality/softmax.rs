//! The normaliser of one row: log Σ exp of its logits, with `f32` exponentials and `f64` sums.

use super::exp::{clamp, exp};
use super::lanes::{BLOCK, Lanes};

/// Σ exp(l − max) over a row, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Softmax {
    /// The largest logit.
    pub(super) max: f32,
    /// Σ exp(l − max), at least 1.
    pub(super) sum: f64,
    /// Σ exp(l − max)·(l − max), at most 0.
    weighted: f64,
}

impl Softmax {
    /// Sums a row whose largest logit is `max`; minus infinities add nothing that `f64` can see.
    pub(super) fn of(row: &[f32], max: f32) -> Self {
        let (mut sum, mut weighted) = (Lanes::default(), Lanes::default());
        let mut exps = [0.0_f32; BLOCK];
        let mut products = [0.0_f32; BLOCK];
        let (blocks, rest) = row.as_chunks::<BLOCK>();
        for block in blocks {
            for i in 0..BLOCK {
                let x = clamp(block[i] - max);
                exps[i] = exp(x);
                products[i] = exps[i] * x;
            }
            sum.add(&exps);
            weighted.add(&products);
        }
        (exps, products) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (i, &logit) in rest.iter().enumerate() {
            let x = clamp(logit - max);
            exps[i] = exp(x);
            products[i] = exps[i] * x;
        }
        sum.add(&exps);
        weighted.add(&products);
        Self { max, sum: sum.total(), weighted: weighted.total() }
    }

    /// Of log-probabilities that are to be taken as they are, whatever they sum up to.
    pub(super) fn normalised(log_probs: &[f32]) -> Self {
        let weighted = log_probs.iter().map(|&log_p| f64::from(log_p) * f64::from(log_p).exp()).sum();
        Self { max: 0.0, sum: 1.0, weighted }
    }

    /// −log p of an entry with this logit, in nats.
    pub(super) fn nll_nats(&self, logit: f32) -> f64 {
        (f64::from(self.max) - f64::from(logit)) + self.sum.ln()
    }

    /// −Σ p log p, in nats.
    pub(super) fn entropy_nats(&self) -> f64 {
        self.sum.ln() - self.weighted / self.sum
    }

    /// log Σ exp of this row less that of another, in nats.
    pub(super) fn log_ratio(&self, other: &Self) -> f64 {
        (f64::from(self.max) - f64::from(other.max)) + (self.sum.ln() - other.sum.ln())
    }
}
