//! The View: everything a report shows, already in words and ordered. Renderers add layout and nothing else.

use serde::Serialize;

use super::{
    document::{Cell, Column, Table},
    format::percent,
    section::{
        choice::{Advice, advice},
        environment::{self, Facts},
        findings::sentences,
        method::{self, Point},
        names,
        prompts::answers::{self, Prompt},
        summary,
        votes::{Ballot, ballot},
    },
    text::{clip, inert_line, shell, shorten},
};
use crate::{
    analysis::{Analysis, Context, WarningKind},
    record::Role,
};

/// Everything a report shows, but for its charts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    /// `F16 against Q8_0 and Q4_K_M`.
    pub title: String,
    /// What the models are.
    pub subject: Option<String>,
    /// When the run began, UTC.
    pub started: String,
    /// Rounds, confidence, and why it ended.
    pub basis: String,
    /// Whether it was too short for intervals.
    pub quick: bool,
    /// The findings in words.
    pub sentences: Vec<String>,
    /// What to take, and why.
    pub advice: Advice,
    /// One a model.
    pub cards: Vec<Card>,
    /// One row a model.
    pub summary: Table,
    /// What to know before trusting the figures.
    pub warnings: Vec<Caution>,
    /// Prompts and what was answered.
    pub prompts: Vec<Prompt>,
    /// Answers to be judged blind, when there are any.
    pub ballot: Option<Ballot>,
    /// Machine, build, parameters, files.
    pub environment: Vec<Facts>,
    /// How it was measured, a point a line.
    pub method: Vec<Point>,
    /// The command that repeats it.
    pub command: String,
    /// Program and version.
    pub generator: String,
}

/// A model at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Card {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Whether it is what the others are compared with.
    pub original: bool,
    /// Whether it is the one to take.
    pub chosen: bool,
    /// Why it is to be taken or not; empty where nothing can be said.
    pub why: String,
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
    /// The model it concerns.
    pub model: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
}

impl View {
    /// Puts a run and its analysis into words.
    #[must_use]
    pub(crate) fn new(analysis: &Analysis) -> Self {
        let context = &analysis.context;
        let summary = summary::table(analysis);
        let advice = advice(analysis);
        Self {
            title: title(analysis),
            subject: subject(context),
            started: inert_line(&context.started_utc),
            basis: basis(analysis),
            quick: analysis.quick,
            sentences: sentences(analysis),
            cards: cards(analysis, &summary, &advice),
            advice,
            summary,
            warnings: analysis.warnings.iter().map(caution).collect(),
            prompts: answers::prompts(analysis),
            ballot: ballot(analysis),
            environment: environment::facts(analysis),
            method: method::lines(context),
            command: clip(&shell(&context.command), 4_000).0,
            generator: format!("gguf-bench {}", inert_line(&context.build.version)),
        }
    }
}

fn title(analysis: &Analysis) -> String {
    let of = |role| {
        analysis.models.iter().filter(move |m| m.role == role).map(|m| shorten(&names::name(m), 24)).collect::<Vec<_>>()
    };
    let (originals, candidates) = (of(Role::Original), of(Role::Candidate));
    let shown = match candidates.len() {
        0..=6 => candidates.join(", "),
        n => format!("{} and {} more", candidates[..5].join(", "), n - 5),
    };
    match originals.first() {
        Some(original) if candidates.is_empty() => original.clone(),
        Some(original) => format!("{original} against {shown}"),
        None => shown,
    }
}

fn subject(context: &Context) -> Option<String> {
    let facts = context.subjects.iter().find_map(|s| s.model.facts.as_ref())?;
    let size = super::format::sig3(facts.n_params as f64 / 1e6);
    let what = format!("{} architecture, {size} M parameters", shorten(&inert_line(&facts.architecture), 40));
    Some(match &facts.title {
        Some(title) => format!("{}: {what}", shorten(&inert_line(title), 80)),
        None => what,
    })
}

fn basis(analysis: &Analysis) -> String {
    let rounds = if analysis.rounds == 1 { "1 round".into() } else { format!("{} rounds", analysis.rounds) };
    let any = analysis.models.iter().flat_map(|m| &m.metrics).any(|m| m.low.is_some());
    let intervals = match (any, analysis.quick) {
        (true, _) => format!("brackets and ± are {} confidence intervals", percent(analysis.confidence)),
        (false, true) => "a quick look, too short for intervals".into(),
        (false, false) => "too few for intervals".into(),
    };
    format!("{rounds}; {intervals}; ended because {}", names::ended(analysis.ended))
}

fn cards(analysis: &Analysis, summary: &Table, advice: &Advice) -> Vec<Card> {
    let of = |(i, (m, row)): (usize, (&crate::analysis::ModelAnalysis, &Vec<Cell>))| Card {
        name: names::name(m),
        file: shorten(&inert_line(&m.file), 60),
        original: m.role == Role::Original,
        chosen: advice.chosen == Some(i),
        why: advice.why.get(i).cloned().unwrap_or_default(),
        failed: names::failure(m),
        figures: summary.columns.iter().cloned().zip(row.iter().cloned()).skip(1).filter(|(c, _)| c.rank < 3).collect(),
    };
    analysis.models.iter().zip(&summary.rows).enumerate().map(of).collect()
}

/// The section at whose head a warning stands.
fn concerned(kind: WarningKind) -> Option<&'static str> {
    match kind {
        WarningKind::ClocksDisagree
        | WarningKind::TokenizersDiffer
        | WarningKind::Drift
        | WarningKind::Outliers
        | WarningKind::WarmupTooShort
        | WarningKind::Throttling => Some("speed"),
        WarningKind::MemoryNearFull | WarningKind::Swapping => Some("memory"),
        WarningKind::CacheMixed => Some("load"),
        WarningKind::PromptTooLong => Some("prompts"),
        WarningKind::DepthTooGreat => Some("depth"),
        WarningKind::Requantized => Some("quality"),
        WarningKind::DebugBuild
        | WarningKind::CpuFeaturesUnused
        | WarningKind::MoreThreadsThanCpus
        | WarningKind::Retried
        | WarningKind::BusyMachine => None,
    }
}

fn caution(w: &crate::analysis::Warning) -> Caution {
    Caution {
        kind: w.kind.name().into(),
        section: concerned(w.kind),
        model: w.model.as_ref().map(|m| shorten(&inert_line(m), 40)),
        evidence: shorten(&inert_line(&w.evidence), 600),
        remedy: shorten(&inert_line(&w.remedy), 600),
    }
}
