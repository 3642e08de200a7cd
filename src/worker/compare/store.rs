//! What is kept of the original's rows besides comparing them: a file for llama-perplexity, or a cache for candidates to come.

use std::{
    error::Error,
    fs::File,
    io::BufWriter,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use super::{
    rows::{BadRow, ReferenceRows, Rows},
    tokenized::Tokenized,
};
use crate::{
    protocol::{Compare, SaveReference},
    quality::{
        batch::BatchError,
        cache::Cache,
        logits_file::{LogitsFileError, LogitsHeader, LogitsWriter},
        reference_file::{self, ReferenceFileError, ReferenceHeader},
    },
};

/// Where the original's rows go besides being compared.
pub(super) enum LogitStore {
    /// A file in llama-perplexity's format, and the name it gets when it is whole.
    File(LogitsWriter<BufWriter<File>>, PathBuf),
    /// The cache that candidates will be compared with.
    Cache(Cache),
}

impl LogitStore {
    /// Takes a micro-batch's rows; `place` puts a bad one into words.
    pub(super) fn take(
        &mut self,
        rows: &Rows<'_>,
        threads: NonZeroUsize,
        place: impl Fn(&BadRow) -> String,
    ) -> Result<(), String> {
        let (ReferenceRows::Logits(logits) | ReferenceRows::Stored(logits)) = &rows.base else { return Ok(()) };
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
fn unwritten(path: &Path, error: &LogitsFileError) -> String {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    format!("write {}: {why}", path.display())
}

/// Begins the file of the original's log-probabilities, under another name until it is whole.
pub(super) fn file(call: &Compare, tokenized: &Tokenized) -> Result<Option<LogitStore>, String> {
    let Some(path) = &call.save_logits else { return Ok(None) };
    let begin = || -> Result<_, LogitsFileError> {
        let (texts, windows) = (&tokenized.texts, tokenized.order.len());
        let header = LogitsHeader::new(texts.shape, tokenized.needs.n_vocab, windows)?;
        let tokens = &texts.tokens(0)[..windows * texts.shape.n_ctx()];
        LogitsWriter::new(BufWriter::new(File::create(partial(path))?), header, tokens)
    };
    let writer = begin().map_err(|error| unwritten(path, &error))?;
    Ok(Some(LogitStore::File(writer, path.clone())))
}

/// Writes the file that stands for the original, of so many windows.
pub(super) fn reference(call: &Compare, tokenized: &Tokenized, cache: &Cache, n_windows: usize) -> Result<(), String> {
    let Some(SaveReference { path, program, model, model_sha256, texts }) = call.save_reference.clone() else {
        return Ok(());
    };
    let n_vocab = NonZeroUsize::new(tokenized.needs.n_vocab).ok_or("the vocabulary is empty")?;
    let windows = tokenized.order[..n_windows].to_vec();
    let tokens = |text: usize| {
        let windows = windows.iter().filter(|(own, _)| *own == text).count();
        tokenized.texts.tokens(text)[..windows * tokenized.texts.shape.n_ctx()].to_vec()
    };
    let header = ReferenceHeader {
        program,
        model,
        model_sha256,
        n_vocab,
        bos: tokenized.texts.bos(),
        n_ctx: call.n_ctx,
        top_k: cache.top_k(),
        tokens: (0..texts.len()).map(tokens).collect(),
        texts,
        windows,
    };
    reference_file::write(&path, &header, cache).map(drop).map_err(|error| match error {
        ReferenceFileError::Write(unwritten) => unwritten.to_string(),
        error => format!("{}: {error}", path.display()),
    })
}

/// Ends the files and gives them their names; what was kept in memory is returned.
pub(super) fn finish(stores: Vec<LogitStore>) -> Result<Option<Cache>, String> {
    let mut kept = None;
    for store in stores {
        match store {
            LogitStore::File(writer, path) => {
                drop(writer.finish().map_err(|error| unwritten(&path, &error))?);
                std::fs::rename(partial(&path), &path).map_err(|error| unwritten(&path, &error.into()))?;
            }
            LogitStore::Cache(cache) => kept = Some(cache),
        }
    }
    Ok(kept)
}

pub(super) fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
