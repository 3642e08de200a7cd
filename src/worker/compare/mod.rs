//! Comparing outputs: loads the models, scores windows in turn, says what came out.

mod cached;
mod models;
mod pass;
mod reference;
mod rows;
mod scoring;
mod store;
mod texts;
mod tokenized;

use std::io;

use super::held::Host;
use crate::{
    engine::Engine,
    probe::{Clock, Monotonic},
    protocol::{Base, Compare, CompareEvent, Compared, Failure, Hold},
    quality::reference_file,
};
use models::Open;
use scoring::{Ended, Send, pass, result, windows};
use tokenized::{Prepared, prepare};

/// Compares as called for; what is known before the end is sent.
pub(super) fn compare(
    engine: &dyn Engine,
    host: Host,
    call: &Compare,
    send: &mut Send<'_>,
) -> io::Result<Result<Compared, Failure>> {
    // Loading counts: the time of a call is all of it.
    let clock = Monotonic::start();
    let compared = match call.hold {
        Hold::Together => all_at_once(engine, call, &clock, send),
        Hold::OneAtATime { top_k } => cached::one_at_a_time(engine, call, top_k, &clock, send),
    };
    match compared {
        Ok(compared) => Ok(Ok(Compared { peak_rss_bytes: (host.peak_rss_bytes)(), ..compared })),
        Err(Ended::Talk(error)) => Err(error),
        Err(Ended::Failed(failure)) => {
            // Half a file is worth nothing; that it could not be removed is not the news.
            let _ = call.save_logits.as_deref().map(|path| std::fs::remove_file(store::partial(path)));
            Ok(Err(failure))
        }
    }
}

fn all_at_once(engine: &dyn Engine, call: &Compare, clock: &dyn Clock, send: &mut Send<'_>) -> Result<Compared, Ended> {
    let load = |path| Open::load(engine, path, &call.settings);
    let original = match &call.base {
        Base::Model(path) => Some(load(path).map_err(|error| Ended::no_original(&error))?),
        Base::Logits(_) | Base::Reference(_) => None,
    };
    let known = match &call.base {
        Base::Reference(path) => {
            Some(reference_file::read(path).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        Base::Model(_) | Base::Logits(_) => None,
    };
    let candidates = call.candidates.iter().map(|path| load(path).map_err(|error| error.to_string())).collect();
    let Prepared { tokenized, reference, candidates } = prepare(call, original, known.as_ref(), candidates)?;
    send(CompareEvent::Texts(tokenized.texts.described()))?;
    let first_ns = clock.now_ns();
    let mut pass = pass(call, &tokenized, reference, candidates, clock)?;
    pass.stores.extend(store::file(call, &tokenized)?);
    let scored = windows(call.stop, &tokenized, &mut pass, send)?;
    let wall_ns = clock.now_ns() - first_ns;
    store::finish(std::mem::take(&mut pass.stores))?;
    let of = |candidate| result(candidate, &pass.reference, &tokenized, scored.stopped);
    Ok(Compared {
        results: pass.candidates.iter().map(of).collect(),
        wall_ns,
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: None,
    })
}
