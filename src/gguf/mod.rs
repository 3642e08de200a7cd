//! GGUF headers read without loading a model: what a file is, what it holds, and whether it is whole.
//!
//! Files are untrusted. Every count and length is checked against the file before anything is allocated by it, names reach errors only
//! through [`printable`](crate::text::printable), and reading stops at 64 MiB of header. Tensor data is never read. Versions 2 and 3,
//! little-endian; the checks are llama.cpp's (`gguf.cpp`), so a file accepted here is not refused there for its layout.

pub(crate) mod error;
mod facts;
mod foreign;
mod header;
mod imatrix;
mod kind;
mod kv_cache;
mod metadata;
mod mix;
mod model;
mod piece;
mod reader;
mod repack;
mod stated;
mod strange;
mod tokenizer;
mod types;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub(crate) use facts::{Heads, Imatrix, Shape};
pub use header::Header;
pub(crate) use header::Tensor;
pub(crate) use imatrix::ImportanceMatrix;
pub(crate) use kind::{Kind, begins_quant};
pub(crate) use mix::LayerBytes;
pub(crate) use model::Model;
pub(crate) use piece::{BytePiece, SplitName, stem};
pub(crate) use repack::repacked_bytes;
pub(crate) use stated::Contradiction;
pub(crate) use tokenizer::{differing_keys, tokenizer_difference};
pub use types::GgmlType;
pub(crate) use types::{FileType, FileTypeSource};
