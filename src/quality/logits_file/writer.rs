//! Writes a file of log-probabilities, row by row.

use std::io::Write;

use super::{LogitsFileError, LogitsHeader, MAGIC};
use crate::quality::compare::Row;

/// How far under the maximum log-probabilities are told apart, in nats.
const DEPTH_NATS: f32 = 16.0;

/// A file being written.
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
    ///
    /// # Errors
    /// Another number of tokens than the header says, or a failing write.
    ///
    /// # Panics
    /// Never: a header's counts fit the file's i32.
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
    ///
    /// # Errors
    /// A row of another length or with bad logits, a row too many, or a failing write.
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
    ///
    /// # Errors
    /// Fewer rows than the header says, or a failing write.
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
fn encode(row: &Row<'_>, bytes: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::error::RowError;
    use crate::quality::windows::WindowShape;

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
