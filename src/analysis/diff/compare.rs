//! Two records of the same models, from another day, build or machine: what changed, and how surely.
//!
//! Rounds of different runs have nothing in common, so nothing is paired: ratios are shifts of logarithms between independent
//! samples, and a drift within a run widens them. From three records of each side on a record is one value, and what varies from run
//! to run is in the interval. Outputs are paired, window by window, since the same file reads the same text;
//! their interval is over documents where there are enough of them.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::{
    analysis::{
        change::{Change, ChangeKind},
        comparable::{Difference, MatchedBy, Pair, Weight, differences, pair_models},
        gate::{self, Gate, Held, Limit, Row, UnknownMetric},
        model::first_failure,
        quality,
        series::{self, Series},
        verdict::{self, Verdict},
    },
    metric::{self, Better, MetricId, Unit},
    record::{Outcome, Protocol, QualityPlan, Run, TextQuality, WindowMeans},
    stats::{self, Dependence, Estimate, FEWEST_RUNS},
};

/// What changed from one record to the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Diff {
    /// The conditions that were set and what became of them; `None` without any.
    #[serde(skip)]
    pub gate: Option<Gate>,
    /// The older records.
    pub old: Vec<Side>,
    /// The newer ones.
    pub new: Vec<Side>,
    /// What the intervals of speeds, times and memory know of.
    pub scatter: Scatter,
    /// Confidence of every interval, the newer record's.
    pub confidence: f64,
    /// Differences smaller than this are not relevant, as the newer record has it.
    pub equivalence: f64,
    /// Verdicts drawn: each is held to a confidence adjusted for their number.
    pub verdicts: usize,
    /// What else differs between the records.
    pub differences: Vec<Difference>,
    /// What differs between records of one side, and makes putting them together meaningless.
    pub within: Vec<Within>,
    /// The models that both have, in the order of the newer record.
    pub models: Vec<ModelDiff>,
}

/// What an interval knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scatter {
    /// What varies from round to round in one record of each side, and nothing of what varies from run to run.
    WithinRuns,
    /// What varies from run to run, from three records of each side or more.
    BetweenRuns,
}

/// One of the records, to be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct MetricDiff {
    /// `pp512`, `load`, `memory_peak`, `short/tg`, `ppl`, `kld_mean`, ...
    pub metric: MetricId,
    /// Median over the rounds of the older record, of several records the geometric mean of their medians; of outputs the mean over the
    /// windows that all have.
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
    /// Rounds, or windows, of the older records.
    pub n_old: usize,
    /// Of the newer ones.
    pub n_new: usize,
}

/// Two records of one side that were not made alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Within {
    /// Whether it is one of the older records.
    pub old: bool,
    /// Which of them, counted from 1; it is held against the first.
    pub record: usize,
    /// What differs; its `old` is what the first record of that side has.
    pub difference: Difference,
}

impl Diff {
    /// What makes the comparison meaningless; empty when it stands.
    pub(crate) fn objections(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.weight == Weight::Meaningless)
    }

    /// Records of each side.
    pub(crate) fn records(&self) -> (usize, usize) {
        (self.old.len(), self.new.len())
    }

    /// Whether a model that was measured has lost figures.
    #[must_use]
    pub(crate) fn is_partial(&self) -> bool {
        self.models.iter().any(|m| m.old_outcome == Outcome::Done && m.new_outcome != Outcome::Done)
    }
}

/// So many records on each side: one and one, or enough to say what varies between runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{old} older and {new} newer records: give one of each, or at least {FEWEST_RUNS} of each, which is the fewest that say what varies from run \
     to run"
)]
pub(crate) struct TooFewRecords {
    old: usize,
    new: usize,
}

/// Compares every model and metric that all records have, and holds the changes against the limits.
///
/// # Errors
/// When a side has too few records, or a limit is to what is not compared.
pub(crate) fn diff(old: &[Run], new: &[Run], limits: &[Limit]) -> Result<Diff, DiffError> {
    let sides = Sides::new(old, new)?;
    let mut diff = sides.diff(None);
    if !limits.is_empty() {
        let held: Vec<Held> = diff.models.iter().map(held).collect();
        let rows = |confidence| sides.rows(confidence);
        diff.gate = Some(gate::hold(limits, &held, diff.confidence, rows)?);
    }
    Ok(diff)
}

/// Why records are not compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DiffError {
    #[error(transparent)]
    Records(#[from] TooFewRecords),
    #[error(transparent)]
    Metric(#[from] UnknownMetric),
}

/// One record and another where the comparison is one of several: `family` verdicts are drawn in all of them.
pub(crate) fn held_to(old: &Run, new: &Run, family: Option<usize>) -> Diff {
    Sides { old: std::slice::from_ref(old), new: std::slice::from_ref(new) }.diff(family)
}

/// A model that was measured and is not any more can't keep to a limit.
fn held(model: &ModelDiff) -> Held {
    let failure = match (&model.old_outcome, &model.new_outcome) {
        (Outcome::Done, Outcome::Failed { reason, .. }) => Some(reason.clone()),
        _ => None,
    };
    Held { name: model.name.clone(), lost: model.lost.clone(), failure }
}

/// The records that are compared, at least one on each side.
#[derive(Clone, Copy)]
struct Sides<'a> {
    old: &'a [Run],
    new: &'a [Run],
}

/// A model in all records of both sides: the pair in the first of each, and its place in every one.
struct Everywhere {
    pair: Pair,
    old: Vec<usize>,
    new: Vec<usize>,
}

impl<'a> Sides<'a> {
    fn new(old: &'a [Run], new: &'a [Run]) -> Result<Self, TooFewRecords> {
        let counts = (old.len(), new.len());
        if counts == (1, 1) || counts.0.min(counts.1) >= FEWEST_RUNS {
            return Ok(Self { old, new });
        }
        Err(TooFewRecords { old: counts.0, new: counts.1 })
    }

    fn first(&self) -> (&'a Run, &'a Run) {
        (&self.old[0], &self.new[0])
    }

    fn models(&self) -> Vec<Everywhere> {
        let (old, new) = self.first();
        let others = |runs: &'a [Run]| -> Vec<Vec<Pair>> { runs.iter().map(|run| pair_models(run, new)).collect() };
        let (older, newer) = (others(self.old), others(self.new));
        let place = |runs: &[Vec<Pair>], model: usize| -> Option<Vec<usize>> {
            runs.iter().map(|pairs| Some(pairs.iter().find(|pair| pair.new == model)?.old)).collect()
        };
        let everywhere =
            |pair: Pair| Some(Everywhere { old: place(&older, pair.new)?, new: place(&newer, pair.new)?, pair });
        pair_models(old, new).into_iter().filter_map(everywhere).collect()
    }

    /// What is compared, at a confidence.
    fn metrics(&self, confidence: f64, family: Option<usize>) -> (Vec<(Everywhere, Vec<MetricDiff>)>, usize) {
        let (_, new) = self.first();
        let models = self.models();
        let series: Vec<Vec<Two>> = models.iter().map(|model| self.both(model)).collect();
        let own = || series.iter().flatten().filter(|two| two.interval(confidence).is_ok()).count();
        let verdicts = family.unwrap_or_else(own);
        let protocol = Protocol { confidence, ..new.plan.protocol.clone() };
        let outputs: Vec<Vec<MetricDiff>> =
            models.iter().map(|model| outputs(self, model, &models, confidence)).collect();
        let all = models.into_iter().zip(series).zip(outputs).map(|((model, series), outputs)| {
            let mut metrics: Vec<MetricDiff> = series.iter().map(|two| two.compare(&protocol, verdicts)).collect();
            metrics.extend(outputs);
            (model, metrics)
        });
        (all.collect(), verdicts)
    }

    fn rows(&self, confidence: f64) -> Vec<Row> {
        let (models, _) = self.metrics(confidence, None);
        let rows = models.into_iter().enumerate().flat_map(|(subject, (_, metrics))| {
            metrics.into_iter().map(move |row| Row { subject, metric: row.metric, change: row.change })
        });
        rows.collect()
    }

    fn diff(&self, family: Option<usize>) -> Diff {
        let (old, new) = self.first();
        let protocol = &new.plan.protocol;
        let (models, verdicts) = self.metrics(protocol.confidence, family);
        Diff {
            gate: None,
            old: self.old.iter().map(side).collect(),
            new: self.new.iter().map(side).collect(),
            scatter: if self.old.len() == 1 { Scatter::WithinRuns } else { Scatter::BetweenRuns },
            confidence: protocol.confidence,
            equivalence: protocol.equivalence,
            verdicts,
            differences: differences(old, new),
            within: [(true, self.old), (false, self.new)]
                .into_iter()
                .flat_map(|(old, runs)| within(old, runs))
                .collect(),
            models: models.into_iter().map(|(model, metrics)| self.model(&model, metrics)).collect(),
        }
    }

    fn model(&self, model: &Everywhere, metrics: Vec<MetricDiff>) -> ModelDiff {
        let (old, new) = self.first();
        let had = series::of_model(old, model.pair.old);
        let lost = had.into_iter().map(|s| s.id).filter(|id| metrics.iter().all(|m| m.metric != *id));
        let outcome = |runs: &[Run], places: &[usize]| {
            let all = runs.iter().zip(places).map(|(run, place)| first_failure(run, *place));
            all.fold(Outcome::Done, |so_far, next| if so_far == Outcome::Done { next } else { so_far })
        };
        ModelDiff {
            name: new.subjects[model.pair.new].name.clone(),
            matched_by: model.pair.by,
            old_outcome: outcome(self.old, &model.old),
            new_outcome: outcome(self.new, &model.new),
            lost: lost.collect(),
            metrics,
        }
    }

    /// Every metric that all records have and that means the same in all.
    fn both(&self, model: &Everywhere) -> Vec<Two> {
        let of = |runs: &[Run], places: &[usize]| -> Vec<Vec<Series>> {
            runs.iter().zip(places).map(|(run, place)| series::of_model(run, *place)).collect()
        };
        let (old, new) = (of(self.old, &model.old), of(self.new, &model.new));
        let everywhere = |records: &[Vec<Series>], own: &Series| -> Option<Vec<Series>> {
            let same = |series: &Vec<Series>| series.iter().find(|s| s.id == own.id && s.cache == own.cache).cloned();
            records.iter().map(same).collect()
        };
        let all =
            new[0].iter().filter_map(|own| Some(Two { old: everywhere(&old, own)?, new: everywhere(&new, own)? }));
        all.collect()
    }
}

/// Records of a side are put together, so that they must be of the same work.
fn within(old: bool, runs: &[Run]) -> Vec<Within> {
    let of = |(record, run): (usize, &Run)| -> Vec<Within> {
        let found = differences(&runs[0], run).into_iter().filter(|d| d.weight == Weight::Meaningless);
        found.map(|difference| Within { old, record, difference }).collect()
    };
    (1..).zip(runs).skip(1).flat_map(of).collect()
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

/// A metric's rounds in the records of both sides.
struct Two {
    old: Vec<Series>,
    new: Vec<Series>,
}

impl Two {
    /// The interval of ln(new / old). Of one record each it is widened where a run's rounds resemble their neighbours: without pairs a
    /// drift is not cancelled. Of several, a record is one value.
    fn interval(&self, confidence: f64) -> Result<Estimate, stats::Error> {
        if let ([old], [new]) = (self.old.as_slice(), self.new.as_slice()) {
            return within_runs(&logs(old), &logs(new), confidence);
        }
        let level = |series: &Series| stats::median(&logs(series));
        let levels = |all: &[Series]| all.iter().map(level).collect::<Result<Vec<f64>, _>>();
        stats::between_runs(&levels(&self.old)?, &levels(&self.new)?, confidence)
    }

    /// The change with its verdict, held to a confidence adjusted for `verdicts` of them (Bonferroni).
    fn compare(&self, protocol: &Protocol, verdicts: usize) -> MetricDiff {
        let values = |s: &Series| s.by_round.iter().map(|(_, v)| *v).collect::<Vec<f64>>();
        let median = |s: &Series| stats::median(&values(s)).unwrap_or(f64::NAN);
        let level = |all: &[Series]| match all {
            [one] => median(one),
            all => (all.iter().map(|s| median(s).ln()).sum::<f64>() / all.len() as f64).exp(),
        };
        let (old, new) = (level(&self.old), level(&self.new));
        let interval = self.interval(protocol.confidence).ok();
        let strict = metric::adjusted(protocol.confidence, verdicts);
        let rounds = |all: &[Series]| all.iter().map(|s| s.by_round.len()).sum::<usize>();
        let (n_old, n_new) = (rounds(&self.old), rounds(&self.new));
        let units = if self.old.len() == 1 { n_old + n_new } else { self.old.len() + self.new.len() };
        let judged = self.interval(strict).ok();
        let ratio = interval.as_ref().map(Estimate::exp);
        let id = &self.new[0].id;
        let spec = id.spec();
        MetricDiff {
            metric: id.clone(),
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
            verdict: judged.map(|e| verdict::judge(&e, protocol.equivalence, id)),
            detectable: judged
                .and_then(|e| verdict::detectable(&e, strict, units.saturating_sub(2), protocol.equivalence)),
            n_old,
            n_new,
        }
    }
}

fn within_runs(old: &[f64], new: &[f64], confidence: f64) -> Result<Estimate, stats::Error> {
    let fewest = old.len().min(new.len());
    if fewest < FEWEST_ROUNDS {
        return Err(stats::Error::TooFew { function: "diff", required: FEWEST_ROUNDS, actual: fewest });
    }
    let widening = |series: &[f64]| Dependence::of(series).map_or(1.0, |d| d.widening());
    let estimate = stats::hodges_lehmann_shift(old, new, confidence)?;
    Ok(estimate.widened(widening(old).max(widening(new))))
}

/// Logarithms, in time order.
fn logs(series: &Series) -> Vec<f64> {
    series.by_round.iter().map(|(_, v)| v.ln()).filter(|l| l.is_finite()).collect()
}

/// Windows that all records scored, by text, averaged over the records of a side: the same file reads the same text.
type Windows = Vec<Vec<(Means, Means)>>;

/// What is compared of a window.
#[derive(Clone, Copy)]
struct Means {
    nll_base_nats: f64,
    nll_candidate_nats: f64,
    kld_nats: f64,
    same_top_fraction: f64,
}

impl Means {
    fn of(windows: &[&WindowMeans]) -> Self {
        let mean = |of: fn(&WindowMeans) -> f64| windows.iter().map(|w| of(w)).sum::<f64>() / windows.len() as f64;
        Self {
            nll_base_nats: mean(|w| w.nll_base_nats),
            nll_candidate_nats: mean(|w| w.nll_candidate_nats),
            kld_nats: mean(|w| w.kld_nats),
            same_top_fraction: mean(|w| w.same_top_fraction),
        }
    }
}

/// Perplexity, mean KLD and agreement where all records compared this model's output with the same original.
fn outputs(sides: &Sides<'_>, model: &Everywhere, models: &[Everywhere], confidence: f64) -> Vec<MetricDiff> {
    let (old, new) = sides.first();
    let original = models.iter().find(|m| Some(m.pair.old) == old.original() && Some(m.pair.new) == new.original());
    let is_everywhere =
        |runs: &[Run], places: &[usize]| runs.iter().zip(places).all(|(run, place)| run.original() == Some(*place));
    if !original.is_some_and(|m| is_everywhere(sides.old, &m.old) && is_everywhere(sides.new, &m.new)) {
        return Vec::new();
    }
    if Some(model.pair.new) == new.original() {
        // The original was evaluated beside each candidate: any that all have tells.
        let windows = models.iter().map(|m| common(sides, m)).find(|windows| !windows.is_empty());
        let perplexity = |windows: &Windows| perplexity(windows, new, confidence, |w| w.nll_base_nats);
        return windows.iter().filter_map(perplexity).collect();
    }
    let windows = common(sides, model);
    let difference = |metric: MetricId, of: fn(&Means) -> f64| {
        let change = change(&windows, new, confidence, of)?;
        let values = (mean(&windows, |w| of(&w.0))?, mean(&windows, |w| of(&w.1))?);
        Some(row(metric, values, change, &windows))
    };
    [
        perplexity(&windows, new, confidence, |w| w.nll_candidate_nats),
        difference(MetricId::MeanKld { of: crate::metric::KldOf::Whole }, |w| w.kld_nats),
        difference(MetricId::SameTop, |w| w.same_top_fraction),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// exp of the mean difference of −log p: the ratio of perplexities.
fn perplexity(windows: &Windows, run: &Run, confidence: f64, nll: fn(&Means) -> f64) -> Option<MetricDiff> {
    let change = change(windows, run, confidence, nll)?;
    let values = (mean(windows, |w| nll(&w.0))?.exp(), mean(windows, |w| nll(&w.1))?.exp());
    let (low, high) = (change.low.map(f64::exp), change.high.map(f64::exp));
    let change = Change { kind: ChangeKind::Ratio, value: change.value.exp(), low, high };
    Some(row(MetricId::Perplexity, values, change, windows))
}

fn row(metric: MetricId, (old, new): (f64, f64), change: Change, windows: &Windows) -> MetricDiff {
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
fn change(windows: &Windows, run: &Run, confidence: f64, of: fn(&Means) -> f64) -> Option<Change> {
    let differences: Vec<Vec<f64>> =
        windows.iter().map(|text| text.iter().map(|(old, new)| of(new) - of(old)).collect()).collect();
    let unit = run.plan.quality.as_ref()?.unit();
    let interval = quality::mean_interval(&differences, unit, confidence);
    let value = mean(windows, |(old, new)| of(new) - of(old))?;
    let end = |of: fn(&Estimate) -> f64| interval.as_ref().map(of);
    Some(Change { kind: ChangeKind::Difference, value, low: end(|e| e.low), high: end(|e| e.high) })
}

/// The mean of the texts' means.
fn mean(windows: &Windows, of: impl Fn(&(Means, Means)) -> f64) -> Option<f64> {
    let means = windows.iter().map(|text| text.iter().map(&of).sum::<f64>() / text.len() as f64);
    (!windows.is_empty()).then(|| means.sum::<f64>() / windows.len() as f64)
}

/// A text by its name, with what was scored of it.
type Scored<'a> = (&'a str, &'a [WindowMeans]);

fn scored(run: &Run, model: usize) -> Option<Vec<Scored<'_>>> {
    let result = run.quality.as_ref()?.results.iter().find(|result| result.candidate == model)?;
    let plan = run.plan.quality.as_ref()?;
    let text = |own| text_of(plan, own);
    Some(result.texts.iter().filter_map(text).collect())
}

fn text_of<'a>(plan: &'a QualityPlan, own: &'a TextQuality) -> Option<Scored<'a>> {
    Some((plan.texts.get(own.text)?.name.as_str(), own.windows.as_slice()))
}

/// Texts are matched by name; that their contents agree is looked at elsewhere.
fn common(sides: &Sides<'_>, model: &Everywhere) -> Windows {
    let (Some(old), Some(new)) = (all_scored(sides.old, &model.old), all_scored(sides.new, &model.new)) else {
        return Vec::new();
    };
    let text = |&(name, windows): &Scored<'_>| {
        let both = windows.iter().filter_map(|w| Some((means(&old, name, w.window)?, means(&new, name, w.window)?)));
        Some(both.collect::<Vec<_>>()).filter(|both| !both.is_empty())
    };
    new[0].iter().filter_map(text).collect()
}

/// What each record of a side scored of a model; `None` where one did not.
fn all_scored<'a>(runs: &'a [Run], places: &[usize]) -> Option<Vec<Vec<Scored<'a>>>> {
    runs.iter().zip(places).map(|(run, place)| scored(run, *place)).collect()
}

/// A window's means over the records of a side; `None` where one has not scored it.
fn means(records: &[Vec<Scored<'_>>], name: &str, window: usize) -> Option<Means> {
    let mut all = Vec::with_capacity(records.len());
    for texts in records {
        let (_, windows) = texts.iter().find(|text| text.0 == name)?;
        all.push(windows.iter().find(|w| w.window == window)?);
    }
    Some(Means::of(&all))
}
