//! An original and its candidates in one process, and whether they may be compared.

use std::path::{Path, PathBuf};

use crate::{
    engine::{Engine, Error, Loaded, Session},
    record::Settings,
};

/// A loaded model. Candidates have their number in the job.
pub(super) struct Open<'s> {
    pub(super) session: &'s mut (dyn Session + 's),
    pub(super) loaded: Loaded,
    pub(super) candidate: Option<usize>,
}

impl Open<'_> {
    pub(super) fn reborrow(&mut self) -> Open<'_> {
        Open { session: &mut *self.session, loaded: self.loaded, candidate: self.candidate }
    }
}

/// What is done with the loaded models, given why others are missing.
pub(super) type Body<'b> = dyn FnMut(&mut [Open<'_>], &mut [Option<String>]) -> Result<(), Error> + 'b;

/// Loads the original, when there is one, and all candidates that can be loaded, and hands them to `body`. The others' numbers
/// have a reason in the list `body` gets.
///
/// # Errors
/// When the original can't be loaded, or what `body` returned.
pub(super) fn with_models(
    engine: &dyn Engine,
    config: &Settings,
    base: Option<&Path>,
    candidates: &[PathBuf],
    body: &mut Body<'_>,
) -> Result<(), Error> {
    let numbered: Vec<(usize, &Path)> = candidates.iter().map(PathBuf::as_path).enumerate().collect();
    let mut failures = vec![None; candidates.len()];
    match base {
        None => nest(engine, config, &numbered, &mut [], &mut failures, body),
        Some(path) => engine.with_session(path, config, &mut |session, loaded| {
            let mut open = [Open { session, loaded, candidate: None }];
            nest(engine, config, &numbered, &mut open, &mut failures, body)
        }),
    }
}

/// A session lives as long as the call that loads it, so several are nested.
fn nest(
    engine: &dyn Engine,
    config: &Settings,
    rest: &[(usize, &Path)],
    open: &mut [Open<'_>],
    failures: &mut [Option<String>],
    body: &mut Body<'_>,
) -> Result<(), Error> {
    let Some((&(number, path), rest)) = rest.split_first() else { return body(open, failures) };
    let mut loaded_it = false;
    let result = engine.with_session(path, config, &mut |session, loaded| {
        loaded_it = true;
        let mut deeper: Vec<Open<'_>> = open.iter_mut().map(Open::reborrow).collect();
        deeper.push(Open { session, loaded, candidate: Some(number) });
        nest(engine, config, rest, &mut deeper, failures, body)
    });
    match result {
        Err(error) if !loaded_it => {
            failures[number] = Some(error.to_string());
            nest(engine, config, rest, open, failures, body)
        }
        result => result,
    }
}

/// What windows need of a model; the original's or a file's, to be found in every candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) n_vocab: usize,
    pub(super) n_ctx: u32,
    pub(super) bos: BosRule,
}

/// How texts begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum BosRule {
    /// As the original's: with this token, or as they are.
    Original(Option<i32>),
    /// A file does not say.
    Unknown,
}

impl Needs {
    /// Why a model can't be scored on these windows, in words.
    pub(super) fn unmet(&self, model: Loaded) -> Option<String> {
        if model.n_vocab as usize != self.n_vocab {
            return Some(format!("its vocabulary size is {}, the original's is {}", model.n_vocab, self.n_vocab));
        }
        if self.n_ctx > model.n_ctx_train {
            let (own, asked) = (model.n_ctx_train, self.n_ctx);
            return Some(format!("it was trained for contexts of {own} tokens, windows of {asked} are longer (--ctx)"));
        }
        let rule = |bos: Option<i32>| bos.map_or("without BOS".into(), |bos| format!("with BOS {bos}"));
        match self.bos {
            BosRule::Original(bos) if bos != model.bos => {
                Some(format!("its texts begin {}, the original's {}", rule(model.bos), rule(bos)))
            }
            _ => None,
        }
    }
}
