//! History records side by side, days of one machine or machines: the document in words, the findings for scripts, a row a reading.

mod by_date;
mod labels;
mod tables;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeSet};

#[cfg(test)]
use schemars::generate::Contract;

use super::{
    diff::side,
    document::{Document, Omission, Source},
    draw::canvas::DrawError,
    format::{Field, Report, Rows},
    number::percent,
    text::{counted, inert_line, shorten},
};
use crate::{
    analysis::{
        Verdict,
        comparable::{BEGUN, Difference, Weight},
        history::{AdjustedFor, BaselineCheck, History, LeftOut, MetricRow, ModelRows, Reading, Recorded},
    },
    metric::Word,
    record::Run,
};
use labels::{Label, labels, machines};

impl Report for History {
    fn document(&self) -> Result<Cow<'_, Document>, DrawError> {
        let labels = labels(self);
        let mut sections = tables::sections(self, &labels);
        if let Some(speed) = sections.iter_mut().find(|section| section.id == "speed") {
            speed.figures = by_date::charts(self, &labels)?;
        }
        let n = self.records.len();
        Ok(Cow::Owned(Document {
            title: title(self, &labels),
            subject: Some(counted(n, "record")),
            sentences: sentences(self, &labels).into_iter().chain(unmeasured(self)).collect(),
            basis: basis(self, &labels),
            sources: self.records.iter().zip(&labels).map(|(record, label)| source(record, label, &labels)).collect(),
            sections,
            not_done: self.left_out.iter().map(omission).collect(),
            generator: concat!("gguf-bench ", env!("CARGO_PKG_VERSION")).into(),
            ..Document::default()
        }))
    }

    fn findings(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// A row a model, metric and record. `kind` says what a change is: ratio or difference.
    fn rows(&self) -> Rows {
        let labels = labels(self);
        let mut rows = Vec::new();
        for model in &self.models {
            for row in &model.metrics {
                let readings = row.readings.iter().zip(&self.records).zip(&labels);
                rows.extend(
                    readings.map(|((reading, record), label)| fields(&model.name, row, reading, record, label)),
                );
            }
        }
        let head = &[
            "model",
            "metric",
            "record",
            "started_utc",
            "cpu",
            "value",
            "low",
            "high",
            "unit",
            "n",
            "kind",
            "change",
            "change_low",
            "change_high",
            "verdict",
            "detectable",
            "not_compared",
        ];
        Rows { head, rows }
    }

    fn record(&self) -> Option<&Run> {
        None
    }
}

/// The JSON Schema of the findings.
#[cfg(test)]
pub(crate) fn schema() -> Result<String, serde_json::Error> {
    crate::record::schema::document::<History>(
        "records",
        "What several records of gguf-bench say side by side: report A B --format json",
        Contract::Serialize,
    )
}

fn fields(model: &str, row: &MetricRow, reading: &Reading, record: &Recorded, label: &Label) -> Vec<Field> {
    let m = reading.measured.value();
    let (change, verdict, detectable, not_compared) = match &reading.against_first {
        BaselineCheck::Compared { change, verdict, detectable } => (Some(change), *verdict, *detectable, ""),
        BaselineCheck::Forbidden { by } => (None, None, None, by.as_str()),
        BaselineCheck::First | BaselineCheck::NothingToCompare => (None, None, None, ""),
    };
    vec![
        Field::Text(model.into()),
        Field::Text(row.metric.to_string()),
        Field::Text(label.letter.clone()),
        Field::Text(record.side.started_utc.clone()),
        Field::Text(shorten(&record.side.cpu, 120)),
        Field::Number(m.and_then(|m| m.value)),
        Field::Number(m.and_then(|m| m.low)),
        Field::Number(m.and_then(|m| m.high)),
        row.unit.into(),
        m.map_or(Field::Word(""), |m| Field::Count(m.n)),
        change.map_or(Field::Word(""), |c| c.kind.into()),
        Field::Number(change.map(|c| c.value)),
        Field::Number(change.and_then(|c| c.low)),
        Field::Number(change.and_then(|c| c.high)),
        verdict.into(),
        Field::Number(detectable),
        Field::Text(not_compared.into()),
    ]
}

fn title(history: &History, labels: &[Label]) -> String {
    let names: Vec<String> = history.models.iter().map(|m| shorten(&inert_line(&m.name), 24)).collect();
    let models = match names.len() {
        0 => "No model".into(),
        1..=5 => names.join(", "),
        n => format!("{} and {} more", names[..4].join(", "), n - 4),
    };
    let mut days: Vec<&str> = labels.iter().map(|l| l.when.split(' ').next().unwrap_or_default()).collect();
    days.sort_unstable();
    let days = match (days.first(), days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.map_or_else(String::new, |day| (*day).to_owned()),
    };
    match machines(history).len() {
        0 | 1 => format!("{models} on one machine, {days}"),
        n => format!("{models} on {n} machines, {days}"),
    }
}

/// How a record stands to the one it is held against.
struct Stands {
    record: usize,
    against: usize,
    /// Speeds that were compared.
    compared: usize,
    /// What came of it, or why nothing was.
    said: String,
    /// Whether any of them is called another.
    is_changed: bool,
}

/// One a record where something changed, and where little is there to be said; else one for all that stand alike.
fn sentences(history: &History, labels: &[Label]) -> Vec<String> {
    let all: Vec<Stands> = (0..history.records.len())
        .filter_map(|record| Some(stands(history, record, history.records[record].against?)))
        .collect();
    let alike =
        |a: &Stands, b: &Stands| !a.is_changed && !b.is_changed && (a.compared, &a.said) == (b.compared, &b.said);
    let mut told = Vec::new();
    for (at, own) in all.iter().enumerate() {
        let group: Vec<&Stands> = all.iter().filter(|other| alike(own, other)).collect();
        let first = &labels[own.against].letter;
        if group.len() <= FEW {
            let record = &labels[own.record].letter;
            told.push(match own.compared {
                0 => format!("No speed of {record} is compared with {first}: {}.", own.said),
                n => format!("{record} against {first}, {} compared: {}.", counted(n, "speed"), own.said),
            });
        } else if all[..at].iter().all(|earlier| !alike(earlier, own)) {
            let letters: Vec<&str> = group.iter().map(|one| labels[one.record].letter.as_str()).collect();
            let letters = listed(&letters, FEW);
            let one_base = group.iter().all(|one| one.against == own.against);
            let base = if one_base { first.as_str() } else { "the earliest record of the same models" };
            told.push(match own.compared {
                0 => format!("No speed of {letters} is compared with {base}: {}.", own.said),
                n => format!("{letters} against {base}, {} compared in each: {}.", counted(n, "speed"), own.said),
            });
        }
    }
    told
}

/// So many records that stand alike are told one by one.
const FEW: usize = 3;

/// `1 slower (Q8_0 tg128), 7 not resolved`
fn stands(history: &History, record: usize, against: usize) -> Stands {
    let of_model = |m: &ModelRows| -> Vec<(String, BaselineCheck)> {
        let name = |row: &MetricRow| shorten(&inert_line(&format!("{} {}", m.name, row.metric.words())), 40);
        let speeds = m.metrics.iter().filter(|row| tables::is_speed(row));
        speeds.map(|row| (name(row), row.readings[record].against_first.clone())).collect()
    };
    let standings: Vec<(String, BaselineCheck)> = history.models.iter().flat_map(of_model).collect();
    let judged = |(name, standing): &'_ (String, BaselineCheck)| match standing {
        BaselineCheck::Compared { verdict, .. } => Some((name.clone(), *verdict)),
        BaselineCheck::First | BaselineCheck::Forbidden { .. } | BaselineCheck::NothingToCompare => None,
    };
    let compared: Vec<(String, Option<Verdict>)> = standings.iter().filter_map(judged).collect();
    let n = compared.len();
    if n == 0 {
        let because = standings.iter().find_map(|(_, s)| match s {
            BaselineCheck::Forbidden { by } => Some(format!("{} differs", shorten(&inert_line(by), 80))),
            BaselineCheck::First | BaselineCheck::Compared { .. } | BaselineCheck::NothingToCompare => None,
        });
        let said = because.unwrap_or_else(|| "no model has a speed in both".into());
        return Stands { record, against, compared: 0, said, is_changed: false };
    }
    let mut said = Vec::new();
    for word in [Word::Faster, Word::Slower] {
        let is_it = |verdict: Option<Verdict>| matches!(verdict, Some(Verdict::Better(own) | Verdict::Worse(own)) if own == word);
        let names: Vec<&str> =
            compared.iter().filter(|(_, verdict)| is_it(*verdict)).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            said.push(format!("{} {} ({})", names.len(), word.text(), listed(&names, 3)));
        }
    }
    let is_changed = !said.is_empty();
    let count = |wanted: fn(Option<Verdict>) -> bool| compared.iter().filter(|(_, verdict)| wanted(*verdict)).count();
    let rest = [
        (count(|v| v == Some(Verdict::NoRelevantDifference)), "without a relevant difference"),
        (count(|v| matches!(v, Some(Verdict::NotResolved))), "not resolved"),
        (count(|v| v.is_none()), "with too few rounds to tell"),
    ];
    said.extend(rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    Stands { record, against, compared: n, said: said.join(", "), is_changed }
}

/// At most so many of them.
fn listed(names: &[&str], most: usize) -> String {
    match names.len() {
        n if n <= most => names.join(", "),
        n => format!("{} and {} more", names[..most].join(", "), n - most),
    }
}

/// Models that no record has a figure of.
fn unmeasured(history: &History) -> impl Iterator<Item = String> {
    let without = history.models.iter().filter(|m| m.metrics.is_empty());
    without.map(|m| format!("{} could be measured in none of the records.", shorten(&inert_line(&m.name), 40)))
}

fn basis(history: &History, labels: &[Label]) -> String {
    let bases: BTreeSet<usize> = history.records.iter().filter_map(|record| record.against).collect();
    let first = match bases.first() {
        Some(base) if bases.len() == 1 => labels[*base].letter.clone(),
        None => labels.first().map_or_else(|| "A".into(), |label| label.letter.clone()),
        Some(_) => "the earliest record of the same machine and models".into(),
    };
    let confidence = history.records.first().map_or(0.95, |record| record.confidence);
    let verdicts = match history.verdicts {
        0 => String::new(),
        1 => " The one verdict holds at that confidence.".into(),
        n if history.adjusted_for == AdjustedFor::AllRecords => {
            format!(" The {n} verdicts are adjusted for their number.")
        }
        _ => " Verdicts are adjusted for the number of their own record's, as a diff's are.".into(),
    };
    format!(
        "Values are medians over rounds, brackets and ± {} confidence intervals. Ratios are to {first}, with intervals for independent \
         runs.{verdicts} Whatever else changed between the runs is in the ratio",
        percent(confidence)
    )
}

/// The reason names the file.
fn omission(LeftOut { reason, .. }: &LeftOut) -> Omission {
    Omission { model: None, reason: format!("Left out: {}.", shorten(&inert_line(reason), 400)), remedy: None }
}

fn source(record: &Recorded, label: &Label, labels: &[Label]) -> Source {
    let first = record.against.map_or("", |base| labels[base].letter.as_str());
    let line = |d: &Difference| {
        let short = |text: &str| shorten(&inert_line(text), 120);
        format!("{}: {} in {first}, {} in {}", short(&d.what), short(&d.old), short(&d.new), label.letter)
    };
    // When each was begun stands beside it.
    let told = || record.differences.iter().filter(|d| d.what != BEGUN);
    let of = |weight| told().filter(move |d| d.weight == weight).map(line).collect();
    Source {
        name: label.letter.clone(),
        text: side(&record.side),
        objections: of(Weight::Meaningless),
        forced: false,
        notes: of(Weight::Noteworthy),
    }
}
