//! What the comparison of outputs says, in sentences.

use super::cells::{compared, mark, mark_rounded};
use crate::{
    analysis::{Analysis, Figure, KldKind, ModelAnalysis, QualityAnalysis, QualityVerdict},
    report::{
        number::{limit_nats, nats, percent},
        section::names::{baseline, name},
        text::{agree, counted, list},
    },
};

/// What the candidates keep, and how they stand against the limit a person set.
pub(crate) fn sentences(analysis: &Analysis) -> Vec<String> {
    let (top, kld): (Vec<String>, Vec<String>) = compared(analysis)
        .filter_map(|(m, q)| {
            let f = q.overall.as_ref()?;
            let (kld, top) = (f.kld_mean_nats.value, f.top1_agreement.value);
            let top = format!("{}{} of places with {}", mark_rounded(m), percent(top), name(m));
            Some((top, format!("{}{} nats with {}", mark(m), nats(kld), name(m))))
        })
        .collect();
    if top.is_empty() {
        return Vec::new();
    }
    let base = baseline(&analysis.context);
    let mut sentences = vec![
        format!("The most likely token is the {base}'s in {}.", list(&top)),
        format!("The mean KLD from the {base} is {}.", list(&kld)),
    ];
    sentences.extend(compared(analysis).next().and_then(|(m, _)| bound_sentence(m)));
    sentences.extend(floor_sentence(analysis));
    sentences.extend(limit_sentence(analysis));
    sentences
}

/// That KLD is a lower bound or rounded, where it is.
pub(crate) fn bound_sentence(m: &ModelAnalysis) -> Option<String> {
    match m.quality.as_ref()?.kld {
        KldKind::LowerBound { top_k } => Some(format!(
            "KLD is a lower bound (≥). Candidates were compared with the original's {top_k} most likely tokens at each position, and \
             the sum of all others."
        )),
        KldKind::Rounded => Some(
            "Figures marked ≈ come from a file that rounds log-probabilities, and cuts them 16 nats under the likeliest token's.".into(),
        ),
        KldKind::Exact => None,
    }
}

/// That a file does not say what the original's perplexity is, where it does not.
fn floor_sentence(analysis: &Analysis) -> Option<String> {
    let at_floor = compared(analysis).filter_map(|(_, q)| Some(q.overall.as_ref()?.at_floor_tokens)).max()?;
    (at_floor > 0).then(|| {
        let tokens = counted(at_floor, "token");
        format!("PPL(base) and ΔPPL are withheld. Of {tokens} the file says only that they were less likely than it can hold.")
    })
}

/// How the candidates stand against --max-kld; none when no limit was set.
fn limit_sentence(analysis: &Analysis) -> Option<String> {
    let judged: Vec<(String, QualityVerdict)> =
        compared(analysis).filter_map(|(m, q)| Some((name(m), q.verdict?))).collect();
    let (QualityVerdict::Acceptable { max_kld_nats }
    | QualityVerdict::TooFar { max_kld_nats }
    | QualityVerdict::NotResolved { max_kld_nats }) = judged.first()?.1;
    let who = |wanted: fn(&QualityVerdict) -> bool| -> Vec<String> {
        judged.iter().filter(|(_, v)| wanted(v)).map(|(name, _)| name.clone()).collect()
    };
    let limit = format!("the limit of {} nats on the mean KLD", limit_nats(max_kld_nats));
    let (kept, broken) =
        (who(|v| matches!(v, QualityVerdict::Acceptable { .. })), who(|v| matches!(v, QualityVerdict::TooFar { .. })));
    let open = who(|v| matches!(v, QualityVerdict::NotResolved { .. }));
    let mut said = Vec::new();
    if !kept.is_empty() {
        said.push(format!("{} {} {limit}", list(&kept), agree(kept.len(), "keeps", "keep")));
    }
    if !broken.is_empty() {
        let what = if kept.is_empty() { limit.clone() } else { "it".into() };
        said.push(format!("{} {} {what}", list(&broken), agree(broken.len(), "breaks", "break")));
    }
    if !open.is_empty() {
        let what = if said.is_empty() { limit } else { "it".into() };
        said.push(format!("Whether {} {} {what} is not resolved", list(&open), agree(open.len(), "keeps", "keep")));
    }
    Some(format!("{}.", said.join(". ")))
}

/// Which limits on the mean KLD each candidate keeps by its interval, and which it breaks: a bound breaks limits and keeps none.
pub(crate) fn limits_kept(analysis: &Analysis) -> Vec<String> {
    let of = |m: &ModelAnalysis, q: &QualityAnalysis| {
        let Figure { low, high, .. } = q.overall.as_ref()?.kld_mean_nats;
        let (low, high) = low.zip(high)?;
        Some(match q.kld {
            KldKind::LowerBound { .. } => {
                format!("{} breaks every limit below {} nats, and is shown to keep none.", name(m), nats(low))
            }
            KldKind::Exact | KldKind::Rounded => {
                format!("{} keeps a limit of {}{} nats or more on the mean KLD.", name(m), mark(m), nats(high))
            }
        })
    };
    compared(analysis).filter_map(|(m, q)| of(m, q)).collect()
}
