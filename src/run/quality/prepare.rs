//! From loaded models to what a pass needs: texts as tokens, models that may not be compared left out, contexts open.

use super::{
    job::{Base, CompareJob},
    models::{BosRule, Needs, Open},
    pass::{BaseSource, Candidate},
    texts::{Texts, open_logits},
};
use crate::quality::{accumulator::Accumulator, pieces::Pieces};

/// Everything that is ready when the first window is scored.
pub(super) struct Prepared<'m> {
    pub(super) texts: Texts,
    pub(super) n_vocab: usize,
    pub(super) pieces: Pieces,
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
    let pieces = Pieces::new(texts.shape, job.config.n_ubatch as usize);
    let n_seq = u32::try_from(pieces.n_seq).map_err(|error| error.to_string())?;
    if let BaseSource::Model(open) = &mut base {
        if let Some(reason) = needs.unmet(open.loaded) {
            return Err(format!("the original: {reason}"));
        }
        open.session.open_windows(n_seq, needs.n_ctx).map_err(|error| format!("the original: {error}"))?;
    }
    let n_texts = texts.described().len();
    let mut candidates = Vec::new();
    for (number, failure) in failures.iter().enumerate() {
        let at = models.iter().position(|model| model.candidate == Some(number));
        let mut candidate = Candidate {
            model: at.map(|at| models.remove(at)),
            failed: failure.clone(),
            collected: vec![Accumulator::new(texts.shape); n_texts],
        };
        if let Some(reason) = candidate.model.as_mut().and_then(|open| unfit(job, &texts, needs, n_seq, open)) {
            candidate.fail(reason);
        }
        candidates.push(candidate);
    }
    Ok(Prepared { texts, n_vocab: needs.n_vocab, pieces, base, candidates })
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
    }
}

/// Makes a candidate ready, or says why it can't be compared.
fn unfit(job: &CompareJob, texts: &Texts, needs: Needs, n_seq: u32, open: &mut Open<'_>) -> Option<String> {
    if let Some(reason) = needs.unmet(open.loaded) {
        return Some(reason);
    }
    for (text, body) in job.texts.iter().enumerate() {
        let own = open.session.tokenize_text(body);
        let of_original = texts.tokens(text);
        if own != of_original {
            let same = own.iter().zip(of_original).take_while(|(a, b)| a == b).count();
            return Some(format!("its tokens of text {} differ from the original's, from token {same} on", text + 1));
        }
    }
    open.session.open_windows(n_seq, needs.n_ctx).err().map(|error| error.to_string())
}
