//! The normaliser of one row, log Σ exp of its logits: branch-free `f32` exponentials that the compiler vectorises, and `f64`
//! sums always in the same order.
//!
//! Range reduction is Cody and Waite's (1980): x = k·ln 2 + r with |r| ≤ ln 2 / 2, so e^x = 2^k·e^r. The polynomials are
//! near-minimax fits made for this file (Chebyshev, 40 digits); each carries its range and error.

/// Below this the result is no normal `f32`; e^−87 ≈ 1.6e-38 is the floor.
const LOWEST: f32 = -87.0;
/// Adding and subtracting 1.5·2²³ rounds to the nearest integer, and leaves it in the low mantissa bits.
const ROUNDING: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of so few bits that its product with k is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// (e^r − 1 − r) / r² on |r| ≤ 0.3467, highest power first, error 1.4e-9.
const TAIL: [f32; 6] = [1.989_101_7e-4, 1.393_367_4e-3, 8.333_311e-3, 4.166_646_5e-2, 1.666_666_7e-1, 0.5];

/// a·b + c, fused where the target has the instruction; elsewhere `mul_add` would be a library call.
#[inline]
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
#[inline]
pub(super) fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = fma(sum, x, *coefficient);
    }
    sum
}

/// x, or the lowest argument the reduction can take. Minus infinity becomes that too, NaN stays.
#[inline]
pub(super) fn clamp(x: f32) -> f32 {
    if x < LOWEST { LOWEST } else { x }
}

/// e^x for x ≤ 0, relative error under 1.3e-7; exactly 1 at 0, never under e^−87.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let x = clamp(x);
    let shifted = fma(x, std::f32::consts::LOG2_E, ROUNDING);
    let k = shifted - ROUNDING;
    let r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    fma(power, r + r * r * polynomial(TAIL, r), power)
}

/// Terms are written out a block at a time before they are summed: a loop without a dependency vectorises.
pub(super) const BLOCK: usize = 256;
/// Partial sums side by side: two vectors of AVX-512, four of AVX2, so that additions overlap.
pub(super) const LANES: usize = 16;

/// Partial sums, one a lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lanes([f64; LANES]);

impl Lanes {
    /// Adds the terms of a block.
    #[inline]
    pub(super) fn add(&mut self, terms: &[f32; BLOCK]) {
        for chunk in terms.as_chunks::<LANES>().0 {
            for (sum, term) in self.0.iter_mut().zip(chunk) {
                *sum += f64::from(*term);
            }
        }
    }

    /// The sum of all terms.
    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// Σ exp(l − max) over a row, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Softmax {
    pub(super) max: f32,
    /// Σ exp(l − max), at least 1.
    pub(super) sum: f64,
    /// Σ exp(l − max)·(l − max), at most 0.
    weighted: f64,
}

impl Softmax {
    /// As it was stored, without what the entropy needs.
    pub(super) fn stored(max: f32, sum: f64) -> Self {
        Self { max, sum, weighted: 0.0 }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_follows_the_double_precision_one() {
        for step in 0..=870_000_i32 {
            let x = -1e-4 * step as f32;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 1.5e-7, "x = {x}, error {error:e}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
    }
}
