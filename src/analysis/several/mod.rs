//! Several records side by side: what each measured, and how it stands to the first wherever the two can be compared.
//!
//! Rounds of different runs have nothing in common, so ratios are those of [`super::diff`], for independent runs. Of each pair only what no
//! difference forbids is compared; everything measured is shown.

mod groups;
mod held;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ANALYSIS_FORMAT, Analysis, MetricSummary, analyse,
    comparable::Difference,
    diff::{self, Change, Side},
    verdict::Verdict,
};
use crate::{
    metric::{Better, MetricId, Unit},
    record::{Machine, Outcome, Run},
};
use groups::Group;
use held::Held;

/// What several records say, side by side. The same records in the same order give the same findings, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Several {
    /// Version of the format of the records and of this document.
    pub format: u32,
    /// Verdicts drawn: each is held to a confidence adjusted for their number.
    pub verdicts: usize,
    /// The records, in the order given; the first is what the others are compared with.
    pub records: Vec<Recorded>,
    /// The models of all records, in the order in which they come first.
    pub models: Vec<ModelRows>,
}

/// One of the records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Recorded {
    /// When it was begun, and with what.
    #[serde(flatten)]
    pub side: Side,
    /// Index of the first record of a machine like this one: of the same CPU, cores and memory. Names of machines are not recorded.
    pub machine: usize,
    /// Confidence of its intervals.
    pub confidence: f64,
    /// What differs from the first record, besides what was measured.
    pub differences: Vec<Difference>,
}

/// A model, found in the records by its content, else by its name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ModelRows {
    /// Its name in the first record that has it.
    pub name: String,
    /// Every metric that a record has.
    pub metrics: Vec<MetricRow>,
}

/// A metric of a model in every record.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct MetricRow {
    /// `pp512`, `load`, `memory_peak`, `short/tg`, `ppl`, `kld_mean`, ...
    pub metric: MetricId,
    /// Unit of its values.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// One a record, in their order.
    pub readings: Vec<Reading>,
}

/// A metric of a model in one record.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Reading {
    /// What was measured, or why nothing was.
    pub measured: Measured,
    /// How it stands to the first record.
    pub against_first: Standing,
}

/// What a record has of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measured {
    /// A value, with its interval where there were rounds enough.
    Value(MetricSummary),
    /// The model is not in this record.
    NoSuchModel,
    /// The model failed before it could be measured.
    Failed,
    /// The model is there and this was not measured.
    NotMeasured,
}

/// How a reading stands to the first record's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It is the first record's.
    First,
    /// The two are of the same work.
    Compared {
        /// From the first record to this one.
        change: Change,
        /// What may be concluded; `None` without an interval, and for outputs.
        verdict: Option<Verdict>,
    },
    /// They are not.
    Forbidden {
        /// What of the differences forbids it, the first of them.
        by: String,
    },
    /// One of the two has no value, or the values are not of one kind, as loads from storage and from the page cache.
    NothingToCompare,
}

impl Measured {
    /// The value, if there is one.
    #[must_use]
    pub(crate) fn value(&self) -> Option<&MetricSummary> {
        match self {
            Self::Value(summary) => Some(summary),
            Self::NoSuchModel | Self::Failed | Self::NotMeasured => None,
        }
    }
}

/// Puts records side by side; `None` without any.
#[must_use]
pub(crate) fn several(runs: &[Run]) -> Option<Several> {
    let first = runs.first()?;
    let analyses: Vec<Analysis> = runs.iter().map(analyse).collect();
    let held = |family| -> Vec<Held<'_>> { runs.iter().skip(1).map(|run| Held::new(first, run, family)).collect() };
    // Verdicts are counted first, where each record is a family of its own.
    let verdicts = held(None).iter().map(Held::verdicts).sum();
    let held = held(Some(verdicts));
    let rows = |group: &Group| model_rows(runs, &analyses, &held, group);
    Some(Several {
        format: ANALYSIS_FORMAT,
        verdicts,
        models: groups::groups(runs).iter().map(rows).collect(),
        records: (0..runs.len()).map(|i| recorded(runs, i, &held)).collect(),
    })
}

fn recorded(runs: &[Run], index: usize, held: &[Held<'_>]) -> Recorded {
    let run = &runs[index];
    let alike = |other: &Run| hardware(&other.machine) == hardware(&run.machine);
    Recorded {
        side: diff::side(run),
        machine: runs.iter().position(alike).unwrap_or(index),
        confidence: run.plan.protocol.confidence,
        differences: index.checked_sub(1).map_or_else(Vec::new, |i| held[i].differences().to_vec()),
    }
}

/// What does not change from day to day.
fn hardware(machine: &Machine) -> (&str, Option<u32>, u32, u64) {
    (&machine.cpu, machine.physical_cores, machine.logical_cpus, machine.ram_bytes)
}

fn model_rows(runs: &[Run], analyses: &[Analysis], held: &[Held<'_>], group: &Group) -> ModelRows {
    let of_record = |record: usize| group[record].map(|model| &analyses[record].models[model]);
    let mut known: Vec<&MetricSummary> = Vec::new();
    for metric in (0..runs.len()).filter_map(of_record).flat_map(|model| &model.metrics) {
        if known.iter().all(|k| k.id != metric.id) {
            known.push(metric);
        }
    }
    let measured = |record: usize, id: &MetricId| {
        let Some(model) = of_record(record) else { return Measured::NoSuchModel };
        let value = model.metric(id).filter(|m| m.value.is_some());
        match (value, &model.outcome) {
            (Some(metric), _) => Measured::Value(metric.clone()),
            (None, Outcome::Failed { .. }) => Measured::Failed,
            (None, Outcome::Done) => Measured::NotMeasured,
        }
    };
    let reading = |record: usize, metric: &MetricSummary| {
        let measured = measured(record, &metric.id);
        let against_first = match record.checked_sub(1) {
            None => Standing::First,
            Some(_) if measured.value().is_none() => Standing::NothingToCompare,
            Some(i) => held[i].standing(group[0], group[record], &metric.id),
        };
        Reading { measured, against_first }
    };
    let row = |metric: &&MetricSummary| MetricRow {
        metric: metric.id.clone(),
        unit: metric.unit,
        better: metric.better,
        readings: (0..runs.len()).map(|record| reading(record, metric)).collect(),
    };
    ModelRows {
        name: (0..runs.len()).find_map(of_record).map_or_else(String::new, |model| model.name.clone()),
        metrics: known.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests;
