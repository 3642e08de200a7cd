//! From the record to findings: summaries with intervals, ratios to the original, verdicts, warnings. Pure: no I/O, no clock.

mod answers;
mod bound;
pub(crate) mod comparable;
mod context;
mod defects;
mod depth;
pub(crate) mod diff;
mod load;
mod memory;
mod metric;
mod pareto;
mod parting;
mod quality;
mod recommend;
mod roofline;
mod selfcheck;
mod series;
pub(crate) mod several;
#[cfg(test)]
mod testing;
mod traces;
mod verdict;
pub(crate) mod votes;
mod warning;

pub(crate) use crate::metric::{Better, Unit};
#[cfg(test)]
pub(crate) use answers::Latency;
pub(crate) use answers::{AnswerRow, CategoryRow};
pub(crate) use bound::KldKind;
pub(crate) use context::Context;
pub(crate) use depth::Retained;
pub(crate) use load::LoadSummary;
#[cfg(test)]
pub(crate) use memory::BufferTotals;
pub(crate) use memory::MemorySummary;
pub(crate) use metric::{Comparison, MetricSummary};
pub(crate) use pareto::Axis;
pub(crate) use parting::Agreement;
pub(crate) use quality::{Figure, Figures, QualityAnalysis, QualityVerdict, TextFigures};
pub(crate) use recommend::{Advice, Choice, Held, Limit, Obstacle, Place, Source};
#[cfg(test)]
pub(crate) use recommend::{MAX_KLD_NATS, Rule, Standing};
pub(crate) use roofline::{Roofline, RooflineRow};
pub(crate) use selfcheck::{Finding, SelfCheck, selfcheck};
pub(crate) use traces::{ModelTraces, SampleTrace, Tenths, Traces};
pub use verdict::Verdict;
pub(crate) use verdict::Verdicts;
pub(crate) use votes::{Preference, VoteCount};
pub(crate) use warning::{Warning, WarningKind};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use series::Series;

use crate::{
    metric::MetricId,
    record::{Ended, Outcome, Phase, Role, Run, Subject, Visit, datum},
};

/// The version of what is printed as JSON; raised when a key that matters is added or changes meaning.
const ANALYSIS_FORMAT: u32 = 1;

/// What a run says. The same run gives the same analysis, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Analysis {
    /// Version of the format of this document.
    pub format: u32,
    /// Rounds that were finished.
    pub rounds: u32,
    /// Why no more were run.
    pub ended: Ended,
    /// Whether this was a quick look, too short for intervals.
    pub quick: bool,
    /// Confidence of every interval.
    pub confidence: f64,
    /// Differences smaller than this are not relevant.
    pub equivalence: f64,
    /// Verdicts drawn: each is held to a confidence adjusted for the number of its family.
    pub verdicts: Verdicts,
    /// The models in the plan's order; the first is the original.
    pub models: Vec<ModelAnalysis>,
    /// What a reader should know before trusting the numbers.
    pub warnings: Vec<Warning>,
    /// Which model to take, by which rule, and how the others stand.
    pub advice: Advice,
    /// What a person preferred who did not know whose answers they were, a row a candidate; `None` where no votes were given.
    pub votes: Option<Vec<VoteCount>>,
    /// Generation against the memory; `None` where its bandwidth was not measured.
    pub roofline: Option<Roofline>,
    /// What the record says of the run itself; not printed, since the record is printed as it is.
    #[serde(skip)]
    pub(crate) context: Context,
    /// What was measured in its course; not printed, since it is as long as the record.
    #[serde(skip)]
    pub(crate) traces: Traces,
    /// Pairs of answers that a person may judge; not printed, since it says whose they are.
    #[serde(skip)]
    pub(crate) ballot: Option<votes::Ballot>,
}

/// What a run says of one model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelAnalysis {
    /// Short name, unique in the run.
    pub name: String,
    /// File name.
    pub file: String,
    /// Original or candidate.
    pub role: Role,
    /// Quantization by llama.cpp's name.
    pub quant: Option<String>,
    /// Size of the file, all parts.
    pub size_bytes: Option<u64>,
    /// Real bits per weight.
    pub bits_per_weight: Option<f64>,
    /// `Done`, or the first failure.
    pub outcome: Outcome,
    /// `pp512`, `tg128`, ..., `load`, `memory_peak`, then `<category>/pp` and `<category>/tg`, then `ppl`, `kld_mean`, `kld_p99` and
    /// `top1_agreement`, whose `n` counts windows; a KLD that is a lower bound is `kld_mean_lower_bound`, `kld_p99_lower_bound`.
    #[serde(serialize_with = "metric::by_id")]
    #[schemars(with = "BTreeMap<String, MetricSummary>")]
    pub metrics: Vec<MetricSummary>,
    /// The same keys, as candidate over original, and `all_workloads`: one line over all synthetic ones. Empty for the original.
    #[serde(serialize_with = "metric::by_id")]
    #[schemars(with = "BTreeMap<String, Comparison>")]
    pub vs_original: Vec<Comparison>,
    /// Speed at depths of context over speed at the least depth; empty where there is one depth.
    pub retained: Vec<Retained>,
    /// The load in detail.
    pub load: Option<LoadSummary>,
    /// Memory in detail.
    pub memory: Option<MemorySummary>,
    /// By prompt category, in the order of the suite.
    pub categories: Vec<CategoryRow>,
    /// By prompt, in the order of the suite.
    pub answers: Vec<AnswerRow>,
    /// Its output against the original's; `None` for the original, or when outputs were not compared.
    pub quality: Option<QualityAnalysis>,
}

impl ModelAnalysis {
    pub fn metric(&self, id: &MetricId) -> Option<&MetricSummary> {
        self.metrics.iter().find(|m| m.id == *id)
    }

    pub fn comparison(&self, id: &MetricId) -> Option<&Comparison> {
        self.vs_original.iter().find(|c| c.id == *id)
    }
}

/// Draws every conclusion the record supports.
#[must_use]
pub fn analyse(run: &Run) -> Analysis {
    let original = run.original().unwrap_or(0);
    let of_model = |model| {
        let mut own = series::of_model(run, model);
        own.extend(series::overall(run, &own));
        own
    };
    let series: Vec<Vec<Series>> = (0..run.subjects.len()).map(of_model).collect();
    let protocol = &run.plan.protocol;
    let mut verdicts = Verdicts::default();
    for model in (0..run.subjects.len()).filter(|&model| model != original) {
        verdicts.add(&series[model], &series[original], protocol);
    }
    let compare = |model: usize| {
        if model == original {
            Vec::new()
        } else {
            verdict::compare(&series[model], &series[original], verdicts, protocol)
        }
    };
    let outputs: Vec<Option<QualityAnalysis>> =
        (0..run.subjects.len()).map(|model| quality::analyse(run, model)).collect();
    let models: Vec<ModelAnalysis> = (0..run.subjects.len())
        .map(|model| analyse_model(run, model, original, &series[model], compare(model), &outputs))
        .collect();
    let warnings = warning::find(run, &models);
    let advice = advise(run, &series, &models);
    let roofline = roofline::of(run, &models);
    let traces = Traces::of(run, &models);
    Analysis {
        format: ANALYSIS_FORMAT,
        rounds: u32::try_from(run.rounds.len()).unwrap_or(u32::MAX),
        ended: run.ended,
        quick: protocol.quick,
        confidence: protocol.confidence,
        equivalence: protocol.equivalence,
        verdicts,
        models,
        warnings,
        advice,
        votes: None,
        roofline,
        context: Context::of(run),
        traces,
        ballot: votes::ballot(run),
    }
}

fn advise(run: &Run, series: &[Vec<Series>], models: &[ModelAnalysis]) -> Advice {
    let field = pareto::Field::of(run, series, models);
    let tg = pareto::first(run, Phase::Decode);
    let original = run.original().map(|original| &run.subjects[original]);
    let is_copy = |subject: &Subject| {
        subject.role == Role::Candidate && original.is_some_and(|o| subject.model.holds_the_bytes_of(&o.model))
    };
    let contestants: Vec<_> = run
        .subjects
        .iter()
        .zip(models)
        .map(|(model, own)| recommend::Contestant::of(own, is_copy(model), tg.as_ref()))
        .collect();
    recommend::advise(recommend::rule(run, &field), &contestants, &field)
}

fn analyse_model(
    run: &Run,
    model: usize,
    original: usize,
    own: &[Series],
    vs_original: Vec<Comparison>,
    outputs: &[Option<QualityAnalysis>],
) -> ModelAnalysis {
    let of_series = |s: &Series| metric::summarise(s, &run.plan.protocol);
    // A mean over workloads means something as a ratio only.
    let mut metrics: Vec<MetricSummary> = own.iter().filter(|s| s.id != MetricId::Overall).map(of_series).collect();
    let info = &run.subjects[model];
    metrics.extend(quality::metrics(info.role, model, outputs));
    let facts = info.model.facts.as_ref();
    ModelAnalysis {
        name: info.name.clone(),
        file: info.model.file.clone(),
        role: info.role,
        quant: facts.map(|f| f.quant.clone()),
        size_bytes: facts.map(|f| f.file_bytes),
        bits_per_weight: facts.map(|f| f.bits_per_weight),
        outcome: first_failure(run, model),
        metrics,
        vs_original,
        retained: depth::retained(run, own),
        load: load::summarise(run, model),
        memory: memory::summarise(run, model),
        categories: answers::by_category(run, model),
        answers: answers::by_prompt(run, model, original),
        quality: outputs[model].clone(),
    }
}

fn visits(run: &Run, model: usize) -> impl Iterator<Item = &Visit> {
    datum::visits(run, model).map(|(_, visit)| visit)
}

fn first_failure(run: &Run, model: usize) -> Outcome {
    std::iter::once(&run.subjects[model].outcome)
        .chain(visits(run, model).map(|v| &v.outcome))
        .find(|o| **o != Outcome::Done)
        .cloned()
        .unwrap_or(Outcome::Done)
}
