//! Many scored positions at once, split over threads; what comes out does not depend on how many.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::compare::{BaseRow, TokenComparison};
use super::row::RowError;

/// One micro-batch of logits from the original and its candidates, all `[positions, vocabulary]`, row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Vocabulary entries, the length of a row.
    pub n_vocab: NonZeroUsize,
    pub base: &'a [f32],
    pub candidates: &'a [&'a [f32]],
    /// The correct token of each position.
    pub tokens: &'a [i32],
}

/// Why a batch cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum BatchError {
    /// A buffer does not hold one row for each token.
    #[error("{actual} logits for {positions} positions of {n_vocab}")]
    Shape { actual: usize, positions: usize, n_vocab: usize },
    #[error("row {row} of the original: {reason}")]
    Base {
        /// Row in the batch, from 0; the first that fails.
        row: usize,
        reason: RowError,
    },
    #[error("row {row} of candidate {candidate}: {reason}")]
    Candidate {
        /// Row in the batch, from 0; the first that fails.
        row: usize,
        /// Candidate, from 0.
        candidate: usize,
        reason: RowError,
    },
}

impl Batch<'_> {
    /// Compares every position with every candidate on this many threads: one list for each candidate, in order of position.
    ///
    /// # Errors
    /// Buffers of the wrong length, or the first row that cannot be compared, whatever the number of threads.
    pub(crate) fn compare(&self, threads: NonZeroUsize) -> Result<Vec<Vec<TokenComparison>>, BatchError> {
        let positions = self.tokens.len();
        for logits in std::iter::once(&self.base).chain(self.candidates) {
            check_shape(logits, positions, self.n_vocab)?;
        }
        let parts = in_parts(positions, threads, &|rows| self.part(rows));
        let mut all = vec![Vec::with_capacity(positions); self.candidates.len()];
        for part in parts {
            for (whole, part) in all.iter_mut().zip(part?) {
                whole.extend(part);
            }
        }
        Ok(all)
    }

    fn part(&self, rows: Range<usize>) -> Result<Vec<Vec<TokenComparison>>, BatchError> {
        let mut results = vec![Vec::with_capacity(rows.len()); self.candidates.len()];
        for row in rows {
            let base = BaseRow::new(self.row(self.base, row)).map_err(|reason| BatchError::Base { row, reason })?;
            for (candidate, logits) in self.candidates.iter().enumerate() {
                let compared = base.compare(self.row(logits, row), self.tokens[row]);
                results[candidate].push(compared.map_err(|reason| BatchError::Candidate { row, candidate, reason })?);
            }
        }
        Ok(results)
    }

    fn row<'b>(&self, logits: &'b [f32], row: usize) -> &'b [f32] {
        &logits[row * self.n_vocab.get()..][..self.n_vocab.get()]
    }
}

/// Whether a buffer holds one row for each position.
pub(super) fn check_shape(logits: &[f32], positions: usize, n_vocab: NonZeroUsize) -> Result<(), BatchError> {
    if positions.checked_mul(n_vocab.get()) == Some(logits.len()) {
        return Ok(());
    }
    Err(BatchError::Shape { actual: logits.len(), positions, n_vocab: n_vocab.get() })
}

/// Has equal parts of the positions worked on by as many threads; what they return is in order.
pub(super) fn in_parts<T: Send>(
    positions: usize,
    threads: NonZeroUsize,
    part: &(impl Fn(Range<usize>) -> T + Sync),
) -> Vec<T> {
    let share = positions.div_ceil(threads.get()).max(1);
    let range = |start: usize| start..positions.min(start + share);
    let starts: Vec<usize> = (0..positions).step_by(share).collect();
    std::thread::scope(|scope| {
        let others: Vec<_> = starts.iter().skip(1).map(|&start| scope.spawn(move || part(range(start)))).collect();
        let mut parts = vec![part(range(0))];
        parts.extend(others.into_iter().map(|thread| thread.join().expect("comparing does not panic")));
        parts
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::testing::Random;

    const N_VOCAB: NonZeroUsize = NonZeroUsize::new(300).expect("not zero");
    const TOKENS: [i32; 13] = [0, 1, 2, 3, 299, 5, 6, 7, 8, 9, 10, 11, 12];

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).expect("not zero")
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let mut random = Random::new(6);
        let (base, first) = random.rows(300 * 13, 2.0, 0.1);
        let second: Vec<f32> = base.iter().map(|logit| logit * 0.9).collect();
        let batch = Batch { n_vocab: N_VOCAB, base: &base, candidates: &[&first, &second], tokens: &TOKENS };
        let one = batch.compare(threads(1)).expect("comparable");
        assert_eq!(one.iter().map(Vec::len).collect::<Vec<_>>(), [13, 13]);
        assert_eq!(one[0].iter().map(|row| row.token).collect::<Vec<_>>(), TOKENS);
        for count in [2, 3, 5, 12, 13, 14, 64] {
            assert_eq!(batch.compare(threads(count)).expect("comparable"), one, "{count} threads");
        }
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let base = vec![0.5; 300 * 13];
        let mut bad = base.clone();
        bad[4 * 300 + 17] = f32::NAN;
        bad[9 * 300] = f32::NAN;
        for count in [1, 2, 13] {
            let batch = Batch { n_vocab: N_VOCAB, base: &base, candidates: &[&base, &bad], tokens: &TOKENS };
            let expected = BatchError::Candidate { row: 4, candidate: 1, reason: RowError::NotANumber { index: 17 } };
            assert_eq!(batch.compare(threads(count)), Err(expected));
            let batch = Batch { n_vocab: N_VOCAB, base: &bad, candidates: &[], tokens: &TOKENS };
            let expected = BatchError::Base { row: 4, reason: RowError::NotANumber { index: 17 } };
            assert_eq!(batch.compare(threads(count)), Err(expected));
        }
    }

    #[test]
    fn buffers_must_fit() {
        let logits = vec![0.5; 300 * 13];
        let batch = Batch { n_vocab: N_VOCAB, base: &logits, candidates: &[&logits[1..]], tokens: &TOKENS };
        assert_eq!(batch.compare(threads(2)), Err(BatchError::Shape { actual: 3899, positions: 13, n_vocab: 300 }));
        let empty = Batch { n_vocab: N_VOCAB, base: &[], candidates: &[&[]], tokens: &[] };
        assert_eq!(empty.compare(threads(2)), Ok(vec![vec![]]));
    }
}
