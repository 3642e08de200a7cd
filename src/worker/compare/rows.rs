//! Logits of one micro-batch from all models, compared; a candidate that can't be is named and the others go on.

use std::{borrow::Cow, num::NonZeroUsize};

use crate::quality::{
    batch::{Batch, BatchError},
    cache::Cache,
    compare::TokenComparison,
    row::RowError,
    stored::compare_stored,
};

/// The original's rows of one micro-batch.
#[derive(Debug)]
pub(super) enum ReferenceRows<'a> {
    /// Its logits, `[positions, vocabulary]`.
    Logits(Cow<'a, [f32]>),
    /// Log-probabilities from a file, as long.
    Stored(Cow<'a, [f32]>),
    /// Positions of a cache, from this one on.
    Cached(&'a Cache, usize),
}

impl ReferenceRows<'_> {
    /// The same rows, not copied.
    pub(super) fn reborrow(&self) -> ReferenceRows<'_> {
        match self {
            Self::Logits(rows) => ReferenceRows::Logits(Cow::Borrowed(rows)),
            Self::Stored(rows) => ReferenceRows::Stored(Cow::Borrowed(rows)),
            Self::Cached(cache, first) => ReferenceRows::Cached(cache, *first),
        }
    }
}

/// The same positions from the original and the candidates, whose logits are `[positions, vocabulary]`.
pub(super) struct Rows<'a> {
    pub(super) n_vocab: NonZeroUsize,
    pub(super) base: ReferenceRows<'a>,
    /// None for a candidate that failed before.
    pub(super) candidates: Vec<Option<&'a [f32]>>,
    pub(super) targets: &'a [i32],
}

/// A row that could not be compared, counted in the micro-batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BadRow {
    pub(super) row: usize,
    pub(super) reason: String,
}

/// One list for each candidate; none for those that failed before.
pub(super) type Comparisons = Vec<Option<Result<Vec<TokenComparison>, BadRow>>>;

/// One candidate's rows compared.
type Compared = Result<Vec<TokenComparison>, BatchError>;

impl Rows<'_> {
    /// Compares every position.
    ///
    /// Fails on a row of the original that is no distribution: nothing can be compared with it.
    pub(super) fn compare(&self, threads: NonZeroUsize) -> Result<Comparisons, BadRow> {
        let mut results: Comparisons = vec![None; self.candidates.len()];
        let mut live: Vec<usize> = (0..results.len()).filter(|&c| self.candidates[c].is_some()).collect();
        loop {
            let logits: Vec<&[f32]> = live.iter().filter_map(|&c| self.candidates[c]).collect();
            match self.batch(&logits, threads) {
                Ok(lists) => {
                    for (&candidate, list) in live.iter().zip(lists) {
                        results[candidate] = Some(Ok(list));
                    }
                    return Ok(results);
                }
                Err(BatchError::Candidate { row, candidate, reason }) => {
                    let bad = BadRow { row, reason: reason.to_string() };
                    results[live.remove(candidate)] = Some(Err(bad));
                }
                Err(BatchError::Base { row, reason }) => {
                    return Err(BadRow { row, reason: format!("the original's {reason}") });
                }
                Err(shape @ BatchError::Shape { .. }) => return Err(BadRow { row: 0, reason: shape.to_string() }),
            }
        }
    }

    fn batch(&self, candidates: &[&[f32]], threads: NonZeroUsize) -> Result<Vec<Vec<TokenComparison>>, BatchError> {
        let one_by_one = |compare: &dyn Fn(&[f32]) -> Compared| {
            let of = |(number, logits): (usize, &&[f32])| compare(logits).map_err(|error| of_candidate(number, error));
            candidates.iter().enumerate().map(of).collect()
        };
        match &self.base {
            ReferenceRows::Logits(base) => {
                let batch = Batch { n_vocab: self.n_vocab, base, candidates, tokens: self.targets };
                batch.compare(threads)
            }
            ReferenceRows::Stored(base) => one_by_one(&|logits| self.stored(base, logits)),
            ReferenceRows::Cached(cache, first) => one_by_one(&|logits| cache.compare(*first, logits, threads)),
        }
    }

    fn stored(&self, base: &[f32], logits: &[f32]) -> Compared {
        let n_vocab = self.n_vocab.get();
        let rows = base.chunks_exact(n_vocab).zip(logits.chunks_exact(n_vocab)).zip(self.targets).enumerate();
        let failed = |row, reason: RowError| BatchError::Candidate { row, candidate: 0, reason };
        rows.map(|(row, ((base, own), &target))| compare_stored(base, own, target).map_err(|e| failed(row, e)))
            .collect()
    }
}

/// An error of one candidate alone, under its number.
fn of_candidate(candidate: usize, error: BatchError) -> BatchError {
    match error {
        BatchError::Candidate { row, reason, .. } => BatchError::Candidate { row, candidate, reason },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_candidate_does_not_spoil_the_others() {
        let base = &[0.0, 1.0, 2.0, 0.5];
        let broken = &[0.0, 1.0, f32::NAN, 0.5];
        let rows = |base: &'static [f32]| Rows {
            n_vocab: NonZeroUsize::new(2).expect("not zero"),
            base: ReferenceRows::Logits(base.into()),
            candidates: vec![Some(&broken[..]), None, Some(&[0.1, 1.0, 2.0, 0.5])],
            targets: &[0, 1],
        };
        let one = NonZeroUsize::MIN;
        let results = rows(base).compare(one).expect("the original is fine");
        assert!(matches!(&results[0], Some(Err(BadRow { row: 1, .. }))));
        assert_eq!(results[1], None);
        assert!(matches!(&results[2], Some(Ok(list)) if list.len() == 2));
        let bad = rows(broken).compare(one).expect_err("the original is broken");
        assert_eq!((bad.row, bad.reason.as_str()), (1, "the original's logit 0 is not a number"));
    }
}
