//! Kullback–Leibler and Jensen–Shannon divergence of two rows, in one pass.
//!
//! Both are summed as terms that are never negative (Bregman, 1967), so nothing cancels between entries and rounding stays
//! relative to the result however small it is. With t = |log p − log q|, s = e^−t and b = max(p, q), an entry adds
//!
//! - to KL(p ‖ q) = Σ p log(p/q) − p + q:  b·(t − 1 + s) where p ≥ q, else b·(1 − s − s·t);
//! - to JS (Lin, 1991) = Σ ½ p log(p/m) + ½ q log(q/m), m = (p + q)/2:  ½·b·((1 + s)·log(1 + h) − s·t), h = (1 − s)/(1 + s).
//!
//! A wrong normaliser of either row changes the first sum only in second order, because Σ p = Σ q = 1.

use super::softmax::{BLOCK, Lanes, Softmax, exp, fma, polynomial};

/// (e^−t − 1 + t) / t² on t ≤ 1, highest power first, error 9e-9.
const EXCESS: [f32; 6] = [-1.374_242e-4, 1.324_818e-3, -8.301_17e-3, 4.165_925_5e-2, -1.666_660_4e-1, 0.5];
/// ((1 + h) log(1 + h) + (1 − h) log(1 − h)) / h² in powers of h² on h ≤ 0.4622, error 2.4e-8.
const NEAR: [f32; 5] = [3.290_635_7e-2, 3.354_526_3e-2, 6.683_836e-2, 1.666_62e-1, 1.0];
/// log(1.73 + w) on |w| ≤ 0.27, error 6e-9.
const LOG: [f32; 7] =
    [-6.420_731e-3, 1.330_900_9e-2, -2.790_223_7e-2, 6.436_364e-2, -1.670_621_2e-1, 5.780_348e-1, 5.481_214e-1];

/// Divergences of the candidate's distribution from the original's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divergence {
    /// KL(original ‖ candidate), in nats.
    pub(super) kld_nats: f64,
    /// Jensen–Shannon, in nats, at most ln 2.
    pub(super) jsd_nats: f64,
}

impl Divergence {
    /// The Jensen–Shannon divergence as it is kept.
    #[expect(clippy::cast_possible_truncation, reason = "one of thousands whose mean is wanted to 1e-6")]
    pub(super) fn jsd(self) -> f32 {
        self.jsd_nats as f32
    }
}

/// A row's constants, as `f32` for the inner loop.
#[derive(Clone, Copy)]
struct Side {
    max: f32,
    scale: f32,
}

impl Side {
    #[expect(clippy::cast_possible_truncation, reason = "a factor of every term: 6e-8 of the result")]
    fn of(softmax: &Softmax) -> Self {
        Self { max: softmax.max, scale: (1.0 / softmax.sum) as f32 }
    }
}

/// Compares two rows of finite logits of equal length, `[vocabulary]`.
pub(super) fn divergence(base: (&[f32], &Softmax), candidate: (&[f32], &Softmax)) -> Divergence {
    let mut block = Block {
        offset_nats: base.1.log_ratio(candidate.1),
        sides: (Side::of(base.1), Side::of(candidate.1)),
        log_ratio: [0.0; BLOCK],
        larger: [0.0; BLOCK],
        kl: [0.0; BLOCK],
        js: [0.0; BLOCK],
    };
    let (mut kld, mut jsd) = (Lanes::default(), Lanes::default());
    let (base_blocks, base_rest) = base.0.as_chunks::<BLOCK>();
    let (candidate_blocks, candidate_rest) = candidate.0.as_chunks::<BLOCK>();
    for (base, candidate) in base_blocks.iter().zip(candidate_blocks) {
        block.load(base, candidate);
        block.finish();
        kld.add(&block.kl);
        jsd.add(&block.js);
    }
    // Filled up to a block; what lies beyond the end weighs nothing.
    let rest = base_rest.len();
    let (mut base, mut candidate) = ([0.0; BLOCK], [0.0; BLOCK]);
    base[..rest].copy_from_slice(base_rest);
    candidate[..rest].copy_from_slice(candidate_rest);
    block.load(&base, &candidate);
    block.larger[rest..].fill(0.0);
    block.finish();
    kld.add(&block.kl);
    jsd.add(&block.js);
    Divergence { kld_nats: kld.total(), jsd_nats: jsd.total() }
}

/// Entries of both rows on their way to the sums. Three short loops and not one: each fits the processor's window several
/// times over, so that iterations overlap.
struct Block {
    offset_nats: f64,
    sides: (Side, Side),
    log_ratio: [f32; BLOCK],
    larger: [f32; BLOCK],
    kl: [f32; BLOCK],
    js: [f32; BLOCK],
}

impl Block {
    #[expect(clippy::cast_possible_truncation, reason = "rounded only after the differences")]
    fn load(&mut self, base: &[f32; BLOCK], candidate: &[f32; BLOCK]) {
        let (p, q) = self.sides;
        for i in 0..BLOCK {
            let log_ratio = ((f64::from(base[i]) - f64::from(candidate[i])) - self.offset_nats) as f32;
            self.larger[i] = if log_ratio >= 0.0 { base[i] - p.max } else { candidate[i] - q.max };
            self.log_ratio[i] = log_ratio;
        }
        // Apart from the loop above, whose f64 would halve the width of this one.
        for i in 0..BLOCK {
            self.larger[i] = exp(self.larger[i]) * if self.log_ratio[i] >= 0.0 { p.scale } else { q.scale };
        }
    }

    fn finish(&mut self) {
        // Between an original and a usable quantization nearly every block is near, and that path needs no exponential.
        let far_entries: u32 = self.log_ratio.iter().map(|ratio| u32::from(ratio.abs() >= 1.0)).sum();
        if far_entries == 0 {
            self.weigh(near);
        } else {
            self.weigh(|t| {
                let (near, far) = (near(t), far(t));
                let choose = |near, far| if t < 1.0 { near } else { far };
                Factors {
                    more: choose(near.more, far.more),
                    less: choose(near.less, far.less),
                    middle: choose(near.middle, far.middle),
                }
            });
        }
    }

    #[inline]
    fn weigh(&mut self, factors: impl Fn(f32) -> Factors) {
        for i in 0..BLOCK {
            let Factors { more, less, middle } = factors(self.log_ratio[i].abs());
            self.kl[i] = self.larger[i] * if self.log_ratio[i] >= 0.0 { more } else { less };
            self.js[i] = self.larger[i] * middle;
        }
    }
}

/// What an entry at distance t adds, over b.
struct Factors {
    /// To KL where p ≥ q: t − 1 + s.
    more: f32,
    /// To KL where p < q: 1 − s − s·t.
    less: f32,
    /// To JS.
    middle: f32,
}

/// For t < 1, where 1 and s nearly cancel.
#[inline]
fn near(t: f32) -> Factors {
    let more = t * t * polynomial(EXCESS, t);
    let gap = t - more;
    let h = gap / (2.0 - gap);
    Factors { more, less: fma(t, gap, -more), middle: 0.25 * gap * h * polynomial(NEAR, h * h) }
}

/// For t ≥ 1.
#[inline]
fn far(t: f32) -> Factors {
    let s = exp(-t);
    let gap = 1.0 - s;
    let h = gap / (1.0 + s);
    Factors { more: t - gap, less: fma(-s, t, gap), middle: 0.5 * fma(1.0 + s, polynomial(LOG, h - 0.73), -s * t) }
}
