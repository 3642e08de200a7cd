//! The table of every metric: median, interval, best, and what may be concluded against the original.

use super::{
    names::{name, why_missing},
    summary::scale,
    table::{Cell, Column, Table, words},
};
use crate::{
    analysis::{Analysis, Unit},
    report::{format::fixed, text::inert_line},
};

pub(super) fn metrics(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("metric"),
        Column::text("unit"),
        Column::number("median", ""),
        Column::number("best seen", ""),
        Column::number("rounds", ""),
        Column::number("took", "s"),
        Column::number("against the original", ""),
        Column::text("verdict"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        // Categories and quality have sections of their own.
        let timed = |unit| matches!(unit, Unit::TokensPerSecond | Unit::Seconds | Unit::Bytes);
        for metric in m.metrics.iter().filter(|metric| !metric.key.contains('/') && timed(metric.unit)) {
            let scale = scale(analysis, &metric.key);
            let mut cell = Cell::metric(Some(metric), m.comparison(&metric.key), scale, why_missing(m));
            let (ratio, tone) = (cell.ratio.take(), cell.tone);
            let against = ratio.map_or_else(
                || Cell::text("—"),
                |r| Cell { text: r.value, brackets: r.brackets, plus_minus: r.plus_minus, tone, ..Cell::default() },
            );
            let verdict = m.comparison(&metric.key).map(|c| c.verdict.map_or("too few rounds".into(), words));
            rows.push(vec![
                Cell::text(name(m)),
                Cell::text(inert_line(&metric.key)),
                Cell::text(scale.suffix),
                Cell { verdict: None, ..cell },
                Cell::maybe(metric.best, |v| scale.number(v), "not measured"),
                Cell::number(metric.n.to_string(), metric.n as f64),
                Cell::maybe(metric.cost_s, |s| fixed(s, 1), "came with other work"),
                against,
                Cell::text(verdict.unwrap_or_else(|| "—".into())),
            ]);
        }
    }
    Table::new("metrics", "Every metric over the rounds", columns, rows)
}
