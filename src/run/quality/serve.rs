//! The body of a worker that compares outputs: loads the models, scores windows in turn, says what came out.

use std::{
    fs::File,
    io::{self, BufWriter},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use super::{
    base::{BaseSource, Sink, unwritten},
    cached,
    job::{Base, CandidateResult, CompareJob, Compared, Hold, Statistics, Until},
    models::{Open, with_models},
    pass::{Candidate, Pass},
    prepare::{Ground, Prepared, prepare},
    texts::{Texts, Window},
};
use crate::{
    engine::{Engine, Error, Session},
    probe::{self, Clock, Monotonic},
    quality::{
        accumulator::Accumulator,
        cache::Cache,
        logits_file::{LogitsFileError, LogitsHeader, LogitsWriter},
    },
    record::{QualityStop, Stage, Summary, TokenContext},
    run::protocol::Reply,
    stats,
};

/// Text before a worst token that is kept with it.
const CONTEXT_TOKENS: usize = 24;

/// How replies leave the worker.
pub(crate) type Send<'s> = dyn FnMut(&Reply) -> io::Result<()> + 's;

/// Compares as told and replies; whatever fails is a reply.
///
/// # Errors
/// When the parent can't be talked to.
pub(crate) fn serve(engine: &dyn Engine, job: &CompareJob, send: &mut Send<'_>) -> io::Result<()> {
    let compared = match job.hold {
        Hold::Together => together(engine, job, send),
        Hold::OneAtATime { top_k } => cached::one_at_a_time(engine, job, top_k, send),
    };
    match compared {
        Ok(compared) => send(&Reply::Compared(Box::new(compared))),
        Err(Stop::Talk(error)) => Err(error),
        Err(Stop::Failed { stage, reason }) => {
            // Half a file is worth nothing; that it could not be removed is not the news.
            let _ = job.save_logits.as_deref().map(|path| std::fs::remove_file(partial(path)));
            send(&Reply::Failed { stage, reason })
        }
    }
}

/// Why a comparison goes no further.
pub(super) enum Stop {
    Talk(io::Error),
    Failed { stage: Stage, reason: String },
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Talk(error)
    }
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Failed { stage: Stage::Quality, reason }
    }
}

impl Stop {
    /// The original could not be loaded.
    pub(super) fn no_original(error: &Error) -> Self {
        Self::Failed { stage: error.stage(), reason: format!("the original: {error}") }
    }
}

/// All models at once.
fn together(engine: &dyn Engine, job: &CompareJob, send: &mut Send<'_>) -> Result<Compared, Stop> {
    let base = match &job.base {
        Base::Model(path) => Some(path.as_path()),
        Base::Logits(_) => None,
    };
    let mut compared = Err(Stop::from("no model was loaded".to_owned()));
    with_models(engine, &job.config, base, &job.candidates, &mut |open, failures| {
        compared = side_by_side(job, open, failures, send);
        Ok(())
    })
    .map_err(|error| Stop::no_original(&error))?;
    compared
}

fn side_by_side(
    job: &CompareJob,
    open: &mut [Open<'_>],
    failures: &[Option<String>],
    send: &mut Send<'_>,
) -> Result<Compared, Stop> {
    let Prepared { ground, base, candidates } = prepare(job, open, failures)?;
    send(&Reply::Texts(ground.texts.described()))?;
    let clock = Monotonic::start();
    let mut pass = pass(job, &ground, base, candidates, &clock)?;
    pass.sinks.extend(writer(job, &ground)?);
    let scored = windows(job.until, &ground, &mut pass, send)?;
    let wall_ns = clock.now_ns();
    let sinks = std::mem::take(&mut pass.sinks);
    save(sinks)?;
    let stopped = scored.stopped;
    let of = |candidate| result(candidate, &pass.base, &ground.texts, stopped);
    Ok(Compared {
        results: pass.candidates.iter().map(of).collect(),
        wall_ns,
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: probe::own_peak(),
    })
}

/// A pass that is ready to begin.
pub(super) fn pass<'m, 'c>(
    job: &CompareJob,
    ground: &Ground,
    base: BaseSource<'m>,
    candidates: Vec<Candidate<'m>>,
    clock: &'c dyn Clock,
) -> Result<Pass<'m, 'c>, String> {
    Ok(Pass {
        base,
        candidates,
        shape: ground.texts.shape,
        micro_batches: ground.micro_batches.clone(),
        n_vocab: NonZeroUsize::new(ground.needs.n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?,
        threads: NonZeroUsize::new(job.config.n_threads_batch as usize).unwrap_or(NonZeroUsize::MIN),
        statistics: job.statistics,
        pace: job.pace,
        sinks: Vec::new(),
        clock,
        evaluate_ns: 0,
        n_evaluated: 0,
        pending: None,
    })
}

/// How far a pass came.
pub(super) struct Scored {
    pub(super) n_windows: usize,
    pub(super) stopped: QualityStop,
}

/// Scores the windows in order until it is enough.
pub(super) fn windows(
    until: Until,
    ground: &Ground,
    pass: &mut Pass<'_, '_>,
    send: &mut Send<'_>,
) -> Result<Scored, Stop> {
    let (texts, order) = (&ground.texts, &ground.order[..]);
    let mut klds = vec![vec![Vec::new(); texts.described().len()]; pass.candidates.len()];
    let mut told = 0;
    for group in order.chunks(pass.micro_batches.n_seq) {
        if !pass.candidates.is_empty() && pass.candidates.iter().all(|candidate| candidate.model.is_none()) {
            break;
        }
        let group: Vec<Window> = group.iter().filter_map(|&(text, window)| texts.window(text, window)).collect();
        pass.score(&group)?;
        told = tell(pass, order, told, &mut klds, send)?;
        let may_stop = pass.statistics == Statistics::Compare && told >= until.min_windows && told < order.len();
        if let Some(stopped) = may_stop.then(|| enough(pass, &klds, until)).flatten() {
            pass.finish()?;
            told = tell(pass, order, told, &mut klds, send)?;
            return Ok(Scored { n_windows: told, stopped });
        }
    }
    pass.finish()?;
    told = tell(pass, order, told, &mut klds, send)?;
    let limited = order.len() < texts.described().iter().map(|text| text.n_windows).sum();
    let stopped = if limited { QualityStop::MaxWindows } else { QualityStop::TextsDone };
    Ok(Scored { n_windows: told, stopped })
}

/// Tells every window that is complete and was not told before; returns how many were in all.
fn tell(
    pass: &Pass<'_, '_>,
    order: &[(usize, usize)],
    mut told: usize,
    klds: &mut [Vec<Vec<f64>>],
    send: &mut Send<'_>,
) -> io::Result<usize> {
    if pass.statistics == Statistics::Skip || pass.candidates.is_empty() {
        // Nothing to tell but that the worker is alive.
        if let Some(&(text, _)) = order.get(told) {
            send(&Reply::Window { text, means: Vec::new() })?;
        }
        return Ok(order.len().min(told + pass.micro_batches.n_seq));
    }
    while let Some(&(text, window)) = order.get(told) {
        let means: Vec<_> = pass
            .candidates
            .iter()
            .map(|candidate| candidate.model.as_ref().and(candidate.collected[text].window(window)))
            .collect();
        if means.iter().all(Option::is_none) {
            break;
        }
        for (klds, means) in klds.iter_mut().zip(&means) {
            klds[text].extend(means.as_ref().map(|means| means.kld_nats));
        }
        send(&Reply::Window { text, means })?;
        told += 1;
    }
    Ok(told)
}

/// Why the fewest windows are enough, if they are: every candidate's mean KLD is known as well as asked, or the time is spent.
fn enough(pass: &Pass<'_, '_>, klds: &[Vec<Vec<f64>>], until: Until) -> Option<QualityStop> {
    if until.precision <= 0.0 || pass.candidates.is_empty() {
        return None;
    }
    let mut live = pass.candidates.iter().zip(klds).filter(|(candidate, _)| candidate.model.is_some());
    let precise = live.all(|(_, klds)| {
        let scored: Vec<Vec<f64>> = klds.iter().filter(|windows| !windows.is_empty()).cloned().collect();
        stats::macro_mean(&scored, until.confidence).is_ok_and(|estimate| estimate.is_precise(until.precision))
    });
    let spent = || until.time_ns.is_some_and(|time_ns| pass.clock.now_ns() >= time_ns);
    if precise { Some(QualityStop::Precise) } else { spent().then_some(QualityStop::TimeSpent) }
}

/// What became of a candidate whose pass ended for this reason.
pub(super) fn result(
    candidate: &Candidate<'_>,
    base: &BaseSource<'_>,
    texts: &Texts,
    stopped: QualityStop,
) -> CandidateResult {
    let of_text = |(text, collected): (usize, &Accumulator)| {
        let summary = collected.summary().ok()?;
        Some((text, with_context(summary, text, candidate, base, texts)))
    };
    CandidateResult {
        failed: candidate.failed.clone(),
        stopped: candidate.failed.is_none().then_some(stopped),
        summaries: candidate.collected.iter().enumerate().filter_map(of_text).collect(),
    }
}

/// Puts the worst tokens into words.
fn with_context(
    mut summary: Summary,
    text: usize,
    candidate: &Candidate<'_>,
    base: &BaseSource<'_>,
    texts: &Texts,
) -> Summary {
    let session: Option<&dyn Session> = match base {
        BaseSource::Model(open) => Some(&*open.session),
        BaseSource::File(..) | BaseSource::Cache(_) => {
            candidate.model.as_ref().map(|open| &*open.session as &dyn Session)
        }
    };
    let Some(session) = session else { return summary };
    for worst in &mut summary.worst_tokens {
        let before = texts.until(text, worst.window, worst.position);
        let before = &before[before.len().saturating_sub(CONTEXT_TOKENS)..];
        worst.context = Some(TokenContext {
            before: session.detokenize(before),
            correct: session.detokenize(&[worst.token]),
            base: session.detokenize(&[worst.top1_base]),
            candidate: session.detokenize(&[worst.top1_candidate]),
        });
    }
    summary
}

/// Begins the file of the original's log-probabilities, under another name until it is whole.
pub(super) fn writer(job: &CompareJob, ground: &Ground) -> Result<Option<Sink>, String> {
    let Some(path) = &job.save_logits else { return Ok(None) };
    let begin = || -> Result<_, LogitsFileError> {
        let (texts, windows) = (&ground.texts, ground.order.len());
        let header = LogitsHeader::new(texts.shape, ground.needs.n_vocab, windows)?;
        let tokens = &texts.tokens(0)[..windows * texts.shape.n_ctx()];
        LogitsWriter::new(BufWriter::new(File::create(partial(path))?), header, tokens)
    };
    let writer = begin().map_err(|error| unwritten(path, &error))?;
    Ok(Some(Sink::File(writer, path.clone())))
}

/// Ends the files and gives them their names; what was kept in memory is returned.
pub(super) fn save(sinks: Vec<Sink>) -> Result<Option<Cache>, String> {
    let mut kept = None;
    for sink in sinks {
        match sink {
            Sink::File(writer, path) => {
                drop(writer.finish().map_err(|error| unwritten(&path, &error))?);
                std::fs::rename(partial(&path), &path).map_err(|error| unwritten(&path, &error.into()))?;
            }
            Sink::Cache(cache) => kept = Some(cache),
        }
    }
    Ok(kept)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
