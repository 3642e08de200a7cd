//! The models of a comparison, the contexts on them, and whether they may be compared.

use std::path::Path;

use crate::{
    engine::{BatchToken, Engine, Error, Loaded, Model, Session},
    quality::accumulator::Accumulator,
    record::Settings,
};

/// A loaded model and, once opened, its context.
pub(super) struct Open {
    session: Option<Box<dyn Session>>,
    pub(super) model: Box<dyn Model>,
    pub(super) facts: Loaded,
}

impl Open {
    pub(super) fn load(engine: &dyn Engine, path: &Path, settings: &Settings) -> Result<Self, Error> {
        let model = engine.load(path, settings)?;
        let facts = model.facts();
        Ok(Self { session: None, model, facts })
    }

    /// Makes the context for `n_seq` windows of `n_ctx` tokens, of which at most `n_tokens` are evaluated at a time.
    pub(super) fn open(&mut self, n_seq: u32, n_ctx: u32, n_tokens: u32) -> Result<(), Error> {
        self.session = Some(self.model.open_sequences(n_seq, n_ctx, n_tokens)?);
        Ok(())
    }

    fn session(&mut self) -> &mut dyn Session {
        &mut **self.session.as_mut().expect("opened before the first window")
    }

    pub(super) fn clear(&mut self) {
        self.session().clear();
    }

    pub(super) fn evaluate(&mut self, tokens: &[BatchToken]) -> Result<(), Error> {
        self.session().evaluate(tokens)
    }

    /// Of the tokens last evaluated that were wanted, once they are there.
    pub(super) fn logits(&self) -> &[f32] {
        self.session.as_ref().map_or(&[], |session| session.batch_logits())
    }
}

/// A candidate and what was collected of it.
pub(super) struct Candidate {
    /// Absent when it could not be loaded or compared.
    pub(super) model: Option<Open>,
    pub(super) failed: Option<String>,
    /// Whether it failed for reading other tokens than the original.
    pub(super) other_tokens: bool,
    pub(super) collected: Accumulator,
}

impl Candidate {
    pub(super) fn fail(&mut self, reason: String) {
        self.failed.get_or_insert(reason);
        self.model = None;
    }

    pub(super) fn logits(&self) -> Option<&[f32]> {
        self.model.as_ref().map(Open::logits)
    }
}

/// What windows need of a model; the original's or a file's, to be found in every candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) n_vocab: usize,
    pub(super) n_ctx: u32,
    pub(super) bos: BosRule,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum BosRule {
    /// As the original's: with this token, or as they are.
    Original(Option<i32>),
    /// A file does not say.
    Unknown,
}

impl Needs {
    /// Why a model can't be scored on windows of this length, in words.
    pub(super) fn unmet(&self, model: Loaded) -> Option<String> {
        if self.n_ctx > model.n_ctx_train {
            let (own, asked) = (model.n_ctx_train, self.n_ctx);
            return Some(format!("it was trained for contexts of {own} tokens, windows of {asked} are longer (--ctx)"));
        }
        None
    }

    /// Why its tokens can't be the original's, in words.
    pub(super) fn other_tokens(&self, model: Loaded) -> Option<String> {
        if model.n_vocab as usize != self.n_vocab {
            return Some(format!("its vocabulary size is {}, the original's is {}", model.n_vocab, self.n_vocab));
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
