//! How windows go through a model: how many side by side, and how much of them in one evaluation.
//!
//! llama.cpp evaluates micro-batches of `n_ubatch` tokens and keeps the logits of a whole batch. A piece is one micro-batch: as
//! many windows as fit, or an equal part of one that does not, small enough that no more logits are wanted at a time than of a
//! window that fills a micro-batch. So a longer window needs no more memory for them, nor for what llama.cpp computes on the way
//! to them: its attention mask grows with the window, and half as many tokens make up for it.

use std::ops::Range;

use super::windows::WindowShape;

/// Windows side by side and the positions evaluated together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Windows evaluated together, each a sequence of its own.
    pub n_seq: usize,
    /// The positions of each evaluation, in order; the same in every window.
    pub positions: Vec<Range<usize>>,
}

impl Pieces {
    /// Cuts windows of this shape for micro-batches of `n_ubatch` tokens.
    #[must_use]
    pub(crate) fn new(shape: WindowShape, n_ubatch: usize) -> Self {
        let (n_ctx, n_ubatch) = (shape.n_ctx(), n_ubatch.max(2));
        let n_seq = (n_ubatch / n_ctx).max(1);
        let most = if n_ctx <= n_ubatch { n_ctx } else { (n_ubatch / 2 - 1).max(1) };
        let len = n_ctx.div_ceil(n_ctx.div_ceil(most));
        let positions = (0..n_ctx).step_by(len).map(|start| start..n_ctx.min(start + len)).collect();
        Self { n_seq, positions }
    }

    /// The most tokens in one evaluation.
    #[must_use]
    pub(crate) fn max_tokens(&self) -> usize {
        self.positions.iter().map(Range::len).max().unwrap_or(0) * self.n_seq
    }

    /// The most scored positions in one evaluation.
    #[must_use]
    pub(crate) fn max_rows(&self, shape: WindowShape) -> usize {
        let rows = |piece: &Range<usize>| scored_in(piece, shape).len();
        self.positions.iter().map(rows).max().unwrap_or(0) * self.n_seq
    }
}

/// The scored positions of a piece.
#[must_use]
pub(crate) fn scored_in(piece: &Range<usize>, shape: WindowShape) -> Range<usize> {
    let scored = shape.scored();
    piece.start.max(scored.start)..piece.end.min(scored.end).max(piece.start.max(scored.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(n_ctx: usize, n_ubatch: usize) -> (Pieces, WindowShape) {
        let shape = WindowShape::new(n_ctx).expect("long enough");
        (Pieces::new(shape, n_ubatch), shape)
    }

    #[test]
    fn a_window_of_a_micro_batch_is_one_piece() {
        let (cut, shape) = pieces(512, 512);
        assert_eq!((cut.n_seq, cut.positions.len(), cut.positions[0].len()), (1, 1, 512));
        assert_eq!(cut.max_rows(shape), 255);
        let (cut, _) = pieces(128, 512);
        assert_eq!((cut.n_seq, cut.positions.len(), cut.positions[0].len()), (4, 1, 128));
    }

    #[test]
    fn a_longer_window_needs_no_more_rows() {
        let (cut, shape) = pieces(2048, 512);
        assert_eq!((cut.positions.len(), cut.positions[8].clone()), (9, 1824..2048));
        assert_eq!((cut.max_tokens(), cut.max_rows(shape)), (228, 228));
    }

    #[test]
    fn every_position_is_in_one_piece_and_limits_hold() {
        for n_ctx in [3, 7, 64, 100, 512, 600, 1000, 4096] {
            for n_ubatch in [1, 2, 32, 100, 512] {
                let (cut, shape) = pieces(n_ctx, n_ubatch);
                let mut next = 0;
                for piece in &cut.positions {
                    assert_eq!(piece.start, next);
                    assert!(!piece.is_empty() && piece.len() * cut.n_seq <= n_ubatch.max(2));
                    next = piece.end;
                }
                assert_eq!(next, n_ctx);
                assert!(cut.max_rows(shape) <= (n_ubatch / 2).max(1));
                assert!(cut.max_tokens() <= n_ubatch.max(2));
            }
        }
    }
}
