//! What changed between two records: the document in words, the findings for scripts, a row a change.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::{
    document::{self, Cell, Column, Document, Section, Source, Table, words},
    draw::canvas::DrawError,
    format::{Field, Report, Rows},
    number::{UNKNOWN, fixed, percent, quantity, sig3},
    section::names,
    text::{inert_line, shorten},
};
use crate::{
    analysis::{
        Verdict,
        comparable::{Difference, MatchedBy, Weight},
        diff::{Change, ChangeKind, Diff, Gate, MetricDiff, ModelDiff, Passing, Side},
    },
    metric::Family,
    record::{Outcome, Run},
};

/// Why two records are not compared: every difference that makes it meaningless, one a line.
pub(crate) fn objections(diff: &Diff) -> Vec<String> {
    diff.objections().map(difference).collect()
}

impl Report for Diff {
    fn document(&self) -> Result<Cow<'_, Document>, DrawError> {
        let of = |weight| self.differences.iter().filter(move |d| d.weight == weight).map(difference).collect();
        let source = |name: &str, of: &Side, objections, notes| Source {
            name: name.into(),
            text: side(of),
            objections,
            forced: true,
            notes,
        };
        let changes = Section {
            id: "changes",
            title: "Changes",
            lead: "Each metric that both records have, in the older one and in the newer one.",
            tables: (1..).zip(&self.models).map(|(i, model)| table(i, model)).collect(),
            figures: Vec::new(),
        };
        Ok(Cow::Owned(Document {
            title: "gguf-bench: new against old".into(),
            subject: Some("2 records".into()),
            basis: basis(self),
            sections: vec![changes],
            gates: self.gates.iter().map(|g| document::Gate { passing: g.passing, text: gate(g, self) }).collect(),
            sources: vec![
                source("OLD", &self.old, Vec::new(), Vec::new()),
                source("NEW", &self.new, of(Weight::Meaningless), of(Weight::Noteworthy)),
            ],
            generator: concat!("gguf-bench ", env!("CARGO_PKG_VERSION")).into(),
            ..Document::default()
        }))
    }

    fn findings(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// A row a model and metric that both records have. `kind` says what a change is: ratio or difference.
    fn rows(&self) -> Rows {
        let of_model =
            |model: &ModelDiff| -> Vec<Vec<Field>> { model.metrics.iter().map(|m| fields(model, m)).collect() };
        let head = &[
            "model",
            "metric",
            "old",
            "new",
            "unit",
            "n_old",
            "n_new",
            "kind",
            "change",
            "change_low",
            "change_high",
            "verdict",
            "detectable",
        ];
        Rows { head, rows: self.models.iter().flat_map(of_model).collect() }
    }

    fn record(&self) -> Option<&Run> {
        None
    }
}

fn fields(model: &ModelDiff, m: &MetricDiff) -> Vec<Field> {
    let MetricDiff { metric, old, new, unit, better: _, change, verdict, detectable, n_old, n_new } = m;
    vec![
        Field::Text(model.name.clone()),
        Field::Text(metric.to_string()),
        Field::Number(Some(*old)),
        Field::Number(Some(*new)),
        (*unit).into(),
        Field::Count(*n_old),
        Field::Count(*n_new),
        change.kind.into(),
        Field::Number(Some(change.value)),
        Field::Number(change.low),
        Field::Number(change.high),
        (*verdict).into(),
        Field::Number(*detectable),
    ]
}

/// When and with what a record was measured.
pub(super) fn side(side: &Side) -> String {
    let rounds = if side.rounds == 1 { "1 round".into() } else { format!("{} rounds", side.rounds) };
    let started: String = side.started_utc.chars().take(16).collect();
    inert_line(&format!(
        "{} UTC, {rounds}, gguf-bench {}, llama.cpp of llama-cpp-sys-2 {}, {}",
        started.replace('T', " "),
        shorten(&side.version, 40),
        shorten(&side.llama_cpp, 40),
        shorten(&side.cpu, 40)
    ))
}

fn name(name: &str) -> String {
    shorten(&inert_line(name), 40)
}

fn heading(model: &ModelDiff) -> String {
    let matched = match model.matched_by {
        MatchedBy::Content => "",
        MatchedBy::Name => " (matched by name: other or unknown content)",
    };
    format!("{}{matched}", name(&model.name))
}

fn table(i: usize, model: &ModelDiff) -> Table {
    let columns = vec![
        Column::text("Metric").whole(),
        Column::number("Old", "").rank(2),
        Column::number("New", "").rank(1),
        Column::number("Change", ""),
        Column::text("Verdict").whole(),
    ];
    let mut table =
        Table::new(&format!("changes-{i}"), &heading(model), columns, model.metrics.iter().map(row).collect());
    for (when, outcome) in [("OLD", &model.old_outcome), ("NEW", &model.new_outcome)] {
        if let Outcome::Failed { stage, reason } = outcome {
            let reason = shorten(&inert_line(reason), 600);
            table.notes.push(format!("in {when} it failed {}: {reason}.", names::doing(*stage)));
        }
    }
    if !model.lost.is_empty() && !model.metrics.is_empty() {
        let lost: Vec<String> = model.lost.iter().map(|id| name(&id.to_string())).collect();
        table.notes.push(format!("not compared: {}.", lost.join(", ")));
    }
    for m in &model.metrics {
        if let (Some(Verdict::NotResolved), Some(size)) = (m.verdict, m.detectable) {
            table.notes.push(format!(
                "{}: a difference of {} would have shown in four of five such runs.",
                name(&m.metric.to_string()),
                percent(size)
            ));
        }
    }
    table
}

fn row(m: &MetricDiff) -> Vec<Cell> {
    vec![
        Cell::text(name(&m.metric.to_string())),
        Cell::number(quantity(m.unit, m.old).trim_end(), m.old),
        Cell::number(quantity(m.unit, m.new).trim_end(), m.new),
        Cell::number(amount(&m.change), m.change.value),
        Cell::text(match (m.verdict, m.change.kind) {
            (Some(verdict), _) => words(verdict),
            (None, _) if m.change.low.is_some() && is_unchanged(&m.change) => "identical".into(),
            (None, ChangeKind::Ratio) if m.change.low.is_some() && m.metric.spec().family != Family::Quality => {
                "too few rounds".into()
            }
            (None, _) if m.change.low.is_some() => String::new(),
            (None, _) => "no interval".into(),
        }),
    ]
}

/// Only outputs are ever identical.
fn is_unchanged(change: &Change) -> bool {
    let same = match change.kind {
        ChangeKind::Ratio => 1.0_f64,
        ChangeKind::Difference => 0.0,
    };
    [Some(change.value), change.low, change.high].iter().all(|v| v.is_some_and(|v| v.total_cmp(&same).is_eq()))
}

/// `0.969 [0.951, 0.984]`, or `+0.0012 [+0.0008, +0.0016]`.
pub(super) fn amount(change: &Change) -> String {
    let number = |v: f64| match change.kind {
        ChangeKind::Ratio => fixed(v, if v >= 9.995 { 1 } else { 3 }),
        ChangeKind::Difference if v > 0.0 => format!("+{}", sig3(v)),
        ChangeKind::Difference => sig3(v),
    };
    if !change.value.is_finite() {
        return UNKNOWN.into();
    }
    match change.low.zip(change.high) {
        Some((low, high)) => format!("{} [{}, {}]", number(change.value), number(low), number(high)),
        None => number(change.value),
    }
}

fn basis(diff: &Diff) -> String {
    format!(
        "Changes are new/old, those with a sign new − old. Brackets are {} confidence intervals for independent runs; the {} verdicts hold at ±{} and are adjusted for their \
         number. They speak of these two runs: whatever else changed between them is in the ratio",
        percent(diff.confidence),
        diff.verdicts,
        percent(diff.equivalence)
    )
}

fn difference(d: &Difference) -> String {
    let short = |text: &str| shorten(&inert_line(text), 120);
    format!("{}: {} in OLD, {} in NEW", short(&d.what), short(&d.old), short(&d.new))
}

fn gate(gate: &Gate, diff: &Diff) -> String {
    let row = diff.models.iter().find(|m| m.name == gate.model);
    let row = row.and_then(|m| m.metrics.iter().find(|m| m.metric == gate.metric));
    let went = row.map_or_else(|| UNKNOWN.into(), |m| went(&m.change));
    let limit = inert_line(&gate.limit);
    let model = name(&gate.model);
    match gate.passing {
        Passing::Failed => format!("{limit} failed: {model} changed by {went}"),
        Passing::Passed => format!("{limit} passed: {model} changed by {went}"),
        Passing::NoInterval => {
            format!("{limit} can't fail: {model} changed by {went}, from too little for an interval")
        }
    }
}

/// `−3.1 % [−4.0, −2.2]`.
fn went(change: &Change) -> String {
    let percent = |ratio: f64| format!("{}{}", if ratio > 1.0 { "+" } else { "" }, fixed((ratio - 1.0) * 100.0, 1));
    match (change.kind, change.low.zip(change.high)) {
        (ChangeKind::Difference, _) => amount(change),
        (ChangeKind::Ratio, Some((low, high))) => {
            format!("{}\u{a0}% [{}, {}]", percent(change.value), percent(low), percent(high))
        }
        (ChangeKind::Ratio, None) => format!("{}\u{a0}%", percent(change.value)),
    }
}
