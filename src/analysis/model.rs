//! What a run says of one model: its metrics, how they compare, and everything in detail.

#[cfg(test)]
use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answers::{self, AnswerRow, CategoryRow},
    behaviour::Behaviour,
    costs::{self, LoadSummary, MemorySummary},
    quality::{self, QualityAnalysis},
    series::{self, MetricSummary, Series, visits},
    verdict::{self, Comparison, Retained},
};
use crate::{
    metric::MetricId,
    record::{Outcome, Role, Run},
};

/// What a run says of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    #[serde(serialize_with = "series::by_id")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, MetricSummary>"))]
    pub metrics: Vec<MetricSummary>,
    /// The same keys, as candidate over original, and `all_workloads`: one line over all synthetic ones. Empty for the original.
    #[serde(serialize_with = "series::by_id")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Comparison>"))]
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
    /// How it behaved when it answered; `None` where it did not.
    pub behaviour: Option<Behaviour>,
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

/// What its own series, those of the original (`base`) and the comparisons of the two say; `outputs` are the comparisons of every model.
pub(super) fn analyse(
    run: &Run,
    model: usize,
    original: usize,
    own: &[Series],
    base: &[Series],
    vs_original: Vec<Comparison>,
    outputs: &[Option<QualityAnalysis>],
) -> ModelAnalysis {
    let protocol = &run.plan.protocol;
    let of_series = |s: &Series| {
        let level = series::summarise(s, protocol);
        let ratio = vs_original.iter().find(|c| c.id == s.id).and_then(|c| c.ratio);
        let base = base.iter().find(|b| b.id == s.id);
        match ratio.zip(base) {
            Some((ratio, base)) => level.beside(&series::summarise(base, protocol), ratio),
            None => level,
        }
    };
    // A mean over workloads means something as a ratio only.
    let mut metrics: Vec<MetricSummary> = own.iter().filter(|s| s.id != MetricId::Overall).map(of_series).collect();
    let info = &run.subjects[model];
    metrics.extend(quality::metrics(info.role, model, outputs));
    let facts = info.model.facts.as_ref();
    let answers = answers::by_prompt(run, model, original);
    let level = |id: &MetricId| metrics.iter().find(|m| m.id == *id).and_then(|m| m.value);
    let (load, memory) = (level(&MetricId::Load), level(&MetricId::PeakMemory));
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
        retained: verdict::retained(run, own),
        load: costs::load(run, model, load),
        memory: costs::memory(run, model, memory),
        categories: answers::by_category(run, model),
        behaviour: Behaviour::of(&answers),
        answers,
        quality: outputs[model].clone(),
    }
}

/// `Done`, or the first failure of a model.
pub(super) fn first_failure(run: &Run, model: usize) -> Outcome {
    std::iter::once(&run.subjects[model].outcome)
        .chain(visits(run, model).map(|v| &v.outcome))
        .find(|o| **o != Outcome::Done)
        .cloned()
        .unwrap_or(Outcome::Done)
}
