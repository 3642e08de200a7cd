//! A name or a path becomes local files, with their hashes and short names. Nothing here opens a model.

pub mod hash;
pub mod names;
pub mod resolve;

pub use hash::sha256;
pub use names::short_names;
pub use resolve::{Kind, ResolveError, Resolved, resolve};
