//! One tensor's entry in a header, and the check that the entries describe a data section that exists.

use std::collections::BTreeSet;
use std::io::Read;

use super::error::Error;
use super::reader::Reader;
use super::types::GgmlType;
use crate::text::printable;

/// The most tensors a file may have; the largest models in use have some thousands.
const MAX_TENSORS: u64 = 1 << 17;

/// The longest name ggml can hold, in bytes.
const MAX_NAME_BYTES: u64 = 63;

/// The most dimensions ggml has.
const MAX_DIMS: u32 = 4;

/// A tensor as its header entry describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, from the file.
    pub name: String,
    /// Its type.
    pub ty: GgmlType,
    /// Elements in each dimension, the row first.
    pub dims: Vec<u64>,
    /// Elements in all.
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

    /// Reads `count` entries.
    pub(super) fn read_all<R: Read>(reader: &mut Reader<R>, count: u64) -> Result<Vec<Self>, Error> {
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
pub(super) fn check_layout(tensors: &[Tensor], alignment: u64) -> Result<u64, Error> {
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
