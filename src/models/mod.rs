//! A name or a path becomes local files, with their hashes and short names. Nothing here opens a model.

pub mod hash;
pub mod hub;
pub mod names;
pub mod ollama;
pub mod resolve;
pub mod stores;

pub use hash::sha256;
pub use names::short_names;
pub use resolve::{Kind, ResolveError, Resolved, resolve};
pub use stores::{StoreError, Stored, Stores};
