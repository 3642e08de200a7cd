//! The summary: one row a model, each figure with its interval and its ratio to the original.

use super::{
    metric::{scale, synthetic},
    names::{comparison_failure, failure, name, original, why_missing},
    quality::cells,
};
use crate::{
    analysis::{Analysis, ModelAnalysis, Unit},
    record::Role,
    report::{
        document::{Cell, Column, Table},
        number::{Scale, Spread, fixed, ratio},
    },
};

pub(crate) fn table(analysis: &Analysis) -> Table {
    let sizes = Scale::for_all(Unit::Bytes, analysis.models.iter().filter_map(|m| m.size_bytes).map(|b| b as f64));
    let mut columns =
        vec![Column::text("model"), Column::number("size", sizes.suffix).rank(2), Column::number("bpw", "bit").rank(4)];
    let mut keys = synthetic(analysis);
    // Where outputs alone are compared, nothing else was looked at.
    if !analysis.context.plan.workloads.is_empty() {
        keys.insert(0, "load");
        keys.push("memory_peak");
    }
    let scales: Vec<Scale> = keys.iter().map(|key| scale(analysis, key)).collect();
    let (mut pp, mut tg) = (0, 0);
    for (key, scale) in keys.iter().zip(&scales) {
        columns.push(match *key {
            "load" => Column::number("load", scale.suffix).rank(3),
            "memory_peak" => Column::number("peak memory", scale.suffix).rank(0),
            key => {
                // Of several lengths, those after the first give way before anything else does.
                let seen = if key.starts_with("pp") { &mut pp } else { &mut tg };
                *seen += 1;
                let first = u8::from(key.starts_with("pp"));
                Column::number(key, scale.suffix).rank(if *seen == 1 { first } else { 4 + *seen })
            }
        });
    }
    columns.extend(cells::summary_columns(analysis));
    let quality = columns.len() > 3 + keys.len();
    let base = original(analysis).and_then(|o| o.size_bytes);
    let row = |m: &ModelAnalysis| {
        let mut cells = vec![Cell::text(name(m)), size(m, sizes, base)];
        cells.push(Cell::maybe(m.bits_per_weight, |b| fixed(b, 2), "header not read"));
        let metric =
            |(key, scale): (&&str, &Scale)| Cell::metric(m.metric(key), m.comparison(key), *scale, why_missing(m));
        cells.extend(keys.iter().zip(&scales).map(metric));
        if quality {
            cells.extend(cells::summary_cells(m));
        }
        cells
    };
    Table {
        id: "summary".into(),
        title: "Every model, each figure against the original".into(),
        columns,
        rows: analysis.models.iter().map(row).collect(),
        notes: analysis
            .models
            .iter()
            .flat_map(|m| {
                [failure(m), comparison_failure(m)].into_iter().flatten().map(|why| format!("{} {why}.", name(m)))
            })
            .collect(),
    }
}

fn size(m: &ModelAnalysis, scale: Scale, base: Option<u64>) -> Cell {
    let mut cell = Cell::maybe(m.size_bytes.map(|b| b as f64), |b| scale.number(b), "file not read");
    if let (Some(own), Some(base), true) = (m.size_bytes, base, m.role == Role::Candidate) {
        let value = ratio(own as f64 / base as f64);
        cell.ratio = (base > 0).then_some(Spread { value, brackets: None, plus_minus: None });
    }
    cell
}
