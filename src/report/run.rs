//! A run's report: the document in words, the findings for scripts, a row a metric.

use std::{borrow::Cow, cell::OnceCell};

#[cfg(test)]
use schemars::{JsonSchema, generate::Contract};
use serde::Serialize;

use super::{
    document::{Advice, Card, Caution, Cell, Document, Omission, Table},
    draw::canvas::DrawError,
    format::{Field, Report, Rows},
    gate::{self, GateFindings, Held},
    number::{percent, sig3},
    section::{
        self,
        choice::{
            limits::choices,
            picture::picture,
            words::{advice, note},
        },
        environment,
        findings::sentences,
        guide::{self, Metrics},
        method, names,
        prompts::{answers, behaviour},
        summary, tasks,
        votes::ballot,
    },
    text::{capital, clip, inert_line, list, shell, shorten, stopped},
};
use crate::{
    analysis::{
        Analysis, Context, MetricSummary, ModelAnalysis, NotDone, TaskAnalysis, TaskStanding, TaskVerdict, Warning,
        WarningKind, gate::Gate,
    },
    record::{Role, Run},
};

/// A run with what was found in it.
pub(crate) struct RunReport<'a> {
    run: &'a Run,
    analysis: &'a Analysis,
    gate: Option<&'a Gate>,
    /// Several formats are often rendered of one run, and drawing takes the most time.
    document: OnceCell<Document>,
}

impl<'a> RunReport<'a> {
    pub(crate) fn new(run: &'a Run, analysis: &'a Analysis) -> Self {
        Self { run, analysis, gate: None, document: OnceCell::new() }
    }

    /// With what became of conditions.
    pub(crate) fn gated(self, gate: Option<&'a Gate>) -> Self {
        Self { gate, ..self }
    }

    fn make(&self) -> Result<Document, DrawError> {
        let analysis = self.analysis;
        let context = &analysis.context;
        let summary = summary::table(analysis);
        let advice = advice(analysis);
        let (picture, marks) = picture(analysis)?.unzip();
        Ok(Document {
            title: title(analysis),
            subject: subject(context),
            started: Some(inert_line(&context.started_utc)),
            basis: basis(analysis),
            quick: analysis.quick,
            sentences: sentences(analysis),
            cards: cards(analysis, &summary, &advice),
            advice: Some(advice),
            picture,
            choices: choices(analysis, &marks.unwrap_or_default()),
            summary: Some(summary),
            beside: section::depth::beside(analysis)
                .into_iter()
                .chain(section::parallel::beside(analysis))
                .chain(tasks::beside(analysis))
                .chain(behaviour::telling(analysis))
                .collect(),
            sections: section::all(analysis)?,
            warnings: cautions(analysis),
            not_done: omissions(analysis),
            gate: self.gate.map(|gate| gate::sentence(gate, Held::Run)),
            gates: self.gate.map_or_else(Vec::new, |gate| gate::cases(gate, Held::Run)),
            sources: Vec::new(),
            prompts: answers::prompts(analysis),
            ballot: ballot(analysis),
            environment: environment::facts(analysis),
            method: method::lines(context),
            command: Some(clip(&shell(&context.command), 4_000).0),
            generator: format!("gguf-bench {}", inert_line(&context.build.version)),
        })
    }
}

impl Report for RunReport<'_> {
    fn document(&self) -> Result<Cow<'_, Document>, DrawError> {
        if let Some(document) = self.document.get() {
            return Ok(Cow::Borrowed(document));
        }
        let made = self.make()?;
        Ok(Cow::Borrowed(self.document.get_or_init(|| made)))
    }

    fn findings(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&Findings {
            gate: self.gate.map(|gate| GateFindings::new(gate, Held::Run)),
            analysis: self.analysis,
            guide: guide::metrics(self.analysis),
        })
    }

    /// A row a model and metric.
    fn rows(&self) -> Rows {
        let models = self.analysis.models.iter();
        let own = |model| [metric_rows(model), behaviour_rows(model)].concat();
        let mut rows: Vec<Vec<Field>> = models.flat_map(own).collect();
        rows.extend(task_rows(self.analysis));
        let head = &[
            "model",
            "metric",
            "value",
            "low",
            "high",
            "best",
            "unit",
            "n",
            "ratio",
            "ratio_low",
            "ratio_high",
            "verdict",
            "detectable",
        ];
        Rows { head, rows }
    }

    fn record(&self) -> Option<&Run> {
        Some(self.run)
    }
}

/// The analysis, and the same in the words of the benchmarking guide.
#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Findings<'a> {
    /// The conditions that were set (`--fail-if`) and what became of them; `None` without any.
    gate: Option<GateFindings<'a>>,
    #[serde(flatten)]
    analysis: &'a Analysis,
    /// The metrics of the benchmarking guide under its names.
    guide: Metrics,
}

/// The JSON Schema of a run's findings.
#[cfg(test)]
pub(crate) fn schema() -> Result<String, serde_json::Error> {
    crate::record::schema::document::<Findings<'_>>(
        "report",
        "What a run of gguf-bench says: report --format json",
        Contract::Serialize,
    )
}

fn metric_rows(model: &ModelAnalysis) -> Vec<Vec<Field>> {
    model.metrics.iter().map(|metric| row(model, metric)).collect()
}

/// A task's share of right answers, and its difference from the original's.
fn task_rows(analysis: &Analysis) -> Vec<Vec<Field>> {
    let row = |task: &TaskAnalysis, own: &TaskStanding| {
        let c = own.vs_original.as_ref();
        vec![
            Field::Text(own.model.clone()),
            Field::Text(format!("task {}", task.name)),
            Field::Number(own.score.map(|s| s.value)),
            Field::Number(own.score.map(|s| s.low)),
            Field::Number(own.score.map(|s| s.high)),
            Field::Number(None),
            Field::Word("share_right"),
            Field::Count(own.answered),
            Field::Number(None),
            Field::Number(None),
            Field::Number(None),
            Field::Word(c.map_or("", |c| match c.verdict {
                TaskVerdict::Better => "more_right",
                TaskVerdict::Worse => "fewer_right",
                TaskVerdict::NotShown => "no_difference_shown",
            })),
            Field::Number(c.and_then(|c| c.smallest_difference)),
        ]
    };
    let flips = |task: &TaskAnalysis, own: &TaskStanding, what: &str, count: u32, of: u32| {
        let mut fields = row(task, own);
        fields[1] = Field::Text(format!("task {} {what}", task.name));
        fields[2] = Field::Count(count as usize);
        (fields[3], fields[4]) = (Field::Number(None), Field::Number(None));
        (fields[6], fields[7]) = (Field::Word("items"), Field::Count(of as usize));
        fields[12] = Field::Number(None);
        fields
    };
    let of = |task: &TaskAnalysis| -> Vec<Vec<Field>> {
        let own = |own: &TaskStanding| {
            let mut rows = vec![row(task, own)];
            if let Some(c) = &own.vs_original {
                rows.push(flips(task, own, "lost", c.lost, c.items));
                rows.push(flips(task, own, "gained", c.gained, c.items));
            }
            rows
        };
        task.models.iter().flat_map(own).collect()
    };
    analysis.tasks.iter().flat_map(of).collect()
}

/// Answers that have a defect, of all answers.
fn behaviour_rows(model: &ModelAnalysis) -> Vec<Vec<Field>> {
    let Some(behaviour) = &model.behaviour else { return Vec::new() };
    let of = |(name, count): (&str, usize)| {
        vec![
            Field::Text(model.name.clone()),
            Field::Text(format!("answers_{name}")),
            Field::Count(count),
            Field::Number(None),
            Field::Number(None),
            Field::Number(None),
            Field::Word("answers"),
            Field::Count(behaviour.answers),
            Field::Number(None),
            Field::Number(None),
            Field::Number(None),
            Field::Word(""),
            Field::Number(None),
        ]
    };
    behaviour.defects().into_iter().map(of).collect()
}

fn row(model: &ModelAnalysis, m: &MetricSummary) -> Vec<Field> {
    let c = model.comparison(&m.id);
    vec![
        Field::Text(model.name.clone()),
        Field::Text(m.id.to_string()),
        Field::Number(m.value),
        Field::Number(m.low),
        Field::Number(m.high),
        Field::Number(m.best),
        m.unit.into(),
        Field::Count(m.n),
        Field::Number(c.and_then(|c| c.ratio)),
        Field::Number(c.and_then(|c| c.low)),
        Field::Number(c.and_then(|c| c.high)),
        c.and_then(|c| c.verdict).into(),
        Field::Number(c.and_then(|c| c.detectable)),
    ]
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
    let size = sig3(facts.n_params as f64 / 1e6);
    let what = format!("{} architecture, {size} M parameters", shorten(&inert_line(&facts.architecture), 40));
    Some(match &facts.title {
        Some(title) => format!("{}: {what}", shorten(&inert_line(title), 80)),
        None => what,
    })
}

fn basis(analysis: &Analysis) -> String {
    let any = analysis.models.iter().flat_map(|m| &m.metrics).any(|m| m.low.is_some());
    let intervals = match (any, analysis.quick) {
        (true, _) => format!(". Brackets and ± are {} confidence intervals", percent(analysis.confidence)),
        (false, true) => ": a quick look, too short for intervals".into(),
        (false, false) => ": too few for intervals".into(),
    };
    let (amount, time) = (names::amount(analysis), section::time::line(&analysis.time));
    let measured = if analysis.context.plan.has_rounds() && analysis.rounds == 0 {
        "No round was run".to_owned()
    } else {
        format!("{amount}{intervals}")
    };
    format!("{measured}. The run ended because {}. {time}", names::ended_of(analysis))
}

fn cards(analysis: &Analysis, summary: &Table, advice: &Advice) -> Vec<Card> {
    let of = |(i, (m, row)): (usize, (&ModelAnalysis, &Vec<Cell>))| Card {
        name: names::name(m),
        file: shorten(&inert_line(&m.file), 60),
        original: m.role == Role::Original,
        role: (m.role == Role::Original).then(|| names::baseline(&analysis.context)),
        chosen: advice.chosen == Some(i),
        why: advice.why.get(i).cloned().unwrap_or_default(),
        note: advice.why.get(i).map_or_else(String::new, |why| note(&analysis.advice, i, why)),
        failed: names::failure(m).map(|why| stopped(&capital(&why))),
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
        | WarningKind::TooNoisy
        | WarningKind::WarmupTooShort
        | WarningKind::Throttling => Some("speed"),
        WarningKind::MemoryNearFull | WarningKind::DeviceMemoryDisagrees | WarningKind::Swapping => Some("memory"),
        WarningKind::CacheMixed => Some("load"),
        WarningKind::PromptFormsDiffer | WarningKind::ChatTemplateUnused => Some("prompts"),
        WarningKind::Requantized | WarningKind::OriginalQuantized => Some("quality"),
        WarningKind::TypeContradicted | WarningKind::RowsDoNotFill | WarningKind::LargerThanOriginal => Some("files"),
        WarningKind::DebugBuild
        | WarningKind::CpuFeaturesUnused
        | WarningKind::MoreThreadsThanCpus
        | WarningKind::OpenmpEnvironment
        | WarningKind::Retried
        | WarningKind::LlamaCppWarned
        | WarningKind::BusyMachine => None,
    }
}

/// What is true of several models in the same words is said once, with their names.
fn once<'a, T>(
    all: &'a [T],
    model: impl Fn(&'a T) -> Option<&'a String>,
    alike: impl Fn(&T, &T) -> bool,
) -> Vec<(&'a T, Option<String>)> {
    let is_first = |(at, one): &(usize, &'a T)| model(one).is_none() || !all[..*at].iter().any(|own| alike(own, one));
    let names = |one: &'a T| {
        model(one)?;
        let own = all.iter().filter(|other| alike(other, one)).filter_map(&model);
        Some(list(&own.map(|name| shorten(&inert_line(name), 40)).collect::<Vec<_>>()))
    };
    all.iter().enumerate().filter(is_first).map(|(_, one)| (one, names(one))).collect()
}

fn cautions(analysis: &Analysis) -> Vec<Caution> {
    let alike = |a: &Warning, b: &Warning| (a.kind, &a.evidence, &a.remedy) == (b.kind, &b.evidence, &b.remedy);
    let caution = |(w, model): (&Warning, Option<String>)| Caution {
        kind: w.kind.name().into(),
        section: concerned(w.kind),
        model,
        evidence: shorten(&inert_line(&w.evidence), 600),
        remedy: shorten(&inert_line(&w.remedy), 600),
    };
    once(&analysis.warnings, |w| w.model.as_ref(), alike).into_iter().map(caution).collect()
}

fn omissions(analysis: &Analysis) -> Vec<Omission> {
    let alike = |a: &NotDone, b: &NotDone| (a.part, &a.reason, &a.remedy) == (b.part, &b.reason, &b.remedy);
    let omission = |(of, model): (&NotDone, Option<String>)| Omission {
        model,
        reason: shorten(&inert_line(&of.reason), 600),
        remedy: of.remedy.as_ref().map(|remedy| shorten(&inert_line(remedy), 300)),
    };
    once(&analysis.not_done, |of| of.model.as_ref(), alike).into_iter().map(omission).collect()
}
