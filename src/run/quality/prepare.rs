//! From loaded models to what a pass needs: texts as tokens, models that may not be compared left out, contexts open.

use super::{
    base::BaseSource,
    job::{Base, CompareJob},
    models::{BosRule, Needs, Open},
    pass::Candidate,
    texts::{Texts, open_logits},
};
use crate::quality::{
    accumulator::Accumulator,
    windows::{MicroBatches, window_order},
};

/// What all models of a comparison have in common.
pub(super) struct Ground {
    pub(super) texts: Texts,
    pub(super) needs: Needs,
    pub(super) micro_batches: MicroBatches,
    /// Every (text, window) that may be scored, in order.
    pub(super) order: Vec<(usize, usize)>,
}

impl Ground {
    fn new(job: &CompareJob, texts: Texts, needs: Needs) -> Result<Self, String> {
        let counts: Vec<usize> = texts.described().iter().map(|text| text.n_windows).collect();
        let order = window_order(&counts, job.until.max_windows);
        if order.is_empty() {
            let n_ctx = texts.shape.n_ctx();
            return Err(format!("every text is shorter than two windows of {n_ctx} tokens (--ctx, --text)"));
        }
        let micro_batches = MicroBatches::new(texts.shape, job.config.n_ubatch as usize);
        Ok(Self { texts, needs, micro_batches, order })
    }

    /// Opens a model's context for these windows.
    fn open(&self, open: &mut Open<'_>) -> Result<(), String> {
        let number = |n: usize| u32::try_from(n).map_err(|error| error.to_string());
        let (n_seq, n_tokens) = (number(self.micro_batches.n_seq)?, number(self.micro_batches.max_tokens())?);
        open.session.open_windows(n_seq, self.needs.n_ctx, n_tokens).map_err(|error| error.to_string())
    }
}

/// Everything that is ready when the first window is scored.
pub(super) struct Prepared<'m> {
    pub(super) ground: Ground,
    pub(super) base: BaseSource<'m>,
    pub(super) candidates: Vec<Candidate<'m>>,
}

/// Prepares the models that were loaded; `failures` says why others were not.
///
/// # Errors
/// When there is nothing to compare with.
pub(super) fn prepare<'m>(
    job: &CompareJob,
    open: &'m mut [Open<'_>],
    failures: &[Option<String>],
) -> Result<Prepared<'m>, String> {
    let mut models: Vec<Open<'m>> = open.iter_mut().map(Open::reborrow).collect();
    let mut base = match &job.base {
        Base::Model(_) => BaseSource::Model(models.remove(0)),
        Base::Logits(path) => {
            let reader = open_logits(path).map_err(|error| format!("{}: {error}", path.display()))?;
            BaseSource::File(reader, Vec::new())
        }
    };
    let (texts, needs) = read_texts(job, &base, &models)?;
    if let Some(reason) = base.model().and_then(|open| needs.unmet(open.loaded)) {
        return Err(format!("the original: {reason}"));
    }
    let ground = Ground::new(job, texts, needs)?;
    if let Some(open) = base.model() {
        ground.open(open).map_err(|error| format!("the original: {error}"))?;
    }
    let candidates = candidates(job, &ground, models, failures);
    Ok(Prepared { ground, base, candidates })
}

/// Makes the candidates ready, one for each of `failures`.
pub(super) fn candidates<'m>(
    job: &CompareJob,
    ground: &Ground,
    mut models: Vec<Open<'m>>,
    failures: &[Option<String>],
) -> Vec<Candidate<'m>> {
    let n_texts = ground.texts.described().len();
    let mut candidates = Vec::new();
    for (number, failure) in failures.iter().enumerate() {
        let at = models.iter().position(|model| model.candidate == Some(number));
        let mut candidate = Candidate {
            model: at.map(|at| models.remove(at)),
            failed: failure.clone(),
            collected: vec![Accumulator::new(ground.texts.shape); n_texts],
        };
        if let Some(reason) = candidate.model.as_mut().and_then(|open| unfit(job, ground, open)) {
            candidate.fail(reason);
        }
        candidates.push(candidate);
    }
    candidates
}

/// The texts by the original's tokenizer, and what a model must have to be scored on them.
fn read_texts(job: &CompareJob, base: &BaseSource<'_>, candidates: &[Open<'_>]) -> Result<(Texts, Needs), String> {
    match base {
        BaseSource::Model(open) => {
            let tokens = job.texts.iter().map(|text| open.session.tokenize_text(text)).collect();
            let texts = Texts::new(tokens, job.n_ctx, open.loaded.bos).map_err(|error| error.to_string())?;
            let n_vocab = open.loaded.n_vocab as usize;
            Ok((texts, Needs { n_vocab, n_ctx: job.n_ctx, bos: BosRule::Original(open.loaded.bos) }))
        }
        BaseSource::File(reader, _) => {
            // The file does not say whether windows began with BOS: the models do.
            let bos = candidates.first().and_then(|open| open.loaded.bos);
            let header = reader.header();
            let n_ctx = u32::try_from(header.shape().n_ctx()).map_err(|error| error.to_string())?;
            Ok((Texts::of_file(reader, bos), Needs { n_vocab: header.n_vocab(), n_ctx, bos: BosRule::Unknown }))
        }
        BaseSource::Cache(_) => unreachable!("a cache is made after the texts are read"),
    }
}

/// Makes a candidate ready, or says why it can't be compared.
fn unfit(job: &CompareJob, ground: &Ground, open: &mut Open<'_>) -> Option<String> {
    if let Some(reason) = ground.needs.unmet(open.loaded) {
        return Some(reason);
    }
    for (text, body) in job.texts.iter().enumerate() {
        let own = open.session.tokenize_text(body);
        let of_original = ground.texts.tokens(text);
        if own != of_original {
            let same = own.iter().zip(of_original).take_while(|(a, b)| a == b).count();
            return Some(format!("its tokens of text {} differ from the original's, from token {same} on", text + 1));
        }
    }
    ground.open(open).err()
}
