//! llama-perplexity's file of log-probabilities (`--kl-divergence-base`), to exchange results with it.
//!
//! Little-endian: `_logits_`, then `n_ctx`, `n_vocab`, `n_chunk` and the tokens of all windows as i32, then one row for each scored
//! position. A row has an f32 scale, an f32 log-probability of the floor, and one u16 for each vocabulary entry, padded to
//! an even number: log p = scale·u16 + floor. What lies more than 16 nats under the row's maximum is stored as the floor, so
//! a comparison through such a file is not exact.

use std::io::{Read, Seek, SeekFrom, Write};

use super::row::{Row, RowError};
use super::windows::{WindowError, WindowShape};

const MAGIC: [u8; 8] = *b"_logits_";
/// Magic and three counts.
const HEADER_BYTES: u128 = 20;
/// Scale and floor.
const ROW_HEAD_BYTES: usize = 8;

/// Why a file of log-probabilities cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogitsFileError {
    #[error("cannot read or write log-probabilities")]
    Io(#[from] std::io::Error),
    #[error("no file of log-probabilities: it is not a regular file")]
    NotAFile,
    #[error("no file of log-probabilities: it does not begin with `_logits_`")]
    Magic,
    #[error("{field} is {value}")]
    Count { field: &'static str, value: i64 },
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The file is cut short, or its counts are wrong.
    #[error("the header asks for {expected_bytes} bytes, the file has {actual_bytes}")]
    Size { expected_bytes: u128, actual_bytes: u64 },
    /// A token that is no entry of the vocabulary.
    #[error("token {index} is {token}, outside the vocabulary of {n_vocab}")]
    Token {
        /// Place among all tokens, from 0.
        index: usize,
        token: i32,
        n_vocab: usize,
    },
    /// A row whose scale or floor is no log-probability.
    #[error("row {row} has scale {scale} and floor {floor}")]
    Row {
        /// Row in the file, from 0.
        row: usize,
        scale: f32,
        /// Log-probability of the floor, in nats.
        floor: f32,
    },
    /// A row of logits that cannot be stored.
    #[error("row {row}: {reason}")]
    Logits {
        /// Row in the file, from 0.
        row: usize,
        reason: RowError,
    },
    /// More or fewer rows, tokens or logits than the header says.
    #[error("{actual} {what}, the header says {expected}")]
    Amount { what: &'static str, expected: usize, actual: usize },
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
    pub(crate) fn new(shape: WindowShape, n_vocab: usize, n_chunk: usize) -> Result<Self, LogitsFileError> {
        for (field, count) in [("n_ctx", shape.n_ctx()), ("n_vocab", n_vocab), ("n_chunk", n_chunk)] {
            if count == 0 || i32::try_from(count).is_err() {
                return Err(LogitsFileError::Count { field, value: i64::try_from(count).unwrap_or(i64::MAX) });
            }
        }
        Ok(Self { shape, n_vocab, n_chunk })
    }

    /// Shape of the windows.
    pub(crate) fn shape(&self) -> WindowShape {
        self.shape
    }

    pub(crate) fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// Bytes of the whole file.
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

/// A file being read. Nothing is allocated before the header's counts agree with the size of the file.
#[derive(Debug)]
pub(crate) struct LogitsReader<R> {
    input: R,
    header: LogitsHeader,
    tokens: Vec<i32>,
    rows_read: usize,
    buffer: Vec<u8>,
}

impl<R: Read + Seek> LogitsReader<R> {
    /// Reads header and tokens. The input should be buffered.
    pub(crate) fn new(mut input: R) -> Result<Self, LogitsFileError> {
        let actual_bytes = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut magic = [0; 8];
        let too_short = |_| LogitsFileError::Magic;
        input.read_exact(&mut magic).map_err(too_short)?;
        if magic != MAGIC {
            return Err(LogitsFileError::Magic);
        }
        let n_ctx = read_count(&mut input, "n_ctx")?;
        let n_vocab = read_count(&mut input, "n_vocab")?;
        let n_chunk = read_count(&mut input, "n_chunk")?;
        let header = LogitsHeader::new(WindowShape::new(n_ctx)?, n_vocab, n_chunk)?;
        let expected_bytes = header.file_bytes();
        if expected_bytes != u128::from(actual_bytes) {
            return Err(LogitsFileError::Size { expected_bytes, actual_bytes });
        }
        let tokens = read_tokens(&mut input, &header)?;
        Ok(Self { input, header, tokens, rows_read: 0, buffer: vec![0; header.row_bytes()] })
    }

    pub(crate) fn header(&self) -> LogitsHeader {
        self.header
    }

    /// All tokens, `[windows, n_ctx]`, before BOS replaces the first of each window.
    pub(crate) fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// Decodes the next row into log-probabilities in nats, `[vocabulary]`; false after the last.
    pub(crate) fn read_row(&mut self, log_probs: &mut Vec<f32>) -> Result<bool, LogitsFileError> {
        if self.rows_read == self.header.rows() {
            return Ok(false);
        }
        self.input.read_exact(&mut self.buffer)?;
        let (head, steps) = self.buffer.split_at(ROW_HEAD_BYTES);
        let float = |at: usize| f32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (scale, floor) = (float(0), float(4));
        let highest = scale * f32::from(u16::MAX) + floor;
        if !(scale >= 0.0 && floor.is_finite() && highest.is_finite()) {
            return Err(LogitsFileError::Row { row: self.rows_read, scale, floor });
        }
        let steps = steps.as_chunks::<2>().0.iter().take(self.header.n_vocab);
        log_probs.clear();
        log_probs.extend(steps.map(|&step| scale * f32::from(u16::from_le_bytes(step)) + floor));
        self.rows_read += 1;
        Ok(true)
    }
}

fn read_i32(input: &mut impl Read) -> Result<i32, LogitsFileError> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(i32::from_le_bytes(bytes))
}

fn read_count(input: &mut impl Read, field: &'static str) -> Result<usize, LogitsFileError> {
    let value = read_i32(input)?;
    usize::try_from(value).map_err(|_| LogitsFileError::Count { field, value: value.into() })
}

fn read_tokens(input: &mut impl Read, header: &LogitsHeader) -> Result<Vec<i32>, LogitsFileError> {
    let n_vocab = header.n_vocab;
    let one = |index| {
        let token = read_i32(input)?;
        let known = usize::try_from(token).is_ok_and(|token| token < n_vocab);
        if known { Ok(token) } else { Err(LogitsFileError::Token { index, token, n_vocab }) }
    };
    (0..header.n_chunk * header.shape.n_ctx()).map(one).collect()
}

/// How far under the maximum log-probabilities are told apart, in nats; llama-perplexity's own limit.
pub(super) const DEPTH_NATS: f32 = 16.0;

#[derive(Debug)]
pub(crate) struct LogitsWriter<W> {
    output: W,
    header: LogitsHeader,
    rows_written: usize,
    buffer: Vec<u8>,
}

impl<W: Write> LogitsWriter<W> {
    /// Writes the header and the tokens of all windows, `[windows, n_ctx]`, before BOS replaces any. The output should be
    /// buffered.
    pub(crate) fn new(mut output: W, header: LogitsHeader, tokens: &[i32]) -> Result<Self, LogitsFileError> {
        let expected = header.n_chunk * header.shape.n_ctx();
        if tokens.len() != expected {
            return Err(LogitsFileError::Amount { what: "tokens", expected, actual: tokens.len() });
        }
        output.write_all(&MAGIC)?;
        for count in [header.shape.n_ctx(), header.n_vocab, header.n_chunk] {
            output.write_all(&i32::try_from(count).expect("a header's counts fit").to_le_bytes())?;
        }
        for token in tokens {
            output.write_all(&token.to_le_bytes())?;
        }
        Ok(Self { output, header, rows_written: 0, buffer: Vec::with_capacity(header.row_bytes()) })
    }

    /// Encodes the logits of the next scored position, `[vocabulary]`.
    pub(crate) fn write_row(&mut self, logits: &[f32]) -> Result<(), LogitsFileError> {
        let row = self.rows_written;
        if row == self.header.rows() {
            return Err(LogitsFileError::Amount { what: "rows", expected: row, actual: row + 1 });
        }
        if logits.len() != self.header.n_vocab {
            return Err(LogitsFileError::Amount {
                what: "logits",
                expected: self.header.n_vocab,
                actual: logits.len(),
            });
        }
        let logits = Row::new(logits).map_err(|reason| LogitsFileError::Logits { row, reason })?;
        encode(&logits, &mut self.buffer);
        self.buffer.resize(self.header.row_bytes(), 0);
        self.output.write_all(&self.buffer)?;
        self.rows_written += 1;
        Ok(())
    }

    /// Ends the file and gives the output back.
    pub(crate) fn finish(mut self) -> Result<W, LogitsFileError> {
        let (expected, actual) = (self.header.rows(), self.rows_written);
        if actual < expected {
            return Err(LogitsFileError::Amount { what: "rows", expected, actual });
        }
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Scale, floor and steps of a row, with the tool's own rounding: all in `f32`, to even where halfway.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps lie between 0 and 65,535")]
pub(super) fn encode(row: &Row<'_>, bytes: &mut Vec<u8>) {
    let max = row.softmax.max;
    let min = row.logits.iter().copied().fold(max, f32::min).max(max - DEPTH_NATS);
    let scale = (max - min) / f32::from(u16::MAX);
    let floor = min - max - row.softmax.sum.ln() as f32;
    bytes.clear();
    bytes.extend(scale.to_le_bytes());
    bytes.extend(floor.to_le_bytes());
    let steps_per_nat = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for &logit in row.logits {
        let step = (steps_per_nat * (logit - min)).round_ties_even() as u16;
        bytes.extend((if logit > min { step } else { 0 }).to_le_bytes());
    }
}

/// The log-probabilities of an encoded row.
#[cfg(test)]
pub(super) fn decoded(bytes: &[u8]) -> Vec<f32> {
    let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let steps = bytes[ROW_HEAD_BYTES..].as_chunks::<2>().0.iter();
    steps.map(|&step| float(0) * f32::from(u16::from_le_bytes(step)) + float(4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    use crate::quality::testing::{Random, log_softmax};

    fn header(n_vocab: usize) -> LogitsHeader {
        LogitsHeader::new(WindowShape::new(8).expect("long enough"), n_vocab, 2).expect("small")
    }

    /// Two windows of 8 tokens, 3 scored positions each.
    fn file(n_vocab: usize, rows: &[Vec<f32>]) -> Vec<u8> {
        let tokens: Vec<i32> = (0..16).map(|token| token % 5).collect();
        let mut writer = LogitsWriter::new(Vec::new(), header(n_vocab), &tokens).expect("writes");
        for row in rows {
            writer.write_row(row).expect("writes");
        }
        writer.finish().expect("complete")
    }

    fn rows(n_vocab: usize) -> Vec<Vec<f32>> {
        let mut random = Random::new(13);
        (0..6).map(|_| random.rows(n_vocab, 4.0, 0.0).0).collect()
    }

    #[test]
    fn reads_back_what_was_written_within_a_step() {
        for n_vocab in [5, 100, 101] {
            let rows = rows(n_vocab);
            let bytes = file(n_vocab, &rows);
            assert_eq!(bytes.len() as u128, header(n_vocab).file_bytes());
            let mut reader = LogitsReader::new(Cursor::new(bytes)).expect("valid");
            assert_eq!(reader.header(), header(n_vocab));
            assert_eq!(reader.tokens()[..6], [0, 1, 2, 3, 4, 0]);
            let mut decoded = Vec::new();
            for row in &rows {
                assert!(reader.read_row(&mut decoded).expect("valid"));
                assert_eq!(decoded.len(), n_vocab);
                let exact = log_softmax(row);
                let floor = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max) - 16.0;
                for (&decoded, exact) in decoded.iter().zip(exact) {
                    assert!((f64::from(decoded) - exact.max(floor)).abs() < 1.3e-4, "{decoded} is not {exact}");
                }
            }
            assert!(!reader.read_row(&mut decoded).expect("at the end"));
        }
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let good = file(5, &rows(5));
        for len in 0..good.len() {
            let error = LogitsReader::new(Cursor::new(&good[..len])).expect_err("cut short");
            let expected = match len {
                0..8 => matches!(error, LogitsFileError::Magic),
                8..20 => matches!(error, LogitsFileError::Io(_)),
                _ => matches!(error, LogitsFileError::Size { .. }),
            };
            assert!(expected, "{len} bytes: {error}");
        }
        let longer: Vec<u8> = good.iter().copied().chain([0]).collect();
        let error = LogitsReader::new(Cursor::new(longer)).expect_err("too long");
        assert!(matches!(error, LogitsFileError::Size { .. }));
    }

    #[test]
    fn hostile_counts_are_refused_before_anything_is_allocated() {
        let good = file(5, &rows(5));
        for (at, field) in [(8, "n_ctx"), (12, "n_vocab"), (16, "n_chunk")] {
            for value in [i32::MIN, -1, 0, 1, i32::MAX] {
                let mut bad = good.clone();
                bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
                LogitsReader::new(Cursor::new(bad)).expect_err(&format!("{field} = {value}"));
            }
        }
        let mut all = good;
        all[8..20].copy_from_slice(&[[0xff, 0xff, 0xff, 0x7f]; 3].concat());
        let error = LogitsReader::new(Cursor::new(all)).expect_err("huge");
        assert!(matches!(error, LogitsFileError::Size { expected_bytes, .. } if expected_bytes > 1 << 90));
    }

    #[test]
    fn bad_tokens_and_rows_are_named() {
        let good = file(5, &rows(5));
        let mut bad = good.clone();
        bad[20 + 4 * 7..][..4].copy_from_slice(&5_i32.to_le_bytes());
        let error = LogitsReader::new(Cursor::new(bad)).expect_err("outside the vocabulary");
        assert!(matches!(error, LogitsFileError::Token { index: 7, token: 5, n_vocab: 5 }));
        let first_row = 20 + 4 * 16;
        for (at, value) in [(0, f32::NAN), (0, -1.0), (0, f32::MAX), (4, f32::INFINITY), (4, f32::NAN)] {
            let mut bad = good.clone();
            bad[first_row + 20 + at..][..4].copy_from_slice(&value.to_le_bytes());
            let mut reader = LogitsReader::new(Cursor::new(bad)).expect("the header is valid");
            let mut row = Vec::new();
            reader.read_row(&mut row).expect("the first row is valid");
            assert!(matches!(reader.read_row(&mut row), Err(LogitsFileError::Row { row: 1, .. })), "{value} at {at}");
        }
    }

    fn bytes_of(logits: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&Row::new(logits).expect("finite"), &mut bytes);
        bytes
    }

    fn steps(bytes: &[u8]) -> Vec<u16> {
        bytes[8..].as_chunks::<2>().0.iter().map(|&step| u16::from_le_bytes(step)).collect()
    }

    fn float(bytes: &[u8], at: usize) -> f64 {
        f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")).into()
    }

    #[test]
    fn a_row_is_encoded_as_the_tool_does() {
        let bytes = bytes_of(&[1.0, 0.0, 0.25]);
        assert_eq!(steps(&bytes), [65_535, 0, 16_384]);
        assert!((float(&bytes, 0) - 1.0 / 65_535.0).abs() < 1e-11);
        let sum = 1.0 + (-1.0_f64).exp() + (-0.75_f64).exp();
        assert!((float(&bytes, 4) - (-1.0 - sum.ln())).abs() < 2e-7);
    }

    #[test]
    fn what_lies_16_nats_below_is_the_floor() {
        let bytes = bytes_of(&[20.0, 5.0, 4.0, -70.0, f32::NEG_INFINITY]);
        assert_eq!(steps(&bytes), [65_535, 4096, 0, 0, 0]);
        assert!((float(&bytes, 4) + 16.0).abs() < 1e-5);
    }

    #[test]
    fn equal_logits_have_no_scale() {
        let bytes = bytes_of(&[3.0; 4]);
        assert_eq!(steps(&bytes), [0; 4]);
        assert!(float(&bytes, 0).abs() < 1e-30);
        assert!((float(&bytes, 4) + 4.0_f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn amounts_must_agree_with_the_header() {
        let header = LogitsHeader::new(WindowShape::new(3).expect("long enough"), 2, 1).expect("small");
        let amount = |error| matches!(error, LogitsFileError::Amount { .. });
        assert!(amount(LogitsWriter::new(Vec::new(), header, &[0]).expect_err("one token of three")));
        let writer = || LogitsWriter::new(Vec::new(), header, &[0, 1, 0]).expect("writes");
        assert!(amount(writer().finish().expect_err("no row")));
        assert!(amount(writer().write_row(&[0.0]).expect_err("one logit of two")));
        let nan = writer().write_row(&[0.0, f32::NAN]).expect_err("not a number");
        assert!(matches!(nan, LogitsFileError::Logits { row: 0, reason: RowError::NotANumber { index: 1 } }));
        let mut full = writer();
        full.write_row(&[0.0, 1.0]).expect("writes");
        assert!(amount(full.write_row(&[0.0, 1.0]).expect_err("a row too many")));
        let shape = WindowShape::new(3).expect("long enough");
        let zero = LogitsHeader::new(shape, 0, 1).expect_err("no vocabulary");
        assert!(matches!(zero, LogitsFileError::Count { field: "n_vocab", value: 0 }));
    }
}
