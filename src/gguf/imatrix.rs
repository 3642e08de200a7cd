//! Files of llama-imatrix, GGUF and the older `.dat`: how much each column of a matrix matters to what the model puts out.
//!
//! Files are untrusted: every count is held against what is left of the file before anything is allocated by it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::Error;
use super::header::{Header, Tensor};
use super::metadata::Value;
use super::model::Model;
use super::types::GgmlType;
use crate::text::printable;

/// Why a file is no importance matrix, or not one of this model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImatrixError {
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Header(#[from] Error),
    #[error("it is a GGUF file without what llama-imatrix writes into one: {0}")]
    NotAnImatrix(&'static str),
    #[error("{tensor} has {what}: the file is damaged, or llama-imatrix did not write it")]
    Damaged { tensor: String, what: &'static str },
    #[error("it is neither GGUF nor llama-imatrix's older format, or it is cut short: {0}")]
    NotLegacy(String),
    #[error("it is of another model: none of its {entries} entries names a matrix of this one")]
    OtherModel { entries: usize },
    #[error("it is of another model: its entry for {tensor} has {found} values, and that matrix takes {expected}")]
    OtherShape { tensor: String, found: usize, expected: u64 },
}

/// An importance matrix as llama-quantize gives it to llama.cpp.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImportanceMatrix {
    /// By tensor: a mean square for each column, of one expert after the other.
    pub(crate) entries: BTreeMap<String, Vec<f32>>,
    /// The text it was computed on, as llama-imatrix was told it; the first of several.
    pub(crate) dataset: Option<String>,
    /// Chunks of that text.
    pub(crate) chunks: Option<u32>,
}

const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";

impl ImportanceMatrix {
    pub(crate) fn read(path: &Path) -> Result<Self, ImatrixError> {
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() {
            return Err(ImatrixError::Io(std::io::Error::new(ErrorKind::InvalidInput, "not a regular file")));
        }
        let mut file = BufReader::new(File::open(path)?);
        let mut magic = [0; 4];
        if meta.len() >= 4 {
            file.read_exact(&mut magic)?;
        }
        file.rewind()?;
        if &magic == b"GGUF" { Self::from_gguf(path, &mut file) } else { Self::from_legacy(file, meta.len()) }
    }

    fn from_gguf(path: &Path, file: &mut (impl Read + Seek)) -> Result<Self, ImatrixError> {
        let header = Header::read(path)?;
        let metadata = &header.metadata;
        for key in ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
            if metadata.get(key).is_none() {
                return Err(ImatrixError::NotAnImatrix(key));
            }
        }
        let dataset = match metadata.get("imatrix.datasets") {
            Some(Value::List(names)) => names.first().and_then(|name| match name {
                Value::Text(text) => Some(text.kept.clone()),
                _ => None,
            }),
            _ => None,
        };
        let mut pairs: BTreeMap<&str, [Option<&Tensor>; 2]> = BTreeMap::new();
        for tensor in &header.tensors {
            for (place, suffix) in [SUMS, COUNTS].into_iter().enumerate() {
                if let Some(name) = tensor.name.strip_suffix(suffix) {
                    pairs.entry(name).or_default()[place] = Some(tensor);
                }
            }
        }
        if pairs.is_empty() {
            return Err(ImatrixError::NotAnImatrix("no tensor ends in .in_sum2"));
        }
        let mut entries = BTreeMap::new();
        for (name, pair) in pairs {
            let damaged = |what| ImatrixError::Damaged { tensor: printable(name), what };
            let [Some(sums), Some(counts)] = pair else { return Err(damaged("sums or counts alone")) };
            if sums.ty != GgmlType::F32 || counts.ty != GgmlType::F32 {
                return Err(damaged("values that are not F32"));
            }
            let (mut values, counts) = (floats(file, &header, sums)?, floats(file, &header, counts)?);
            if counts.is_empty() || values.is_empty() || !values.len().is_multiple_of(counts.len()) {
                return Err(damaged("counts that do not divide its values"));
            }
            if values.iter().chain(&counts).any(|value| !value.is_finite()) {
                return Err(damaged("values that are no numbers"));
            }
            let columns = values.len() / counts.len();
            for (expert, count) in values.chunks_exact_mut(columns).zip(counts) {
                let count = count.round();
                // An expert that no token went to: all of its columns matter the same.
                for sum in expert {
                    *sum = if count > 0.0 { *sum / count } else { 1.0 };
                }
            }
            entries.insert(name.to_owned(), values);
        }
        let chunks = metadata.unsigned("imatrix.chunk_count").and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
        Ok(Self { entries, dataset, chunks })
    }

    /// A count of entries; each a name, how often it was called, and so many sums; at the end chunks and the text's name, if at all.
    fn from_legacy(file: impl Read, bytes: u64) -> Result<Self, ImatrixError> {
        let mut rest = Rest { file, left: bytes };
        let count = rest.count("its number of entries", 12)?;
        if count == 0 {
            return Err(ImatrixError::NotLegacy("it has no entry".into()));
        }
        let mut entries = BTreeMap::new();
        for index in 1..=count {
            let name = rest.text(&format!("the name of entry {index}"))?;
            let calls = rest.number("the calls of an entry")?;
            let n_values = rest.count(&format!("the values of entry {index}"), 4)?;
            let damaged = |what| ImatrixError::Damaged { tensor: printable(&name), what };
            if n_values == 0 {
                return Err(damaged("no values"));
            }
            let mut values = as_floats(&rest.take(4 * u64::from(n_values), "the values of an entry")?);
            if values.iter().any(|value| !value.is_finite()) {
                return Err(damaged("values that are no numbers"));
            }
            if calls > 0 {
                let calls = calls as f32;
                for sum in &mut values {
                    *sum /= calls;
                }
            }
            entries.insert(name, values);
        }
        let (mut chunks, mut dataset) = (None, None);
        if rest.left > 0 {
            chunks = u32::try_from(rest.number("its chunks")?).ok().filter(|&n| n > 0);
            if rest.left > 0 {
                dataset = Some(rest.text("the name of its text")?).filter(|name| !name.is_empty());
            }
        }
        Ok(Self { entries, dataset, chunks })
    }

    /// Refuses what was computed on another model: llama.cpp would fail in the middle, or quietly quantize as without it.
    pub(crate) fn check(&self, model: &Model) -> Result<(), ImatrixError> {
        let tensors = model.parts().flat_map(|part| &part.header.tensors);
        let mut known = 0;
        for tensor in tensors {
            let Some(values) = self.entries.get(&tensor.name) else { continue };
            known += 1;
            let experts = tensor.dims.get(2).copied().unwrap_or(1);
            let expected = tensor.row().saturating_mul(experts);
            // llama-quantize passes over this one: its input is one row at a time.
            if u64::try_from(values.len()) != Ok(expected) && !tensor.name.ends_with("token_embd.weight") {
                let (tensor, found) = (printable(&tensor.name), values.len());
                return Err(ImatrixError::OtherShape { tensor, found, expected });
            }
        }
        if known == 0 { Err(ImatrixError::OtherModel { entries: self.entries.len() }) } else { Ok(()) }
    }
}

/// The data of a tensor that the header has found to be in the file.
fn floats(file: &mut (impl Read + Seek), header: &Header, tensor: &Tensor) -> Result<Vec<f32>, ImatrixError> {
    file.seek(SeekFrom::Start(header.data_offset + tensor.offset))?;
    let mut bytes = vec![0; usize::try_from(tensor.bytes).unwrap_or(usize::MAX)];
    file.read_exact(&mut bytes)?;
    Ok(as_floats(&bytes))
}

fn as_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// What is left of a file of the older format.
struct Rest<R> {
    file: R,
    left: u64,
}

impl<R: Read> Rest<R> {
    fn take(&mut self, bytes: u64, what: &str) -> Result<Vec<u8>, ImatrixError> {
        let length = usize::try_from(bytes).ok().filter(|_| bytes <= self.left);
        let Some(length) = length else {
            return Err(ImatrixError::NotLegacy(format!(
                "{what} would take {bytes} bytes, and {} are left",
                self.left
            )));
        };
        let mut taken = vec![0; length];
        self.file.read_exact(&mut taken)?;
        self.left -= bytes;
        Ok(taken)
    }

    fn number(&mut self, what: &str) -> Result<i32, ImatrixError> {
        let bytes = self.take(4, what)?;
        Ok(bytes.try_into().map_or(0, i32::from_le_bytes))
    }

    /// How many things of at least so many bytes follow.
    fn count(&mut self, what: &str, bytes_each: u64) -> Result<u32, ImatrixError> {
        let found = self.number(what)?;
        let fits = u32::try_from(found).ok().filter(|&n| u64::from(n).saturating_mul(bytes_each) <= self.left);
        fits.ok_or_else(|| ImatrixError::NotLegacy(format!("{what} is {found}, and {} bytes are left", self.left)))
    }

    /// Up to its first NUL, as C reads it.
    fn text(&mut self, what: &str) -> Result<String, ImatrixError> {
        let length = self.count(what, 1)?;
        let bytes = self.take(length.into(), what)?;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn legacy(entries: &[(&str, i32, &[f32])], end: Option<(i32, &str)>) -> Vec<u8> {
        let text = |text: &str| [&i32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat();
        let mut out = i32::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
        for (name, calls, values) in entries {
            out.extend(text(name));
            out.extend(calls.to_le_bytes());
            out.extend(i32::try_from(values.len()).unwrap().to_le_bytes());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        if let Some((chunks, dataset)) = end {
            out.extend(chunks.to_le_bytes());
            out.extend(text(dataset));
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<ImportanceMatrix, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        ImportanceMatrix::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_older_format_is_read_and_its_sums_are_divided_by_the_calls() {
        let bytes = legacy(&[("a", 2, &[2.0, 4.0]), ("b", 0, &[3.0])], Some((7, "calib.txt")));
        let found = read(&bytes).unwrap();
        assert_eq!(found.entries["a"], [1.0, 2.0]);
        assert_eq!(found.entries["b"], [3.0]);
        assert_eq!((found.dataset.as_deref(), found.chunks), (Some("calib.txt"), Some(7)));
        let bare = read(&legacy(&[("a", 1, &[2.0])], None)).unwrap();
        assert_eq!((bare.dataset, bare.chunks), (None, None));
    }

    #[test]
    fn whatever_is_cut_short_or_too_large_is_a_sentence() {
        let whole = legacy(&[("blk.0.ffn_down.weight", 2, &[2.0, 4.0])], Some((7, "calib.txt")));
        for length in 0..whole.len() {
            let cut = read(&whole[..length]);
            // Without its end it is as of before that was written.
            let of_before = [whole.len() - 17, whole.len() - 13].contains(&length);
            assert_eq!(cut.is_ok(), of_before, "{length}");
        }
        let huge = [1_i32.to_le_bytes(), i32::MAX.to_le_bytes(), [0; 4], [0; 4]].concat();
        assert!(read(&huge).unwrap_err().contains("the name of entry 1 is 2147483647, and 8 bytes are left"));
        let negative = [1_i32.to_le_bytes(), (-1_i32).to_le_bytes(), [0; 4], [0; 4]].concat();
        assert!(read(&negative).unwrap_err().contains("is -1"));
        assert!(read(b"a text of some words").unwrap_err().starts_with("it is neither GGUF nor"));
        let nan = legacy(&[("a", 1, &[f32::NAN])], None);
        assert!(read(&nan).unwrap_err().contains("no numbers"));
    }

    #[test]
    fn a_model_is_no_importance_matrix() {
        let model = super::super::fixture::Fixture::llama().bytes();
        assert!(read(&model).unwrap_err().contains("without what llama-imatrix writes"));
    }
}
