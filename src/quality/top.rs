//! One pass over a row: its largest logits, and whether all are finite.

use super::error::RowError;

/// How many of the largest logits are kept.
pub(crate) const TOP: usize = 5;
/// Logits a block: the pass only keeps maxima of blocks, then looks closer at the best `TOP` blocks.
const BLOCK: usize = 256;
const LANES: usize = 16;

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

/// Scans a row of logits, `[vocabulary]`.
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
