//! History records side by side: what each measured, and how it stands to the first wherever the two can be compared.
//!
//! Records of a folder are put in the order of time instead, and each is held against the earliest of its machine and models.
//!
//! Rounds of different runs have nothing in common, so ratios are those of [`super::diff`], for independent runs. Of each pair only what no
//! difference forbids is compared; everything measured is shown.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    analyse::{ANALYSIS_FORMAT, Analysis, analyse},
    comparable::{Difference, MatchedBy, Pair, Scope, Weight, pair_models},
    diff::{self, Change, Diff, ModelDiff, Side},
    series::MetricSummary,
    verdict::Verdict,
};
use crate::{
    metric::{Better, Family, MetricId, Unit},
    record::{Machine, Outcome, Run},
};

/// What several records say, side by side. The same records in the same order give the same findings, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct History {
    /// Version of the format of the records and of this document.
    pub format: u32,
    /// Verdicts drawn: each is held to a confidence adjusted for a number of them.
    pub verdicts: usize,
    /// For which.
    pub adjusted_for: AdjustedFor,
    /// The records, in the order given or in that of time.
    pub records: Vec<Recorded>,
    /// The models of all records, in the order in which they come first.
    pub models: Vec<ModelRows>,
    /// Files of the folder that are no records, or none that can be read.
    pub left_out: Vec<LeftOut>,
}

/// The verdicts whose number a verdict is adjusted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdjustedFor {
    /// All of the document.
    AllRecords,
    /// Those of its own record, as a `diff` of the two would: a history grows, and what was called must not change by that.
    ItsRecord,
}

/// A file that is not in a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct LeftOut {
    /// Its path, as it was found.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// One of the records.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Recorded {
    /// When it was begun, and with what.
    #[serde(flatten)]
    pub side: Side,
    /// Index of the first record of a machine like this one: of the same CPU, cores and memory. Names of machines are not recorded.
    pub machine: usize,
    /// Confidence of its intervals.
    pub confidence: f64,
    /// Index of the record that it is held against; `None` where it is the first of its kind.
    pub against: Option<usize>,
    /// What differs from that record, besides what was measured.
    pub differences: Vec<Difference>,
}

/// A model, found in the records by its content, else by its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct ModelRows {
    /// Its name in the first record that has it.
    pub name: String,
    /// Every metric that a record has.
    pub metrics: Vec<MetricRow>,
}

/// A metric of a model in every record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Reading {
    /// What was measured, or why nothing was.
    pub measured: Measured,
    /// How it stands to the record that this one is held against.
    pub against_first: BaselineCheck,
}

/// What a record has of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schemars(rename = "Standing"))]
pub(crate) enum BaselineCheck {
    /// It is the first record's.
    First,
    /// The two are of the same work.
    Compared {
        /// From the first record to this one.
        change: Change,
        /// What may be concluded; `None` without an interval, and for outputs.
        verdict: Option<Verdict>,
        /// The smallest difference that would have been called relevant in 80 % of cases, as a fraction.
        detectable: Option<f64>,
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

/// Puts records side by side, each held against the first; `None` without any.
#[must_use]
pub(crate) fn history(runs: &[Run]) -> Option<History> {
    let against: Vec<Option<usize>> = (0..runs.len()).map(|record| (record > 0).then_some(0)).collect();
    of(runs, &against, AdjustedFor::AllRecords)
}

/// Records of a folder in the order of time, each held against the earliest of the same machine that has a model of its own; `None`
/// without any.
#[must_use]
pub(crate) fn over_time(mut runs: Vec<Run>, left_out: Vec<LeftOut>) -> Option<History> {
    // Times are written alike: in UTC, the year first.
    runs.sort_by(|a, b| a.started_utc.cmp(&b.started_utc));
    let alike = |earlier: &Run, run: &Run| {
        hardware(&earlier.machine) == hardware(&run.machine) && !pair_models(earlier, run).is_empty()
    };
    let against: Vec<Option<usize>> =
        (0..runs.len()).map(|record| (0..record).find(|&earlier| alike(&runs[earlier], &runs[record]))).collect();
    of(&runs, &against, AdjustedFor::ItsRecord).map(|history| History { left_out, ..history })
}

fn of(runs: &[Run], against: &[Option<usize>], adjusted_for: AdjustedFor) -> Option<History> {
    runs.first()?;
    let analyses: Vec<Analysis> = runs.iter().map(analyse).collect();
    let held = |family| -> Vec<Option<BaselineDiff<'_>>> {
        let one = |(run, base): (_, &Option<usize>)| base.map(|base| BaselineDiff::new(&runs[base], run, family));
        runs.iter().zip(against).map(one).collect()
    };
    // Verdicts are counted first, where each record is a family of its own.
    let verdicts = held(None).iter().flatten().map(BaselineDiff::verdicts).sum();
    let held = match adjusted_for {
        AdjustedFor::AllRecords => held(Some(verdicts)),
        AdjustedFor::ItsRecord => held(None),
    };
    let rows = |group: &Group| model_rows(&analyses, (against, &held), group);
    Some(History {
        format: ANALYSIS_FORMAT,
        verdicts,
        adjusted_for,
        models: groups(runs).iter().map(rows).collect(),
        records: (0..runs.len()).map(|i| recorded(runs, i, against[i], held[i].as_ref())).collect(),
        left_out: Vec::new(),
    })
}

fn recorded(runs: &[Run], index: usize, against: Option<usize>, held: Option<&BaselineDiff<'_>>) -> Recorded {
    let run = &runs[index];
    let alike = |other: &Run| hardware(&other.machine) == hardware(&run.machine);
    Recorded {
        side: diff::side(run),
        machine: runs.iter().position(alike).unwrap_or(index),
        confidence: run.plan.protocol.confidence,
        against,
        differences: held.map_or_else(Vec::new, |held| held.differences().to_vec()),
    }
}

/// What does not change from day to day.
fn hardware(machine: &Machine) -> (&str, Option<u32>, u32, u64) {
    (&machine.cpu, machine.physical_cores, machine.logical_cpus, machine.ram_bytes)
}

fn model_rows(
    analyses: &[Analysis],
    (against, held): (&[Option<usize>], &[Option<BaselineDiff<'_>>]),
    group: &Group,
) -> ModelRows {
    let n = analyses.len();
    let of_record = |record: usize| group[record].map(|model| &analyses[record].models[model]);
    let mut known: Vec<&MetricSummary> = Vec::new();
    for metric in (0..n).filter_map(of_record).flat_map(|model| &model.metrics) {
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
        let against_first = match against[record].zip(held[record].as_ref()) {
            None => BaselineCheck::First,
            Some(_) if measured.value().is_none() => BaselineCheck::NothingToCompare,
            Some((base, held)) => held.check(group[base], group[record], &metric.id),
        };
        Reading { measured, against_first }
    };
    let row = |metric: &&MetricSummary| MetricRow {
        metric: metric.id.clone(),
        unit: metric.unit,
        better: metric.better,
        readings: (0..n).map(|record| reading(record, metric)).collect(),
    };
    ModelRows {
        name: (0..n).find_map(of_record).map_or_else(String::new, |model| model.name.clone()),
        metrics: known.iter().map(row).collect(),
    }
}

/// A record and the first.
struct BaselineDiff<'a> {
    run: &'a Run,
    diff: Diff,
    /// Those of the models of `diff`, in its order.
    pairs: Vec<Pair>,
}

impl<'a> BaselineDiff<'a> {
    /// Verdicts are held to a confidence for `family` of them, or for as many as this record alone has.
    fn new(first: &Run, run: &'a Run, family: Option<usize>) -> Self {
        Self { run, diff: diff::held_to(first, run, family), pairs: pair_models(first, run) }
    }

    fn differences(&self) -> &[Difference] {
        &self.diff.differences
    }

    /// Verdicts on what may be compared.
    fn verdicts(&self) -> usize {
        let of_pair = |(pair, model): (&Pair, &ModelDiff)| {
            let judged = model.metrics.iter().filter(|m| m.verdict.is_some());
            judged.filter(|m| self.forbidden(pair.new, &m.metric).is_none()).count()
        };
        self.pairs.iter().zip(&self.diff.models).map(of_pair).sum()
    }

    /// How a metric of a model stands, which is `old` in the record it is held against and `new` in this one.
    fn check(&self, old: Option<usize>, new: Option<usize>, metric: &MetricId) -> BaselineCheck {
        let is = |pair: &Pair| Some(pair.old) == old && Some(pair.new) == new;
        let found = self.pairs.iter().zip(&self.diff.models).find(|(pair, _)| is(pair));
        let Some((pair, model)) = found else { return BaselineCheck::NothingToCompare };
        let Some(row) = model.metrics.iter().find(|m| m.metric == *metric) else {
            return BaselineCheck::NothingToCompare;
        };
        match self.forbidden(pair.new, metric) {
            Some(difference) => BaselineCheck::Forbidden { by: difference.what.clone() },
            None => BaselineCheck::Compared { change: row.change, verdict: row.verdict, detectable: row.detectable },
        }
    }

    /// The first difference that forbids to compare a metric of a model of this record.
    fn forbidden(&self, model: usize, metric: &MetricId) -> Option<&Difference> {
        let output = metric.spec().family == Family::Quality;
        let category = match metric {
            MetricId::Category { category, .. } => Some(category),
            _ => None,
        };
        let named = |index: usize, name: &str| self.run.subjects.get(index).is_some_and(|m| m.name == name);
        let concerns = |scope: &Scope| match scope {
            Scope::Everything => true,
            // Outputs are compared with the original's.
            Scope::Model(name) => named(model, name) || (output && self.run.original().is_some_and(|o| named(o, name))),
            Scope::Category(name) => category == Some(name),
            Scope::Prompts => category.is_some(),
            Scope::Outputs => output,
        };
        self.differences().iter().find(|d| d.weight == Weight::Meaningless && concerns(&d.scope))
    }
}

/// A model's index in each record, `None` where it is missing.
type Group = Vec<Option<usize>>;

/// Every model of every record, once, in the order in which they come first.
fn groups(runs: &[Run]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (record, run) in runs.iter().enumerate() {
        for by in [MatchedBy::Content, MatchedBy::Name] {
            for (earlier, other) in runs[..record].iter().enumerate() {
                for pair in pair_models(other, run).into_iter().filter(|pair| pair.by == by) {
                    let placed = groups.iter().any(|group| group[record] == Some(pair.new));
                    let free = groups.iter_mut().find(|g| g[earlier] == Some(pair.old) && g[record].is_none());
                    if let Some(group) = free.filter(|_| !placed) {
                        group[record] = Some(pair.new);
                    }
                }
            }
        }
        for model in 0..run.subjects.len() {
            if groups.iter().all(|group| group[record] != Some(model)) {
                let mut group = vec![None; runs.len()];
                group[record] = Some(model);
                groups.push(group);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests;
