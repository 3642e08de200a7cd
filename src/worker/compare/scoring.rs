//! Scoring windows in order until it is enough, saying what each came to, and what became of a candidate in the end.

use std::{io, num::NonZeroUsize};

use super::{
    models::{Candidate, Open},
    pass::Pass,
    reference::Reference,
    texts::{Texts, Window},
    tokenized::{Tokenized, Unprepared},
};
use crate::{
    engine::Error,
    probe::Clock,
    protocol::{CandidateResult, Cause, Compare, CompareEvent, Failure, Statistics, StopRule},
    record::{ComparisonFault, DomainQuality, QualityStop, QualityUnit, Stage, Summary, TokenContext},
    stats,
};

/// Text before a worst token that is kept with it: about a line, which is enough to recognize the place.
const CONTEXT_TOKENS: usize = 24;

/// How events leave the worker.
pub(super) type Send<'s> = dyn FnMut(CompareEvent) -> io::Result<()> + 's;

/// Why a comparison goes no further.
pub(super) enum Ended {
    /// The parent can't be talked to.
    Talk(io::Error),
    Failed(Failure),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Talk(error)
    }
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self::Failed(Failure { stage: Stage::Quality, reason, cause: Cause::Reason, fault: None })
    }
}

impl From<Unprepared> for Ended {
    fn from(Unprepared { reason, fault }: Unprepared) -> Self {
        Self::Failed(Failure { stage: Stage::Quality, reason, cause: Cause::Reason, fault })
    }
}

impl Ended {
    /// The original could not be loaded.
    pub(super) fn no_original(error: &Error) -> Self {
        Self::Failed(Failure {
            reason: format!("the original: {error}"),
            fault: Some(ComparisonFault::Original),
            ..Failure::from(error.clone())
        })
    }
}

/// A pass that is ready to begin.
pub(super) fn pass<'c>(
    call: &Compare,
    tokenized: &Tokenized,
    reference: Reference<'c>,
    candidates: Vec<Candidate>,
    clock: &'c dyn Clock,
) -> Result<Pass<'c>, String> {
    Ok(Pass {
        reference,
        candidates,
        shape: tokenized.texts.shape,
        micro_batches: tokenized.micro_batches.clone(),
        n_vocab: NonZeroUsize::new(tokenized.needs.n_vocab).ok_or_else(|| "the vocabulary is empty".to_owned())?,
        threads: NonZeroUsize::new(call.settings.n_threads_batch as usize).unwrap_or(NonZeroUsize::MIN),
        statistics: call.statistics,
        pace: call.pace,
        stores: Vec::new(),
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
    rule: StopRule,
    tokenized: &Tokenized,
    pass: &mut Pass<'_>,
    send: &mut Send<'_>,
) -> Result<Scored, Ended> {
    let texts = &tokenized.texts;
    let order = &tokenized.order[..rule.bound.map_or(usize::MAX, |bound| bound.windows).min(tokenized.order.len())];
    let mut klds = vec![vec![Vec::new(); texts.described().len()]; pass.candidates.len()];
    let mut told = 0;
    for group in order.chunks(pass.micro_batches.n_seq) {
        if !pass.candidates.is_empty() && pass.candidates.iter().all(|candidate| candidate.model.is_none()) {
            break;
        }
        if rule.time_ns.is_some_and(|time_ns| pass.clock.now_ns() >= time_ns) {
            pass.finish()?;
            told = tell(pass, order, told, &mut klds, send)?;
            return Ok(Scored { n_windows: told, stopped: QualityStop::TimeSpent });
        }
        let group: Vec<Window> = group.iter().filter_map(|&(text, window)| texts.window(text, window)).collect();
        pass.score(&group)?;
        told = tell(pass, order, told, &mut klds, send)?;
        let may_stop = pass.statistics == Statistics::Compare && told >= rule.min_windows && told < order.len();
        if may_stop && is_precise(pass, &klds, rule) {
            pass.finish()?;
            told = tell(pass, order, told, &mut klds, send)?;
            return Ok(Scored { n_windows: told, stopped: QualityStop::Precise });
        }
    }
    pass.finish()?;
    told = tell(pass, order, told, &mut klds, send)?;
    let limited = order.len() < texts.described().iter().map(|text| text.n_windows).sum();
    let own = if limited { QualityStop::MaxWindows } else { QualityStop::TextsDone };
    let stopped = rule.bound.map_or(own, |bound| bound.stopped);
    Ok(Scored { n_windows: told, stopped })
}

/// Tells every window that is complete and was not told before; returns how many were in all.
fn tell(
    pass: &Pass<'_>,
    order: &[(usize, usize)],
    mut told: usize,
    klds: &mut [Vec<Vec<f64>>],
    send: &mut Send<'_>,
) -> io::Result<usize> {
    if pass.statistics == Statistics::Skip || pass.candidates.is_empty() {
        // Nothing to tell but that the worker is alive.
        if let Some(&(text, _)) = order.get(told) {
            send(CompareEvent::Window { text, means: Vec::new() })?;
        }
        return Ok(order.len().min(told + pass.micro_batches.n_seq));
    }
    while let Some(&(text, window)) = order.get(told) {
        let means: Vec<_> = pass
            .candidates
            .iter()
            .map(|candidate| candidate.model.as_ref().and(candidate.collected.window((text, window))))
            .collect();
        if means.iter().all(Option::is_none) {
            break;
        }
        for (klds, means) in klds.iter_mut().zip(&means) {
            klds[text].extend(means.as_ref().map(|means| means.kld_nats));
        }
        send(CompareEvent::Window { text, means })?;
        told += 1;
    }
    Ok(told)
}

/// Whether every candidate's mean KLD is known as well as asked.
fn is_precise(pass: &Pass<'_>, klds: &[Vec<Vec<f64>>], rule: StopRule) -> bool {
    if rule.precision <= 0.0 || pass.candidates.is_empty() {
        return false;
    }
    let mut live = pass.candidates.iter().zip(klds).filter(|(candidate, _)| candidate.model.is_some());
    live.all(|(_, klds)| {
        let scored: Vec<Vec<f64>> = klds.iter().filter(|windows| !windows.is_empty()).cloned().collect();
        let interval = match rule.unit {
            QualityUnit::Document => stats::positive_mean(&stats::means(&scored), rule.confidence),
            QualityUnit::Window => stats::macro_mean(&scored, rule.confidence),
        };
        interval.is_ok_and(|estimate| estimate.is_precise(rule.precision))
    })
}

/// What became of a candidate whose pass ended for this reason.
pub(super) fn result(
    candidate: &Candidate,
    reference: &Reference<'_>,
    tokenized: &Tokenized,
    stopped: QualityStop,
) -> CandidateResult {
    let (texts, collected) = (&tokenized.texts, &candidate.collected);
    let summary = |wanted: &dyn Fn(usize) -> bool| {
        let summary = collected.summary(wanted).ok()?;
        Some(with_context(summary, candidate, reference, texts))
    };
    let domains = tokenized.by_domain();
    let alone = domains.iter().filter(|(_, texts)| texts.len() == 1).filter_map(|(_, texts)| texts.first().copied());
    let mut alone: Vec<usize> = alone.collect();
    alone.sort_unstable();
    let several = domains.iter().filter(|(_, texts)| texts.len() > 1);
    CandidateResult {
        failed: candidate.failed.clone(),
        other_tokens: candidate.other_tokens,
        stopped: candidate.failed.is_none().then_some(stopped),
        summaries: alone.into_iter().filter_map(|text| Some((text, summary(&|own| own == text)?))).collect(),
        domains: several
            .filter_map(|(domain, texts)| {
                Some(DomainQuality { domain: domain.clone(), summary: summary(&|text| texts.contains(&text))? })
            })
            .collect(),
        overall: (texts.described().len() > 1).then(|| summary(&|_| true)).flatten(),
    }
}

/// Puts the worst tokens into words.
fn with_context(mut summary: Summary, candidate: &Candidate, reference: &Reference<'_>, texts: &Texts) -> Summary {
    let open = match reference {
        Reference::Model(open) => Some(open),
        Reference::File(..) | Reference::Cache(_) => candidate.model.as_ref(),
    };
    let Some(Open { model, .. }) = open else { return summary };
    for worst in &mut summary.worst_tokens {
        let Some(text) = worst.text else { continue };
        let before = texts.until(text, worst.window, worst.position);
        let before = &before[before.len().saturating_sub(CONTEXT_TOKENS)..];
        worst.context = Some(TokenContext {
            before: model.detokenize(before),
            correct: model.detokenize(&[worst.token]),
            base: model.detokenize(&[worst.top1_base]),
            candidate: model.detokenize(&[worst.top1_candidate]),
        });
    }
    summary
}
