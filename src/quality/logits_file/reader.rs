//! Reads a file of log-probabilities, row by row.

use std::io::{Read, Seek, SeekFrom};

use super::{LogitsFileError, LogitsHeader, MAGIC, ROW_HEAD_BYTES};
use crate::quality::windows::WindowShape;

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
    ///
    /// # Errors
    /// Another kind of file, impossible counts, a size that does not follow from them, tokens outside the vocabulary.
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

    /// The file's counts.
    pub(crate) fn header(&self) -> LogitsHeader {
        self.header
    }

    /// All tokens, `[windows, n_ctx]`, before BOS replaces the first of each window.
    pub(crate) fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// Decodes the next row into log-probabilities in nats, `[vocabulary]`; false after the last.
    ///
    /// # Errors
    /// A failing read, or a row that holds no log-probabilities.
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::quality::logits_file::LogitsWriter;
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
}
