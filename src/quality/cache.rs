//! The original's most likely tokens at each position and the sum of all others: what a candidate is compared with when the
//! two do not fit in memory together.
//!
//! Kullback–Leibler divergence over these K + 1 outcomes is at most the true one: merging outcomes never tells two
//! distributions better apart (data-processing inequality; Kullback and Leibler, 1951). Whatever needs the original's first
//! choices or its probability of the correct token alone is exact; the Jensen–Shannon divergence needs the others and is absent.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::batch::{BatchError, check_shape, in_parts};
use super::bytes::{Bytes, BytesError};
use super::compare::{LOWEST_KLD_NATS, TokenComparison};
use super::row::{Row, RowError, TOP, entropy, token_index};
use super::softmax::Softmax;
use crate::stats::Sum;

/// What is known of the original at one position besides its largest logits.
#[derive(Debug, Clone, Copy)]
struct Head {
    softmax: Softmax,
    /// Σ exp(l − max) of the entries not kept.
    rest: f64,
    nll_nats: f64,
    entropy_nats: f32,
    token: i32,
    /// Logits kept: fewer than K where the vocabulary has no more that are possible.
    len: usize,
}

/// Positions of the original, in the order in which they were evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    n_vocab: NonZeroUsize,
    top_k: usize,
    heads: Vec<Head>,
    /// `top_k` a position, the largest logit first.
    ids: Vec<u32>,
    logits: Vec<f32>,
}

/// What a position takes in a file besides its tokens.
const STORED_HEAD_BYTES: usize = 4 + 8 + 8 + 8 + 4 + 4 + 4;

/// Bytes a position takes.
pub(crate) fn bytes_per_position(top_k: usize) -> u64 {
    (size_of::<Head>() + top_k * (size_of::<u32>() + size_of::<f32>())) as u64
}

impl Cache {
    /// Room for so many positions with the `top_k` largest logits of each, at least the five that the overlap needs.
    pub(crate) fn with_capacity(n_vocab: NonZeroUsize, top_k: usize, positions: usize) -> Self {
        let top_k = top_k.max(TOP).min(n_vocab.get());
        Self {
            n_vocab,
            top_k,
            heads: Vec::with_capacity(positions),
            ids: Vec::with_capacity(positions * top_k),
            logits: Vec::with_capacity(positions * top_k),
        }
    }

    /// Adds positions: the original's logits, `[positions, vocabulary]`, and the correct tokens.
    ///
    /// # Errors
    /// A buffer of the wrong length, or the first row that is no distribution; nothing is added then.
    pub(crate) fn add(&mut self, logits: &[f32], tokens: &[i32], threads: NonZeroUsize) -> Result<(), BatchError> {
        check_shape(logits, tokens.len(), self.n_vocab)?;
        let part = |rows: Range<usize>| -> Result<Vec<Kept>, BatchError> {
            let mut scratch = Vec::new();
            let kept = |row: usize| {
                let own = &logits[row * self.n_vocab.get()..][..self.n_vocab.get()];
                keep(own, tokens[row], self.top_k, &mut scratch).map_err(|reason| BatchError::Base { row, reason })
            };
            rows.map(kept).collect()
        };
        let parts = in_parts(tokens.len(), threads, &part).into_iter().collect::<Result<Vec<_>, _>>()?;
        for kept in parts.into_iter().flatten() {
            self.heads.push(kept.head);
            let end = self.heads.len() * self.top_k;
            self.ids.extend(kept.largest.iter().map(|entry| entry.1));
            self.ids.resize(end, 0);
            self.logits.extend(kept.largest.iter().map(|entry| entry.0));
            self.logits.resize(end, f32::NEG_INFINITY);
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn top_k(&self) -> usize {
        self.top_k
    }

    /// Bytes a position takes in a file, however many tokens are kept of it.
    pub(crate) fn stored_bytes(top_k: usize) -> u128 {
        STORED_HEAD_BYTES as u128 + top_k as u128 * 8
    }

    /// The correct token of each position.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = i32> {
        self.heads.iter().map(|head| head.token)
    }

    /// Adds all positions to what will be a file, little-endian.
    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        for (head, (ids, logits)) in
            self.heads.iter().zip(self.ids.chunks(self.top_k).zip(self.logits.chunks(self.top_k)))
        {
            let Head { softmax, rest, nll_nats, entropy_nats, token, len } = head;
            out.extend(softmax.max.to_le_bytes());
            out.extend(softmax.sum.to_le_bytes());
            out.extend(rest.to_le_bytes());
            out.extend(nll_nats.to_le_bytes());
            out.extend(entropy_nats.to_le_bytes());
            out.extend(token.to_le_bytes());
            out.extend(u32::try_from(*len).unwrap_or(u32::MAX).to_le_bytes());
            for (id, logit) in ids.iter().zip(logits) {
                out.extend(id.to_le_bytes());
                out.extend(logit.to_le_bytes());
            }
        }
    }

    /// Reads positions that were stored.
    ///
    /// # Errors
    /// Too few bytes, or a position that no model gives.
    pub(crate) fn restore(
        n_vocab: NonZeroUsize,
        top_k: usize,
        positions: usize,
        input: &mut Bytes<'_>,
    ) -> Result<Self, BytesError> {
        let mut cache = Self { n_vocab, top_k, heads: Vec::new(), ids: Vec::new(), logits: Vec::new() };
        for _ in 0..positions {
            let softmax = Softmax::stored(input.f32()?, input.f64()?);
            let (rest, nll_nats, entropy_nats) = (input.f64()?, input.f64()?, input.f32()?);
            let (token, len) = (input.i32()?, input.u32()? as usize);
            let entries =
                (0..top_k).map(|_| Ok((input.u32()?, input.f32()?))).collect::<Result<Vec<_>, BytesError>>()?;
            let kept = entries.get(..len).unwrap_or_default();
            let possible = (1..=top_k).contains(&len)
                && softmax.max.is_finite()
                && softmax.sum.is_finite()
                && softmax.sum >= 1.0
                && rest.is_finite()
                && rest > 0.0
                && nll_nats.is_finite()
                && usize::try_from(token).is_ok_and(|token| token < n_vocab.get())
                && kept.iter().all(|(id, logit)| (*id as usize) < n_vocab.get() && logit.is_finite());
            if !possible {
                return Err(BytesError::Impossible { position: cache.heads.len() });
            }
            cache.heads.push(Head { softmax, rest, nll_nats, entropy_nats, token, len });
            cache.ids.extend(entries.iter().map(|entry| entry.0));
            cache.logits.extend(entries.iter().map(|entry| entry.1));
        }
        Ok(cache)
    }

    /// Compares consecutive positions, from `first` on, with a candidate's logits, `[positions, vocabulary]`. KLD is a lower
    /// bound; a model against itself gives exactly 0.
    ///
    /// # Errors
    /// A buffer that holds no rows or more than there are, or the first row that cannot be compared.
    pub(crate) fn compare(
        &self,
        first: usize,
        logits: &[f32],
        threads: NonZeroUsize,
    ) -> Result<Vec<TokenComparison>, BatchError> {
        let positions = logits.len() / self.n_vocab;
        check_shape(logits, positions.min(self.len().saturating_sub(first)), self.n_vocab)?;
        let part = |rows: Range<usize>| -> Result<Vec<TokenComparison>, BatchError> {
            let mut scratch = Vec::new();
            let compared = |row: usize| {
                let own = &logits[row * self.n_vocab.get()..][..self.n_vocab.get()];
                let failed = |reason| BatchError::Candidate { row, candidate: 0, reason };
                self.compare_row(first + row, own, &mut scratch).map_err(failed)
            };
            rows.map(compared).collect()
        };
        let parts = in_parts(positions, threads, &part).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn compare_row(&self, at: usize, logits: &[f32], scratch: &mut Vec<f32>) -> Result<TokenComparison, RowError> {
        let head = &self.heads[at];
        let kept = at * self.top_k..at * self.top_k + head.len;
        let (ids, base) = (&self.ids[kept.clone()], &self.logits[kept]);
        let candidate = Row::new(logits)?;
        let correct = logits[token_index(head.token, logits.len())?];
        if correct.is_infinite() {
            return Err(RowError::MaskedToken { token: head.token });
        }
        if let Some(&masked) = ids.iter().find(|&&id| logits[id as usize].is_infinite()) {
            return Err(RowError::MaskMismatch { index: masked as usize });
        }
        let rest = rest(logits, ids.iter().copied(), candidate.softmax.max, scratch);
        let log_p = |softmax: &Softmax, logit: f32| -softmax.nll_nats(logit);
        let own = base
            .iter()
            .zip(ids)
            .map(|(&logit, &id)| outcome(log_p(&head.softmax, logit), log_p(&candidate.softmax, logits[id as usize])));
        let others = outcome((head.rest / head.softmax.sum).ln(), (rest / candidate.softmax.sum).ln());
        let kld_nats = own.chain([others]).collect::<Sum>().total();
        if !kld_nats.is_finite() || kld_nats < LOWEST_KLD_NATS {
            return Err(RowError::ImpossibleDivergence { kld_nats });
        }
        let five = &ids[..ids.len().min(TOP)];
        let common =
            candidate.scan.largest.entries().iter().filter(|entry| five.iter().any(|&id| id as usize == entry.1));
        Ok(TokenComparison {
            nll_base_nats: head.nll_nats,
            nll_candidate_nats: candidate.softmax.nll_nats(correct),
            kld_nats,
            jsd_nats: None,
            base_entropy_nats: head.entropy_nats,
            base_margin_nats: base.get(1).map(|second| base[0] - second),
            token: head.token,
            top1_base: i32::try_from(ids[0]).expect("vocabularies are counted in i32"),
            top1_candidate: candidate.top1(),
            top5_overlap: u8::try_from(common.count()).expect("at most five"),
            at_floor: false,
        })
    }
}

/// A row reduced: its head, and its largest logits with their indices, descending.
struct Kept {
    head: Head,
    largest: Vec<(f32, u32)>,
}

fn keep(logits: &[f32], token: i32, top_k: usize, scratch: &mut Vec<f32>) -> Result<Kept, RowError> {
    let row = Row::new(logits)?;
    let correct = logits[token_index(token, logits.len())?];
    if correct.is_infinite() {
        return Err(RowError::MaskedToken { token });
    }
    let mut largest: Vec<(f32, u32)> = logits.iter().copied().zip(0..).filter(|entry| entry.0.is_finite()).collect();
    let descending = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if largest.len() > top_k {
        largest.select_nth_unstable_by(top_k - 1, descending);
        largest.truncate(top_k);
    }
    largest.sort_unstable_by(descending);
    largest.shrink_to_fit();
    let head = Head {
        softmax: row.softmax,
        rest: rest(logits, largest.iter().map(|entry| entry.1), row.softmax.max, scratch),
        nll_nats: row.softmax.nll_nats(correct),
        entropy_nats: entropy(&row.softmax),
        token,
        len: largest.len(),
    };
    Ok(Kept { head, largest })
}

/// Σ exp(l − max) without these entries; never 0, since an exponential is never under e^−87.
fn rest(logits: &[f32], without: impl Iterator<Item = u32>, max: f32, scratch: &mut Vec<f32>) -> f64 {
    scratch.clear();
    scratch.extend_from_slice(logits);
    for id in without {
        scratch[id as usize] = f32::NEG_INFINITY;
    }
    Softmax::of(scratch, max).sum
}

/// What an outcome adds to KL: p log(p/q) − p + q, never negative, in the form that `divergence` explains.
fn outcome(log_p: f64, log_q: f64) -> f64 {
    let t = (log_p - log_q).abs();
    let larger = log_p.max(log_q).exp();
    let gap = -(-t).exp_m1();
    larger * if log_p >= log_q { t - gap } else { gap - t * (-t).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::compare::BaseRow;
    use crate::quality::testing::Random;

    const N_VOCAB: NonZeroUsize = NonZeroUsize::new(3000).expect("not zero");
    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

    fn cached(base: &[f32], tokens: &[i32], top_k: usize) -> Cache {
        let mut cache = Cache::with_capacity(N_VOCAB, top_k, tokens.len());
        cache.add(base, tokens, TWO).expect("distributions");
        cache
    }

    fn one(base: &[f32], candidate: &[f32], token: i32, top_k: usize) -> TokenComparison {
        cached(base, &[token], top_k).compare(0, candidate, TWO).expect("comparable")[0]
    }

    #[test]
    fn it_bounds_the_divergence_from_below_and_reaches_it() {
        let mut random = Random::new(21);
        for (spread, noise) in [(0.1, 0.01), (2.0, 0.02), (2.0, 0.3), (4.0, 1.5), (12.0, 0.1)] {
            let (base, candidate) = random.rows(N_VOCAB.get(), spread, noise);
            let exact = BaseRow::new(&base).and_then(|row| row.compare(&candidate, 5)).expect("comparable");
            let mut last = 0.0;
            for top_k in [5, 20, 100, 500, 2000, 3000] {
                let bound = one(&base, &candidate, 5, top_k);
                assert!(bound.kld_nats >= last * (1.0 - 1e-9), "more outcomes tell more");
                assert!(bound.kld_nats <= exact.kld_nats * (1.0 + 1e-6), "{} > {}", bound.kld_nats, exact.kld_nats);
                last = bound.kld_nats;
                let but_divergence = TokenComparison { kld_nats: exact.kld_nats, jsd_nats: exact.jsd_nats, ..bound };
                assert_eq!(but_divergence, exact, "all else is exact");
                assert_eq!(bound.jsd_nats, None);
            }
            assert!((last / exact.kld_nats - 1.0).abs() < 1e-6, "{last} is not {}", exact.kld_nats);
        }
    }

    #[test]
    fn merged_outcomes_have_a_closed_form() {
        let n = N_VOCAB.get() as f64;
        // One entry of probability a, the others alike.
        let row = |a: f64| {
            let other = ((1.0 - a) / (n - 1.0)).ln();
            let mut row = vec![0.0_f32; N_VOCAB.get()];
            #[expect(clippy::cast_possible_truncation, reason = "a logit")]
            row.fill(other as f32);
            #[expect(clippy::cast_possible_truncation, reason = "a logit")]
            (row[7] = a.ln() as f32);
            row
        };
        let kl = |p: f64, q: f64| p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
        let bound = one(&row(0.6), &row(0.3), 7, 5);
        assert!((bound.kld_nats / kl(0.6, 0.3) - 1.0).abs() < 1e-6, "{}", bound.kld_nats);
    }

    #[test]
    fn a_row_against_itself_is_exact_and_threads_change_nothing() {
        let mut random = Random::new(22);
        let (base, candidate) = random.rows(N_VOCAB.get() * 7, 3.0, 0.2);
        let tokens = [0, 1, 2, 3, 4, 5, 2999];
        let cache = cached(&base, &tokens, 64);
        assert_eq!(cache.len(), 7);
        for same in cache.compare(0, &base, TWO).expect("comparable") {
            assert_eq!(same.kld_nats.to_bits(), 0.0_f64.to_bits());
            assert_eq!((same.nll_base_nats.to_bits(), same.top5_overlap), (same.nll_candidate_nats.to_bits(), 5));
        }
        let all = cache.compare(0, &candidate, NonZeroUsize::MIN).expect("comparable");
        let later = cache.compare(3, &candidate[3 * N_VOCAB.get()..], TWO).expect("comparable");
        assert_eq!(all[3..], later);
        assert_eq!(all.iter().map(|row| row.token).collect::<Vec<_>>(), tokens);
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let mut random = Random::new(23);
        let (mut base, mut candidate) = random.rows(N_VOCAB.get(), 2.0, 0.1);
        (base[9], candidate[9]) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        let cache = cached(&base, &[3], 3000);
        assert!(cache.compare(0, &candidate, TWO).is_ok(), "masked in both");
        let failed = |logits: &[f32]| match cache.compare(0, logits, TWO) {
            Err(BatchError::Candidate { row: 0, candidate: 0, reason }) => Some(reason),
            _ => None,
        };
        let with = |at: usize, logit: f32| {
            let mut row = candidate.clone();
            row[at] = logit;
            row
        };
        assert_eq!(failed(&with(10, f32::NEG_INFINITY)), Some(RowError::MaskMismatch { index: 10 }));
        assert_eq!(failed(&with(3, f32::NEG_INFINITY)), Some(RowError::MaskedToken { token: 3 }));
        assert_eq!(failed(&with(4, f32::NAN)), Some(RowError::NotANumber { index: 4 }));
        assert!(matches!(cache.compare(1, &candidate, TWO), Err(BatchError::Shape { .. })), "beyond the end");
        let mut empty = Cache::with_capacity(N_VOCAB, 5, 1);
        let masked = empty.add(&base, &[9], TWO);
        assert_eq!(masked, Err(BatchError::Base { row: 0, reason: RowError::MaskedToken { token: 9 } }));
        assert_eq!(empty.len(), 0);
    }

    #[test]
    fn a_position_takes_what_the_plan_counts() {
        assert_eq!(bytes_per_position(256) - bytes_per_position(0), 2048);
        assert!(bytes_per_position(0) <= 64);
    }
}
