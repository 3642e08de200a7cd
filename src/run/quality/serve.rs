//! The body of a worker that compares outputs: loads the models, scores windows in turn, says what came out.

use std::{
    fs::File,
    io::{self, BufWriter},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use super::{
    job::{Base, CandidateResult, CompareJob, Compared, Statistics, Until},
    models::{Open, with_models},
    pass::{BaseSource, Candidate, Pass},
    prepare::{Prepared, prepare},
    texts::{Texts, Window},
};
use crate::{
    engine::{Engine, Session},
    probe::{self, Clock, Monotonic},
    quality::{
        accumulator::Accumulator,
        logits_file::{LogitsFileError, LogitsHeader, LogitsWriter},
        precision::{is_precise, macro_mean},
        turns::in_turn,
    },
    record::{QualityStop, Stage, Summary, TokenContext},
    run::protocol::Reply,
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
    let base = match &job.base {
        Base::Model(path) => Some(path.as_path()),
        Base::Logits(_) => None,
    };
    let mut talk = Ok(());
    let done = with_models(engine, &job.config, base, &job.candidates, &mut |open, failures| {
        let said = compare(job, open, failures, send).and_then(|reply| send(&reply).map_err(Stop::Talk));
        talk = match said {
            Ok(()) => Ok(()),
            Err(Stop::Talk(error)) => Err(error),
            Err(Stop::Failed(reason)) => send(&Reply::Failed { stage: Stage::Quality, reason }),
        };
        Ok(())
    });
    talk?;
    match done {
        Ok(()) => Ok(()),
        Err(error) => send(&Reply::Failed { stage: error.stage(), reason: format!("the original: {error}") }),
    }
}

/// Why a comparison goes no further.
enum Stop {
    Talk(io::Error),
    Failed(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Talk(error)
    }
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

fn compare(
    job: &CompareJob,
    open: &mut [Open<'_>],
    failures: &[Option<String>],
    send: &mut Send<'_>,
) -> Result<Reply, Stop> {
    let Prepared { texts, n_vocab, pieces, base, candidates } = prepare(job, open, failures)?;
    let described = texts.described();
    let counts: Vec<usize> = described.iter().map(|text| text.n_windows).collect();
    let order = in_turn(&counts, job.until.max_windows);
    if order.is_empty() {
        let n_ctx = texts.shape.n_ctx();
        return Err(format!("every text is shorter than two windows of {n_ctx} tokens (--ctx, --text)").into());
    }
    send(&Reply::Texts(described))?;
    let clock = Monotonic::start();
    let mut pass = Pass {
        base,
        candidates,
        shape: texts.shape,
        pieces,
        n_vocab: NonZeroUsize::new(n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?,
        threads: NonZeroUsize::new(job.config.n_threads_batch as usize).unwrap_or(NonZeroUsize::MIN),
        statistics: job.statistics,
        pace: job.pace,
        save: writer(job, &texts, n_vocab, order.len())?,
        clock: &clock,
        evaluate_ns: 0,
        pending: None,
    };
    let stopped = windows(job, &texts, &order, &mut pass, send)?;
    let wall_ns = clock.now_ns();
    if let (Some(writer), Some(path)) = (pass.save.take(), &job.save_logits) {
        let named = |error: LogitsFileError| format!("{}: {error}", path.display());
        drop(writer.finish().map_err(named)?);
        std::fs::rename(partial(path), path).map_err(|error| named(error.into()))?;
    }
    Ok(Reply::Compared(Box::new(Compared {
        stopped,
        results: pass.candidates.iter().map(|candidate| result(candidate, &pass.base, &texts)).collect(),
        wall_ns,
        evaluate_ns: pass.evaluate_ns,
        peak_rss_bytes: probe::own_peak(),
    })))
}

/// Scores the windows in this order until it is enough.
fn windows(
    job: &CompareJob,
    texts: &Texts,
    order: &[(usize, usize)],
    pass: &mut Pass<'_, '_>,
    send: &mut Send<'_>,
) -> Result<QualityStop, Stop> {
    let mut klds = vec![vec![Vec::new(); texts.described().len()]; pass.candidates.len()];
    let mut told = 0;
    for group in order.chunks(pass.pieces.n_seq) {
        if !job.candidates.is_empty() && pass.candidates.iter().all(|candidate| candidate.model.is_none()) {
            break;
        }
        let group: Vec<Window> = group.iter().filter_map(|&(text, window)| texts.window(text, window)).collect();
        pass.score(&group)?;
        told = tell(pass, order, told, &mut klds, job.statistics, send)?;
        if job.statistics == Statistics::Compare
            && told >= job.until.min_windows
            && told < order.len()
            && precise(pass, &klds, job.until)
        {
            pass.finish()?;
            tell(pass, order, told, &mut klds, job.statistics, send)?;
            return Ok(QualityStop::Precise);
        }
    }
    pass.finish()?;
    tell(pass, order, told, &mut klds, job.statistics, send)?;
    let limited = order.len() < texts.described().iter().map(|text| text.n_windows).sum();
    Ok(if limited { QualityStop::MaxWindows } else { QualityStop::TextsDone })
}

/// Tells every window that is complete and was not told before; returns how many were in all.
fn tell(
    pass: &Pass<'_, '_>,
    order: &[(usize, usize)],
    mut told: usize,
    klds: &mut [Vec<Vec<f64>>],
    statistics: Statistics,
    send: &mut Send<'_>,
) -> io::Result<usize> {
    if statistics == Statistics::Skip || pass.candidates.is_empty() {
        // Nothing to tell but that the worker is alive.
        if let Some(&(text, _)) = order.get(told) {
            send(&Reply::Window { text, means: Vec::new() })?;
        }
        return Ok(order.len().min(told + pass.pieces.n_seq));
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

/// Whether every candidate's mean KLD is known as well as asked.
fn precise(pass: &Pass<'_, '_>, klds: &[Vec<Vec<f64>>], until: Until) -> bool {
    let mut live = pass.candidates.iter().zip(klds).filter(|(candidate, _)| candidate.model.is_some());
    until.precision > 0.0
        && !pass.candidates.is_empty()
        && live.all(|(_, klds)| {
            let scored: Vec<Vec<f64>> = klds.iter().filter(|windows| !windows.is_empty()).cloned().collect();
            macro_mean(&scored, until.confidence).is_ok_and(|estimate| is_precise(&estimate, until.precision))
        })
}

fn result(candidate: &Candidate<'_>, base: &BaseSource<'_>, texts: &Texts) -> CandidateResult {
    let of_text = |(text, collected): (usize, &Accumulator)| {
        let summary = collected.summary().ok()?;
        Some((text, with_context(summary, text, candidate, base, texts)))
    };
    CandidateResult {
        failed: candidate.failed.clone(),
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
        BaseSource::File(..) => candidate.model.as_ref().map(|open| &*open.session as &dyn Session),
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
fn writer(
    job: &CompareJob,
    texts: &Texts,
    n_vocab: usize,
    windows: usize,
) -> Result<Option<LogitsWriter<BufWriter<File>>>, String> {
    let Some(path) = &job.save_logits else { return Ok(None) };
    let begin = || -> Result<_, LogitsFileError> {
        let header = LogitsHeader::new(texts.shape, n_vocab, windows)?;
        let tokens = &texts.tokens(0)[..windows * texts.shape.n_ctx()];
        LogitsWriter::new(BufWriter::new(File::create(partial(path))?), header, tokens)
    };
    begin().map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
