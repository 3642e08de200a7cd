//! llama-perplexity's file of log-probabilities (`--kl-divergence-base`), to exchange results with it.
//!
//! Little-endian: `_logits_`, then `n_ctx`, `n_vocab`, `n_chunk` and the tokens of all windows as i32, then one row for each scored
//! position. A row has an f32 scale, an f32 log-probability of the floor, and one u16 for each vocabulary entry, padded to
//! an even number: log p = scale·u16 + floor. What lies more than 16 nats under the row's maximum is stored as the floor, so
//! a comparison through such a file is not exact.

mod reader;
mod writer;

pub(crate) use reader::LogitsReader;
pub(crate) use writer::LogitsWriter;

use super::error::RowError;
use super::windows::{WindowError, WindowShape};

const MAGIC: [u8; 8] = *b"_logits_";
/// Magic and three counts.
const HEADER_BYTES: u128 = 20;
/// Scale and floor.
const ROW_HEAD_BYTES: usize = 8;

/// Why a file of log-probabilities cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogitsFileError {
    /// The system refused.
    #[error("cannot read or write log-probabilities")]
    Io(#[from] std::io::Error),
    /// A folder, FIFO, socket or device.
    #[error("no file of log-probabilities: it is not a regular file")]
    NotAFile,
    /// Another kind of file.
    #[error("no file of log-probabilities: it does not begin with `_logits_`")]
    Magic,
    /// A count that cannot be.
    #[error("{field} is {value}")]
    Count {
        /// Name of the header's field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// A window too short to score.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The file is cut short, or its counts are wrong.
    #[error("the header asks for {expected_bytes} bytes, the file has {actual_bytes}")]
    Size {
        /// Bytes that follow from the counts.
        expected_bytes: u128,
        /// Bytes there are.
        actual_bytes: u64,
    },
    /// A token that is no entry of the vocabulary.
    #[error("token {index} is {token}, outside the vocabulary of {n_vocab}")]
    Token {
        /// Place among all tokens, from 0.
        index: usize,
        /// Token id.
        token: i32,
        /// Vocabulary entries.
        n_vocab: usize,
    },
    /// A row whose scale or floor is no log-probability.
    #[error("row {row} has scale {scale} and floor {floor}")]
    Row {
        /// Row in the file, from 0.
        row: usize,
        /// Nats a step.
        scale: f32,
        /// Log-probability of the floor, in nats.
        floor: f32,
    },
    /// A row of logits that cannot be stored.
    #[error("row {row}: {reason}")]
    Logits {
        /// Row in the file, from 0.
        row: usize,
        /// What is wrong with it.
        reason: RowError,
    },
    /// More or fewer rows, tokens or logits than the header says.
    #[error("{actual} {what}, the header says {expected}")]
    Amount {
        /// Rows, tokens or logits.
        what: &'static str,
        /// From the header.
        expected: usize,
        /// Given.
        actual: usize,
    },
}

/// The counts of a file, checked to be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogitsHeader {
    shape: WindowShape,
    n_vocab: usize,
    n_chunk: usize,
}

impl LogitsHeader {
    /// A header for `n_chunk` windows of this shape.
    ///
    /// # Errors
    /// A count that is zero or does not fit the file's i32.
    pub(crate) fn new(shape: WindowShape, n_vocab: usize, n_chunk: usize) -> Result<Self, LogitsFileError> {
        for (field, count) in [("n_ctx", shape.n_ctx()), ("n_vocab", n_vocab), ("n_chunk", n_chunk)] {
            if count == 0 || i32::try_from(count).is_err() {
                return Err(LogitsFileError::Count { field, value: i64::try_from(count).unwrap_or(i64::MAX) });
            }
        }
        Ok(Self { shape, n_vocab, n_chunk })
    }

    /// Shape of the windows.
    #[must_use]
    pub(crate) fn shape(&self) -> WindowShape {
        self.shape
    }

    /// Vocabulary entries.
    #[must_use]
    pub(crate) fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// Bytes of the whole file.
    #[must_use]
    pub(crate) fn file_bytes(&self) -> u128 {
        let (n_ctx, n_chunk) = (self.shape.n_ctx() as u128, self.n_chunk as u128);
        let rows = n_chunk * self.shape.scored().len() as u128;
        HEADER_BYTES + 4 * n_chunk * n_ctx + rows * self.row_bytes() as u128
    }

    fn rows(&self) -> usize {
        self.n_chunk * self.shape.scored().len()
    }

    fn row_bytes(&self) -> usize {
        ROW_HEAD_BYTES + 2 * self.n_vocab.next_multiple_of(2)
    }
}
