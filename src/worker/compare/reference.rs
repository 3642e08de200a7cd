//! Where the original's rows come from: the model itself, a file of log-probabilities, or a cache kept of the model.

use std::borrow::Cow;

use super::{models::Open, rows::ReferenceRows, texts::Reader};
use crate::{engine::BatchToken, quality::cache::Cache};

/// Where the original's rows come from.
pub(super) enum Reference<'c> {
    Model(Open),
    /// The file and its decoded rows of the micro-batch under way.
    File(Reader, Vec<f32>),
    /// What was kept of the model.
    Cache(CachedReference<'c>),
}

/// A cache, and the micro-batch of it under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedReference<'c> {
    cache: &'c Cache,
    first: usize,
    rows: usize,
}

impl<'c> CachedReference<'c> {
    /// From its first position on.
    pub(super) fn new(cache: &'c Cache) -> Self {
        Self { cache, first: 0, rows: 0 }
    }
}

impl<'c> Reference<'c> {
    /// Brings the next micro-batch, with so many scored positions.
    pub(super) fn evaluate(&mut self, tokens: &[BatchToken], rows: usize) -> Result<(), String> {
        match self {
            Self::Model(open) => open.evaluate(tokens).map_err(|error| format!("the original: {error}")),
            Self::File(reader, decoded) => {
                decoded.clear();
                let mut row = Vec::new();
                for _ in 0..rows {
                    let there = reader.read_row(&mut row).map_err(|error| error.to_string())?;
                    if !there {
                        return Err("the file of log-probabilities ended early".into());
                    }
                    decoded.extend(&row);
                }
                Ok(())
            }
            Self::Cache(kept) => {
                (kept.first, kept.rows) = (kept.first + kept.rows, rows);
                Ok(())
            }
        }
    }

    /// The rows of the micro-batch, where they lie.
    pub(super) fn rows(&self) -> ReferenceRows<'_> {
        match self {
            Self::Model(open) => ReferenceRows::Logits(Cow::Borrowed(open.logits())),
            Self::File(_, decoded) => ReferenceRows::Stored(Cow::Borrowed(decoded)),
            Self::Cache(kept) => ReferenceRows::Cached(kept.cache, kept.first),
        }
    }

    /// The same, to be kept while the next micro-batch is evaluated.
    pub(super) fn copied(&self) -> ReferenceRows<'c> {
        match self {
            Self::Model(open) => ReferenceRows::Logits(Cow::Owned(open.logits().to_vec())),
            Self::File(_, decoded) => ReferenceRows::Stored(Cow::Owned(decoded.clone())),
            Self::Cache(kept) => ReferenceRows::Cached(kept.cache, kept.first),
        }
    }

    /// The model, when there is one.
    pub(super) fn model(&mut self) -> Option<&mut Open> {
        match self {
            Self::Model(open) => Some(open),
            Self::File(..) | Self::Cache(_) => None,
        }
    }
}
