//! Everything the renderers of several records show, already in words and ordered.

use serde::Serialize;

use super::{
    labels::{Label, labels, machines},
    tables,
};
use crate::{
    analysis::{
        Verdict,
        comparable::{Difference, Weight},
        several::{MetricRow, ModelRows, Recorded, Several, Standing},
    },
    report::{
        diff::side,
        document::Section,
        format::percent,
        text::{inert_line, shorten},
    },
};

/// Records side by side, but for the charts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    /// `F16, Q8_0 and 3 more on one machine, 2026-01-02 to 2026-02-03`.
    pub title: String,
    /// How the records after the first stand to it, a sentence each, then what no record has.
    pub sentences: Vec<String>,
    /// What ratios and brackets are.
    pub basis: String,
    /// The records.
    pub records: Vec<Record>,
    /// The tables.
    pub sections: Vec<Section>,
    /// The program that renders.
    pub generator: String,
}

/// One of the records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Record {
    /// `A`.
    pub letter: String,
    /// When and with what it was measured.
    pub text: String,
    /// What forbids to compare it, or a part of it, with the first.
    pub objections: Vec<String>,
    /// What else differs from the first.
    pub notes: Vec<String>,
}

impl View {
    /// Puts findings into words.
    #[must_use]
    pub(crate) fn new(several: &Several) -> Self {
        let labels = labels(several);
        let records = several.records.iter().zip(&labels);
        Self {
            title: title(several, &labels),
            sentences: (1..several.records.len())
                .map(|i| sentence(several, i, &labels))
                .chain(unmeasured(several))
                .collect(),
            basis: basis(several, &labels),
            records: records.map(|(record, label)| shown(record, label, &labels)).collect(),
            sections: tables::sections(several, &labels),
            generator: concat!("gguf-bench ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

fn title(several: &Several, labels: &[Label]) -> String {
    let names: Vec<String> = several.models.iter().map(|m| shorten(&inert_line(&m.name), 24)).collect();
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
    match machines(several).len() {
        0 | 1 => format!("{models} on one machine, {days}"),
        n => format!("{models} on {n} machines, {days}"),
    }
}

/// `B against A, 8 speeds compared: 1 slower (Q8_0 tg128), 7 not resolved.`
fn sentence(several: &Several, record: usize, labels: &[Label]) -> String {
    let (own, first) = (&labels[record].letter, &labels[0].letter);
    let of_model = |m: &ModelRows| -> Vec<(String, Standing)> {
        let name = |row: &MetricRow| shorten(&inert_line(&format!("{} {}", m.name, row.metric)), 40);
        let speeds = m.metrics.iter().filter(|row| tables::is_speed(row));
        speeds.map(|row| (name(row), row.readings[record].against_first.clone())).collect()
    };
    let standings: Vec<(String, Standing)> = several.models.iter().flat_map(of_model).collect();
    let judged = |(name, standing): &'_ (String, Standing)| match standing {
        Standing::Compared { verdict, .. } => Some((name.clone(), *verdict)),
        Standing::First | Standing::Forbidden { .. } | Standing::NothingToCompare => None,
    };
    let compared: Vec<(String, Option<Verdict>)> = standings.iter().filter_map(judged).collect();
    let n = compared.len();
    if n == 0 {
        let because = standings.iter().find_map(|(_, s)| match s {
            Standing::Forbidden { by } => Some(format!("{} differs", shorten(&inert_line(by), 80))),
            Standing::First | Standing::Compared { .. } | Standing::NothingToCompare => None,
        });
        let because = because.unwrap_or_else(|| "no model has a speed in both".into());
        return format!("No speed of {own} is compared with {first}: {because}.");
    }
    let those = |wanted: Verdict| -> Vec<&str> {
        compared.iter().filter(|(_, verdict)| *verdict == Some(wanted)).map(|(name, _)| name.as_str()).collect()
    };
    let mut said = Vec::new();
    for (wanted, word) in [(Verdict::Faster, "faster"), (Verdict::Slower, "slower")] {
        let names = those(wanted);
        if !names.is_empty() {
            said.push(format!("{} {word} ({})", names.len(), listed(&names)));
        }
    }
    let count = |wanted: fn(Option<Verdict>) -> bool| compared.iter().filter(|(_, verdict)| wanted(*verdict)).count();
    let rest = [
        (count(|v| v == Some(Verdict::NoRelevantDifference)), "without a relevant difference"),
        (count(|v| matches!(v, Some(Verdict::NotResolved { .. }))), "not resolved"),
        (count(|v| v.is_none()), "from too few rounds for an interval"),
    ];
    said.extend(rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let speeds = if n == 1 { "speed" } else { "speeds" };
    format!("{own} against {first}, {n} {speeds} compared: {}.", said.join(", "))
}

/// At most three of them.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        n => format!("{} and {} more", names[..3].join(", "), n - 3),
    }
}

/// Models that no record has a figure of.
fn unmeasured(several: &Several) -> impl Iterator<Item = String> {
    let without = several.models.iter().filter(|m| m.metrics.is_empty());
    without.map(|m| format!("{} could be measured in none of the records.", shorten(&inert_line(&m.name), 40)))
}

fn basis(several: &Several, labels: &[Label]) -> String {
    let first = labels.first().map_or("A", |label| label.letter.as_str());
    let confidence = several.records.first().map_or(0.95, |record| record.confidence);
    let verdicts = match several.verdicts {
        0 => String::new(),
        1 => "; the verdict holds at that confidence".into(),
        n => format!("; the {n} verdicts are adjusted for their number"),
    };
    format!(
        "Values are medians over rounds, brackets and ± {} confidence intervals. Ratios are to {first}, with intervals for independent runs{verdicts}. They \
         speak of these runs: whatever else changed between them is in the ratio",
        percent(confidence)
    )
}

fn shown(record: &Recorded, label: &Label, labels: &[Label]) -> Record {
    let first = labels.first().map_or("A", |label| label.letter.as_str());
    let line = |d: &Difference| {
        let short = |text: &str| shorten(&inert_line(text), 120);
        format!("{}: {} in {first}, {} in {}", short(&d.what), short(&d.old), short(&d.new), label.letter)
    };
    let of = |weight| record.differences.iter().filter(move |d| d.weight == weight).map(line).collect();
    Record {
        letter: label.letter.clone(),
        text: side(&record.side),
        objections: of(Weight::Meaningless),
        notes: of(Weight::Noteworthy),
    }
}
