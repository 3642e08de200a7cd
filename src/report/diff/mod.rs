//! What changed between two records: the document in words, the findings for scripts, a row a change.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Serialize;

use super::{
    change::amount,
    document::{Cell, Column, Document, Section, Source, Table, words},
    draw::canvas::DrawError,
    format::{Field, Report, Rows},
    gate::{self, GateFindings, Held},
    number::{percent, quantity},
    section::names,
    text::{counted, inert_line, shorten},
};
use crate::{
    analysis::{
        Verdict,
        comparable::{Difference, MatchedBy, Weight},
        diff::{Change, ChangeKind, Diff, MetricDiff, ModelDiff, Scatter, Side, Within},
    },
    metric::Family,
    record::{Outcome, Run},
};

const OLD: &str = "OLD";
const NEW: &str = "NEW";

/// Why records are not compared: every difference that makes it meaningless, one a line.
pub(crate) fn objections(diff: &Diff) -> Vec<String> {
    let within = diff.within.iter().map(|found| {
        let side = if found.old { OLD } else { NEW };
        format!("{side} {} {}", found.record, within(found))
    });
    diff.objections().map(difference).chain(within).collect()
}

impl Diff {
    pub(crate) fn held(&self) -> Held {
        match self.scatter {
            Scatter::WithinRuns => Held::TwoRecords,
            Scatter::BetweenRuns => Held::ManyRecords,
        }
    }

    /// What makes a record of a side another than the first of it.
    fn within(&self, old: bool, record: usize) -> Vec<String> {
        self.within.iter().filter(|found| found.old == old && found.record == record).map(within).collect()
    }
}

/// The diff with its gate in words, which come first.
#[derive(Serialize)]
struct Findings<'a> {
    gate: Option<GateFindings<'a>>,
    #[serde(flatten)]
    diff: &'a Diff,
}

impl Report for Diff {
    fn document(&self) -> Result<Cow<'_, Document>, DrawError> {
        let of = |weight| self.differences.iter().filter(move |d| d.weight == weight).map(difference).collect();
        let named = |name: &'static str, sides: &[Side], first: (Vec<String>, Vec<String>)| {
            let mut first = Some(first);
            let one = |(at, of): (usize, &Side)| {
                let (objections, notes) = first.take().unwrap_or_else(|| (self.within(name == OLD, at), Vec::new()));
                let name = if sides.len() == 1 { name.into() } else { format!("{name} {at}") };
                Source { name, text: side(of), objections, forced: true, notes }
            };
            (1..).zip(sides).map(one).collect::<Vec<_>>()
        };
        let mut sources = named(OLD, &self.old, (Vec::new(), Vec::new()));
        sources.extend(named(NEW, &self.new, (of(Weight::Meaningless), of(Weight::Noteworthy))));
        let changes = Section {
            id: "changes",
            title: "Changes",
            lead: "Each metric that both records have, in the older one and in the newer one.",
            tables: (1..).zip(&self.models).map(|(i, model)| table(i, model)).collect(),
            figures: Vec::new(),
        };
        Ok(Cow::Owned(Document {
            title: "gguf-bench: new against old".into(),
            subject: Some(counted(self.old.len() + self.new.len(), "record")),
            basis: basis(self),
            sections: vec![changes],
            gate: self.gate.as_ref().map(|gate| gate::sentence(gate, self.held())),
            gates: self.gate.as_ref().map_or_else(Vec::new, |gate| gate::cases(gate, self.held())),
            sources,
            generator: concat!("gguf-bench ", env!("CARGO_PKG_VERSION")).into(),
            ..Document::default()
        }))
    }

    fn findings(&self) -> Result<String, serde_json::Error> {
        let gate = self.gate.as_ref().map(|gate| GateFindings::new(gate, self.held()));
        serde_json::to_string_pretty(&Findings { gate, diff: self })
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
    let rounds = counted(side.rounds, "round");
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
            table.notes.push(format!("In {when} it failed {}: {reason}.", names::doing(*stage)));
        }
    }
    if !model.lost.is_empty() && !model.metrics.is_empty() {
        let lost: Vec<String> = model.lost.iter().map(|id| name(&id.words())).collect();
        table.notes.push(format!("Not compared: {}.", lost.join(", ")));
    }
    for m in &model.metrics {
        if let (Some(Verdict::NotResolved), Some(size)) = (m.verdict, m.detectable) {
            table.notes.push(format!(
                "{}: a difference of {} would have shown in four of five such runs.",
                name(&m.metric.words()),
                percent(size)
            ));
        }
    }
    table
}

fn row(m: &MetricDiff) -> Vec<Cell> {
    vec![
        Cell::text(name(&m.metric.words())),
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

fn basis(diff: &Diff) -> String {
    let (old, new) = diff.records();
    let of = match diff.scatter {
        Scatter::WithinRuns => "They speak of these two runs alone: with three records of each side they would know what varies from run to run".into(),
        Scatter::BetweenRuns => {
            format!("A record is one value, {old} against {new}, so the intervals of speeds, times and memory hold what varies from run to run")
        }
    };
    format!(
        "Changes are new/old, and those with a sign new − old. Brackets are {} confidence intervals for independent runs. {} at \
         ±{}. {of}. Whatever else changed between OLD and NEW is in the ratio",
        percent(diff.confidence),
        match diff.verdicts {
            1 => "The one verdict holds".to_owned(),
            n => format!("The {n} verdicts are adjusted for their number, and hold"),
        },
        percent(diff.equivalence)
    )
}

/// What a record has otherwise than the first of its side.
fn within(found: &Within) -> String {
    let short = |text: &str| shorten(&inert_line(text), 120);
    let Difference { what, old, new, .. } = &found.difference;
    format!("{}: {}, and {} in the first of its side", short(what), short(new), short(old))
}

fn difference(d: &Difference) -> String {
    let short = |text: &str| shorten(&inert_line(text), 120);
    format!("{}: {} in OLD, {} in NEW", short(&d.what), short(&d.old), short(&d.new))
}
