//! A report as data: words, tables and figures. Whoever makes one (a run, a diff, a history of records), every format can show it.

use serde::Serialize;

use crate::{
    analysis::{Better, Comparison, MetricSummary, Verdict, gate::GateVerdict},
    metric::MetricId,
    report::{
        number::{Scale, Spread, UNKNOWN, comparison, percent},
        text::inert_line,
    },
};

/// A whole report. What its producer does not have is empty. Its names are those that people's templates use: TEMPLATES.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Document {
    pub title: String,
    /// What it is about: the model's name and size, or the number of records.
    pub subject: Option<String>,
    /// When the run began, UTC.
    pub started: Option<String>,
    /// What the figures are: rounds, intervals, ratios. Without its full stop.
    pub basis: String,
    /// Whether the run was too short for intervals.
    pub quick: bool,
    /// The findings, the most important first.
    pub sentences: Vec<String>,
    pub advice: Option<Advice>,
    /// What each model costs and buys, in one figure.
    pub picture: Option<Figure>,
    /// Other limits that a reader may choose.
    pub choices: Option<Choices>,
    /// One a model.
    pub cards: Vec<Card>,
    /// The table that stands for all sections where there is room for one alone. Its notes are failures.
    pub summary: Option<Table>,
    /// Tables of sections that stand beside the summary where there is room for it alone: they say what no metric says.
    pub beside: Vec<Table>,
    pub sections: Vec<Section>,
    /// What to know before trusting the figures.
    pub warnings: Vec<Caution>,
    /// What was asked for and not done, with its reason.
    pub not_done: Vec<Omission>,
    /// What the conditions that were set come to, why, and what would resolve it.
    pub gate: Option<String>,
    /// Each of them, and whether it is kept.
    pub gates: Vec<Gate>,
    /// The records, where there are several.
    pub sources: Vec<Source>,
    pub prompts: Vec<Prompt>,
    /// Answers to be judged blind, where there are any.
    pub ballot: Option<Ballot>,
    /// Machine, program, parameters, then a group a model.
    pub environment: Vec<Facts>,
    /// How it was measured.
    pub method: Vec<MethodPoint>,
    /// The command that repeats it, quoted for a shell.
    pub command: Option<String>,
    pub generator: String,
}

/// What to take and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Advice {
    /// The recommendation, or that there is none, with its reasons: `verdict` and `because`.
    pub sentence: String,
    /// What to take, in three words.
    pub verdict: String,
    /// What is gained, what is lost, what could not be told apart: three sentences at most.
    pub because: Vec<String>,
    /// The rule, with the options that change it.
    pub rule: String,
    /// Whether a model is recommended.
    pub given: bool,
    /// A line for each model, in the models' order: why it is taken or not; empty where nothing can be said.
    pub why: Vec<String>,
    /// Which of the models is recommended.
    pub chosen: Option<usize>,
}

/// Limits and preferences that a reader may choose on the page, and what the program says to each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Choices {
    pub limits: Vec<LimitField>,
    pub prefer: Vec<PreferField>,
    /// For the page's script, as JSON that no parser of HTML can mistake: the answers, by steps of the limits.
    pub json: String,
}

/// A limit that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LimitField {
    /// Its place in the table of answers.
    pub at: usize,
    /// The option that sets it.
    pub option: &'static str,
    pub label: String,
    pub unit: &'static str,
    /// The run's own; empty where it has none.
    pub value: String,
    /// How far a key press goes.
    pub step: &'static str,
    /// What the option wants behind the number.
    pub suffix: &'static str,
}

/// A preference that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PreferField {
    /// As the option takes it.
    pub name: &'static str,
    pub label: &'static str,
    /// Whether it is the run's own.
    pub chosen: bool,
}

/// A model at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Card {
    pub name: String,
    pub file: String,
    /// Whether it is what the others are compared with.
    pub original: bool,
    /// What it is then called: the original, or the base of settings.
    pub role: Option<&'static str>,
    /// Whether it is the one to take.
    pub chosen: bool,
    /// Why it is to be taken or not; empty where nothing can be said.
    pub why: String,
    /// What of that stands on its card; empty where the card says it already.
    pub note: String,
    /// Why it has no figures.
    pub failed: Option<String>,
    /// Head and cell of each figure.
    pub figures: Vec<(Column, Cell)>,
}

/// A warning with its remedy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Caution {
    /// Stable name.
    pub kind: String,
    /// The section it concerns; `None` for the run as a whole.
    pub section: Option<&'static str>,
    /// The models it concerns, as one reads a list of them; `None` for the run as a whole.
    pub model: Option<String>,
    /// Whole sentences, as the remedy.
    pub evidence: String,
    pub remedy: String,
}

/// What was asked for and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Omission {
    /// The models it concerns, as one reads a list of them; `None` for the run as a whole.
    pub model: Option<String>,
    /// What, and why, in whole sentences.
    pub reason: String,
    /// What would do it, in whole sentences; `None` where nothing need be done.
    pub remedy: Option<String>,
}

/// A limit that was set, in words with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gate {
    pub verdict: GateVerdict,
    pub text: String,
}

/// One of the records that a report is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Source {
    /// `A`, `OLD`.
    pub name: String,
    /// When and with what it was measured.
    pub text: String,
    /// What makes comparing it, or a part of it, with the first meaningless.
    pub objections: Vec<String>,
    /// Whether it is compared all the same.
    pub forced: bool,
    /// What else differs from the first.
    pub notes: Vec<String>,
}

/// A prompt and its answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Prompt {
    pub name: String,
    pub category: String,
    pub text: String,
    /// Characters of the whole prompt, when it was cut.
    pub cut: Option<usize>,
    /// In the models' order.
    pub answers: Vec<Answer>,
}

/// What one model answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Answer {
    pub model: String,
    /// What it has in common with the original's answer, from the start.
    pub same: String,
    pub rest: String,
    /// How it relates to the original's answer.
    pub relation: Option<String>,
    /// Characters of the whole answer, when it was cut.
    pub cut: Option<usize>,
    /// Tokens, speed, why it ended.
    pub facts: String,
}

/// Pairs of answers to be judged blind on the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ballot {
    /// Pairs that are asked.
    pub pairs: usize,
    /// Pairs of the same text, which are not.
    pub same: usize,
    /// For the page's script, as JSON that no parser of HTML can mistake: places of texts on the page, sides, names.
    pub json: String,
}

/// Named facts under one head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    pub title: String,
    pub rows: Vec<(String, String)>,
}

/// A point of the method and the section of METHODOLOGY.md that has its formulas and sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MethodPoint {
    pub text: String,
    pub section: &'static str,
    pub link: String,
}

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
    pub title: String,
    /// How to read it.
    pub note: String,
    pub svg: String,
    /// The same for a narrow screen, where its letters would be too small otherwise.
    pub narrow: Option<String>,
}

/// A table. The first cell of a row names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Table {
    /// Anchor, unique on the page.
    pub id: String,
    pub title: String,
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
    pub kind: Kind,
    /// Where width is short, columns of a higher rank go first; 0 stays.
    pub rank: u8,
    /// Whether its words are never cut where width is short.
    #[serde(skip)]
    pub whole: bool,
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
    Better,
    Worse,
    Same,
    Open,
}

/// One figure or word.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Cell {
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
    pub(crate) fn new(id: &str, title: &str, columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Self {
        Self { id: id.into(), title: title.into(), columns, rows, notes: Vec::new() }
    }
}

impl Column {
    pub(crate) fn text(title: &str) -> Self {
        Self { title: inert_line(title), unit: None, kind: Kind::Text, rank: 0, whole: false }
    }

    pub(crate) fn number(title: &str, unit: &str) -> Self {
        let unit = (!unit.is_empty()).then(|| unit.to_owned());
        Self { title: inert_line(title), unit, kind: Kind::Number, rank: 0, whole: false }
    }

    /// The same, its words never cut.
    pub(crate) fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The same, given up when width is short.
    pub(crate) fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A figure, already formatted, and its value for sorting.
    pub(crate) fn number(text: impl Into<String>, value: f64) -> Self {
        Self { text: text.into(), sort: value.is_finite().then_some(value), ..Self::default() }
    }

    /// A figure, or why there is none.
    pub(crate) fn maybe(value: Option<f64>, format: impl Fn(f64) -> String, why: &str) -> Self {
        value.filter(|v| v.is_finite()).map_or_else(|| Self::unknown(why), |v| Self::number(format(v), v))
    }

    /// Not known, and why.
    pub(crate) fn unknown(why: &str) -> Self {
        Self { text: UNKNOWN.into(), why: Some(why.into()), ..Self::default() }
    }

    /// A metric with its interval and how it compares.
    pub(crate) fn metric(m: Option<&MetricSummary>, c: Option<&Comparison>, scale: Scale, why: &str) -> Self {
        let Some((m, s)) = m.and_then(|m| Some((m, scale.spread(m)?))) else {
            return Self::unknown(why);
        };
        let cell = Self::number(s.value, m.value.unwrap_or(f64::NAN));
        let cell = Self { brackets: s.brackets, plus_minus: s.plus_minus, ..cell };
        c.map_or(cell.clone(), |c| cell.compared(c))
    }

    fn compared(self, c: &Comparison) -> Self {
        Self { ratio: comparison(c), verdict: c.verdict.map(|_| conclusion(c)), tone: tone(c), ..self }
    }
}

/// A verdict in words.
pub(crate) fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better(word) | Verdict::Worse(word) => word.text(),
        Verdict::NoRelevantDifference => "no relevant difference".into(),
        Verdict::NotResolved => "not resolved".into(),
    }
}

/// What a comparison comes to; of one that is not resolved also what the run could have seen.
pub(crate) fn conclusion(c: &Comparison) -> String {
    match (c.verdict, c.detectable) {
        (None, _) => without_verdict(&c.id).into(),
        (Some(Verdict::NotResolved), Some(size)) => format!("not resolved ({} would show)", percent(size)),
        (Some(verdict), _) => words(verdict),
    }
}

/// Why a comparison has no verdict.
pub(crate) fn without_verdict(id: &MetricId) -> &'static str {
    // More rounds would add no reading of what the probe reads.
    if *id == MetricId::DeviceMemory { "read once" } else { "too few rounds" }
}

/// The tone of a comparison, from its verdict alone.
pub(crate) fn tone(c: &Comparison) -> Tone {
    match c.verdict {
        None => Tone::Plain,
        Some(Verdict::Better(_)) => Tone::Better,
        Some(Verdict::Worse(_)) => Tone::Worse,
        Some(Verdict::NoRelevantDifference) => Tone::Same,
        Some(Verdict::NotResolved) => Tone::Open,
    }
}

/// `higher is better`, for heads and charts.
pub(crate) fn better(b: Better) -> &'static str {
    match b {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    }
}
