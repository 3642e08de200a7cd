//! One row of logits reduced in one pass: its largest logits, its normaliser, and what can be wrong with it.

use super::softmax::{BLOCK, LANES, Softmax};

/// Why two rows of logits cannot be compared. Indices count vocabulary entries from 0.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("logit {index} is not a number")]
    NotANumber { index: usize },
    #[error("logit {index} is plus infinity")]
    PositiveInfinity { index: usize },
    /// The row is empty, or every entry is minus infinity.
    #[error("no finite logit in the row")]
    NoFiniteLogit,
    #[error("rows of {base} and {candidate} logits: different vocabularies")]
    LengthMismatch { base: usize, candidate: usize },
    /// One model masks an entry (minus infinity), the other does not: the divergence would be infinite.
    #[error("logit {index} is minus infinity in one model only")]
    MaskMismatch { index: usize },
    /// The correct token is no entry of the vocabulary.
    #[error("token {token} is outside the vocabulary of {n_vocab}")]
    TokenOutOfRange { token: i32, n_vocab: usize },
    /// The correct token has no probability in either model.
    #[error("token {token} is masked by both models")]
    MaskedToken { token: i32 },
    /// A divergence came out infinite, not a number, or negative beyond rounding: a fault, never to be clamped away.
    #[error("impossible divergence of {kld_nats} nats")]
    ImpossibleDivergence {
        /// KL(original ‖ candidate) as computed, in nats.
        kld_nats: f64,
    },
}

/// How many of the largest logits are kept: the overlap of the five first choices is reported.
pub(crate) const TOP: usize = 5;

/// The largest logits of a row, descending; among equals the lower index first, as llama.cpp's argmax has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Largest {
    entries: [(f32, usize); TOP],
    len: usize,
}

impl Largest {
    const EMPTY: Self = Self { entries: [(f32::NEG_INFINITY, 0); TOP], len: 0 };

    /// Offers entries in ascending order of index. Minus infinity never enters.
    #[inline]
    fn offer(&mut self, logit: f32, index: usize) {
        if logit > self.entries[TOP - 1].0 {
            let at = self.entries.iter().position(|entry| logit > entry.0).expect("larger than the last");
            self.entries.copy_within(at..TOP - 1, at + 1);
            self.entries[at] = (logit, index);
            self.len = TOP.min(self.len + 1);
        }
    }

    /// The kept (logit, index), descending: at least 1, at most `TOP`.
    pub(super) fn entries(&self) -> &[(f32, usize)] {
        &self.entries[..self.len]
    }

    /// How many indices two rows have in common.
    pub(super) fn overlap(&self, other: &Self) -> usize {
        self.entries().iter().filter(|mine| other.entries().iter().any(|theirs| theirs.1 == mine.1)).count()
    }
}

/// What the first pass over a row finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) largest: Largest,
    /// Entries at minus infinity.
    pub(super) masked: usize,
}

/// Scans a row of logits, `[vocabulary]`: the pass keeps only the maxima of blocks, then looks closer at the best `TOP` blocks.
pub(super) fn scan(row: &[f32]) -> Result<Scan, RowError> {
    let mut blocks = Largest::EMPTY;
    let mut masked = 0;
    for (number, block) in row.chunks(BLOCK).enumerate() {
        let (max, finite) = block_max(block);
        if !finite {
            masked += inspect(block, number * BLOCK)?;
        }
        blocks.offer(max, number);
    }
    let mut best: Vec<usize> = blocks.entries().iter().map(|entry| entry.1).collect();
    best.sort_unstable();
    let mut largest = Largest::EMPTY;
    for number in best {
        let start = number * BLOCK;
        for (offset, &logit) in row[start..].iter().take(BLOCK).enumerate() {
            largest.offer(logit, start + offset);
        }
    }
    if largest.len == 0 { Err(RowError::NoFiniteLogit) } else { Ok(Scan { largest, masked }) }
}

/// The maximum of a block, and whether every logit in it is finite.
fn block_max(block: &[f32]) -> (f32, bool) {
    let mut max = [f32::NEG_INFINITY; LANES];
    let mut odd = [0_u32; LANES];
    let (chunks, rest) = block.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            max[lane] = if chunk[lane] > max[lane] { chunk[lane] } else { max[lane] };
            odd[lane] |= u32::from(!chunk[lane].is_finite());
        }
    }
    for (lane, &logit) in rest.iter().enumerate() {
        max[lane] = if logit > max[lane] { logit } else { max[lane] };
        odd[lane] |= u32::from(!logit.is_finite());
    }
    (max.into_iter().fold(f32::NEG_INFINITY, f32::max), odd.into_iter().all(|flag| flag == 0))
}

/// Counts minus infinities in a block that starts at `start`, and refuses anything else that is not finite.
fn inspect(block: &[f32], start: usize) -> Result<usize, RowError> {
    for (offset, &logit) in block.iter().enumerate() {
        if logit.is_nan() {
            return Err(RowError::NotANumber { index: start + offset });
        }
        if logit.is_infinite() && logit > 0.0 {
            return Err(RowError::PositiveInfinity { index: start + offset });
        }
    }
    Ok(block.iter().filter(|logit| logit.is_infinite()).count())
}

/// A row with everything that needs no second row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) logits: &'a [f32],
    pub(super) scan: Scan,
    pub(super) softmax: Softmax,
}

impl<'a> Row<'a> {
    pub(super) fn new(logits: &'a [f32]) -> Result<Self, RowError> {
        let scan = scan(logits)?;
        let softmax = Softmax::of(logits, scan.largest.entries()[0].0);
        Ok(Self { logits, scan, softmax })
    }

    pub(super) fn top1(&self) -> i32 {
        i32::try_from(self.scan.largest.entries()[0].1).expect("vocabularies are counted in i32")
    }

    pub(super) fn margin_nats(&self) -> Option<f32> {
        let [first, second, ..] = self.scan.largest.entries() else {
            return None;
        };
        Some(first.0 - second.0)
    }
}

/// −log p of a token under a row of logits, in nats.
pub(crate) fn nll_nats(logits: &[f32], token: i32) -> Result<f64, RowError> {
    let row = Row::new(logits)?;
    let logit = logits[token_index(token, logits.len())?];
    if logit.is_infinite() { Err(RowError::MaskedToken { token }) } else { Ok(row.softmax.nll_nats(logit)) }
}

#[expect(clippy::cast_possible_truncation, reason = "a few nats, for bins and lists")]
pub(super) fn entropy(softmax: &Softmax) -> f32 {
    softmax.entropy_nats() as f32
}

pub(super) fn overlap(base: &Row<'_>, candidate: &Row<'_>) -> u8 {
    u8::try_from(base.scan.largest.overlap(&candidate.scan.largest)).expect("at most five")
}

pub(super) fn token_index(token: i32, n_vocab: usize) -> Result<usize, RowError> {
    let index = usize::try_from(token).ok().filter(|&index| index < n_vocab);
    index.ok_or(RowError::TokenOutOfRange { token, n_vocab })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data of a few digits")]
mod tests {
    use super::*;
    use crate::quality::testing::Random;

    fn indices(row: &[f32]) -> Vec<usize> {
        let scan = scan(row).expect("finite");
        scan.largest.entries().iter().map(|entry| entry.1).collect()
    }

    #[test]
    fn agrees_with_sorting() {
        let mut random = Random::new(3);
        for len in [1, 3, 5, 17, 255, 256, 257, 1000, 4096] {
            for levels in [3.0, 1e6] {
                let row: Vec<f32> = (0..len).map(|_| (random.uniform() * levels).floor() as f32).collect();
                let mut sorted: Vec<usize> = (0..len).collect();
                sorted.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
                sorted.truncate(TOP);
                assert_eq!(indices(&row), sorted, "{len} logits of {levels} levels");
            }
        }
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(indices(&[2.0; 700]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn names_the_first_bad_logit() {
        let mut row = vec![0.5_f32; 600];
        row[300] = f32::NEG_INFINITY;
        assert_eq!(scan(&row).expect("masked entries are legal").masked, 1);
        row[599] = f32::NAN;
        assert_eq!(scan(&row).expect_err("not finite"), RowError::NotANumber { index: 599 });
        row[258] = f32::INFINITY;
        assert_eq!(scan(&row).expect_err("not finite"), RowError::PositiveInfinity { index: 258 });
        assert_eq!(scan(&[]).expect_err("not finite"), RowError::NoFiniteLogit);
        assert_eq!(scan(&[f32::NEG_INFINITY; 9]).expect_err("not finite"), RowError::NoFiniteLogit);
    }
}
