//! Which Hub, with which caches on this machine, and who asks it.

use std::path::PathBuf;

pub(crate) const ENDPOINT: &str = "https://huggingface.co";

/// Which Hub, and how to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Its address, `ENDPOINT` unless `HF_ENDPOINT` says otherwise.
    pub endpoint: String,
    /// Its caches on this machine: the first is written to, all are read. Never none.
    pub caches: Vec<PathBuf>,
    /// The folder in which older versions of llama.cpp keep what they fetched.
    pub llama_cache: Option<PathBuf>,
    /// Who asks.
    pub token: Option<Token>,
    /// Whether the network may be used.
    pub network: Network,
}

/// A token, and where it was found. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    value: String,
    source: String,
}

impl Token {
    /// `source` says where it was found, in words: `the token in HF_TOKEN`.
    #[must_use]
    pub fn new(value: &str, source: &str) -> Self {
        Self { value: value.trim().to_owned(), source: source.to_owned() }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Allowed,
    /// It may not: the cache is all there is.
    Forbidden,
}
