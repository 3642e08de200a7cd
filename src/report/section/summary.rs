//! The summary: one row a model, each figure with its interval and its ratio to the original.

use super::{
    metric::{on_device, scale, synthetic},
    names::{baseline, comparison_failure, failure, name, original, why_missing},
    quality::cells,
};
use crate::{
    analysis::{Analysis, ModelAnalysis, Unit},
    metric::MetricId,
    record::{Outcome, Phase, Role},
    report::{
        document::{Cell, Column, Table},
        number::{Scale, Spread, fixed, ratio},
        text::stopped,
    },
};

pub(crate) fn table(analysis: &Analysis) -> Table {
    let sizes = Scale::for_all(Unit::Bytes, analysis.models.iter().filter_map(|m| m.size_bytes).map(|b| b as f64));
    let mut columns =
        vec![Column::text("model"), Column::number("size", sizes.suffix).rank(2), Column::number("bpw", "bit").rank(4)];
    let mut keys = synthetic(analysis);
    // Where outputs alone are compared, nothing else was looked at.
    if !analysis.context.plan.workloads.is_empty() {
        keys.insert(0, MetricId::Load);
        keys.extend(on_device(analysis).then_some(MetricId::DeviceMemory));
        keys.push(MetricId::PeakMemory);
    }
    let scales: Vec<Scale> = keys.iter().map(|key| scale(analysis, key)).collect();
    let mut seen: Vec<Phase> = Vec::new();
    for (key, scale) in keys.iter().zip(&scales) {
        let Some(column) = key.spec().column else { continue };
        let mut rank = column.rank;
        if let Some((phase, _)) = key.synthetic() {
            // Of several lengths, those after the first give way before anything else does.
            seen.push(phase);
            let of_phase = seen.iter().filter(|own| **own == phase).count();
            if of_phase > 1 {
                rank = u8::try_from(4 + of_phase).unwrap_or(u8::MAX);
            }
        }
        if *key == MetricId::PeakMemory && on_device(analysis) {
            // The machine's own stands beside the device's.
            rank = 2;
        }
        columns.push(Column::number(&column.title, scale.suffix).rank(rank));
    }
    columns.extend(cells::summary_columns(analysis));
    let quality = columns.len() > 3 + keys.len();
    let base = original(analysis).and_then(|o| o.size_bytes);
    let row = |m: &ModelAnalysis| {
        let mut cells = vec![Cell::text(name(m)), size(m, sizes, base)];
        cells.push(Cell::maybe(m.bits_per_weight, |b| fixed(b, 2), unread(m, "header not read")));
        let metric =
            |(key, scale): (&MetricId, &Scale)| Cell::metric(m.metric(key), m.comparison(key), *scale, why_missing(m));
        cells.extend(keys.iter().zip(&scales).map(metric));
        if quality {
            cells.extend(cells::summary_cells(m));
        }
        cells
    };
    Table {
        id: "summary".into(),
        title: format!("Every model, each figure against the {}", baseline(&analysis.context)),
        columns,
        rows: analysis.models.iter().map(row).collect(),
        notes: analysis
            .models
            .iter()
            .flat_map(|m| {
                let compared = comparison_failure(analysis, m);
                [failure(m), compared].into_iter().flatten().map(|why| stopped(&format!("{} {why}", name(m))))
            })
            .collect(),
    }
}

fn size(m: &ModelAnalysis, scale: Scale, base: Option<u64>) -> Cell {
    let mut cell = Cell::maybe(m.size_bytes.map(|b| b as f64), |b| scale.number(b), unread(m, "file not read"));
    if let (Some(own), Some(base), true) = (m.size_bytes, base, m.role == Role::Candidate) {
        let value = ratio(own as f64 / base as f64);
        cell.ratio = (base > 0).then_some(Spread { value, brackets: None, plus_minus: None });
    }
    cell
}

/// Why something of the file is not known: of a model that failed its row says it.
fn unread(m: &ModelAnalysis, why: &'static str) -> &'static str {
    if m.outcome == Outcome::Done { why } else { why_missing(m) }
}
