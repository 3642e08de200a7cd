//! What quantizing did to a candidate's output, with intervals over documents, or over windows where the texts are few.
//!
//! Windows of one text resemble each other, so a document is one value: the mean over its windows. Documents count equally. With
//! fewer texts than documents are needed, windows are the unit and what is found holds for these texts alone. Candidates are held
//! against each other on the windows that all of them were scored on. The coverage test below holds the intervals to what they
//! promise, on windows of real models.

#[cfg(test)]
mod coverage;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::series::MetricSummary;
use crate::{
    metric::{KldOf, MetricId},
    record::{
        CandidateQuality, FEWEST_DOCUMENTS, Outcome, Quality, QualityPlan, QualityStop, QualityUnit, Reference, Role,
        Run, Sharing, Summary, TextBits, TextQuality, WindowMeans,
    },
    stats::{self, Estimate},
};

/// A candidate's output against the original's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct QualityAnalysis {
    /// `Done`, or why it could not be compared, or no further.
    pub outcome: Outcome,
    /// What its KLD is: exact or not.
    pub kld: KldKind,
    /// Figures that are null, and why.
    pub absent: Vec<Absent>,
    /// Why no more windows were scored.
    pub stopped: Option<QualityStop>,
    /// The half-width of the mean KLD over itself at which to stop; 0 = never.
    pub precision_asked: f64,
    /// What it is; `None` without an interval, or where the mean is 0.
    pub precision_reached: Option<f64>,
    /// Tokens a window, of which the second half is scored.
    pub n_ctx: u32,
    /// Positions of each window that were scored, the first of its second half; `None` of all of it.
    pub positions: Option<u32>,
    /// What the intervals are over: documents, or windows of these texts alone.
    pub unit: QualityUnit,
    /// Documents there must be for an interval over them.
    pub fewest_documents: usize,
    /// Texts with a scored window.
    pub documents: usize,
    /// Windows scored, over all texts, of those that all candidates have in common.
    pub windows: usize,
    /// All texts, each counting equally; `None` when no window was scored.
    pub overall: Option<Figures>,
    /// All scored tokens together; `None` when the comparison was cut off, and in records of before documents.
    pub summary: Option<Summary>,
    /// By domain, in the plan's order; only those with a scored window.
    pub domains: Vec<DomainFigures>,
    /// By text, in the plan's order; only those with a scored window.
    pub texts: Vec<TextFigures>,
    /// The overall mean KLD held against what the person accepts, when they said.
    pub verdict: Option<QualityVerdict>,
    /// In what its tokenizer differs from the original's although both read the texts as the same tokens.
    pub note: Option<String>,
    /// In place of KLD, where the candidate reads the texts as other tokens than the original.
    pub bits_per_byte: Option<BitsFigures>,
}

impl QualityAnalysis {
    /// Whether the mean KLD is known less well than asked. One that is 0 in every window is known.
    pub(crate) fn misses_precision(&self) -> bool {
        let identical = self.overall.as_ref().is_some_and(|f| f.kld_mean_nats.high.is_some_and(|high| high <= 0.0));
        let reached = self.precision_reached.is_some_and(|reached| reached <= self.precision_asked);
        self.precision_asked > 0.0 && !identical && !reached
    }
}

/// How well a candidate and the original each predict the same bytes. It says nothing of how alike their outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct BitsFigures {
    /// The candidate's, in bits for each byte of the text; texts count equally.
    pub candidate: Figure,
    /// The original's.
    pub original: Figure,
    /// The candidate's less the original's, paired by text.
    pub difference: Figure,
    /// Texts that both predicted.
    pub documents: usize,
}

/// The figures of one text, of a domain or of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Figures {
    /// PPL(Q); over texts the geometric mean.
    pub ppl: Figure,
    /// PPL(base); absent where a file of log-probabilities has tokens of the text at its floor.
    pub ppl_original: Option<Figure>,
    /// PPL(Q) / PPL(base), paired by window and document; absent likewise.
    pub ppl_ratio: Option<Figure>,
    /// Tokens of the texts that the file has at its floor.
    pub at_floor_tokens: usize,
    /// Mean KLD, in nats.
    pub kld_mean_nats: Figure,
    /// 99 % of all tokens have a smaller KLD, in nats. No interval that was tried held at the counts that are scored, so it has none.
    pub kld_p99_nats: Figure,
    /// Tokens with equal first choices, as a fraction.
    pub top1_agreement: Figure,
}

/// A value with its interval at the plan's confidence; `None` under the documents or windows it needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Figure {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// A candidate's output on one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TextFigures {
    /// The text.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Windows scored.
    pub windows: usize,
    /// Windows it has.
    pub n_windows: usize,
    /// Its figures.
    pub figures: Figures,
    /// Everything else under llama-perplexity's names; `None` when the comparison was cut off, and where the domain has it.
    pub summary: Option<Summary>,
}

/// A candidate's output on the texts of a domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DomainFigures {
    /// The domain.
    pub domain: String,
    /// Its texts with a scored window.
    pub documents: usize,
    /// Their scored windows.
    pub windows: usize,
    /// Windows there are.
    pub n_windows: usize,
    /// Its figures, documents counting equally.
    pub figures: Figures,
    /// All its tokens together; `None` when the comparison was cut off.
    pub summary: Option<Summary>,
    /// KLD of the tokens above the 95th percentile that the record is sure to hold all of, ascending.
    #[serde(skip)]
    pub(crate) kld_tail_nats: Vec<f64>,
}

/// The mean KLD against the greatest a person accepts. A lower bound can be too far, and never acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityVerdict {
    /// The whole interval is at most that.
    Acceptable {
        /// The limit, in nats.
        max_kld_nats: f64,
    },
    /// The whole interval is above it.
    TooFar {
        /// The limit, in nats.
        max_kld_nats: f64,
    },
    /// The interval holds the limit, or there is none.
    NotResolved {
        /// The limit, in nats.
        max_kld_nats: f64,
    },
}

/// What the KLD of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KldKind {
    /// Of the two models' whole distributions.
    Exact,
    /// Of the original's most likely tokens and the sum of all others: at most the true KLD, token by token, so in every mean and
    /// percentile too.
    LowerBound {
        /// Tokens kept at each position.
        top_k: usize,
    },
    /// Of log-probabilities that llama-perplexity's file cuts and rounds.
    Rounded,
}

impl KldKind {
    fn of(quality: &Quality) -> Self {
        match (&quality.reference, quality.sharing) {
            (Reference::LogitsFile { .. }, _) => Self::Rounded,
            (Reference::ReferenceFile { top_k, .. }, _) => Self::LowerBound { top_k: *top_k },
            (_, Sharing::Cached { top_k, .. }) => Self::LowerBound { top_k },
            (_, Sharing::Shared { .. } | Sharing::Repeated { .. }) => Self::Exact,
        }
    }

    pub(super) fn of_what(self) -> KldOf {
        match self {
            Self::Exact => KldOf::Whole,
            Self::LowerBound { .. } => KldOf::MostLikely,
            Self::Rounded => KldOf::Rounded,
        }
    }

    pub(super) fn is_lower_bound(self) -> bool {
        match self {
            Self::LowerBound { .. } => true,
            Self::Exact | Self::Rounded => false,
        }
    }

    fn absent(self) -> Vec<Absent> {
        match self {
            Self::LowerBound { .. } => vec![Absent {
                field: "jsd_mean_nats",
                reason: "the Jensen–Shannon divergence needs the tokens of the original that were not kept",
            }],
            Self::Exact | Self::Rounded => Vec::new(),
        }
    }
}

/// What is not said of a comparison, and why.
fn absent(kld: KldKind, overall: Option<&Figures>) -> Vec<Absent> {
    let cut = overall.is_some_and(|figures| figures.at_floor_tokens > 0);
    let withheld = ["ppl_original", "ppl_ratio"].into_iter().filter(|_| cut).map(|field| Absent {
        field,
        reason: "the file of log-probabilities has tokens of the texts at its floor, 16 nats under the likeliest: how improbable the \
                 original found them is not known, and its perplexity is more than the file says",
    });
    kld.absent().into_iter().chain(withheld).collect()
}

/// A figure that is null, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Absent {
    /// Its name in a text's `summary`.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// A candidate's quality; `None` when outputs were not compared, or for the original.
pub(super) fn analyse(run: &Run, model: usize) -> Option<QualityAnalysis> {
    let (quality, plan) = (run.quality.as_ref()?, run.plan.quality.as_ref()?);
    let result = quality.results.iter().find(|result| result.candidate == model)?;
    let scored = in_common(quality, result);
    let figures = |texts: &[&[WindowMeans]], unit| figures(texts, unit, run.plan.protocol.confidence);
    let all: Vec<&[WindowMeans]> = scored.iter().map(|(_, windows)| *windows).collect();
    let overall = (!all.is_empty()).then(|| figures(&all, plan.unit()));
    let kld = KldKind::of(quality);
    let verdict = plan.max_kld_nats.zip(overall.as_ref()).map(|(most, f)| verdict(f.kld_mean_nats, kld, most));
    let texts = scored.iter().map(|(text, windows)| {
        let planned = plan.texts.get(text.text);
        TextFigures {
            name: planned.map_or_else(String::new, |text| text.name.clone()),
            domain: planned.map_or_else(String::new, |text| text.domain.clone()),
            windows: windows.len(),
            n_windows: quality.texts[text.text].n_windows,
            figures: figures(&[windows], QualityUnit::Window),
            summary: text.summary.clone(),
        }
    });
    Some(QualityAnalysis {
        outcome: result.outcome.clone(),
        kld,
        absent: absent(kld, overall.as_ref()),
        precision_asked: plan.precision,
        precision_reached: overall.as_ref().and_then(|f| f.kld_mean_nats.relative_half_width()),
        stopped: result.stopped,
        n_ctx: plan.n_ctx,
        unit: plan.unit(),
        positions: run.scored_positions(),
        fewest_documents: FEWEST_DOCUMENTS,
        documents: all.len(),
        windows: all.iter().map(|windows| windows.len()).sum(),
        overall,
        summary: result.overall.clone().or_else(|| only(&result.texts)?.summary.clone()),
        domains: domains(&scored, result, quality, plan, &figures),
        texts: texts.collect(),
        verdict,
        note: result.note.clone(),
        bits_per_byte: bits_per_byte(quality, result, plan.unit(), run.plan.protocol.confidence),
    })
}

fn bits_per_byte(
    quality: &Quality,
    result: &CandidateQuality,
    unit: QualityUnit,
    confidence: f64,
) -> Option<BitsFigures> {
    let (own, original) = (result.bits_per_byte.as_ref()?, quality.original_bits_per_byte.as_ref()?);
    let bits = |text: &TextBits| text.nll_nats / std::f64::consts::LN_2 / (text.bytes as f64);
    let pair = |own: &TextBits| {
        let other = original.texts.iter().find(|other| other.text == own.text)?;
        (own.bytes > 0 && other.bytes > 0).then(|| (bits(own), bits(other)))
    };
    let pairs: Vec<(f64, f64)> = own.texts.iter().filter_map(pair).collect();
    // A text is one value, so without documents there is nothing an interval could be over.
    let figure = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<Vec<f64>> = pairs.iter().map(|pair| vec![of(pair)]).collect();
        Figure::of(&values, mean_interval(&values, unit, confidence))
    };
    (!pairs.is_empty()).then(|| BitsFigures {
        candidate: figure(|pair| pair.0),
        original: figure(|pair| pair.1),
        difference: figure(|pair| pair.0 - pair.1),
        documents: pairs.len(),
    })
}

/// A text of a candidate, and those of its windows that count.
type Scored<'a> = (&'a TextQuality, &'a [WindowMeans]);

/// What was scored of a candidate, as far as every other candidate that was done was scored on it too: windows are scored in one
/// order, so what they have in common is where the shortest ends.
fn in_common<'a>(quality: &Quality, result: &'a CandidateQuality) -> Vec<Scored<'a>> {
    let is_done = |result: &&CandidateQuality| {
        result.outcome == Outcome::Done && !matches!(result.stopped, None | Some(QualityStop::Interrupted))
    };
    let windows_of = |result: &CandidateQuality, text: usize| {
        result.texts.iter().find(|own| own.text == text).map_or(0, |own| own.windows.len())
    };
    let common = |text: &TextQuality| {
        let others = quality.results.iter().filter(is_done).map(|other| windows_of(other, text.text));
        others.min().unwrap_or(usize::MAX).min(text.windows.len())
    };
    // One that was cut off says what it can, on its own windows.
    let own = |text: &TextQuality| if is_done(&result) { common(text) } else { text.windows.len() };
    let scored = result.texts.iter().map(|text| (text, &text.windows[..own(text)]));
    scored.filter(|(_, windows)| !windows.is_empty()).collect()
}

fn only<T>(list: &[T]) -> Option<&T> {
    match list {
        [one] => Some(one),
        _ => None,
    }
}

fn domains(
    scored: &[Scored<'_>],
    result: &CandidateQuality,
    quality: &Quality,
    plan: &QualityPlan,
    figures: &impl Fn(&[&[WindowMeans]], QualityUnit) -> Figures,
) -> Vec<DomainFigures> {
    let mut names: Vec<&str> = Vec::new();
    for text in &plan.texts {
        if !names.contains(&&*text.domain) {
            names.push(&text.domain);
        }
    }
    let of = |name: &str| {
        let in_domain = |text: usize| plan.texts.get(text).is_some_and(|text| text.domain == name);
        let own: Vec<&Scored<'_>> = scored.iter().filter(|(text, _)| in_domain(text.text)).collect();
        let windows: Vec<&[WindowMeans]> = own.iter().map(|(_, windows)| *windows).collect();
        if windows.is_empty() {
            return None;
        }
        let planned = (0..plan.texts.len()).filter(|&text| in_domain(text)).count();
        let together = result.domains.iter().find(|domain| domain.domain == name).map(|domain| &domain.summary);
        // A domain of one text has that text's; one of several, in a record of before documents, has none.
        let summary = together.or_else(|| own.first().filter(|_| planned == 1)?.0.summary.as_ref());
        let unit = if planned == 1 { QualityUnit::Window } else { QualityUnit::Document };
        let of_domain = quality.texts.iter().enumerate().filter(|(text, _)| in_domain(*text));
        Some(DomainFigures {
            domain: name.into(),
            documents: windows.len(),
            windows: windows.iter().map(|windows| windows.len()).sum(),
            n_windows: of_domain.map(|(_, text)| text.n_windows).sum(),
            figures: figures(&windows, unit),
            summary: summary.cloned(),
            kld_tail_nats: summary.map_or_else(Vec::new, |summary| kld_tail(&windows, summary)),
        })
    };
    names.into_iter().filter_map(of).collect()
}

/// Each window keeps its largest: what lies above the least kept of every window is complete.
fn kld_tail(texts: &[&[WindowMeans]], summary: &Summary) -> Vec<f64> {
    let windows = || texts.iter().flat_map(|windows| *windows);
    if windows().count() != summary.windows {
        // The summary counts windows that others were not scored on.
        return Vec::new();
    }
    let least_kept = |w: &WindowMeans| w.kld_largest_nats.last().map_or(f64::INFINITY, |v| f64::from(*v));
    let sure = windows().map(least_kept).fold(summary.kld_percentiles_nats.p95, f64::max);
    let kept = windows().flat_map(|w| &w.kld_largest_nats).map(|v| f64::from(*v));
    let mut tail: Vec<f64> = kept.filter(|v| *v > sure).collect();
    tail.sort_by(f64::total_cmp);
    tail
}

/// The metrics of a model for scripts and tables; `all` are the comparisons of every model. The original has its perplexity, from the first
/// comparison there is.
pub(super) fn metrics(role: Role, model: usize, all: &[Option<QualityAnalysis>]) -> Vec<MetricSummary> {
    let metric = |id: MetricId, figure: Figure, n| {
        let spec = id.spec();
        MetricSummary {
            id,
            value: Some(figure.value),
            low: figure.low,
            high: figure.high,
            best: None,
            unit: spec.unit,
            n,
            better: spec.better,
            cost_s: None,
        }
    };
    let Some(own) = &all[model] else {
        let first = all.iter().flatten().find_map(|a| Some((a.overall.as_ref()?.ppl_original?, a.windows)));
        let first = first.filter(|_| role == Role::Original);
        return first.map(|(ppl, n)| metric(MetricId::Perplexity, ppl, n)).into_iter().collect();
    };
    let (Some(figures), n) = (&own.overall, own.windows) else { return Vec::new() };
    let of = own.kld.of_what();
    vec![
        metric(MetricId::Perplexity, figures.ppl, n),
        metric(MetricId::MeanKld { of }, figures.kld_mean_nats, n),
        metric(MetricId::P99Kld { of }, figures.kld_p99_nats, n),
        metric(MetricId::SameTop, figures.top1_agreement, n),
    ]
}

fn verdict(kld: Figure, kind: KldKind, max_kld_nats: f64) -> QualityVerdict {
    let bound = kind.is_lower_bound();
    match (kld.low, kld.high) {
        (_, Some(high)) if high <= max_kld_nats && !bound => QualityVerdict::Acceptable { max_kld_nats },
        (Some(low), _) if low > max_kld_nats => QualityVerdict::TooFar { max_kld_nats },
        _ => QualityVerdict::NotResolved { max_kld_nats },
    }
}

/// The figures of texts, each with its windows.
fn figures(texts: &[&[WindowMeans]], unit: QualityUnit, confidence: f64) -> Figures {
    let values = |of: fn(&WindowMeans) -> f64| -> Vec<Vec<f64>> {
        texts.iter().map(|windows| windows.iter().map(of).collect()).collect()
    };
    let mean = |of: fn(&WindowMeans) -> f64| Figure::of_mean(&values(of), unit, confidence);
    let kld = values(|window| window.kld_nats);
    let at_floor_tokens = texts.iter().flat_map(|windows| *windows).map(|window| window.at_floor_tokens).sum();
    let known = at_floor_tokens == 0;
    Figures {
        ppl: mean(|window| window.nll_candidate_nats).exp(),
        ppl_original: known.then(|| mean(|window| window.nll_base_nats).exp()),
        ppl_ratio: known.then(|| mean(|window| window.nll_candidate_nats - window.nll_base_nats).exp()),
        at_floor_tokens,
        kld_mean_nats: Figure::of(&kld, positive_mean(&kld, unit, confidence)),
        kld_p99_nats: Figure { value: p99(texts), low: None, high: None },
        top1_agreement: mean(|window| window.same_top_fraction),
    }
}

/// The interval of a mean that may have any sign, over the unit.
pub(super) fn mean_interval(texts: &[Vec<f64>], unit: QualityUnit, confidence: f64) -> Option<Estimate> {
    match unit {
        QualityUnit::Document if texts.len() < FEWEST_DOCUMENTS => None,
        QualityUnit::Document => stats::window_t(&stats::means(texts), confidence).ok(),
        QualityUnit::Window => stats::macro_mean(texts, confidence).ok().filter(|_| enough_windows(texts)),
    }
}

/// The interval of a mean of what is never negative, over the unit.
fn positive_mean(texts: &[Vec<f64>], unit: QualityUnit, confidence: f64) -> Option<Estimate> {
    match (unit, texts) {
        (QualityUnit::Document, _) if texts.len() < FEWEST_DOCUMENTS => None,
        (QualityUnit::Document, _) => stats::positive_mean(&stats::means(texts), confidence).ok(),
        (QualityUnit::Window, [one]) => stats::positive_mean(one, confidence).ok().filter(|_| enough_windows(texts)),
        (QualityUnit::Window, _) => mean_interval(texts, unit, confidence),
    }
}

/// Windows there must be for an interval over them.
const FEWEST_WINDOWS: usize = 8;

fn enough_windows(texts: &[Vec<f64>]) -> bool {
    texts.iter().map(Vec::len).sum::<usize>() >= FEWEST_WINDOWS
}

impl Figure {
    fn of_mean(texts: &[Vec<f64>], unit: QualityUnit, confidence: f64) -> Self {
        Self::of(texts, mean_interval(texts, unit, confidence))
    }

    /// The mean of the texts' means, with this interval.
    fn of(texts: &[Vec<f64>], interval: Option<Estimate>) -> Self {
        let means = stats::means(texts);
        let value = means.iter().sum::<f64>() / means.len() as f64;
        Self { value, low: interval.map(|i| i.low), high: interval.map(|i| i.high) }
    }

    fn relative_half_width(self) -> Option<f64> {
        let half = (self.high? - self.low?) / 2.0;
        (self.value > 0.0).then(|| half / self.value)
    }

    fn exp(self) -> Self {
        Self { value: self.value.exp(), low: self.low.map(f64::exp), high: self.high.map(f64::exp) }
    }
}

/// The 99th percentile of KLD over all tokens, interpolated as llama-perplexity does. It needs the largest hundredth of all; each
/// window brings its largest tenth.
fn p99(texts: &[&[WindowMeans]]) -> f64 {
    let windows = || texts.iter().flat_map(|windows| *windows);
    let tokens: usize = windows().map(|window| window.tokens).sum();
    let mut largest: Vec<f32> = windows().flat_map(|window| &window.kld_largest_nats).copied().collect();
    let place = 0.99 * tokens.saturating_sub(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of tokens")]
    let below = place.floor() as usize;
    let from_top = tokens.saturating_sub(1 + below);
    if from_top >= largest.len() {
        return f64::NAN;
    }
    let (above, own, _) = largest.select_nth_unstable_by(from_top, |a, b| b.total_cmp(a));
    let own = f64::from(*own);
    let next = above.iter().copied().min_by(f32::total_cmp).map_or(own, f64::from);
    own + (place - below as f64) * (next - own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(window: usize, klds: &[f64]) -> WindowMeans {
        let mut sorted = klds.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted.truncate(klds.len().div_ceil(10));
        #[expect(clippy::cast_possible_truncation, reason = "small integers")]
        let kld_largest_nats = sorted.iter().map(|&kld| kld as f32).collect();
        WindowMeans {
            window,
            tokens: klds.len(),
            nll_base_nats: 2.0,
            nll_candidate_nats: 2.1,
            kld_nats: klds.iter().sum::<f64>() / klds.len() as f64,
            same_top_fraction: 0.9,
            kld_largest_nats,
            at_floor_tokens: 0,
        }
    }

    #[test]
    fn the_99th_percentile_comes_from_the_largest_tenths() {
        let all: Vec<f64> = (0..1000).map(f64::from).collect();
        let windows: Vec<WindowMeans> =
            (0..10).map(|w| window(w, &all.iter().copied().skip(w).step_by(10).collect::<Vec<_>>())).collect();
        let expected = stats::quantile(&all, 0.99).expect("values");
        assert!((p99(&[&windows]) - expected).abs() < 1e-9);
    }

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        let figure = |low, high| Figure { value: 0.02, low: Some(low), high: Some(high) };
        let exact = |figure, most| verdict(figure, KldKind::Exact, most);
        assert_eq!(exact(figure(0.01, 0.03), 0.03), QualityVerdict::Acceptable { max_kld_nats: 0.03 });
        assert_eq!(exact(figure(0.01, 0.03), 0.009), QualityVerdict::TooFar { max_kld_nats: 0.009 });
        assert_eq!(exact(figure(0.01, 0.03), 0.02), QualityVerdict::NotResolved { max_kld_nats: 0.02 });
        let none = Figure { value: 0.0, low: None, high: None };
        assert_eq!(exact(none, 0.02), QualityVerdict::NotResolved { max_kld_nats: 0.02 });
    }

    #[test]
    fn a_lower_bound_is_never_acceptable() {
        let bound = |most| {
            let figure = Figure { value: 0.02, low: Some(0.01), high: Some(0.03) };
            verdict(figure, KldKind::LowerBound { top_k: 256 }, most)
        };
        assert_eq!(bound(0.03), QualityVerdict::NotResolved { max_kld_nats: 0.03 });
        assert_eq!(bound(0.009), QualityVerdict::TooFar { max_kld_nats: 0.009 });
    }

    fn quality(reference: Reference, sharing: Sharing) -> Quality {
        Quality {
            texts: Vec::new(),
            reference,
            sharing,
            workers: Vec::new(),
            results: Vec::new(),
            original_bits_per_byte: None,
            fault: None,
        }
    }

    #[test]
    fn a_bound_is_named_as_one() {
        let shared = Sharing::Shared { needed_bytes: 1, available_bytes: 2 };
        let cached = Sharing::Cached { pair_bytes: 3, needed_bytes: 2, cache_bytes: 1, available_bytes: 2, top_k: 256 };
        let bound = KldKind::of(&quality(Reference::Original, cached));
        assert_eq!(bound, KldKind::LowerBound { top_k: 256 });
        assert_eq!((bound.is_lower_bound(), bound.absent().len()), (true, 1));
        let exact = KldKind::of(&quality(Reference::Original, shared));
        assert_eq!((exact, exact.is_lower_bound()), (KldKind::Exact, false));
        let file = Reference::LogitsFile { file: "base.kld".into() };
        assert_eq!(KldKind::of(&quality(file, shared)), KldKind::Rounded);
    }
}
