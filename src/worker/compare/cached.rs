//! One model in memory at a time: the original first, of which a cache is kept, then every candidate against the cache.

use std::{num::NonZeroUsize, path::Path};

use super::{
    models::Open,
    reference::{CachedReference, Reference},
    scoring::{Ended, Send, pass, result, windows},
    store::{self, LogitStore},
    tokenized::{Prepared, Tokenized, prepare, ready},
};
use crate::{
    engine::Engine,
    probe::Clock,
    protocol::{Base, Bound, Compare, CompareEvent, Compared, StopRule},
    quality::{cache::Cache, share::fair_share},
};

/// Scores all windows by the original, frees it, and compares one candidate after the other with what was kept.
pub(super) fn one_at_a_time(
    engine: &dyn Engine,
    call: &Compare,
    top_k: usize,
    clock: &dyn Clock,
    send: &mut Send<'_>,
) -> Result<Compared, Ended> {
    let Base::Model(original) = &call.base else {
        return Err("a file of log-probabilities takes no memory: there is nothing to keep of it".to_owned().into());
    };
    let n = call.candidates.len();
    let (tokenized, cache, kept, mut compared) = keep(engine, original, call, top_k, clock, send)?;
    store::reference(call, &tokenized, &cache, kept.windows)?;
    // The first candidate may stop when its mean KLD is known well enough; those after it are scored on the same windows.
    let mut rule = StopRule { bound: Some(kept), ..call.stop };
    for (number, (path, settings)) in call.candidates.iter().zip(&call.candidate_settings).enumerate() {
        let loaded = Open::load(engine, path, settings).map_err(|error| error.to_string());
        let mut own = |event| send(under_number(event, number, n));
        rule.time_ns = call.stop.time_ns.map(|all| fair_share(clock.now_ns(), all, n - number, rule.precision > 0.0));
        let parts = Parts { call, tokenized: &tokenized, cache: &cache, rule, clock };
        if let Some(bound) = parts.against(loaded, &mut compared, &mut own)? {
            rule = StopRule { bound: Some(bound), precision: 0.0, ..rule };
        }
    }
    Ok(compared)
}

/// The original's windows, and the account of evaluating them.
fn keep(
    engine: &dyn Engine,
    original: &Path,
    call: &Compare,
    top_k: usize,
    clock: &dyn Clock,
    send: &mut Send<'_>,
) -> Result<(Tokenized, Cache, Bound, Compared), Ended> {
    let original = Open::load(engine, original, &call.settings).map_err(|error| Ended::no_original(&error))?;
    let Prepared { tokenized, reference, candidates } = prepare(call, Some(original), None, Vec::new())?;
    send(CompareEvent::Texts(tokenized.texts.described()))?;
    let n_vocab = NonZeroUsize::new(tokenized.needs.n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?;
    let positions = tokenized.order.len() * tokenized.texts.shape.scored().len();
    let first_ns = clock.now_ns();
    let mut pass = pass(call, &tokenized, reference, candidates, clock)?;
    pass.stores.push(LogitStore::Cache(Cache::with_capacity(n_vocab, top_k, positions)));
    pass.stores.extend(store::file(call, &tokenized)?);
    // How much of it the candidates will need is not known yet: all windows are kept for which there is time.
    let time_ns = call.stop.time_ns.map(|all| fair_share(0, all, call.candidates.len() + 1, true));
    let scored = windows(StopRule { time_ns, ..call.stop }, &tokenized, &mut pass, send)?;
    let compared = Compared {
        results: Vec::new(),
        wall_ns: clock.now_ns() - first_ns,
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: None,
    };
    let cache = store::finish(std::mem::take(&mut pass.stores))?.expect("a cache was among them");
    drop(pass);
    Ok((tokenized, cache, Bound { windows: scored.n_windows, stopped: scored.stopped }, compared))
}

/// What all candidates are compared by.
struct Parts<'p> {
    call: &'p Compare,
    tokenized: &'p Tokenized,
    cache: &'p Cache,
    rule: StopRule,
    clock: &'p dyn Clock,
}

impl Parts<'_> {
    /// Compares one candidate, or notes why it was not loaded, and adds it to the account; returns what it was scored on, if it
    /// did not fail.
    fn against(
        &self,
        loaded: Result<Open, String>,
        compared: &mut Compared,
        send: &mut Send<'_>,
    ) -> Result<Option<Bound>, Ended> {
        let &Self { call, tokenized, cache, rule, clock } = self;
        let candidates = vec![ready(call, tokenized, loaded)];
        let first_ns = clock.now_ns();
        let mut pass = pass(call, tokenized, Reference::Cache(CachedReference::new(cache)), candidates, clock)?;
        let scored = windows(rule, tokenized, &mut pass, send)?;
        compared.wall_ns += clock.now_ns() - first_ns;
        compared.evaluate_ns += pass.evaluate_ns;
        compared.n_evaluated += pass.n_evaluated;
        let of = |candidate| result(candidate, &pass.reference, tokenized, scored.stopped);
        compared.results.extend(pass.candidates.iter().map(of));
        let failed = pass.candidates.iter().any(|candidate| candidate.failed.is_some());
        Ok((!failed).then_some(Bound { windows: scored.n_windows, stopped: scored.stopped }))
    }
}

/// What is said of the only candidate of a pass, as of candidate `number` of `all`.
fn under_number(event: CompareEvent, number: usize, all: usize) -> CompareEvent {
    match event {
        CompareEvent::Window { text, means } => {
            let mut padded = vec![None; all];
            padded[number] = means.into_iter().next().flatten();
            CompareEvent::Window { text, means: padded }
        }
        texts @ CompareEvent::Texts(_) => texts,
    }
}
