//! How windows go through a model: how many side by side, and how much of them in one evaluation.
//!
//! llama.cpp evaluates micro-batches of `n_ubatch` tokens and keeps the logits of a whole batch. Given one micro-batch at a
//! time it keeps no more than that, so a piece holds at most `n_ubatch` tokens, and at most half as many scored ones: what a
//! window that fills a micro-batch has. A longer window then needs no more memory for logits.

use std::ops::Range;

use super::windows::WindowShape;

/// Windows side by side and the positions evaluated together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Windows evaluated together, each a sequence of its own.
    pub n_seq: usize,
    /// The positions of each evaluation, in order; the same in every window.
    pub positions: Vec<Range<usize>>,
}

impl Pieces {
    /// Cuts windows of this shape for micro-batches of `n_ubatch` tokens.
    #[must_use]
    pub fn new(shape: WindowShape, n_ubatch: usize) -> Self {
        let n_ubatch = n_ubatch.max(2);
        let n_seq = (n_ubatch / shape.n_ctx()).max(1);
        let most = (n_ubatch / n_seq, (n_ubatch / 2 / n_seq).max(1));
        let scored = shape.scored();
        let mut positions = Vec::new();
        let mut start = 0;
        while start < shape.n_ctx() {
            // As many as fit before the limit of scored ones is reached.
            let limit = start.max(scored.start) + most.1;
            let end = if limit >= scored.end { shape.n_ctx() } else { limit };
            let end = end.min(start + most.0);
            positions.push(start..end);
            start = end;
        }
        Self { n_seq, positions }
    }

    /// The most scored positions in one evaluation.
    #[must_use]
    pub fn max_rows(&self, shape: WindowShape) -> usize {
        let rows = |piece: &Range<usize>| scored_in(piece, shape).len();
        self.positions.iter().map(rows).max().unwrap_or(0) * self.n_seq
    }
}

/// The scored positions of a piece.
#[must_use]
pub fn scored_in(piece: &Range<usize>, shape: WindowShape) -> Range<usize> {
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
        assert_eq!(cut.positions, [0..512, 512..1024, 1024..1280, 1280..1536, 1536..1792, 1792..2048]);
        assert_eq!(cut.max_rows(shape), 256);
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
            }
        }
    }
}
