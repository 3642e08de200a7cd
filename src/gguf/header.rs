//! A GGUF file's header: metadata and tensor entries, checked against the file, without its data.

use std::collections::BTreeSet;
use std::fs::{File, FileType};
use std::io::Read;
use std::path::Path;

use super::error::Error;
use super::foreign::{Foreign, SNIFF_BYTES};
use super::metadata::Metadata;
use super::reader::Reader;
use super::types::GgmlType;
use crate::text::printable;

/// Bytes of the fixed part: magic, version, two counts.
const FIXED_BYTES: u64 = 4 + 4 + 8 + 8;

/// The alignment of files that state none, in bytes: `GGUF_DEFAULT_ALIGNMENT`.
const DEFAULT_ALIGNMENT: u64 = 32;

/// A header that has been checked: every tensor it lists is in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// GGUF version, 2 or 3.
    pub version: u32,
    pub metadata: Metadata,
    /// The tensors, in the file's order.
    pub tensors: Vec<Tensor>,
    /// Where the data section starts, in bytes.
    pub data_offset: u64,
    /// The file's size, in bytes.
    pub file_bytes: u64,
    /// What the data of a tensor starts at a multiple of, in bytes.
    pub alignment: u64,
}

impl Header {
    /// Reads the header of the file at `path`, and nothing after it.
    ///
    /// # Errors
    /// When `path` is not a regular file (it is then not opened, so a FIFO cannot block) or not a whole and consistent GGUF file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        regular(std::fs::metadata(path)?.file_type())?;
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        regular(metadata.file_type())?;
        Self::parse(file, metadata.len())
    }

    /// Reads a header from `source`, which starts a file of `file_bytes` bytes.
    ///
    /// # Errors
    /// When it is not a whole and consistent GGUF file.
    pub fn parse(source: impl Read, file_bytes: u64) -> Result<Self, Error> {
        let mut reader = Reader::new(source, file_bytes);
        check_magic(&mut reader, file_bytes)?;
        reader.require(FIXED_BYTES - reader.position())?;
        let version = reader.u32()?;
        if version != 0 && version.trailing_zeros() >= 16 {
            return Err(Error::BigEndian);
        }
        if !(2..=3).contains(&version) {
            return Err(Error::Version { found: version });
        }
        let tensor_count = reader.u64()?;
        let key_count = reader.u64()?;
        let metadata = Metadata::read(&mut reader, key_count)?;
        let alignment = metadata.unsigned("general.alignment").unwrap_or(DEFAULT_ALIGNMENT);
        if !alignment.is_power_of_two() {
            return Err(Error::Alignment { found: alignment.to_string() });
        }
        let tensors = Tensor::read_all(&mut reader, tensor_count)?;

        let data_bytes = check_layout(&tensors, alignment)?;
        // Neither step can overflow: a position is within the longest header, an alignment within u32.
        let data_offset =
            if tensors.is_empty() { reader.position() } else { reader.position().next_multiple_of(alignment) };
        let expected = data_offset.saturating_add(data_bytes);
        if expected > file_bytes {
            return Err(Error::Truncated { expected, actual: file_bytes });
        }
        Ok(Self { version, metadata, tensors, data_offset, file_bytes, alignment })
    }

    /// Bytes of the file behind all that its tensors need, padding included.
    #[must_use]
    pub fn bytes_after_tensors(&self) -> u64 {
        let end = self.tensors.last().map_or(0, |last| last.offset.saturating_add(last.bytes));
        let end = self.data_offset.saturating_add(end).next_multiple_of(self.alignment);
        self.file_bytes.saturating_sub(end)
    }

    /// Bytes of tensor data, padding left out.
    #[must_use]
    pub fn weights_bytes(&self) -> u64 {
        // No overflow: the tensors lie in the file without overlapping.
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }
}

fn check_magic<R: Read>(reader: &mut Reader<R>, file_bytes: u64) -> Result<(), Error> {
    const MAGIC: &[u8; 4] = b"GGUF";
    if file_bytes == 0 {
        return Err(Error::Empty);
    }
    let mut head = [0; SNIFF_BYTES];
    let length = usize::try_from(file_bytes).map_or(SNIFF_BYTES, |bytes| bytes.min(SNIFF_BYTES));
    let magic = length.min(MAGIC.len());
    reader.fill(&mut head[..magic])?;
    if head[..magic] == MAGIC[..magic] {
        return if magic == MAGIC.len() {
            Ok(())
        } else {
            Err(Error::Truncated { expected: FIXED_BYTES, actual: file_bytes })
        };
    }
    if &head[..magic] == b"FUGG" {
        return Err(Error::BigEndian);
    }
    reader.fill(&mut head[magic..length])?;
    Err(Error::NotGguf { looks_like: Foreign::sniff(&head[..length]) })
}

fn regular(kind: FileType) -> Result<(), Error> {
    if kind.is_file() {
        return Ok(());
    }
    Err(Error::NotAFile { kind: describe(kind) })
}

#[cfg(unix)]
fn describe(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn describe(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "something else" }
}

/// The most tensors a file may have; the largest models in use have some thousands.
const MAX_TENSORS: u64 = 1 << 17;

/// The longest name ggml can hold, in bytes: `GGML_MAX_NAME` without the final zero.
const MAX_NAME_BYTES: u64 = 63;

/// `GGML_MAX_DIMS`.
const MAX_DIMS: u32 = 4;

/// A tensor as its header entry describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, from the file.
    pub name: String,
    pub ty: GgmlType,
    /// Elements in each dimension, the row first.
    pub dims: Vec<u64>,
    pub params: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// Where its data starts in the data section, in bytes.
    pub offset: u64,
}

impl Tensor {
    /// Elements in a row; a tensor without dimensions is one element.
    #[must_use]
    pub fn row(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    fn read_all<R: Read>(reader: &mut Reader<R>, count: u64) -> Result<Vec<Self>, Error> {
        // The shortest entry: a length, a number of dimensions, a type, an offset.
        reader.require_count("tensors", count, MAX_TENSORS, 8 + 4 + 4 + 8)?;
        let mut names = BTreeSet::new();
        let mut tensors = Vec::new();
        for _ in 0..count {
            let tensor = Self::read(reader)?;
            if !names.insert(tensor.name.clone()) {
                return Err(Error::DuplicateTensor { tensor: printable(&tensor.name) });
            }
            tensors.push(tensor);
        }
        Ok(tensors)
    }

    fn read<R: Read>(reader: &mut Reader<R>) -> Result<Self, Error> {
        let name = reader.string("tensor name", MAX_NAME_BYTES)?;
        let tensor = || printable(&name);
        let found = reader.u32()?;
        if found > MAX_DIMS {
            return Err(Error::Dimensions { tensor: tensor(), found });
        }
        let dims = (0..found).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
        let id = reader.u32()?;
        let offset = reader.u64()?;

        let ty = GgmlType::from_id(id).ok_or_else(|| Error::UnknownTensorType { tensor: tensor(), id })?;
        let too_large = || Error::ShapeOverflow { tensor: printable(&name) };
        // ggml counts in i64, each dimension as well as the product.
        let within_ggml = |n: u64| i64::try_from(n).is_ok().then_some(n);
        let params = dims
            .iter()
            .try_fold(1, |product: u64, &dim| {
                within_ggml(dim).and_then(|dim| product.checked_mul(dim)).and_then(within_ggml)
            })
            .ok_or_else(too_large)?;
        let row = dims.first().copied().unwrap_or(1);
        let (block, _) = ty.block();
        if !row.is_multiple_of(block) {
            return Err(Error::PartialBlock { tensor: tensor(), row, block, ty });
        }
        let bytes = ty.bytes(params).ok_or_else(too_large)?;
        Ok(Self { name, ty, dims, params, bytes, offset })
    }
}

/// Checks that `tensors` lie one behind the other, each at the next multiple of `alignment`, as llama.cpp demands, and returns where the
/// last one ends in the data section, in bytes, without padding.
fn check_layout(tensors: &[Tensor], alignment: u64) -> Result<u64, Error> {
    let mut expected = 0;
    let mut end = 0;
    for Tensor { name, bytes, offset, .. } in tensors {
        let tensor = printable(name);
        let offset = *offset;
        if !offset.is_multiple_of(alignment) {
            return Err(Error::Unaligned { tensor, offset, alignment });
        }
        if offset < expected {
            return Err(Error::Overlap { tensor, offset, end: expected });
        }
        if offset > expected {
            return Err(Error::Gap { tensor, offset, expected });
        }
        end = offset.checked_add(*bytes).ok_or_else(|| Error::ShapeOverflow { tensor: printable(name) })?;
        expected =
            end.checked_next_multiple_of(alignment).ok_or_else(|| Error::ShapeOverflow { tensor: printable(name) })?;
    }
    Ok(end)
}
