//! Random rows and the plain `f64` reference the fast code is held against.

use crate::stats::SplitMix64;

pub(super) struct Random(SplitMix64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// Uniform on [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.0.unit()
    }

    /// Standard normal (Box and Muller, 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Logits with this spread, and the same disturbed by `noise`.
    #[expect(clippy::cast_possible_truncation, reason = "logits are f32")]
    pub(super) fn rows(&mut self, n_vocab: usize, spread: f64, noise: f64) -> (Vec<f32>, Vec<f32>) {
        let base: Vec<f32> = (0..n_vocab).map(|_| (spread * self.normal()) as f32).collect();
        let candidate = base.iter().map(|&logit| (f64::from(logit) + noise * self.normal()) as f32).collect();
        (base, candidate)
    }
}

/// Log-probabilities in `f64`.
pub(super) fn log_softmax(row: &[f32]) -> Vec<f64> {
    let max = row.iter().map(|&logit| f64::from(logit)).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - max).exp()).sum();
    row.iter().map(|&logit| f64::from(logit) - max - sum.ln()).collect()
}

/// (KL, JS) in nats by their definitions, in `f64`.
pub(super) fn divergences(base: &[f32], candidate: &[f32]) -> (f64, f64) {
    let (base, candidate) = (log_softmax(base), log_softmax(candidate));
    let pairs = || base.iter().zip(&candidate).map(|(&b, &c)| (b, c)).filter(|pair| pair.0.is_finite());
    let kld = pairs().map(|(b, c)| b.exp() * (b - c)).sum();
    let jsd = pairs()
        .map(|(b, c)| {
            let middle = f64::midpoint(b.exp(), c.exp()).ln();
            let term = |log: f64| {
                if log.exp() > 0.0 { 0.5 * log.exp() * (log - middle) } else { 0.0 }
            };
            term(b) + term(c)
        })
        .sum();
    (kld, jsd)
}
