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

#[cfg(test)]
pub(crate) use error::Error;
pub use facts::Facts;
pub(crate) use facts::{Heads, Imatrix};
#[cfg(test)]
pub(crate) use foreign::Foreign;
#[cfg(test)]
pub(crate) use ftype::Source;
pub use header::Header;
#[cfg(test)]
pub(crate) use kv_cache::KvUnknown;
#[cfg(test)]
pub(crate) use mix::Class;
pub(crate) use model::Model;
pub use types::GgmlType;
#[cfg(test)]
pub(crate) use value::{Value, ValueType};
