//! A name or a path becomes local files, with their hashes and short names. Nothing here opens a model.

pub(crate) mod access;
pub(crate) mod address;
pub(crate) mod disk;
pub(crate) mod hash;
pub(crate) mod hub;
pub(crate) mod inventory;
pub(crate) mod names;
pub(crate) mod near;
pub(crate) mod ollama;
pub(crate) mod resolve;
pub(crate) mod stores;

pub(crate) use hash::sha256;
pub(crate) use names::short_names;
pub(crate) use resolve::resolve;
pub(crate) use stores::Stores;
