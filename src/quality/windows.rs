//! Where a text is cut and which positions count: llama-perplexity's rule.
//!
//! Windows do not overlap and the remainder is dropped. In each, the first half is context only; the positions from the
//! middle to the last but one are scored, each predicting the token after it.

use std::ops::Range;

/// Why a text gives no windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WindowError {
    /// The window is too short to score anything.
    #[error("a window of {n_ctx} tokens has no scored position, the shortest is 3")]
    TooShort {
        /// Tokens a window.
        n_ctx: usize,
    },
    /// The text is too short for two windows.
    #[error("the text has {actual} tokens, two windows need {required}")]
    TooFewTokens {
        /// Tokens needed: two windows.
        required: usize,
        /// Tokens given.
        actual: usize,
    },
}

/// The length of a window and which of its positions are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowShape {
    n_ctx: usize,
}

impl WindowShape {
    /// The shape of windows of `n_ctx` tokens.
    ///
    /// # Errors
    /// Fewer than 3 tokens.
    pub(crate) fn new(n_ctx: usize) -> Result<Self, WindowError> {
        if n_ctx < 3 { Err(WindowError::TooShort { n_ctx }) } else { Ok(Self { n_ctx }) }
    }

    /// Tokens a window.
    #[must_use]
    pub(crate) fn n_ctx(self) -> usize {
        self.n_ctx
    }

    /// The positions whose logits are scored; position p predicts token p + 1.
    #[must_use]
    pub(crate) fn scored(self) -> Range<usize> {
        self.n_ctx / 2..self.n_ctx - 1
    }
}

/// What happens to the first token of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstToken {
    /// It becomes BOS, for models whose tokenizer adds one.
    Bos(i32),
    /// It stays.
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
    ///
    /// # Errors
    /// A text of fewer than two windows.
    pub(crate) fn new(tokens: &'a [i32], shape: WindowShape, first: FirstToken) -> Result<Self, WindowError> {
        let (required, actual) = (shape.n_ctx.saturating_mul(2), tokens.len());
        if actual < required {
            Err(WindowError::TooFewTokens { required, actual })
        } else {
            Ok(Self { tokens, shape, first })
        }
    }

    /// Windows that were cut before, such as those of a file; as few as there are.
    #[must_use]
    pub(crate) fn already_cut(tokens: &'a [i32], shape: WindowShape, first: FirstToken) -> Self {
        Self { tokens, shape, first }
    }

    /// How many windows there are.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.tokens.len() / self.shape.n_ctx
    }

    /// The tokens to evaluate in a window, or none if there is no such window.
    #[must_use]
    pub(crate) fn window(&self, window: usize) -> Option<Vec<i32>> {
        let mut tokens = self.tokens.chunks_exact(self.shape.n_ctx).nth(window)?.to_vec();
        if let FirstToken::Bos(bos) = self.first {
            tokens[0] = bos;
        }
        Some(tokens)
    }

    /// The correct tokens of the scored positions of a window, or none if there is no such window.
    #[must_use]
    pub(crate) fn targets(&self, window: usize) -> Option<&'a [i32]> {
        let scored = self.shape.scored();
        let window = self.tokens.chunks_exact(self.shape.n_ctx).nth(window)?;
        Some(&window[scored.start + 1..=scored.end])
    }
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
    fn two_windows_are_needed() {
        let shape = WindowShape::new(8).expect("long enough");
        let short = Windows::new(&[0; 15], shape, FirstToken::Keep).expect_err("too short");
        assert_eq!(short, WindowError::TooFewTokens { required: 16, actual: 15 });
        assert_eq!(Windows::new(&[0; 16], shape, FirstToken::Keep).expect("long enough").count(), 2);
    }
}
