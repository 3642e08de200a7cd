//! GGUF headers read without loading a model: what a file is, what it holds, and whether it is whole.
//!
//! Files are untrusted. Every count and length is checked against the file before anything is allocated by it, names reach errors only
//! through [`printable`](crate::text::printable), and reading stops at 64 MiB of header. Tensor data is never read. Versions 2 and 3,
//! little-endian; the checks are llama.cpp's (`gguf.cpp`), so a file accepted here is not refused there for its layout.

mod error;
mod facts;
mod foreign;
mod ftype;
mod header;
mod kv_cache;
mod metadata;
mod mix;
mod model;
mod reader;
mod tensor;
mod tokenizer;
mod types;
mod value;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use facts::{ChatTemplate, Facts, Heads, Imatrix, KQuantFit, Shape};
pub use foreign::Foreign;
pub use ftype::{FileType, Source};
pub use header::Header;
pub use kv_cache::KvUnknown;
pub use metadata::Metadata;
pub use mix::{Class, MixRow, Totals};
pub use model::{Model, Part};
pub use tensor::Tensor;
pub use tokenizer::Tokenizer;
pub use types::GgmlType;
pub use value::{Digest, Text, Value, ValueType};
