//! A report as data: sections of words, tables and figures. Whoever makes one, every format can show it.

use serde::Serialize;

use crate::{
    analysis::{Better, Comparison, MetricSummary, Verdict},
    report::{
        format::{Scale, Spread, UNKNOWN, comparison},
        text::inert_line,
    },
};

/// A part of a report with a heading of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Section {
    /// Anchor, unique on the page; warnings name it.
    pub id: &'static str,
    pub title: &'static str,
    /// How to read it.
    pub lead: &'static str,
    pub tables: Vec<Table>,
    pub figures: Vec<Figure>,
}

/// A drawing with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Figure {
    /// Anchor, unique on the page.
    pub id: String,
    /// The section it belongs to.
    pub section: &'static str,
    pub title: String,
    /// How to read it.
    pub note: String,
    pub svg: String,
}

/// A table. The first cell of a row names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Table {
    /// Anchor, unique on the page.
    pub id: String,
    /// Caption.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<Column>,
    /// As many cells a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// What a reader must know below it.
    pub notes: Vec<String>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Column {
    /// `tg128`.
    pub title: String,
    /// `t/s`.
    pub unit: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// Where width is short, columns of a higher rank go first; 0 stays.
    pub rank: u8,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Words, from the left.
    Text,
    /// Figures, from the right.
    Number,
}

/// How a comparison came out, for colour: never set from a central value alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    /// Not compared, or no interval.
    #[default]
    Plain,
    /// Relevantly better.
    Better,
    /// Relevantly worse.
    Worse,
    /// No relevant difference.
    Same,
    /// Not resolved.
    Open,
}

/// One figure or word.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// What it says.
    pub text: String,
    /// Its interval, in brackets.
    pub brackets: Option<String>,
    /// Its interval, as a half-width.
    pub plus_minus: Option<String>,
    /// Against the original.
    pub ratio: Option<Spread>,
    /// What may be concluded, in words.
    pub verdict: Option<String>,
    /// The same for the eye.
    pub tone: Tone,
    /// What the column is sorted by.
    pub sort: Option<f64>,
    /// Why it says "n/a".
    pub why: Option<String>,
}

impl Table {
    /// A table without notes.
    #[must_use]
    pub(crate) fn new(id: &str, title: &str, columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Self {
        Self { id: id.into(), title: title.into(), columns, rows, notes: Vec::new() }
    }
}

impl Column {
    /// A column of words.
    #[must_use]
    pub(crate) fn text(title: &str) -> Self {
        Self { title: inert_line(title), unit: None, kind: Kind::Text, rank: 0 }
    }

    /// A column of figures.
    #[must_use]
    pub(crate) fn number(title: &str, unit: &str) -> Self {
        let unit = (!unit.is_empty()).then(|| unit.to_owned());
        Self { title: inert_line(title), unit, kind: Kind::Number, rank: 0 }
    }

    /// The same, given up when width is short.
    #[must_use]
    pub(crate) fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

impl Cell {
    /// Words.
    #[must_use]
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A figure, already formatted, and its value for sorting.
    #[must_use]
    pub(crate) fn number(text: impl Into<String>, value: f64) -> Self {
        Self { text: text.into(), sort: value.is_finite().then_some(value), ..Self::default() }
    }

    /// A figure, or why there is none.
    #[must_use]
    pub(crate) fn maybe(value: Option<f64>, format: impl Fn(f64) -> String, why: &str) -> Self {
        value.filter(|v| v.is_finite()).map_or_else(|| Self::unknown(why), |v| Self::number(format(v), v))
    }

    /// Not known, and why.
    #[must_use]
    pub(crate) fn unknown(why: &str) -> Self {
        Self { text: UNKNOWN.into(), why: Some(why.into()), ..Self::default() }
    }

    /// A metric with its interval and how it compares.
    #[must_use]
    pub(crate) fn metric(m: Option<&MetricSummary>, c: Option<&Comparison>, scale: Scale, why: &str) -> Self {
        let Some((m, s)) = m.and_then(|m| Some((m, scale.spread(m)?))) else {
            return Self::unknown(why);
        };
        let cell = Self::number(s.value, m.value.unwrap_or(f64::NAN));
        let cell = Self { brackets: s.brackets, plus_minus: s.plus_minus, ..cell };
        c.map_or(cell.clone(), |c| cell.compared(c))
    }

    fn compared(self, c: &Comparison) -> Self {
        Self { ratio: comparison(c), verdict: c.verdict.map(words), tone: tone(c), ..self }
    }
}

/// A verdict in words.
#[must_use]
pub(crate) fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Faster => "faster".into(),
        Verdict::Slower => "slower".into(),
        Verdict::Smaller => "smaller".into(),
        Verdict::Larger => "larger".into(),
        Verdict::NoRelevantDifference => "no relevant difference".into(),
        Verdict::NotResolved { rounds_needed } => format!("not resolved (about {rounds_needed} rounds)"),
    }
}

/// The tone of a comparison, from its verdict alone.
#[must_use]
pub(crate) fn tone(c: &Comparison) -> Tone {
    match c.verdict {
        None => Tone::Plain,
        Some(Verdict::Faster | Verdict::Smaller) => Tone::Better,
        Some(Verdict::Slower | Verdict::Larger) => Tone::Worse,
        Some(Verdict::NoRelevantDifference) => Tone::Same,
        Some(Verdict::NotResolved { .. }) => Tone::Open,
    }
}

/// `higher is better`, for heads and charts.
#[must_use]
pub(crate) fn better(b: Better) -> &'static str {
    match b {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    }
}
