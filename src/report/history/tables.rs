//! The tables of several records: a row a model and metric, a column a record.

use super::labels::Label;
use crate::{
    analysis::{
        Comparison, MetricSummary,
        diff::ChangeKind,
        history::{BaselineCheck, History, Measured, MetricRow, ModelRows, Reading},
    },
    metric,
    report::{
        change::amount,
        document::{Cell, Column, Section, Table},
        number::{Scale, Spread},
        text::{inert_line, shorten},
    },
};

/// Most characters of a name in a table.
const MOST: usize = 40;
/// Records that stand beside each other in a table.
const MOST_ACROSS: usize = 5;

/// What a section of a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Speed,
    Costs,
    Prompts,
    Outputs,
}

impl Topic {
    fn of(row: &MetricRow) -> Option<Self> {
        match row.metric.spec().section {
            metric::Section::Speed | metric::Section::Depth | metric::Section::Parallel => Some(Self::Speed),
            metric::Section::Load | metric::Section::Memory | metric::Section::Energy => Some(Self::Costs),
            metric::Section::Prompts => Some(Self::Prompts),
            metric::Section::Quality => Some(Self::Outputs),
            // A mean over different work is a ratio within a record, and has no value that records could share.
            metric::Section::Summary => None,
        }
    }
}

/// Whether it is the speed of a workload, not of a category of prompts.
pub(super) fn is_speed(row: &MetricRow) -> bool {
    Topic::of(row) == Some(Topic::Speed)
}

/// Every section with a row.
pub(super) fn sections(history: &History, labels: &[Label]) -> Vec<Section> {
    let of = |topic: Topic| {
        let (id, title, lead, caption) = match topic {
            Topic::Speed => (
                "speed",
                "Speed",
                "ppN is prompt processing of N tokens, and tgN the generation of N tokens, as llama-bench counts them. A ratio counts as faster or slower only \
                 when its whole interval lies outside the region of equivalence.",
                "Tokens a second in each record",
            ),
            Topic::Costs => {
                ("costs", "Load and memory", "What a model takes before and while it works.", "Load and memory")
            }
            Topic::Prompts => (
                "prompts",
                "Prompts",
                "The prompt suite by category: total tokens over total time.",
                "Tokens a second, by category of prompts",
            ),
            Topic::Outputs => (
                "outputs",
                "Outputs",
                "What quantizing did to the output. Changes are paired by window: the same file reads the same text.",
                "Perplexity and divergence from the original",
            ),
        };
        let tables = if labels.len() > MOST_ACROSS {
            of_each(history, labels, id, caption, topic)
        } else {
            vec![table(history, labels, &format!("{id}-table"), caption, topic)]
        };
        Section { id, title, lead, tables, figures: Vec::new() }
    };
    let all = [Topic::Speed, Topic::Costs, Topic::Prompts, Topic::Outputs].map(of).into_iter();
    all.filter(|section| section.tables.iter().any(|table| !table.rows.is_empty())).collect()
}

/// A table a model, a row a record that has it: many records are read downwards, and those without it are not there.
fn of_each(history: &History, labels: &[Label], id: &str, caption: &str, topic: Topic) -> Vec<Table> {
    let of = |(at, model): (usize, &ModelRows)| {
        let rows: Vec<&MetricRow> = model.metrics.iter().filter(|m| Topic::of(m) == Some(topic)).collect();
        let scales: Vec<Scale> = rows.iter().map(|row| scale(row)).collect();
        let mut columns = vec![Column::text("record").whole()];
        columns.extend(
            rows.iter()
                .zip(&scales)
                .zip(0..)
                .map(|((row, scale), rank)| Column::number(&name(&row.metric.words()), scale.suffix).rank(rank)),
        );
        let of_record = |(record, label): (usize, &Label)| {
            let readings: Vec<&Reading> = rows.iter().map(|row| &row.readings[record]).collect();
            let is_there = readings.iter().any(|reading| reading.measured != Measured::NoSuchModel);
            is_there.then(|| {
                let cells = readings.iter().zip(&scales).map(|(reading, scale)| cell(reading, *scale));
                std::iter::once(Cell::text(&label.title)).chain(cells).collect()
            })
        };
        let rows = labels.iter().enumerate().filter_map(of_record).collect();
        Table::new(&format!("{id}-table-{}", at + 1), &format!("{caption}: {}", name(&model.name)), columns, rows)
    };
    history.models.iter().enumerate().map(of).filter(|table| table.columns.len() > 1).collect()
}

fn table(history: &History, labels: &[Label], id: &str, caption: &str, topic: Topic) -> Table {
    let mut columns = vec![Column::text("model"), Column::text("metric")];
    let last = labels.len().saturating_sub(1);
    // Where width is short, the first record and the last say most.
    let rank = |i: usize| {
        u8::try_from(if i == last {
            0
        } else if i == 0 {
            1
        } else {
            1 + last - i
        })
        .unwrap_or(u8::MAX)
    };
    columns.extend(labels.iter().enumerate().map(|(i, label)| Column::number(&label.title, "").rank(rank(i))));
    let rows_of = |model: &ModelRows| -> Vec<Vec<Cell>> {
        model.metrics.iter().filter(|m| Topic::of(m) == Some(topic)).map(|m| row(&model.name, m)).collect()
    };
    let mut table = Table::new(id, caption, columns, history.models.iter().flat_map(rows_of).collect());
    table.notes = gaps(history, labels, topic);
    table
}

fn name(text: &str) -> String {
    let text = shorten(&inert_line(text), MOST);
    if text.is_empty() { "(no name)".into() } else { text }
}

fn row(model: &str, row: &MetricRow) -> Vec<Cell> {
    let scale = scale(row);
    let metric = match scale.suffix {
        "" => name(&row.metric.words()),
        unit => format!("{}, {unit}", name(&row.metric.words())),
    };
    let mut cells = vec![Cell::text(name(model)), Cell::text(metric)];
    cells.extend(row.readings.iter().map(|reading| cell(reading, scale)));
    cells
}

fn scale(row: &MetricRow) -> Scale {
    Scale::for_all(row.unit, row.readings.iter().filter_map(|r| r.measured.value()?.value))
}

fn cell(reading: &Reading, scale: Scale) -> Cell {
    let Some(summary) = reading.measured.value() else {
        return Cell::unknown(match reading.measured {
            Measured::NoSuchModel => "not in this record",
            Measured::Failed => "failed",
            Measured::Value(_) | Measured::NotMeasured => "not measured",
        });
    };
    match &reading.against_first {
        BaselineCheck::First | BaselineCheck::NothingToCompare => {
            Cell::metric(Some(summary), None, scale, "not measured")
        }
        BaselineCheck::Forbidden { by } => {
            let cell = Cell::metric(Some(summary), None, scale, "not measured");
            Cell { why: Some(format!("not compared: {}", shorten(&inert_line(by), 60))), ..cell }
        }
        BaselineCheck::Compared { change, .. } if change.kind == ChangeKind::Difference => {
            let cell = Cell::metric(Some(summary), None, scale, "not measured");
            Cell { ratio: Some(Spread { value: amount(change), brackets: None, plus_minus: None }), ..cell }
        }
        BaselineCheck::Compared { change, verdict, detectable } => {
            let MetricSummary { id, better, n, .. } = summary.clone();
            let (ratio, low, high) = (Some(change.value), change.low, change.high);
            let comparison = Comparison { id, ratio, low, high, verdict: *verdict, detectable: *detectable, better, n };
            Cell::metric(Some(summary), Some(&comparison), scale, "not measured")
        }
    }
}

/// What is missing, a line a model: which records lack it, and that it failed.
fn gaps(history: &History, labels: &[Label], topic: Topic) -> Vec<String> {
    let letters = |row: &MetricRow, gap: &Measured| -> Vec<&str> {
        let missing = row.readings.iter().zip(labels).filter(|(reading, _)| reading.measured == *gap);
        missing.map(|(_, label)| label.letter.as_str()).collect()
    };
    let of = |model: &ModelRows| {
        let row = model.metrics.iter().find(|row| Topic::of(row) == Some(topic))?;
        let kinds = [(Measured::NoSuchModel, "is not in"), (Measured::Failed, "failed in")];
        let told: Vec<String> = kinds
            .iter()
            .map(|(gap, words)| (letters(row, gap), words))
            .filter(|(letters, _)| !letters.is_empty())
            .map(|(letters, words)| format!("{words} {}", letters.join(", ")))
            .collect();
        (!told.is_empty()).then(|| format!("{} {}.", name(&model.name), told.join(" and ")))
    };
    history.models.iter().filter_map(of).collect()
}
