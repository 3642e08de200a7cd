//! What can be wrong with a GGUF file, as values. Names taken from the file are already printable.

use std::path::PathBuf;

use super::foreign::Foreign;

/// Why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot read the file")]
    Io(#[from] std::io::Error),
    /// A directory, FIFO, socket or device, which is never opened.
    #[error("not a regular file but {kind}")]
    NotAFile {
        /// What it is, with its article.
        kind: &'static str,
    },
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The magic is missing.
    #[error("not a GGUF file: {looks_like}")]
    NotGguf {
        /// A guess at what it is.
        looks_like: Foreign,
    },
    /// A big-endian GGUF, which llama.cpp cannot load on this machine.
    #[error("a big-endian GGUF file: convert it with gguf_convert_endian.py")]
    BigEndian,
    /// A version other than 2 and 3.
    #[error("GGUF version {found} is not supported, only 2 and 3 are")]
    Version {
        /// The version the file states.
        found: u32,
    },
    /// The file ends before what its header announces.
    #[error("the file is truncated: {actual} bytes of at least {expected}")]
    Truncated {
        /// The fewest bytes a whole file would have.
        expected: u64,
        /// The bytes there are.
        actual: u64,
    },
    /// The header goes on past what any model needs.
    #[error("the header is longer than {limit} bytes")]
    HeaderTooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A count past what any model needs.
    #[error("{count} {what} announced, at most {limit} are plausible")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The count the file states.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A string past what its place allows.
    #[error("a {what} of {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// What the string is.
        what: &'static str,
        /// The length the file states, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A string that is not UTF-8.
    #[error("a {what} is not UTF-8 at byte {at} of the file")]
    NotUtf8 {
        /// What the string is.
        what: &'static str,
        /// Offset of the string in the file, in bytes.
        at: u64,
    },
    /// A metadata key with no characters.
    #[error("metadata key number {index} is empty")]
    EmptyKey {
        /// Position of the key, from 0.
        index: u64,
    },
    /// A metadata key twice.
    #[error("metadata key `{key}` is there twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A metadata type that GGUF does not define.
    #[error("metadata key `{key}` has the unknown type {id}")]
    UnknownValueType {
        /// The key.
        key: String,
        /// The type the file states.
        id: u32,
    },
    /// An array of arrays, which llama.cpp refuses too.
    #[error("metadata key `{key}` is an array of arrays")]
    NestedArray {
        /// The key.
        key: String,
    },
    /// An alignment that is not a power of two, or not a u32.
    #[error("general.alignment is {found}, which is not a power of two held as u32")]
    Alignment {
        /// The value, as text.
        found: String,
    },
    /// A tensor name twice.
    #[error("tensor `{tensor}` is there twice")]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
    },
    /// More dimensions than ggml has.
    #[error("tensor `{tensor}` has {found} dimensions, at most 4 are possible")]
    Dimensions {
        /// The tensor.
        tensor: String,
        /// The number the file states.
        found: u32,
    },
    /// A shape whose product or size no integer holds.
    #[error("tensor `{tensor}` has a shape too large to exist")]
    ShapeOverflow {
        /// The tensor.
        tensor: String,
    },
    /// A type that ggml does not have or has removed.
    #[error("tensor `{tensor}` has the unknown or removed type {id}")]
    UnknownTensorType {
        /// The tensor.
        tensor: String,
        /// The type the file states.
        id: u32,
    },
    /// A row that does not fill whole blocks.
    #[error("tensor `{tensor}` has rows of {row} elements, not a multiple of the {block} of {ty}")]
    PartialBlock {
        /// The tensor.
        tensor: String,
        /// Elements in a row.
        row: u64,
        /// Elements in a block.
        block: u64,
        /// The type.
        ty: super::types::GgmlType,
    },
    /// A tensor that starts off the alignment.
    #[error("tensor `{tensor}` starts at {offset}, not a multiple of {alignment}")]
    Unaligned {
        /// The tensor.
        tensor: String,
        /// Its offset in the data section, in bytes.
        offset: u64,
        /// The alignment, in bytes.
        alignment: u64,
    },
    /// A tensor that starts inside the one before it.
    #[error("tensor `{tensor}` starts at {offset}, inside the data before it, which ends at {end}")]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Its offset in the data section, in bytes.
        offset: u64,
        /// Where the tensor before it ends, padded, in bytes.
        end: u64,
    },
    /// A tensor that leaves a hole before it, which llama.cpp refuses too.
    #[error("tensor `{tensor}` starts at {offset} where {expected} is expected")]
    Gap {
        /// The tensor.
        tensor: String,
        /// Its offset in the data section, in bytes.
        offset: u64,
        /// Where the tensor before it ends, padded, in bytes.
        expected: u64,
    },
    /// A part other than the first of a split model.
    #[error("this is part {part} of a split model: give its first part, {}", first.display())]
    NotFirstPart {
        /// The number of this part, from 1.
        part: u64,
        /// The file to give instead.
        first: PathBuf,
    },
    /// A split model in a file whose name does not end in `-00001-of-0000N.gguf`.
    #[error("the first of {count} parts must be named like NAME-00001-of-{count:05}.gguf to find the others")]
    SplitName {
        /// How many parts the header announces.
        count: u64,
    },
    /// A part that is not there.
    #[error("part {part} of {count} is missing: {}", path.display())]
    MissingPart {
        /// The number of the part, from 1.
        part: u64,
        /// How many there should be.
        count: u64,
        /// Where it should be.
        path: PathBuf,
    },
    /// A part that cannot be read.
    #[error("part {} of the model", path.display())]
    Part {
        /// The part's file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Parts that do not belong together.
    #[error("{} does not belong to this model: {what} is {found}, expected {expected}", path.display())]
    SplitMismatch {
        /// The part's file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the part states.
        found: u64,
        /// What it should state.
        expected: u64,
    },
}
