//! What can be wrong with a GGUF file, as values. Names taken from the file are already printable.

use std::path::PathBuf;

use super::foreign::Foreign;

/// Why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the file")]
    Io(#[from] std::io::Error),
    /// A directory, FIFO, socket or device, which is never opened.
    #[error("not a regular file but {kind}")]
    NotAFile {
        /// What it is, with its article.
        kind: &'static str,
    },
    #[error("the file is empty")]
    Empty,
    #[error("not a GGUF file: {looks_like}")]
    NotGguf { looks_like: Foreign },
    /// A big-endian GGUF, which llama.cpp cannot load on this machine.
    #[error("a big-endian GGUF file: convert it with gguf_convert_endian.py")]
    BigEndian,
    /// A version other than 2 and 3.
    #[error("GGUF version {found} is not supported, only 2 and 3 are")]
    Version { found: u32 },
    /// The file ends before what its header announces.
    #[error("the file is truncated: {actual} bytes of at least {expected}")]
    Truncated { expected: u64, actual: u64 },
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
        count: u64,
        limit: u64,
    },
    /// A string past what its place allows.
    #[error("a {what} of {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        what: &'static str,
        /// The length the file states, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    #[error("a {what} is not UTF-8 at byte {at} of the file")]
    NotUtf8 {
        what: &'static str,
        /// Offset of the string in the file, in bytes.
        at: u64,
    },
    #[error("metadata key number {index} is empty")]
    EmptyKey {
        /// Position of the key, from 0.
        index: u64,
    },
    #[error("metadata key `{key}` is there twice")]
    DuplicateKey { key: String },
    /// A metadata type that GGUF does not define.
    #[error("metadata key `{key}` has the unknown type {id}")]
    UnknownValueType { key: String, id: u32 },
    /// An array of arrays, which llama.cpp refuses too.
    #[error("metadata key `{key}` is an array of arrays")]
    NestedArray { key: String },
    /// An alignment that is not a power of two, or not a u32.
    #[error("general.alignment is {found}, which is not a power of two held as u32")]
    Alignment { found: String },
    #[error("tensor `{tensor}` is there twice")]
    DuplicateTensor { tensor: String },
    #[error("tensor `{tensor}` has {found} dimensions, at most 4 are possible")]
    Dimensions { tensor: String, found: u32 },
    /// A shape whose product or size no integer holds.
    #[error("tensor `{tensor}` has a shape too large to exist")]
    ShapeOverflow { tensor: String },
    /// A type that ggml does not have or has removed.
    #[error("tensor `{tensor}` has {}", super::strange::describe(*id))]
    UnknownTensorType { tensor: String, id: u32 },
    /// A row that does not fill whole blocks.
    #[error("tensor `{tensor}` has rows of {row} elements, not a multiple of the {block} of {ty}")]
    PartialBlock { tensor: String, row: u64, block: u64, ty: super::types::GgmlType },
    /// A tensor that starts off the alignment.
    #[error("tensor `{tensor}` starts at {offset}, not a multiple of {alignment}")]
    Unaligned {
        tensor: String,
        /// Its offset in the data section, in bytes.
        offset: u64,
        /// The alignment, in bytes.
        alignment: u64,
    },
    /// A tensor that starts inside the one before it.
    #[error("tensor `{tensor}` starts at {offset}, inside the data before it, which ends at {end}")]
    Overlap {
        tensor: String,
        /// Its offset in the data section, in bytes.
        offset: u64,
        /// Where the tensor before it ends, padded, in bytes.
        end: u64,
    },
    /// A tensor that leaves a hole before it, which llama.cpp refuses too.
    #[error("tensor `{tensor}` starts at {offset} where {expected} is expected")]
    Gap {
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
        first: PathBuf,
    },
    /// Parts of a split model, put one behind the other.
    #[error(
        "{count} parts of a split model, joined byte by byte: such parts are not joined with cat; merge the originals with \
         `llama-gguf-split --merge`"
    )]
    JoinedParts { count: u64 },
    /// A split model in a file whose name does not end in `-00001-of-0000N.gguf`.
    #[error("the first of {count} parts must be named like NAME-00001-of-{count:05}.gguf to find the others")]
    SplitName { count: u64 },
    #[error("part {part} of {count} is missing: {}", path.display())]
    MissingPart {
        /// The number of the part, from 1.
        part: u64,
        count: u64,
        path: PathBuf,
    },
    #[error("part {} of the model", path.display())]
    Part { path: PathBuf, source: Box<Error> },
    #[error("{} does not belong to this model: {what} is {found}, expected {expected}", path.display())]
    SplitMismatch { path: PathBuf, what: &'static str, found: u64, expected: u64 },
}
