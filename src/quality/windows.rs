//! Where a text is cut, which positions count, and in what order and how many at a time they are evaluated: llama-perplexity's
//! rule for the first two.
//!
//! Windows do not overlap and the remainder is dropped. In each, the first half is context only; the positions from the
//! middle to the last but one are scored, each predicting the token after it.

use std::ops::Range;

/// Why a text gives no windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WindowError {
    /// The window is too short to score anything.
    #[error("a window of {n_ctx} tokens has no scored position, the shortest is 3")]
    TooShort { n_ctx: usize },
    /// The text is too short for a window.
    #[error("the text has {actual} tokens, a window needs {required}")]
    TooFewTokens { required: usize, actual: usize },
}

/// The length of a window and which of its positions are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowShape {
    n_ctx: usize,
    /// Positions scored at most; `usize::MAX` where all of the second half are.
    most_scored: usize,
}

impl WindowShape {
    /// The shape of windows of `n_ctx` tokens.
    pub(crate) fn new(n_ctx: usize) -> Result<Self, WindowError> {
        if n_ctx < 3 { Err(WindowError::TooShort { n_ctx }) } else { Ok(Self { n_ctx, most_scored: usize::MAX }) }
    }

    /// The same, of which only the first so many positions of the second half are scored, at least one: each has the context it would
    /// have had, and what comes after them is not evaluated.
    pub(crate) fn scoring_at_most(self, positions: usize) -> Self {
        Self { most_scored: positions.max(1), ..self }
    }

    pub(crate) fn n_ctx(self) -> usize {
        self.n_ctx
    }

    /// The positions whose logits are scored; position p predicts token p + 1.
    pub(crate) fn scored(self) -> Range<usize> {
        let first = self.n_ctx / 2;
        first..first.saturating_add(self.most_scored).min(self.n_ctx - 1)
    }

    /// Tokens that are evaluated, from the first on: all, as llama-perplexity does, or as far as any is scored.
    pub(crate) fn evaluated(self) -> usize {
        let end = self.scored().end;
        if end == self.n_ctx - 1 { self.n_ctx } else { end }
    }
}

/// What happens to the first token of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstToken {
    /// It becomes BOS, for models whose tokenizer adds one.
    Bos(i32),
    Keep,
}

/// A text cut into windows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows<'a> {
    tokens: &'a [i32],
    shape: WindowShape,
    first: FirstToken,
}

impl<'a> Windows<'a> {
    /// Cuts a text, with BOS at its start when the tokenizer adds one.
    pub(crate) fn new(tokens: &'a [i32], shape: WindowShape, first: FirstToken) -> Result<Self, WindowError> {
        let (required, actual) = (shape.n_ctx, tokens.len());
        if actual < required {
            Err(WindowError::TooFewTokens { required, actual })
        } else {
            Ok(Self { tokens, shape, first })
        }
    }

    /// Windows that were cut before, such as those of a file; as few as there are.
    pub(crate) fn already_cut(tokens: &'a [i32], shape: WindowShape, first: FirstToken) -> Self {
        Self { tokens, shape, first }
    }

    /// How many windows there are.
    pub(crate) fn count(&self) -> usize {
        self.tokens.len() / self.shape.n_ctx
    }

    /// The tokens to evaluate in a window, or none if there is no such window.
    pub(crate) fn window(&self, window: usize) -> Option<Vec<i32>> {
        let window = self.tokens.chunks_exact(self.shape.n_ctx).nth(window)?;
        let mut tokens = window[..self.shape.evaluated()].to_vec();
        if let FirstToken::Bos(bos) = self.first {
            tokens[0] = bos;
        }
        Some(tokens)
    }

    /// The correct tokens of the scored positions of a window, or none if there is no such window.
    pub(crate) fn targets(&self, window: usize) -> Option<&'a [i32]> {
        let scored = self.shape.scored();
        let window = self.tokens.chunks_exact(self.shape.n_ctx).nth(window)?;
        Some(&window[scored.start + 1..=scored.end])
    }
}

/// Every (text, window), one window of each text in turn, so that wherever one stops the texts have had the same chance.
/// At most `most`.
pub(crate) fn window_order(windows: &[usize], most: Option<usize>) -> Vec<(usize, usize)> {
    let longest = windows.iter().copied().max().unwrap_or(0);
    let all = (0..longest).flat_map(|window| {
        let has = move |&(_, &count): &(usize, &usize)| window < count;
        windows.iter().enumerate().filter(has).map(move |(text, _)| (text, window))
    });
    all.take(most.unwrap_or(usize::MAX)).collect()
}

/// How windows go through a model: how many side by side, and how much of them in one evaluation.
///
/// llama.cpp evaluates micro-batches of `n_ubatch` tokens and keeps the logits of a whole batch. Here a batch is one
/// micro-batch: as many windows as fit, or an equal part of one that does not, small enough that no more logits are wanted at a
/// time than of a window that fills a micro-batch. So a longer window needs no more memory for them, nor for what llama.cpp
/// computes on the way to them: its attention mask grows with the window, and half as many tokens make up for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MicroBatches {
    /// Windows evaluated together, each a sequence of its own.
    pub n_seq: usize,
    /// The positions of each evaluation, in order; the same in every window.
    pub positions: Vec<Range<usize>>,
}

impl MicroBatches {
    /// Cuts windows of this shape for micro-batches of `n_ubatch` tokens.
    pub(crate) fn new(shape: WindowShape, n_ubatch: usize) -> Self {
        let (n_tokens, n_ubatch) = (shape.evaluated(), n_ubatch.max(2));
        let n_seq = (n_ubatch / n_tokens).max(1);
        let most = if n_tokens <= n_ubatch { n_tokens } else { (n_ubatch / 2 - 1).max(1) };
        let len = n_tokens.div_ceil(n_tokens.div_ceil(most));
        let positions = (0..n_tokens).step_by(len).map(|start| start..n_tokens.min(start + len)).collect();
        Self { n_seq, positions }
    }

    /// The most tokens in one evaluation.
    pub(crate) fn max_tokens(&self) -> usize {
        self.positions.iter().map(Range::len).max().unwrap_or(0) * self.n_seq
    }

    /// The most scored positions in one evaluation.
    pub(crate) fn max_rows(&self, shape: WindowShape) -> usize {
        let rows = |positions: &Range<usize>| scored_in(positions, shape).len();
        self.positions.iter().map(rows).max().unwrap_or(0) * self.n_seq
    }
}

/// The scored ones among the positions of a micro-batch.
pub(crate) fn scored_in(positions: &Range<usize>, shape: WindowShape) -> Range<usize> {
    let scored = shape.scored();
    let start = positions.start.max(scored.start);
    start..positions.end.min(scored.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_half_is_scored() {
        for (n_ctx, first, scored) in [(512, 256, 255), (2048, 1024, 1023), (3, 1, 1), (7, 3, 3)] {
            let positions = WindowShape::new(n_ctx).expect("long enough").scored();
            assert_eq!((positions.start, positions.len()), (first, scored));
        }
        assert_eq!(WindowShape::new(2), Err(WindowError::TooShort { n_ctx: 2 }));
    }

    #[test]
    fn where_less_is_scored_less_is_evaluated_and_the_context_stays() {
        let shape = WindowShape::new(8).expect("long enough");
        let less = shape.scoring_at_most(2);
        assert_eq!((less.scored(), less.evaluated()), (4..6, 6));
        assert_eq!((shape.scoring_at_most(3), shape.scoring_at_most(9)).0.evaluated(), 8, "all that can be scored");
        assert_eq!(shape.scoring_at_most(9).scored(), shape.scored());
        let tokens: Vec<i32> = (0..16).collect();
        let windows = Windows::new(&tokens, less, FirstToken::Bos(99)).expect("long enough");
        assert_eq!(windows.window(1).expect("two windows"), [99, 9, 10, 11, 12, 13]);
        assert_eq!(windows.targets(1), Some(&[13, 14][..]));
        let whole = Windows::new(&tokens, shape, FirstToken::Bos(99)).expect("long enough");
        assert_eq!(windows.targets(1), whole.targets(1).map(|targets| &targets[..2]));
        assert_eq!(MicroBatches::new(less, 8).max_tokens(), 6);
    }

    #[test]
    fn windows_do_not_overlap_and_the_rest_is_dropped() {
        let tokens: Vec<i32> = (0..27).collect();
        let shape = WindowShape::new(8).expect("long enough");
        let windows = Windows::new(&tokens, shape, FirstToken::Bos(99)).expect("long enough");
        assert_eq!(windows.count(), 3);
        assert_eq!(windows.window(1).expect("three windows"), [99, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(windows.window(3), None);
        assert_eq!(windows.targets(1), Some(&[13, 14, 15][..]));
        assert_eq!(windows.targets(3), None);
        let kept = Windows::new(&tokens, shape, FirstToken::Keep).expect("long enough");
        assert_eq!(kept.window(0).expect("three windows")[0], 0);
    }

    #[test]
    fn a_window_is_enough() {
        let shape = WindowShape::new(8).expect("long enough");
        let short = Windows::new(&[0; 7], shape, FirstToken::Keep).expect_err("too short");
        assert_eq!(short, WindowError::TooFewTokens { required: 8, actual: 7 });
        assert_eq!(Windows::new(&[0; 15], shape, FirstToken::Keep).expect("long enough").count(), 1);
    }

    #[test]
    fn texts_take_turns_until_they_end() {
        assert_eq!(window_order(&[3, 1, 2], None), [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]);
        assert_eq!(window_order(&[3, 0, 2], Some(3)), [(0, 0), (2, 0), (0, 1)]);
        assert_eq!(window_order(&[], None), []);
    }

    fn micro_batches(n_ctx: usize, n_ubatch: usize) -> (MicroBatches, WindowShape) {
        let shape = WindowShape::new(n_ctx).expect("long enough");
        (MicroBatches::new(shape, n_ubatch), shape)
    }

    #[test]
    fn a_window_of_a_micro_batch_is_one_micro_batch() {
        let (cut, shape) = micro_batches(512, 512);
        assert_eq!((cut.n_seq, cut.positions.len(), cut.positions[0].len()), (1, 1, 512));
        assert_eq!(cut.max_rows(shape), 255);
        let (cut, _) = micro_batches(128, 512);
        assert_eq!((cut.n_seq, cut.positions.len(), cut.positions[0].len()), (4, 1, 128));
    }

    #[test]
    fn a_longer_window_needs_no_more_rows() {
        let (cut, shape) = micro_batches(2048, 512);
        assert_eq!((cut.positions.len(), cut.positions[8].clone()), (9, 1824..2048));
        assert_eq!((cut.max_tokens(), cut.max_rows(shape)), (228, 228));
    }

    #[test]
    fn every_position_is_in_one_micro_batch_and_limits_hold() {
        for n_ctx in [3, 7, 64, 100, 512, 600, 1000, 4096] {
            for n_ubatch in [1, 2, 32, 100, 512] {
                let (cut, shape) = micro_batches(n_ctx, n_ubatch);
                let mut next = 0;
                for positions in &cut.positions {
                    assert_eq!(positions.start, next);
                    assert!(!positions.is_empty() && positions.len() * cut.n_seq <= n_ubatch.max(2));
                    next = positions.end;
                }
                assert_eq!(next, n_ctx);
                assert!(cut.max_rows(shape) <= (n_ubatch / 2).max(1));
                assert!(cut.max_tokens() <= n_ubatch.max(2));
            }
        }
    }
}
