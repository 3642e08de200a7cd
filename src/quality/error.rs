//! What can be wrong with a row of logits.

/// Why two rows of logits cannot be compared. Indices count vocabulary entries from 0.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum RowError {
    /// A logit is not a number.
    #[error("logit {index} is not a number")]
    NotANumber {
        /// Vocabulary entry.
        index: usize,
    },
    /// A logit is plus infinity.
    #[error("logit {index} is plus infinity")]
    PositiveInfinity {
        /// Vocabulary entry.
        index: usize,
    },
    /// The row is empty, or every entry is minus infinity.
    #[error("no finite logit in the row")]
    NoFiniteLogit,
    /// The rows belong to different vocabularies.
    #[error("rows of {base} and {candidate} logits: different vocabularies")]
    LengthMismatch {
        /// Entries of the original's row.
        base: usize,
        /// Entries of the candidate's row.
        candidate: usize,
    },
    /// One model masks an entry (minus infinity), the other does not: the divergence would be infinite.
    #[error("logit {index} is minus infinity in one model only")]
    MaskMismatch {
        /// Vocabulary entry.
        index: usize,
    },
    /// The correct token is no entry of the vocabulary.
    #[error("token {token} is outside the vocabulary of {n_vocab}")]
    TokenOutOfRange {
        /// Token id.
        token: i32,
        /// Vocabulary entries.
        n_vocab: usize,
    },
    /// The correct token has no probability in either model.
    #[error("token {token} is masked by both models")]
    MaskedToken {
        /// Token id.
        token: i32,
    },
    /// A divergence came out infinite, not a number, or negative beyond rounding: a fault, never to be clamped away.
    #[error("impossible divergence of {kld_nats} nats")]
    ImpossibleDivergence {
        /// KL(original ‖ candidate) as computed, in nats.
        kld_nats: f64,
    },
}
