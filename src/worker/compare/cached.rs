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
    probe::{Clock, Monotonic},
    protocol::{Base, Compare, CompareEvent, Compared, StopRule},
    quality::cache::Cache,
};

/// Scores all windows by the original, frees it, and compares one candidate after the other with what was kept.
pub(super) fn one_at_a_time(
    engine: &dyn Engine,
    call: &Compare,
    top_k: usize,
    send: &mut Send<'_>,
) -> Result<Compared, Ended> {
    let Base::Model(original) = &call.base else {
        return Err("a file of log-probabilities takes no memory: there is nothing to keep of it".to_owned().into());
    };
    let (tokenized, cache, mut compared) = keep(engine, original, call, top_k, send)?;
    for (number, path) in call.candidates.iter().enumerate() {
        let loaded = Open::load(engine, path, &call.settings).map_err(|error| error.to_string());
        let mut own = |event| send(under_number(event, number, call.candidates.len()));
        against(call, &tokenized, &cache, loaded, &mut compared, &mut own)?;
    }
    Ok(compared)
}

/// The original's windows, and the account of evaluating them.
fn keep(
    engine: &dyn Engine,
    original: &Path,
    call: &Compare,
    top_k: usize,
    send: &mut Send<'_>,
) -> Result<(Tokenized, Cache, Compared), Ended> {
    let original = Open::load(engine, original, &call.settings).map_err(|error| Ended::no_original(&error))?;
    let Prepared { tokenized, reference, candidates } = prepare(call, Some(original), Vec::new())?;
    send(CompareEvent::Texts(tokenized.texts.described()))?;
    let n_vocab = NonZeroUsize::new(tokenized.needs.n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?;
    let positions = tokenized.order.len() * tokenized.texts.shape.scored().len();
    let clock = Monotonic::start();
    let mut pass = pass(call, &tokenized, reference, candidates, &clock)?;
    pass.stores.push(LogitStore::Cache(Cache::with_capacity(n_vocab, top_k, positions)));
    pass.stores.extend(store::file(call, &tokenized)?);
    // How much of it the candidates will need is not known yet: all windows are kept.
    let scored = windows(call.stop, &tokenized, &mut pass, send)?;
    let compared = Compared {
        results: Vec::new(),
        wall_ns: clock.now_ns(),
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: None,
    };
    let cache = store::finish(std::mem::take(&mut pass.stores))?.expect("a cache was among them");
    drop(pass);
    Ok((tokenized, cache, compared))
}

/// Compares one candidate, or notes why it was not loaded, and adds it to the account.
fn against(
    call: &Compare,
    tokenized: &Tokenized,
    cache: &Cache,
    loaded: Result<Open, String>,
    compared: &mut Compared,
    send: &mut Send<'_>,
) -> Result<(), Ended> {
    let candidates = vec![ready(call, tokenized, loaded)];
    let clock = Monotonic::start();
    let mut pass = pass(call, tokenized, Reference::Cache(CachedReference::new(cache)), candidates, &clock)?;
    let time_ns = call.stop.time_ns.map(|time_ns| time_ns.saturating_sub(compared.wall_ns));
    let scored = windows(StopRule { time_ns, ..call.stop }, tokenized, &mut pass, send)?;
    compared.wall_ns += clock.now_ns();
    compared.evaluate_ns += pass.evaluate_ns;
    compared.n_evaluated += pass.n_evaluated;
    let of = |candidate| result(candidate, &pass.reference, &tokenized.texts, scored.stopped);
    compared.results.extend(pass.candidates.iter().map(of));
    Ok(())
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
