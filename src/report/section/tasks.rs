//! Tasks with right answers: scores, lost and gained answers, what the items could have shown, and recall by depth.

use super::names::name;
use crate::{
    analysis::{Analysis, ModelAnalysis, TaskAnalysis, TaskComparison, TaskStanding, TaskVerdict},
    record::{Outcome, TaskKind, TaskStop},
    report::{
        document::{Cell, Column, Section, Table, Tone},
        number::{in_percent, percent, sig3},
        text::{counted, inert_line, list, shorten},
    },
};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "tasks",
        title: "Tasks",
        lead: "Questions with right answers, the same for all models. A model's answer is the ending that it finds most likely.",
        tables: vec![scores(analysis), depths(analysis)],
        figures: Vec::new(),
    }
}

/// Tables that no metric stands for.
pub(crate) fn beside(analysis: &Analysis) -> Vec<Table> {
    [scores(analysis), depths(analysis)].into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn title(task: &TaskAnalysis) -> String {
    shorten(&inert_line(&task.name), 40)
}

fn rows(analysis: &Analysis) -> impl Iterator<Item = (&TaskAnalysis, &ModelAnalysis, &TaskStanding)> {
    analysis.tasks.iter().flat_map(|task| analysis.models.iter().zip(&task.models).map(move |(m, own)| (task, m, own)))
}

fn scores(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("task"),
        Column::text("model"),
        Column::number("items", "").rank(2),
        Column::number("right", "%"),
        Column::number("right → wrong", ""),
        Column::number("wrong → right", ""),
        Column::number("difference", "points").rank(1),
        Column::number("McNemar", "p").rank(2),
        Column::number("would show", "points").rank(3),
        Column::text("verdict"),
    ];
    let rows = rows(analysis).map(|(task, m, own)| row(task, m, own)).collect();
    let mut table =
        Table::new("tasks-table", "Tasks: right answers, and those a candidate lost and gained", columns, rows);
    if let Some(task) = analysis.tasks.first() {
        table.notes.push(format!(
            "Intervals are at {} confidence: Wilson's of a share, Newcombe's of a difference of paired shares. McNemar's test is exact and \
             two-sided, and its verdict adjusted for {}. “Would show” is the smallest difference that so many items show with 80\u{a0}% \
             power, when as many answers change sides.",
            percent(analysis.confidence),
            counted(task.comparisons, "comparison"),
        ));
        table.notes.extend(analysis.tasks.iter().map(how));
    }
    table
}

/// What was asked, how it was weighed, and what guessing gets right.
fn how(task: &TaskAnalysis) -> String {
    let sample = match task.available {
        Some(available) if available > task.items as u64 => format!("{} of its {available} items", task.items),
        _ => counted(task.items, "item"),
    };
    let weighed = match task.kind {
        TaskKind::HellaSwag | TaskKind::MultipleChoice => {
            "endings by the mean log-probability of a token, from the first that differs, as llama-perplexity does"
        }
        TaskKind::Winogrande => {
            "choices by the mean log-probability of a token of what follows them, as llama-perplexity does"
        }
        TaskKind::Recall { .. } => "four numbers of the same list by the mean log-probability of a token",
    };
    let chance = task.chance.map_or(String::new(), |chance| format!("; guessing gets {} right", percent(chance)));
    format!("{}: {sample}, {weighed}{chance}.", title(task))
}

fn row(task: &TaskAnalysis, m: &ModelAnalysis, own: &TaskStanding) -> Vec<Cell> {
    let why = why_missing(own);
    let score = own.score.map_or_else(
        || Cell::unknown(&why),
        |score| {
            let spread = in_percent(score.value, Some((score.low, score.high)));
            Cell { brackets: spread.brackets, plus_minus: spread.plus_minus, ..Cell::number(spread.value, score.value) }
        },
    );
    let count = |n: u32| Cell::number(n.to_string(), f64::from(n));
    let mut cells = vec![
        Cell::text(title(task)),
        Cell::text(name(m)),
        Cell::number(own.answered.to_string(), own.answered as f64),
        score,
    ];
    cells.extend(match &own.vs_original {
        None => {
            let why = if own.outcome == Some(Outcome::Done) { "nothing to compare with" } else { why.as_str() };
            (0..6).map(|_| Cell::unknown(why)).collect::<Vec<_>>()
        }
        Some(c) => {
            let (verdict, tone) = verdict(c);
            vec![
                count(c.lost),
                count(c.gained),
                Cell {
                    brackets: Some(format!("[{}, {}]", points(c.difference.low), points(c.difference.high))),
                    ..Cell::number(points(c.difference.value), c.difference.value)
                },
                Cell::maybe(c.p_value, p_value, "no answer changed sides"),
                Cell::maybe(c.smallest_difference, |d| format!("{:.1}", d * 100.0), "no difference could be shown"),
                Cell { tone, ..Cell::text(verdict) },
            ]
        }
    });
    cells
}

fn why_missing(own: &TaskStanding) -> String {
    match &own.outcome {
        None => "not asked".into(),
        Some(Outcome::Failed { reason, .. }) => format!("failed: {}", shorten(&inert_line(reason), 300)),
        Some(Outcome::Done) if own.too_long > 0 => "longer than it was trained for".into(),
        Some(Outcome::Done) => match own.stopped {
            Some(TaskStop::TimeSpent | TaskStop::OriginalStopped) => "the time was spent".into(),
            _ => "not asked".into(),
        },
    }
}

fn verdict(c: &TaskComparison) -> (&'static str, Tone) {
    match c.verdict {
        TaskVerdict::Worse => ("fewer right", Tone::Worse),
        TaskVerdict::Better => ("more right", Tone::Better),
        TaskVerdict::NotShown => ("no difference shown", Tone::Open),
    }
}

/// Percentage points with their sign.
fn points(share: f64) -> String {
    let text = format!("{:+.1}", share * 100.0);
    if text == "-0.0" { "+0.0".into() } else { text }
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "under 0.001".into() } else { sig3(p) }
}

/// Recall by depth: a row a model and length.
fn depths(analysis: &Analysis) -> Table {
    let parts: Vec<&str> = analysis
        .tasks
        .iter()
        .flat_map(|task| &task.models)
        .find(|own| !own.groups.is_empty())
        .map_or_else(Vec::new, |own| own.groups.iter().map(|group| group.name.as_str()).collect());
    let mut columns = vec![Column::text("task"), Column::text("model"), Column::number("tokens", "").rank(1)];
    columns.extend(parts.iter().map(|part| Column::number(part, "right")));
    let with_depth = rows(analysis).filter(|(_, _, own)| own.groups.len() == parts.len() && !parts.is_empty());
    let rows = with_depth.map(|(task, m, own)| {
        let longest = Some(f64::from(own.longest_tokens)).filter(|&n| n > 0.0);
        let mut cells = vec![
            Cell::text(title(task)),
            Cell::text(name(m)),
            Cell::maybe(longest, |n| format!("{n:.0}"), "not asked"),
        ];
        cells.extend(own.groups.iter().map(|group| {
            let share = (group.answered > 0).then(|| group.right as f64 / group.answered as f64);
            Cell::maybe(share, |_| format!("{}/{}", group.right, group.answered), &why_missing(own))
        }));
        cells
    });
    let mut table =
        Table::new("recall-table", "Recall by depth: where in the list the number stood", columns, rows.collect());
    if !table.rows.is_empty() {
        table.notes = vec!["Tokens: of the longest list with its question and an ending.".into()];
    }
    table
}

/// One sentence a task: who is told from the original, and what the items could have shown.
pub(crate) fn sentences(analysis: &Analysis) -> Vec<String> {
    analysis.tasks.iter().filter_map(|task| sentence(analysis, task)).collect()
}

fn sentence(analysis: &Analysis, task: &TaskAnalysis) -> Option<String> {
    let base = name(super::names::original(analysis)?);
    let compared: Vec<(String, &TaskComparison)> = analysis
        .models
        .iter()
        .zip(&task.models)
        .filter_map(|(m, own)| Some((name(m), own.vs_original.as_ref()?)))
        .collect();
    let told: Vec<String> = compared
        .iter()
        .filter(|(_, c)| c.verdict != TaskVerdict::NotShown)
        .map(|(name, c)| {
            let word = if c.verdict == TaskVerdict::Worse { "fewer" } else { "more" };
            let p = c.p_value.map_or(String::new(), |p| format!(", p = {}", p_value(p)));
            format!("{name} answers {word} right than {base} ({} lost, {} gained{p})", c.lost, c.gained)
        })
        .collect();
    let smallest = compared
        .iter()
        .filter_map(|(_, c)| c.smallest_difference)
        .fold(None, |least: Option<f64>, d| Some(least.map_or(d, |least| least.max(d))));
    let shown =
        smallest.map_or(String::new(), |d| format!(" Its items show differences of {:.0} points and more.", d * 100.0));
    let task = title(task);
    if !told.is_empty() {
        Some(format!("In the task {task}, {}.", list(&told)))
    } else if !compared.is_empty() {
        let names: Vec<String> = compared.into_iter().map(|(name, _)| name).collect();
        Some(format!("In the task {task}, no difference from {base} was shown for {}.{shown}", list(&names)))
    } else {
        None
    }
}
