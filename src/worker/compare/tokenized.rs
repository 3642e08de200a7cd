//! From loaded models to what a pass needs: texts as tokens, models that may not be compared left out, contexts open.

use super::{
    models::{BosRule, Candidate, Needs, Open},
    reference::{CachedReference, Reference},
    texts::{Texts, open_logits},
};
use crate::{
    protocol::{Base, Compare},
    quality::{
        accumulator::Accumulator,
        cache::Cache,
        reference_file::ReferenceHeader,
        windows::{MicroBatches, WindowShape, window_order},
    },
    record::ComparisonFault,
};

/// What all models of a comparison have in common.
pub(super) struct Tokenized {
    pub(super) texts: Texts,
    pub(super) needs: Needs,
    pub(super) micro_batches: MicroBatches,
    /// Every (text, window) that may be scored, in order.
    pub(super) order: Vec<(usize, usize)>,
    /// Of each text.
    domains: Vec<String>,
}

impl Tokenized {
    fn new(call: &Compare, texts: Texts, needs: Needs) -> Result<Self, Unprepared> {
        let counts: Vec<usize> = texts.described().iter().map(|text| text.n_windows).collect();
        let order = window_order(&counts, call.stop.max_windows);
        if order.is_empty() {
            let longest = texts.described().iter().map(|text| text.n_tokens).max().unwrap_or(0);
            return Err(Unprepared::asked(too_short(longest, texts.shape.n_ctx())));
        }
        let micro_batches = MicroBatches::new(texts.shape, call.settings.n_ubatch as usize);
        Ok(Self { texts, needs, micro_batches, order, domains: call.domains.clone() })
    }

    /// The texts of each domain, in the order in which the domains first come.
    pub(super) fn by_domain(&self) -> Vec<(String, Vec<usize>)> {
        let mut domains: Vec<(String, Vec<usize>)> = Vec::new();
        for (text, domain) in self.domains.iter().enumerate() {
            match domains.iter_mut().find(|(own, _)| own == domain) {
                Some((_, texts)) => texts.push(text),
                None => domains.push((domain.clone(), vec![text])),
            }
        }
        domains
    }

    /// Opens a model's context for these windows.
    fn open(&self, open: &mut Open) -> Result<(), String> {
        let number = |n: usize| u32::try_from(n).map_err(|error| error.to_string());
        let (n_seq, n_tokens) = (number(self.micro_batches.n_seq)?, number(self.micro_batches.max_tokens())?);
        open.open(n_seq, self.needs.n_ctx, n_tokens).map_err(|error| error.to_string())
    }
}

/// Why texts of which the longest has so many tokens give no window, and what would.
fn too_short(longest: usize, n_ctx: usize) -> String {
    /// The least that `--ctx` takes.
    const LEAST_CTX: usize = 8;
    let remedy = if longest >= LEAST_CTX {
        format!("--ctx {longest} would do, or a longer --text")
    } else {
        "give a longer --text".into()
    };
    format!(
        "no text is as long as a window: the longest has {longest} tokens, and a window takes {n_ctx} (--ctx); {remedy}"
    )
}

/// Why nothing can be compared, and at what that lies where it is no candidate's.
pub(super) struct Unprepared {
    pub(super) reason: String,
    pub(super) fault: Option<ComparisonFault>,
}

impl Unprepared {
    /// Of what was asked for.
    fn asked(reason: String) -> Self {
        Self { reason, fault: Some(ComparisonFault::Asked) }
    }

    /// Of the original.
    fn original(reason: &str) -> Self {
        Self { reason: format!("the original: {reason}"), fault: Some(ComparisonFault::Original) }
    }
}

impl From<String> for Unprepared {
    fn from(reason: String) -> Self {
        Self { reason, fault: None }
    }
}

/// Everything that is ready when the first window is scored.
pub(super) struct Prepared<'c> {
    pub(super) tokenized: Tokenized,
    pub(super) reference: Reference<'c>,
    pub(super) candidates: Vec<Candidate>,
}

/// Prepares an original, absent when a file stands for it, and candidates, which were loaded or have a reason why not.
pub(super) fn prepare<'c>(
    call: &Compare,
    original: Option<Open>,
    stored: Option<&'c (ReferenceHeader, Cache)>,
    candidates: Vec<Result<Open, String>>,
) -> Result<Prepared<'c>, Unprepared> {
    if let Some((header, cache)) = stored {
        return of_reference(call, header, cache, candidates);
    }
    let mut reference = match (&call.base, original) {
        (Base::Reference(_), _) => return Err("the reference file was not read".to_owned().into()),
        (Base::Logits(path), _) => {
            let reader =
                open_logits(path).map_err(|error| Unprepared::asked(format!("{}: {error}", path.display())))?;
            Reference::File(reader, Vec::new())
        }
        (Base::Model(_), Some(original)) => Reference::Model(original),
        (Base::Model(_), None) => return Err("the original was not loaded".to_owned().into()),
    };
    let (texts, needs) = read_texts(call, &reference, &candidates)?;
    if let Some(reason) = reference.model().and_then(|open| needs.unmet(open.facts)) {
        return Err(Unprepared::original(&reason));
    }
    let tokenized = Tokenized::new(call, texts, needs)?;
    if let Some(open) = reference.model() {
        tokenized.open(open).map_err(|error| Unprepared::original(&error))?;
    }
    let candidates = candidates.into_iter().map(|candidate| ready(call, &tokenized, candidate)).collect();
    Ok(Prepared { tokenized, reference, candidates })
}

/// Prepares candidates for a file that stands for the original: its windows and no others.
fn of_reference<'c>(
    call: &Compare,
    header: &ReferenceHeader,
    cache: &'c Cache,
    candidates: Vec<Result<Open, String>>,
) -> Result<Prepared<'c>, Unprepared> {
    let texts = Texts::of_reference(header).map_err(|error| error.to_string())?;
    let needs = Needs { n_vocab: header.n_vocab.get(), n_ctx: header.n_ctx, bos: BosRule::Original(header.bos) };
    let tokenized = Tokenized::new(call, texts, needs)?;
    let most = call.stop.max_windows.unwrap_or(usize::MAX).min(header.windows.len());
    if tokenized.order != header.windows[..most] {
        return Err(Unprepared::asked("the reference file's windows are not in the order of its texts".into()));
    }
    let reference = Reference::Cache(CachedReference::new(cache));
    let candidates = candidates.into_iter().map(|candidate| ready(call, &tokenized, candidate)).collect();
    Ok(Prepared { tokenized, reference, candidates })
}

/// A candidate, ready to be compared, or with the reason why it can't be.
pub(super) fn ready(call: &Compare, tokenized: &Tokenized, candidate: Result<Open, String>) -> Candidate {
    let (model, failed) = match candidate {
        Ok(open) => (Some(open), None),
        Err(reason) => (None, Some(reason)),
    };
    let mut candidate =
        Candidate { model, failed, other_tokens: false, collected: Accumulator::new(tokenized.texts.shape) };
    if let Some(reason) = candidate.model.as_ref().and_then(|open| other_tokens(call, tokenized, open)) {
        candidate.other_tokens = true;
        candidate.fail(reason);
    }
    if let Some(reason) = candidate.model.as_mut().and_then(|open| unfit(tokenized, open)) {
        candidate.fail(reason);
    }
    candidate
}

/// The texts by the original's tokenizer, and what a model must have to be scored on them.
fn read_texts(
    call: &Compare,
    reference: &Reference<'_>,
    candidates: &[Result<Open, String>],
) -> Result<(Texts, Needs), String> {
    match reference {
        Reference::Model(open) => {
            let tokens = call.texts.iter().map(|text| open.model.tokenize_text(text)).collect();
            let shape = WindowShape::new(call.n_ctx as usize).map_err(|error| error.to_string())?;
            let shape = call.positions.map_or(shape, |positions| shape.scoring_at_most(positions as usize));
            let texts = Texts::new(tokens, shape, open.facts.bos);
            let n_vocab = open.facts.n_vocab as usize;
            Ok((texts, Needs { n_vocab, n_ctx: call.n_ctx, bos: BosRule::Original(open.facts.bos) }))
        }
        Reference::File(reader, _) => {
            // The file does not say whether windows began with BOS: the models do.
            let bos = candidates.iter().flatten().next().and_then(|open| open.facts.bos);
            let header = reader.header();
            let n_ctx = u32::try_from(header.shape().n_ctx()).map_err(|error| error.to_string())?;
            Ok((Texts::of_file(reader, bos), Needs { n_vocab: header.n_vocab(), n_ctx, bos: BosRule::Unknown }))
        }
        Reference::Cache(_) => unreachable!("a cache is made after the texts are read"),
    }
}

/// Makes a candidate ready, or says why it can't be scored.
fn unfit(tokenized: &Tokenized, open: &mut Open) -> Option<String> {
    tokenized.needs.unmet(open.facts).or_else(|| tokenized.open(open).err())
}

/// Why a candidate's tokens are not the original's, if they are not.
fn other_tokens(call: &Compare, tokenized: &Tokenized, open: &Open) -> Option<String> {
    if let Some(reason) = tokenized.needs.other_tokens(open.facts) {
        return Some(reason);
    }
    for (text, body) in call.texts.iter().enumerate() {
        if let Err(same) = tokenized.texts.agree(text, &open.model.tokenize_text(body)) {
            return Some(format!("its tokens of text {} differ from the original's, from token {same} on", text + 1));
        }
    }
    None
}
