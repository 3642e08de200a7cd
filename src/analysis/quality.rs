//! What quantizing did to a candidate's output, with intervals over windows.
//!
//! Texts count equally (macro-average). Intervals are t intervals of the stratified mean, paired by window where two models
//! are compared; for KLD, which is skewed, a seeded bootstrap that draws windows within each text stands beside it.

use schemars::JsonSchema;
use serde::Serialize;

use super::series::MetricSummary;
use crate::{
    metric::MetricId,
    record::{
        CandidateQuality, Outcome, Quality, QualityStop, Reference, Role, Run, Sharing, Summary, TextQuality,
        WindowMeans,
    },
    stats::{self, Estimate},
};

/// A candidate's output against the original's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    /// Windows scored, over all texts.
    pub windows: usize,
    /// All texts, each counting equally; `None` when no window was scored.
    pub overall: Option<Figures>,
    /// By text, in the plan's order; only those with a scored window.
    pub texts: Vec<TextFigures>,
    /// The overall mean KLD held against what the person accepts, when they said.
    pub verdict: Option<QualityVerdict>,
}

/// The figures of one text or of all.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    /// PPL(Q); over texts the geometric mean.
    pub ppl: Figure,
    /// PPL(base).
    pub ppl_original: Figure,
    /// PPL(Q) / PPL(base), paired by window.
    pub ppl_ratio: Figure,
    /// Mean KLD, in nats.
    pub kld_mean_nats: Figure,
    /// The same with the bootstrap's interval.
    pub kld_mean_bootstrap_nats: Figure,
    /// 99 % of tokens have a smaller KLD, in nats; the interval is the bootstrap's. Over texts the mean of theirs.
    pub kld_p99_nats: Figure,
    /// Tokens with equal first choices, as a fraction.
    pub top1_agreement: Figure,
}

/// A value with its interval at the plan's confidence; `None` under the windows it needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Figure {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// A candidate's output on one text.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    /// Everything else under llama-perplexity's names; `None` when the comparison was cut off.
    pub summary: Option<Summary>,
    /// KLD of the tokens above the 95th percentile that the record is sure to hold all of, ascending.
    #[serde(skip)]
    pub(crate) kld_tail_nats: Vec<f64>,
}

/// The mean KLD against the greatest a person accepts. A lower bound can be too far, and never acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
            (_, Sharing::Cached { top_k, .. }) => Self::LowerBound { top_k },
            (_, Sharing::Shared { .. } | Sharing::Repeated { .. }) => Self::Exact,
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
                reason: "the original and a candidate did not fit in memory together, and the Jensen–Shannon divergence needs the \
                         tokens of the original that were not kept",
            }],
            Self::Exact | Self::Rounded => Vec::new(),
        }
    }
}

/// A figure that is null, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
    let scored: Vec<&[WindowMeans]> =
        result.texts.iter().map(|text| &text.windows[..]).filter(|windows| !windows.is_empty()).collect();
    let overall = (!scored.is_empty()).then(|| figures(&scored, run));
    let kld = KldKind::of(quality);
    let verdict = plan.max_kld_nats.zip(overall.as_ref()).map(|(most, f)| verdict(f.kld_mean_nats, kld, most));
    Some(QualityAnalysis {
        outcome: result.outcome.clone(),
        kld,
        absent: kld.absent(),
        precision_asked: plan.precision,
        precision_reached: overall.as_ref().and_then(|f| f.kld_mean_nats.relative_half_width()),
        stopped: result.stopped,
        n_ctx: plan.n_ctx,
        windows: scored.iter().map(|windows| windows.len()).sum(),
        overall,
        texts: texts(result, quality, run),
        verdict,
    })
}

fn texts(result: &CandidateQuality, quality: &Quality, run: &Run) -> Vec<TextFigures> {
    let plan = run.plan.quality.iter().flat_map(|plan| &plan.texts);
    let names: Vec<(&str, &str)> = plan.map(|text| (text.name.as_str(), text.domain.as_str())).collect();
    let scored = result.texts.iter().filter(|text| !text.windows.is_empty());
    scored
        .map(|text| {
            let (name, domain) = names.get(text.text).copied().unwrap_or_default();
            TextFigures {
                name: name.into(),
                domain: domain.into(),
                windows: text.windows.len(),
                n_windows: quality.texts[text.text].n_windows,
                figures: figures(&[&text.windows], run),
                summary: text.summary.clone(),
                kld_tail_nats: text.summary.as_ref().map_or_else(Vec::new, |summary| kld_tail(text, summary)),
            }
        })
        .collect()
}

/// Each window keeps its largest: what lies above the least kept of every window is complete.
fn kld_tail(text: &TextQuality, summary: &Summary) -> Vec<f64> {
    let least_kept = |w: &WindowMeans| w.kld_largest_nats.last().map_or(f64::INFINITY, |v| f64::from(*v));
    let sure = text.windows.iter().map(least_kept).fold(summary.kld_percentiles_nats.p95, f64::max);
    let kept = text.windows.iter().flat_map(|w| &w.kld_largest_nats).map(|v| f64::from(*v));
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
        let first = all.iter().flatten().find_map(|a| Some((a.overall.as_ref()?.ppl_original, a.windows)));
        let first = first.filter(|_| role == Role::Original);
        return first.map(|(ppl, n)| metric(MetricId::Perplexity, ppl, n)).into_iter().collect();
    };
    let (Some(figures), n) = (&own.overall, own.windows) else { return Vec::new() };
    let lower_bound = own.kld.is_lower_bound();
    vec![
        metric(MetricId::Perplexity, figures.ppl, n),
        metric(MetricId::MeanKld { lower_bound }, figures.kld_mean_nats, n),
        metric(MetricId::P99Kld { lower_bound }, figures.kld_p99_nats, n),
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

fn figures(texts: &[&[WindowMeans]], run: &Run) -> Figures {
    let (confidence, seed) = (run.plan.protocol.confidence, run.plan.seed);
    let mean = |of: fn(&WindowMeans) -> f64| {
        let values: Vec<Vec<f64>> = texts.iter().map(|windows| windows.iter().map(of).collect()).collect();
        Figure::of_mean(&values, confidence)
    };
    let kld_mean = |drawn: &[Vec<usize>]| {
        let of_text = |(windows, drawn): (&&[WindowMeans], &Vec<usize>)| {
            drawn.iter().map(|&at| windows[at].kld_nats).sum::<f64>() / drawn.len() as f64
        };
        texts.iter().zip(drawn).map(of_text).sum::<f64>() / texts.len() as f64
    };
    let kld_p99 = |drawn: &[Vec<usize>]| {
        texts.iter().zip(drawn).map(|(windows, drawn)| p99(windows, drawn)).sum::<f64>() / texts.len() as f64
    };
    let sizes: Vec<usize> = texts.iter().map(|windows| windows.len()).collect();
    Figures {
        ppl: mean(|window| window.nll_candidate_nats).exp(),
        ppl_original: mean(|window| window.nll_base_nats).exp(),
        ppl_ratio: mean(|window| window.nll_candidate_nats - window.nll_base_nats).exp(),
        kld_mean_nats: mean(|window| window.kld_nats),
        kld_mean_bootstrap_nats: bootstrapped(&sizes, seed, confidence, kld_mean),
        kld_p99_nats: bootstrapped(&sizes, seed, confidence, kld_p99),
        top1_agreement: mean(|window| window.same_top_fraction),
    }
}

impl Figure {
    fn of_mean(texts: &[Vec<f64>], confidence: f64) -> Self {
        if let Ok(Estimate { value, low, high }) = stats::macro_mean(texts, confidence) {
            return Self { value, low: Some(low), high: Some(high) };
        }
        let means: f64 = texts.iter().map(|windows| windows.iter().sum::<f64>() / windows.len() as f64).sum();
        Self { value: means / texts.len() as f64, low: None, high: None }
    }

    fn relative_half_width(self) -> Option<f64> {
        let half = (self.high? - self.low?) / 2.0;
        (self.value > 0.0).then(|| half / self.value)
    }

    fn exp(self) -> Self {
        Self { value: self.value.exp(), low: self.low.map(f64::exp), high: self.high.map(f64::exp) }
    }
}

/// The 99th percentile of KLD over the tokens of these windows, interpolated as llama-perplexity does. It needs the largest
/// hundredth of all; each window brings its largest tenth.
fn p99(windows: &[WindowMeans], drawn: &[usize]) -> f64 {
    let tokens: usize = drawn.iter().map(|&at| windows[at].tokens).sum();
    let mut largest: Vec<f32> = drawn.iter().flat_map(|&at| &windows[at].kld_largest_nats).copied().collect();
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

/// Value and percentile interval of a statistic of windows; the value alone where the windows are too few for the bootstrap.
fn bootstrapped(sizes: &[usize], seed: u64, confidence: f64, statistic: impl Fn(&[Vec<usize>]) -> f64) -> Figure {
    if let Ok(Estimate { value, low, high }) = stats::stratified_bootstrap(sizes, seed, confidence, &statistic) {
        return Figure { value, low: Some(low), high: Some(high) };
    }
    let whole: Vec<Vec<usize>> = sizes.iter().map(|&size| (0..size).collect()).collect();
    Figure { value: statistic(&whole), low: None, high: None }
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
        }
    }

    #[test]
    fn the_99th_percentile_comes_from_the_largest_tenths() {
        let all: Vec<f64> = (0..1000).map(f64::from).collect();
        let windows: Vec<WindowMeans> =
            (0..10).map(|w| window(w, &all.iter().copied().skip(w).step_by(10).collect::<Vec<_>>())).collect();
        let drawn: Vec<usize> = (0..10).collect();
        let expected = stats::quantile(&all, 0.99).expect("values");
        assert!((p99(&windows, &drawn) - expected).abs() < 1e-9);
        let figure = bootstrapped(&[10], 1, 0.95, |drawn| p99(&windows, &drawn[0]));
        assert!(figure.low.is_some_and(|low| low <= expected) && figure.high.is_some_and(|high| high >= expected));
        assert!(bootstrapped(&[9], 1, 0.95, |_| 1.0).low.is_none());
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
        Quality { texts: Vec::new(), reference, sharing, workers: Vec::new(), results: Vec::new() }
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
