//! Output quality: every candidate against the original, by text, how bad it gets, and where answers diverge.

mod bins;
mod by_text;
pub(super) mod cells;
mod distribution;
pub(crate) mod words;

use super::{
    metric::{bar, scale},
    names::name,
};
use crate::{
    analysis::{Agreement, Analysis, AnswerRow, ModelAnalysis, QualityAnalysis, QualityVerdict, TextFigures},
    metric::MetricId,
    record::{Outcome, QualityStop, Role, Summary},
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            bars::{self, Group},
            canvas::DrawError,
        },
        number::{fixed, nats, percent},
        text::{inert_line, shorten},
    },
};
use cells::{NOT_COMPARED, at_least, change, compared, kld_of, perplexity, share};
use words::is_wide;

/// The mean KLD that is shown as a bar: a bound is none.
const KLD: MetricId = MetricId::MeanKld { lower_bound: false };

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let mut figures: Vec<Figure> = means(analysis)?.into_iter().collect();
    figures.extend(distribution::figure(analysis)?);
    figures.extend(by_text::figure(analysis)?);
    figures.extend(bins::figures(analysis)?);
    Ok(Section {
        id: "quality",
        title: "Quality",
        lead: "Original and candidate read the same windows side by side; the second half of each is scored, as llama-perplexity does, from exact \
             logits. KLD is the divergence of the candidate's probabilities from the original's; same top is how often both choose the same token. \
             Intervals are over windows.",
        tables: vec![overall(analysis), texts(analysis), tails(analysis), answers(analysis)],
        figures,
    })
}

/// All texts together, one row a candidate.
fn overall(analysis: &Analysis) -> Table {
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

/// One row a candidate and text.
fn texts(analysis: &Analysis) -> Table {
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
fn tails(analysis: &Analysis) -> Table {
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
        let nats = |v: f64| Cell::number(nats(v), v);
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
fn answers(analysis: &Analysis) -> Table {
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

fn verdict(q: &QualityAnalysis) -> Cell {
    let Some(verdict) = q.verdict else { return Cell::unknown(NOT_COMPARED) };
    Cell::text(match verdict {
        QualityVerdict::Acceptable { max_kld_nats } => format!("within {}", nats(max_kld_nats)),
        QualityVerdict::TooFar { max_kld_nats } => format!("above {}", nats(max_kld_nats)),
        QualityVerdict::NotResolved { max_kld_nats } => format!("not resolved against {}", nats(max_kld_nats)),
    })
}

/// Mean KLD of each candidate.
fn means(analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    if analysis.models.iter().all(|m| m.metric(&KLD).is_none()) {
        return Ok(None);
    }
    let title = "Mean KLD from the original, nats";
    let scale = scale(analysis, &KLD);
    let candidates = analysis.models.iter().filter(|m| m.role == Role::Candidate);
    let bars = candidates.map(|m| bar(m, m.metric(&KLD), scale, "not compared")).collect();
    let svg = bars::draw("chart-kld", title, &[Group { title: None, bars }])?;
    let note = "Less is better; the original is 0 from itself. Whiskers: 95 % interval over windows.".into();
    Ok(Some(Figure { id: "chart-kld".into(), title: title.into(), note, svg }))
}
