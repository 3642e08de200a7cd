//! Two records of the same models, from another day, build or machine: what changed, and how surely.
//!
//! Rounds of different runs have nothing in common, so nothing is paired: ratios are shifts of logarithms between independent
//! samples, and a drift within a run widens them. Outputs are paired, window by window, since the same file reads the same text;
//! their interval is over documents where there are enough of them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    analysis::{
        comparable::{Difference, MatchedBy, Pair, Weight, differences, pair_models},
        model::first_failure,
        quality,
        series::{self, Series},
        verdict::{self, Verdict},
    },
    metric::{self, Better, MetricId, Unit},
    record::{CandidateQuality, Outcome, Protocol, Run, TextQuality, WindowMeans},
    stats::{self, Dependence, Estimate},
};

/// What changed from one record to the other.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Diff {
    /// The older record.
    pub old: Side,
    /// The newer one.
    pub new: Side,
    /// Confidence of every interval, the newer record's.
    pub confidence: f64,
    /// Differences smaller than this are not relevant, as the newer record has it.
    pub equivalence: f64,
    /// Verdicts drawn: each is held to a confidence adjusted for their number.
    pub verdicts: usize,
    /// What else differs between the records.
    pub differences: Vec<Difference>,
    /// The models that both have, in the order of the newer record.
    pub models: Vec<ModelDiff>,
    /// The limits that were set, in their order, once for every model they concern.
    pub gates: Vec<Gate>,
}

/// One of the records, to be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Side {
    /// When it was begun, UTC.
    pub started_utc: String,
    /// gguf-bench's version.
    pub version: String,
    /// Version of the crate that carries llama.cpp.
    pub llama_cpp: String,
    /// The processor.
    pub cpu: String,
    /// Rounds.
    pub rounds: usize,
}

/// A model in both records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ModelDiff {
    /// Its name in the newer record.
    pub name: String,
    /// By what it was found in both.
    pub matched_by: MatchedBy,
    /// `Done`, or its first failure in the older record.
    pub old_outcome: Outcome,
    /// The same in the newer one.
    pub new_outcome: Outcome,
    /// Every metric that both have.
    pub metrics: Vec<MetricDiff>,
    /// Metrics that only the older record has.
    pub lost: Vec<MetricId>,
}

/// A metric of a model in both records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct MetricDiff {
    /// `pp512`, `load`, `memory_peak`, `short/tg`, `ppl`, `kld_mean`, ...
    pub metric: MetricId,
    /// Median over the rounds of the older record; of outputs the mean over the windows that both have.
    pub old: f64,
    /// The same of the newer one.
    pub new: f64,
    /// Unit of both.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What became of it.
    pub change: Change,
    /// What may be concluded; `None` without an interval, and for outputs, which have no region of equivalence.
    pub verdict: Option<Verdict>,
    /// The smallest difference that would have been called relevant in 80 % of cases, as a fraction; `None` where no verdict is drawn.
    pub detectable: Option<f64>,
    /// Rounds, or windows, of the older record.
    pub n_old: usize,
    /// Of the newer one.
    pub n_new: usize,
}

/// A limit held against one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Gate {
    /// The limit as it was written.
    pub limit: String,
    /// The model.
    pub model: String,
    /// The metric by its full name.
    pub metric: MetricId,
    /// How it came out.
    pub passing: Passing,
}

/// How a limit came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Passing {
    /// The whole interval is past the limit.
    Failed,
    /// The interval does not lie wholly past it.
    Passed,
    /// There is no interval, so nothing can fail.
    NoInterval,
}

/// How a metric changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// In which terms.
    pub kind: ChangeKind,
    /// The estimate.
    pub value: f64,
    /// Lower end of its interval; `None` when there was too little for one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The terms of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    /// New over old.
    Ratio,
    /// New less old, in the metric's unit: for what may be 0.
    Difference,
}

impl Diff {
    /// What makes the comparison meaningless; empty when it stands.
    pub(crate) fn objections(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.weight == Weight::Meaningless)
    }

    /// Whether a model that was measured has lost figures.
    #[must_use]
    pub(crate) fn is_partial(&self) -> bool {
        self.models.iter().any(|m| m.old_outcome == Outcome::Done && m.new_outcome != Outcome::Done)
    }
}

/// Compares every model and metric that both records have.
#[must_use]
pub(crate) fn diff(old: &Run, new: &Run) -> Diff {
    held_to(old, new, None)
}

/// The same where the comparison is one of several: `family` verdicts are drawn in all of them.
pub(crate) fn held_to(old: &Run, new: &Run, family: Option<usize>) -> Diff {
    let pairs = pair_models(old, new);
    let protocol = &new.plan.protocol;
    let series: Vec<Vec<Two>> = pairs.iter().map(|pair| both(old, new, pair)).collect();
    let own = || series.iter().flatten().filter(|two| two.interval(protocol.confidence).is_ok()).count();
    let verdicts = family.unwrap_or_else(own);
    let models = pairs.iter().zip(series).map(|(pair, series)| {
        let mut metrics: Vec<MetricDiff> = series.iter().map(|two| two.compare(protocol, verdicts)).collect();
        metrics.extend(outputs(old, new, pair, &pairs));
        model(old, new, pair, metrics)
    });
    Diff {
        old: side(old),
        new: side(new),
        confidence: protocol.confidence,
        equivalence: protocol.equivalence,
        verdicts,
        differences: differences(old, new),
        models: models.collect(),
        gates: Vec::new(),
    }
}

fn model(old: &Run, new: &Run, pair: &Pair, metrics: Vec<MetricDiff>) -> ModelDiff {
    let had = series::of_model(old, pair.old);
    let lost = had.into_iter().map(|s| s.id).filter(|id| metrics.iter().all(|m| m.metric != *id));
    ModelDiff {
        name: new.subjects[pair.new].name.clone(),
        matched_by: pair.by,
        old_outcome: first_failure(old, pair.old),
        new_outcome: first_failure(new, pair.new),
        lost: lost.collect(),
        metrics,
    }
}

pub(crate) fn side(run: &Run) -> Side {
    Side {
        started_utc: run.started_utc.clone(),
        version: run.build.version.clone(),
        llama_cpp: run.build.llama_cpp_sys_2.clone(),
        cpu: run.machine.cpu.clone(),
        rounds: run.rounds.len(),
    }
}

/// Two mirrored pairs in each record: fewer rounds say nothing of what changes within a run.
const FEWEST_ROUNDS: usize = 4;

/// A metric's rounds in both records.
struct Two {
    old: Series,
    new: Series,
}

/// Every metric that both have and that means the same in both.
fn both(old: &Run, new: &Run, pair: &Pair) -> Vec<Two> {
    let before = series::of_model(old, pair.old);
    let partner = |own: &Series| before.iter().find(|s| s.id == own.id).cloned();
    let two = series::of_model(new, pair.new).into_iter().filter_map(|new| Some(Two { old: partner(&new)?, new }));
    two.filter(|two| two.old.cache == two.new.cache).collect()
}

impl Two {
    /// The interval of ln(new / old), widened where a run's rounds resemble their neighbours: without pairs a drift is not cancelled.
    fn interval(&self, confidence: f64) -> Result<Estimate, stats::Error> {
        let (old, new) = (logs(&self.old), logs(&self.new));
        let fewest = old.len().min(new.len());
        if fewest < FEWEST_ROUNDS {
            return Err(stats::Error::TooFew { function: "diff", required: FEWEST_ROUNDS, actual: fewest });
        }
        let widening = |series: &[f64]| Dependence::of(series).map_or(1.0, |d| d.widening());
        let estimate = stats::hodges_lehmann_shift(&old, &new, confidence)?;
        Ok(estimate.widened(widening(&old).max(widening(&new))))
    }

    /// The change with its verdict, held to a confidence adjusted for `verdicts` of them (Bonferroni).
    fn compare(&self, protocol: &Protocol, verdicts: usize) -> MetricDiff {
        let values = |s: &Series| s.by_round.iter().map(|(_, v)| *v).collect::<Vec<f64>>();
        let median = |s: &Series| stats::median(&values(s)).unwrap_or(f64::NAN);
        let (old, new) = (median(&self.old), median(&self.new));
        let interval = self.interval(protocol.confidence).ok();
        let strict = metric::adjusted(protocol.confidence, verdicts);
        let (n_old, n_new) = (self.old.by_round.len(), self.new.by_round.len());
        let judged = self.interval(strict).ok();
        let ratio = interval.as_ref().map(Estimate::exp);
        let spec = self.new.id.spec();
        MetricDiff {
            metric: self.new.id.clone(),
            old,
            new,
            unit: spec.unit,
            better: spec.better,
            change: Change {
                kind: ChangeKind::Ratio,
                value: ratio.as_ref().map_or(new / old, |r| r.value),
                low: ratio.as_ref().map(|r| r.low),
                high: ratio.as_ref().map(|r| r.high),
            },
            verdict: judged.map(|e| verdict::judge(&e, protocol.equivalence, &self.new.id)),
            detectable: judged
                .and_then(|e| verdict::detectable(&e, strict, (n_old + n_new).saturating_sub(2), protocol.equivalence)),
            n_old,
            n_new,
        }
    }
}

/// Logarithms, in time order.
fn logs(series: &Series) -> Vec<f64> {
    series.by_round.iter().map(|(_, v)| v.ln()).filter(|l| l.is_finite()).collect()
}

/// Windows that both scored, by text.
type Windows<'a> = Vec<Vec<(&'a WindowMeans, &'a WindowMeans)>>;

/// Perplexity, mean KLD and agreement where both records compared this model's output with the same original.
fn outputs(old: &Run, new: &Run, pair: &Pair, pairs: &[Pair]) -> Vec<MetricDiff> {
    let same_original = pairs.iter().any(|p| Some(p.old) == old.original() && Some(p.new) == new.original());
    if !same_original {
        return Vec::new();
    }
    if Some(pair.new) == new.original() {
        // The original was evaluated beside each candidate: any that both have tells.
        let windows = pairs.iter().map(|p| common(old, new, p)).find(|windows| !windows.is_empty());
        return windows.iter().filter_map(|windows| perplexity(windows, new, |w| w.nll_base_nats)).collect();
    }
    let windows = common(old, new, pair);
    let difference = |metric: MetricId, of: fn(&WindowMeans) -> f64| {
        let change = change(&windows, new, of)?;
        let values = (mean(&windows, |w| of(w.0))?, mean(&windows, |w| of(w.1))?);
        let (low, high) = (change.low, change.high);
        Some(row(metric, values, Change { kind: ChangeKind::Difference, value: change.value, low, high }, &windows))
    };
    [
        perplexity(&windows, new, |w| w.nll_candidate_nats),
        difference(MetricId::MeanKld { of: crate::metric::KldOf::Whole }, |w| w.kld_nats),
        difference(MetricId::SameTop, |w| w.same_top_fraction),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// exp of the mean difference of −log p: the ratio of perplexities.
fn perplexity(windows: &Windows<'_>, run: &Run, nll: fn(&WindowMeans) -> f64) -> Option<MetricDiff> {
    let change = change(windows, run, nll)?;
    let values = (mean(windows, |w| nll(w.0))?.exp(), mean(windows, |w| nll(w.1))?.exp());
    let (low, high) = (change.low.map(f64::exp), change.high.map(f64::exp));
    let change = Change { kind: ChangeKind::Ratio, value: change.value.exp(), low, high };
    Some(row(MetricId::Perplexity, values, change, windows))
}

fn row(metric: MetricId, (old, new): (f64, f64), change: Change, windows: &Windows<'_>) -> MetricDiff {
    let n = windows.iter().map(Vec::len).sum();
    let spec = metric.spec();
    MetricDiff {
        metric,
        old,
        new,
        unit: spec.unit,
        better: spec.better,
        change,
        verdict: None,
        detectable: None,
        n_old: n,
        n_new: n,
    }
}

/// The mean difference with its interval over documents or windows, texts counting equally.
fn change(windows: &Windows<'_>, run: &Run, of: fn(&WindowMeans) -> f64) -> Option<Change> {
    let differences: Vec<Vec<f64>> =
        windows.iter().map(|text| text.iter().map(|(old, new)| of(new) - of(old)).collect()).collect();
    let unit = run.plan.quality.as_ref()?.unit();
    let interval = quality::mean_interval(&differences, unit, run.plan.protocol.confidence);
    let value = mean(windows, |(old, new)| of(new) - of(old))?;
    let end = |of: fn(&Estimate) -> f64| interval.as_ref().map(of);
    Some(Change { kind: ChangeKind::Difference, value, low: end(|e| e.low), high: end(|e| e.high) })
}

/// The mean of the texts' means.
fn mean(windows: &Windows<'_>, of: impl Fn(&(&WindowMeans, &WindowMeans)) -> f64) -> Option<f64> {
    let means = windows.iter().map(|text| text.iter().map(&of).sum::<f64>() / text.len() as f64);
    (!windows.is_empty()).then(|| means.sum::<f64>() / windows.len() as f64)
}

/// Texts are matched by name; that their contents agree is looked at elsewhere.
fn common<'a>(old: &'a Run, new: &'a Run, pair: &Pair) -> Windows<'a> {
    let result = |run: &'a Run, model: usize| -> Option<&'a CandidateQuality> {
        run.quality.as_ref()?.results.iter().find(|r| r.candidate == model)
    };
    let (Some(before), Some(after)) = (result(old, pair.old), result(new, pair.new)) else { return Vec::new() };
    let name = |run: &'a Run, text: usize| Some(&run.plan.quality.as_ref()?.texts.get(text)?.name);
    let of_text = |text: &'a TextQuality| {
        let own = name(new, text.text)?;
        let other = before.texts.iter().find(|t| name(old, t.text) == Some(own))?;
        let both = text.windows.iter().filter_map(|w| Some((other.windows.iter().find(|o| o.window == w.window)?, w)));
        Some(both.collect::<Vec<_>>()).filter(|both| !both.is_empty())
    };
    after.texts.iter().filter_map(of_text).collect()
}
