//! Where the original's rows come from, and where they go besides being compared.

use std::{
    borrow::Cow,
    error::Error,
    fs::File,
    io::BufWriter,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use super::{models::Open, rows::BadRow, rows::Rows, texts::Reader};
use crate::{
    engine::WindowToken,
    quality::{
        batch::BatchError,
        cache::Cache,
        logits_file::{LogitsFileError, LogitsWriter},
    },
};

/// The original's rows of one micro-batch.
#[derive(Debug)]
pub(super) enum BaseRows<'a> {
    /// Its logits, `[positions, vocabulary]`.
    Logits(Cow<'a, [f32]>),
    /// Log-probabilities from a file, as long.
    Stored(Cow<'a, [f32]>),
    /// Positions of a cache, from this one on.
    Cached(&'a Cache, usize),
}

impl BaseRows<'_> {
    /// The same rows, not copied.
    pub(super) fn reborrow(&self) -> BaseRows<'_> {
        match self {
            Self::Logits(rows) => BaseRows::Logits(Cow::Borrowed(rows)),
            Self::Stored(rows) => BaseRows::Stored(Cow::Borrowed(rows)),
            Self::Cached(cache, first) => BaseRows::Cached(cache, *first),
        }
    }
}

/// Where the original's rows come from.
pub(super) enum BaseSource<'m> {
    /// The model itself.
    Model(Open<'m>),
    /// The file and its decoded rows of the micro-batch under way.
    File(Reader, Vec<f32>),
    /// What was kept of the model.
    Cache(Kept<'m>),
}

/// A cache, and the micro-batch of it under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'m> {
    cache: &'m Cache,
    first: usize,
    rows: usize,
}

impl<'m> Kept<'m> {
    /// From its first position on.
    pub(super) fn new(cache: &'m Cache) -> Self {
        Self { cache, first: 0, rows: 0 }
    }
}

impl<'m> BaseSource<'m> {
    /// Brings the next micro-batch, with so many scored positions.
    ///
    /// # Errors
    /// What the original or its file says.
    pub(super) fn evaluate(&mut self, tokens: &[WindowToken], rows: usize) -> Result<(), String> {
        match self {
            Self::Model(open) => {
                open.session.evaluate_windows(tokens).map_err(|error| format!("the original: {error}"))
            }
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
    pub(super) fn rows(&self) -> BaseRows<'_> {
        match self {
            Self::Model(open) => BaseRows::Logits(Cow::Borrowed(open.session.window_logits())),
            Self::File(_, decoded) => BaseRows::Stored(Cow::Borrowed(decoded)),
            Self::Cache(kept) => BaseRows::Cached(kept.cache, kept.first),
        }
    }

    /// The same, to be kept while the next micro-batch is evaluated.
    pub(super) fn copied(&self) -> BaseRows<'m> {
        match self {
            Self::Model(open) => BaseRows::Logits(Cow::Owned(open.session.window_logits().to_vec())),
            Self::File(_, decoded) => BaseRows::Stored(Cow::Owned(decoded.clone())),
            Self::Cache(kept) => BaseRows::Cached(kept.cache, kept.first),
        }
    }

    /// The model, when there is one.
    pub(super) fn model(&mut self) -> Option<&mut Open<'m>> {
        match self {
            Self::Model(open) => Some(open),
            Self::File(..) | Self::Cache(_) => None,
        }
    }
}

/// Where the original's rows go besides being compared.
pub(super) enum Sink {
    /// A file in llama-perplexity's format, and the name it gets when it is whole.
    File(LogitsWriter<BufWriter<File>>, PathBuf),
    /// The cache that candidates will be compared with.
    Cache(Cache),
}

impl Sink {
    /// Takes a micro-batch's rows; `place` puts a bad one into words.
    ///
    /// # Errors
    /// A row of the original that is no distribution, or a file that can't be written.
    pub(super) fn take(
        &mut self,
        rows: &Rows<'_>,
        threads: NonZeroUsize,
        place: impl Fn(&BadRow) -> String,
    ) -> Result<(), String> {
        let (BaseRows::Logits(logits) | BaseRows::Stored(logits)) = &rows.base else { return Ok(()) };
        match self {
            Self::File(writer, path) => {
                let mut rows = logits.chunks_exact(rows.n_vocab.get());
                let written = rows.try_for_each(|row| writer.write_row(row));
                written.map_err(|error| unwritten(path, &error))
            }
            Self::Cache(cache) => cache.add(logits, rows.targets, threads).map_err(|error| match error {
                BatchError::Base { row, reason } | BatchError::Candidate { row, reason, .. } => {
                    place(&BadRow { row, reason: format!("the original's {reason}") })
                }
                BatchError::Shape { .. } => error.to_string(),
            }),
        }
    }
}

/// Which file could not be written, and why.
pub(super) fn unwritten(path: &Path, error: &LogitsFileError) -> String {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    format!("write {}: {why}", path.display())
}
