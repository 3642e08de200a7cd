//! One model in memory at a time: the original first, of which a cache is kept, then every candidate against the cache.

use std::num::NonZeroUsize;

use super::{
    base::{BaseSource, Kept, Sink},
    job::{Base, CompareJob, Compared, Until},
    models::{Open, with_models},
    prepare::{Ground, Prepared, candidates, prepare},
    serve::{Send, Stop, pass, result, save, windows, writer},
};
use crate::{
    engine::Engine,
    probe::{self, Clock, Monotonic},
    quality::cache::Cache,
    run::protocol::Reply,
};

/// Scores all windows by the original, frees it, and compares one candidate after the other with what was kept.
///
/// # Errors
/// When the original can't be evaluated, or the parent not be talked to.
pub(super) fn one_at_a_time(
    engine: &dyn Engine,
    job: &CompareJob,
    top_k: usize,
    send: &mut Send<'_>,
) -> Result<Compared, Stop> {
    let Base::Model(original) = &job.base else {
        return Err("a file of log-probabilities takes no memory: there is nothing to keep of it".to_owned().into());
    };
    // How much of it the candidates will need is not known yet: all windows are kept.
    let alone = CompareJob { candidates: Vec::new(), ..job.clone() };
    let mut kept = Err(Stop::from("the original was not loaded".to_owned()));
    with_models(engine, &job.config, Some(original), &[], &mut |open, _| {
        kept = keep(&alone, top_k, open, send);
        Ok(())
    })
    .map_err(|error| Stop::no_original(&error))?;
    let (ground, cache, mut compared) = kept?;
    for (number, path) in job.candidates.iter().enumerate() {
        let mut talk = Ok(());
        let loaded = with_models(engine, &job.config, None, std::slice::from_ref(path), &mut |open, failures| {
            let mut own = |reply: &Reply| send(&under_number(reply, number, job.candidates.len()));
            talk = against(job, &ground, &cache, (open, failures), &mut compared, &mut own);
            Ok(())
        });
        loaded.map_err(|error| Stop::from(error.to_string()))?;
        talk?;
    }
    compared.peak_rss_bytes = probe::own_peak();
    Ok(compared)
}

/// The original's windows, and the account of evaluating them.
fn keep(
    job: &CompareJob,
    top_k: usize,
    open: &mut [Open<'_>],
    send: &mut Send<'_>,
) -> Result<(Ground, Cache, Compared), Stop> {
    let Prepared { ground, base, .. } = prepare(job, open, &[])?;
    send(&Reply::Texts(ground.texts.described()))?;
    let n_vocab = NonZeroUsize::new(ground.needs.n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?;
    let positions = ground.order.len() * ground.texts.shape.scored().len();
    let clock = Monotonic::start();
    let mut pass = pass(job, &ground, base, Vec::new(), &clock)?;
    pass.sinks.push(Sink::Cache(Cache::with_capacity(n_vocab, top_k, positions)));
    pass.sinks.extend(writer(job, &ground)?);
    let scored = windows(job.until, &ground, &mut pass, send)?;
    let compared = Compared {
        results: Vec::new(),
        wall_ns: clock.now_ns(),
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: None,
    };
    let sinks = std::mem::take(&mut pass.sinks);
    let cache = save(sinks)?.expect("a cache was among them");
    Ok((ground, cache, compared))
}

/// Compares one candidate, or notes why it was not loaded, and adds it to the account.
fn against(
    job: &CompareJob,
    ground: &Ground,
    cache: &Cache,
    (open, failures): (&mut [Open<'_>], &[Option<String>]),
    compared: &mut Compared,
    send: &mut Send<'_>,
) -> Result<(), Stop> {
    let models = open.iter_mut().map(Open::reborrow).collect();
    let candidates = candidates(job, ground, models, failures);
    let clock = Monotonic::start();
    let mut pass = pass(job, ground, BaseSource::Cache(Kept::new(cache)), candidates, &clock)?;
    let time_ns = job.until.time_ns.map(|time_ns| time_ns.saturating_sub(compared.wall_ns));
    let scored = windows(Until { time_ns, ..job.until }, ground, &mut pass, send)?;
    compared.wall_ns += clock.now_ns();
    compared.evaluate_ns += pass.evaluate_ns;
    compared.n_evaluated += pass.n_evaluated;
    let of = |candidate| result(candidate, &pass.base, &ground.texts, scored.stopped);
    compared.results.extend(pass.candidates.iter().map(of));
    Ok(())
}

/// A reply about the only candidate of a pass, as one about candidate `number` of `all`.
fn under_number(reply: &Reply, number: usize, all: usize) -> Reply {
    match reply {
        Reply::Window { text, means } => {
            let mut padded = vec![None; all];
            padded[number] = means.first().cloned().flatten();
            Reply::Window { text: *text, means: padded }
        }
        other => other.clone(),
    }
}
