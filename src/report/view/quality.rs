//! The tables of output quality: every candidate against the original, by text, and where answers part.

use super::{
    names::name,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::{
        Agreement, Analysis, AnswerRow, Figure, KldKind, ModelAnalysis, QualityAnalysis, QualityVerdict, TextFigures,
    },
    record::{Outcome, QualityStop, Summary},
    report::{
        format::{fixed, percent, sig3},
        text::{inert_line, shorten},
    },
};

const NOT_COMPARED: &str = "outputs were not compared";

/// The candidates' columns in the summary: head, unit, rank.
const COLUMNS: [(&str, &str, u8); 4] =
    [("ΔPPL", "%", 5), ("mean KLD", "nats", 3), ("99 % KLD", "nats", 6), ("same top", "%", 5)];

/// The columns quality adds to the summary; none when no outputs were compared.
pub(super) fn summary_columns(analysis: &Analysis) -> Vec<Column> {
    if analysis.models.iter().all(|m| m.quality.is_none()) {
        return Vec::new();
    }
    COLUMNS.iter().map(|&(title, unit, rank)| Column::number(title, unit).rank(rank)).collect()
}

/// The cells below them.
pub(super) fn summary_cells(m: &ModelAnalysis) -> Vec<Cell> {
    match m.quality.as_ref().and_then(|q| q.overall.as_ref()) {
        Some(f) => {
            vec![change(f.ppl_ratio), kld_of(m, f.kld_mean_nats), kld_of(m, f.kld_p99_nats), share(f.top1_agreement)]
        }
        None if m.role == crate::record::Role::Original => vec![Cell::text("—"); COLUMNS.len()],
        None => vec![Cell::unknown(NOT_COMPARED); COLUMNS.len()],
    }
}

/// All texts together, one row a candidate.
pub(super) fn overall(analysis: &Analysis) -> Table {
    let mut columns = vec![
        Column::text("model"),
        Column::number("PPL(Q)", ""),
        Column::number("PPL(base)", ""),
        Column::number("ΔPPL", "%"),
        Column::number("mean KLD", "nats"),
        Column::number("99 % KLD", "nats"),
        Column::number("same top", "%"),
        Column::number("windows", ""),
    ];
    let judged = compared(analysis).any(|(_, q)| q.verdict.is_some());
    columns.extend(judged.then(|| Column::text("verdict")));
    let rows = compared(analysis).map(|(m, q)| {
        let mut cells = vec![Cell::text(name(m))];
        match &q.overall {
            Some(f) => cells.extend([
                perplexity(f.ppl),
                perplexity(f.ppl_original),
                change(f.ppl_ratio),
                kld_of(m, f.kld_mean_nats),
                kld_of(m, f.kld_p99_nats),
                share(f.top1_agreement),
            ]),
            None => cells.extend(vec![Cell::unknown(NOT_COMPARED); 6]),
        }
        cells.push(Cell::number(q.windows.to_string(), q.windows as f64));
        cells.extend(judged.then(|| verdict(q)));
        cells
    });
    let mut table = Table::new(
        "quality-overall",
        "Output against the original's, every text counting equally",
        columns,
        rows.collect(),
    );
    table.notes = compared(analysis).flat_map(|(m, q)| notes(m, q)).collect();
    if !judged && !table.rows.is_empty() {
        table.notes.push("No limit was set: --max-kld says what is acceptable.".into());
    }
    if compared(analysis).any(|(m, _)| !at_least(m).is_empty()) {
        table.notes.push("≥: a lower bound of KLD; perplexity and same top are exact".into());
    }
    table
}

/// Why a candidate's figures are missing, or less precise than asked.
fn notes(m: &ModelAnalysis, q: &QualityAnalysis) -> Vec<String> {
    let mut notes = Vec::new();
    if let Outcome::Failed { reason, .. } = &q.outcome {
        notes.push(format!("{}: {}", name(m), shorten(&inert_line(reason), 600)));
    }
    if is_wide(q) {
        let why = match q.stopped {
            Some(QualityStop::MaxWindows) => "the limit of windows was reached (--max-windows 0 lifts it)",
            Some(QualityStop::TimeSpent) => "the time of the run was spent (--budget gives it more)",
            Some(QualityStop::TextsDone) => "the texts have no more windows (--text adds some)",
            Some(QualityStop::Interrupted) => "it was interrupted",
            Some(QualityStop::Precise) | None => return notes,
        };
        let known = q.precision_reached.map_or("has no interval".into(), |r| format!("is known to ±{}", percent(r)));
        notes.push(format!("{}: mean KLD {known}, ±{} was asked for; {why}", name(m), percent(q.precision_asked)));
    }
    notes
}

/// Whether the mean KLD is known less well than asked. One that is 0 in every window is known.
fn is_wide(q: &QualityAnalysis) -> bool {
    let identical = q.overall.as_ref().is_some_and(|f| f.kld_mean_nats.high.is_some_and(|high| high <= 0.0));
    q.precision_asked > 0.0 && !identical && q.precision_reached.is_none_or(|reached| reached > q.precision_asked)
}

/// One row a candidate and text.
pub(super) fn by_text(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("text"),
        Column::number("windows", ""),
        Column::number("PPL(Q)", ""),
        Column::number("PPL(base)", ""),
        Column::number("ΔPPL", "%"),
        Column::number("mean KLD", "nats"),
        Column::number("same top", "%"),
    ];
    let row = |m: &ModelAnalysis, t: &TextFigures| {
        vec![
            Cell::text(name(m)),
            Cell::text(shorten(&inert_line(&t.name), 40)),
            Cell::number(format!("{} of {}", t.windows, t.n_windows), t.windows as f64),
            perplexity(t.figures.ppl),
            perplexity(t.figures.ppl_original),
            change(t.figures.ppl_ratio),
            kld_of(m, t.figures.kld_mean_nats),
            share(t.figures.top1_agreement),
        ]
    };
    let rows = compared(analysis).flat_map(|(m, q)| q.texts.iter().map(move |t| row(m, t)));
    Table::new("quality-texts", "By text", columns, rows.collect())
}

/// The tails: how bad it gets, under llama-perplexity's names.
pub(super) fn tails(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("text"),
        Column::number("median KLD", "nats"),
        Column::number("90 %", "nats"),
        Column::number("99 %", "nats"),
        Column::number("99.9 %", "nats"),
        Column::number("maximum", "nats"),
        Column::number("RMS Δp", "%"),
        Column::number("top-5 overlap", "%"),
    ];
    let row = |m: &ModelAnalysis, t: &TextFigures, s: &Summary| {
        let nats = |v: f64| Cell::number(nats_text(v), v);
        vec![
            Cell::text(name(m)),
            Cell::text(shorten(&inert_line(&t.name), 40)),
            nats(s.kld_percentiles_nats.median),
            nats(s.kld_percentiles_nats.p90),
            nats(s.kld_percentiles_nats.p99),
            nats(s.kld_percentiles_nats.p99_9),
            nats(s.kld_percentiles_nats.maximum),
            Cell::number(fixed(s.delta_p_rms.value * 100.0, 2), s.delta_p_rms.value),
            Cell::number(fixed(s.top5_overlap_fraction * 100.0, 1), s.top5_overlap_fraction),
        ]
    };
    let rows =
        compared(analysis).flat_map(|(m, q)| q.texts.iter().filter_map(move |t| Some(row(m, t, t.summary.as_ref()?))));
    Table::new("quality-tails", "How bad it gets, by text", columns, rows.collect())
}

/// Where the answers to prompts part.
pub(super) fn answers(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("prompt"),
        Column::text("model"),
        Column::number("parts at token", ""),
        Column::number("common", "%"),
        Column::number("original's margin there", "nats"),
    ];
    let row = |m: &ModelAnalysis, a: &AnswerRow| {
        let mut cells = vec![Cell::text(shorten(&inert_line(&a.prompt), 60)), Cell::text(name(m))];
        cells.extend(match a.agreement? {
            Agreement::Same => vec![Cell::text("same to the end"), Cell::number("100", 1.0), Cell::text("—")],
            Agreement::Parts { token_index, common_fraction, original_margin_nats } => vec![
                Cell::number((token_index + 1).to_string(), token_index as f64),
                Cell::number(fixed(common_fraction * 100.0, 0), common_fraction),
                Cell::maybe(original_margin_nats.map(f64::from), |v| fixed(v, 2), "the original's answer had ended"),
            ],
        });
        Some(cells)
    };
    let rows = analysis.models.iter().flat_map(|m| m.answers.iter().filter_map(move |a| row(m, a)));
    Table::new("quality-answers", "Where answers part from the original's (temperature 0)", columns, rows.collect())
}

fn compared(analysis: &Analysis) -> impl Iterator<Item = (&ModelAnalysis, &QualityAnalysis)> {
    analysis.models.iter().filter_map(|m| Some((m, m.quality.as_ref()?)))
}

fn verdict(q: &QualityAnalysis) -> Cell {
    let Some(verdict) = q.verdict else { return Cell::unknown(NOT_COMPARED) };
    Cell::text(match verdict {
        QualityVerdict::Acceptable { max_kld_nats } => format!("within {}", nats_text(max_kld_nats)),
        QualityVerdict::TooFar { max_kld_nats } => format!("above {}", nats_text(max_kld_nats)),
        QualityVerdict::NotResolved { max_kld_nats } => format!("not resolved against {}", nats_text(max_kld_nats)),
    })
}

/// Small divergences need digits, large ones don't.
pub(in crate::report) fn nats_text(nats: f64) -> String {
    if nats.abs() < 1e-12 {
        "0".into()
    } else if nats.abs() < 0.01 {
        fixed(nats, 5)
    } else {
        fixed(nats, 4)
    }
}

fn figure(f: Figure, text: impl Fn(f64) -> String) -> Cell {
    let brackets = f.low.zip(f.high).map(|(low, high)| format!("[{}, {}]", text(low), text(high)));
    Cell { brackets, ..Cell::number(text(f.value), f.value) }
}

pub(super) fn kld(f: Figure) -> Cell {
    figure(f, nats_text)
}

/// A divergence of this model's, marked where it is a lower bound.
fn kld_of(m: &ModelAnalysis, f: Figure) -> Cell {
    let cell = kld(f);
    Cell { text: format!("{}{}", at_least(m), cell.text), ..cell }
}

fn at_least(m: &ModelAnalysis) -> &'static str {
    let bound = m.quality.as_ref().is_some_and(|q| matches!(q.kld, KldKind::LowerBound { .. }));
    if bound { "≥ " } else { "" }
}

fn perplexity(f: Figure) -> Cell {
    figure(f, sig3)
}

fn share(f: Figure) -> Cell {
    figure(f, |v| fixed(v * 100.0, 1))
}

/// A ratio of perplexities as a change in per cent.
fn change(f: Figure) -> Cell {
    figure(f, |v| {
        let change = (v - 1.0) * 100.0;
        let sign = if change > 0.0 { "+" } else { "" };
        format!("{sign}{}", fixed(change, 2))
    })
}

/// What the candidates keep, and how they stand against the limit a person set.
pub(in crate::report) fn sentence(analysis: &Analysis) -> Vec<String> {
    let parts: Vec<String> = compared(analysis)
        .filter_map(|(m, q)| {
            let f = q.overall.as_ref()?;
            let (kld, top) = (f.kld_mean_nats.value, f.top1_agreement.value);
            Some(format!("{} {} (mean KLD {}{})", name(m), percent(top), at_least(m), nats_text(kld)))
        })
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let mut sentences = vec![format!("The top token agrees with the original's: {}.", parts.join(", "))];
    sentences.extend(bound_sentence(analysis));
    sentences.extend(limit_sentence(analysis));
    sentences.extend(few_windows_sentence(analysis));
    sentences
}

/// That KLD is a lower bound, where it is.
fn bound_sentence(analysis: &Analysis) -> Option<String> {
    match compared(analysis).next()?.1.kld {
        KldKind::LowerBound { top_k } => Some(format!(
            "KLD is a lower bound (≥): the models were not held in memory together, so candidates were compared with the original's \
             {top_k} most likely tokens at each position and the sum of all others."
        )),
        KldKind::Exact | KldKind::Rounded => None,
    }
}

/// That fewer windows were scored than the precision asked for takes, where a limit was the reason.
fn few_windows_sentence(analysis: &Analysis) -> Option<String> {
    let cut = |q: &QualityAnalysis| {
        let limit = match q.stopped? {
            QualityStop::MaxWindows => "the limit of this run",
            QualityStop::TimeSpent => "for the time was spent",
            QualityStop::TextsDone | QualityStop::Precise | QualityStop::Interrupted => return None,
        };
        is_wide(q).then_some(limit)
    };
    let (q, limit) = compared(analysis).find_map(|(_, q)| Some((q, cut(q)?)))?;
    let asked = percent(q.precision_asked);
    Some(format!(
        "Outputs were compared on {} windows only, {limit}: KLD is not yet known to the ±{asked} asked for.",
        q.windows
    ))
}

/// How the candidates stand against --max-kld; none when no limit was set.
fn limit_sentence(analysis: &Analysis) -> Option<String> {
    let judged: Vec<(String, QualityVerdict)> =
        compared(analysis).filter_map(|(m, q)| Some((name(m), q.verdict?))).collect();
    let (QualityVerdict::Acceptable { max_kld_nats }
    | QualityVerdict::TooFar { max_kld_nats }
    | QualityVerdict::NotResolved { max_kld_nats }) = judged.first()?.1;
    let who = |wanted: fn(&QualityVerdict) -> bool, says: &str| {
        let names: Vec<&str> = judged.iter().filter(|(_, v)| wanted(v)).map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{says}: {}", names.join(", ")))
    };
    let parts = [
        who(|v| matches!(v, QualityVerdict::Acceptable { .. }), "within it"),
        who(|v| matches!(v, QualityVerdict::TooFar { .. }), "above it"),
        who(|v| matches!(v, QualityVerdict::NotResolved { .. }), "not resolved"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Some(format!("Mean KLD against the limit of {} nats: {}.", nats_text(max_kld_nats), parts.join("; ")))
}
