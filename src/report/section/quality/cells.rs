//! Figures of output quality as cells, marked where a divergence is a lower bound, and where figures are rounded.

use crate::{
    analysis::{Analysis, Figure, KldKind, ModelAnalysis, QualityAnalysis},
    metric::{KldOf, MetricId},
    record::{Outcome, Role},
    report::{
        document::{Cell, Column},
        number::{fixed, nats, sig3},
        section::names::why_missing,
    },
};

pub(crate) const NOT_COMPARED: &str = "outputs were not compared";

/// The candidates' columns in the summary, and the unit of what they show.
const COLUMNS: [(MetricId, &str); 4] = [
    (MetricId::Perplexity, "%"),
    (MetricId::MeanKld { of: KldOf::Whole }, "nats"),
    (MetricId::P99Kld { of: KldOf::Whole }, "nats"),
    (MetricId::SameTop, "%"),
];

/// The columns quality adds to the summary; none when no outputs were compared.
pub(crate) fn summary_columns(analysis: &Analysis) -> Vec<Column> {
    if analysis.models.iter().all(|m| m.quality.is_none()) {
        return Vec::new();
    }
    let column = |(id, unit): &(MetricId, &str)| {
        let column = id.spec().column?;
        Some(Column::number(&column.title, unit).rank(column.rank))
    };
    COLUMNS.iter().filter_map(column).collect()
}

/// The cells below them.
pub(crate) fn summary_cells(m: &ModelAnalysis) -> Vec<Cell> {
    match m.quality.as_ref().and_then(|q| q.overall.as_ref()) {
        Some(f) => {
            vec![
                change_of(m, f.ppl_ratio),
                kld_of(m, f.kld_mean_nats),
                kld_of(m, f.kld_p99_nats),
                rounded(m, share(f.top1_agreement)),
            ]
        }
        None if m.role == Role::Original => vec![Cell::text("—"); COLUMNS.len()],
        None if m.outcome != Outcome::Done => vec![Cell::unknown(why_missing(m)); COLUMNS.len()],
        None => vec![Cell::unknown(NOT_COMPARED); COLUMNS.len()],
    }
}

/// Every candidate whose outputs were to be compared.
pub(super) fn compared(analysis: &Analysis) -> impl Iterator<Item = (&ModelAnalysis, &QualityAnalysis)> {
    analysis.models.iter().filter_map(|m| Some((m, m.quality.as_ref()?)))
}

/// What stands before a divergence of this model's: that there may be more of it, or that it is rounded.
pub(crate) fn mark(m: &ModelAnalysis) -> &'static str {
    match m.quality.as_ref().map(|q| q.kld) {
        Some(KldKind::LowerBound { .. }) => "≥ ",
        Some(KldKind::Rounded) => "≈ ",
        Some(KldKind::Exact) | None => "",
    }
}

/// What stands before a figure that a bound of KLD leaves exact, and a file's rounding does not.
pub(crate) fn mark_rounded(m: &ModelAnalysis) -> &'static str {
    let is_rounded = m.quality.as_ref().is_some_and(|q| q.kld == KldKind::Rounded);
    if is_rounded { mark(m) } else { "" }
}

/// A figure into which the original's probabilities enter, marked where a file rounds them.
pub(super) fn rounded(m: &ModelAnalysis, cell: Cell) -> Cell {
    Cell { text: format!("{}{}", mark_rounded(m), cell.text), ..cell }
}

fn figure(f: Figure, text: impl Fn(f64) -> String) -> Cell {
    let brackets = f.low.zip(f.high).map(|(low, high)| format!("[{}, {}]", text(low), text(high)));
    Cell { brackets, ..Cell::number(text(f.value), f.value) }
}

fn kld(f: Figure) -> Cell {
    figure(f, nats)
}

/// A divergence of this model's, marked where it is a lower bound or rounded.
pub(crate) fn kld_of(m: &ModelAnalysis, f: Figure) -> Cell {
    let cell = kld(f);
    Cell { text: format!("{}{}", mark(m), cell.text), ..cell }
}

const AT_FLOOR: &str = "the file has tokens of the texts at its floor";

/// The original's perplexity, as this model's comparison has it.
pub(super) fn original_perplexity(m: &ModelAnalysis, f: Option<Figure>) -> Cell {
    f.map_or_else(|| Cell::unknown(AT_FLOOR), |f| rounded(m, perplexity(f)))
}

/// The change of this model's perplexity from the original's.
pub(super) fn change_of(m: &ModelAnalysis, f: Option<Figure>) -> Cell {
    f.map_or_else(|| Cell::unknown(AT_FLOOR), |f| rounded(m, change(f)))
}

pub(super) fn perplexity(f: Figure) -> Cell {
    figure(f, sig3)
}

pub(super) fn share(f: Figure) -> Cell {
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
