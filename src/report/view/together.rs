//! The table of sequences side by side: in all, and what one of them gets.

use super::{
    names::{name, why_missing},
    summary::scale,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::Analysis,
    record::{Run, WorkloadKind},
    report::format::rate,
};

/// Workloads of several sequences: key, sequences.
pub(in crate::report) fn workloads(run: &Run) -> Vec<(&str, u32)> {
    let of = |w: &'_ crate::record::Workload| match w.kind {
        WorkloadKind::PpTogether { n_seq, .. } | WorkloadKind::TgTogether { n_seq, .. } => Some(n_seq),
        WorkloadKind::Pp { .. } | WorkloadKind::Tg { .. } | WorkloadKind::Prompt(_) => None,
    };
    run.plan.workloads.iter().filter_map(|w| Some((w.id.as_str(), of(w)?))).collect()
}

/// One row a model and workload.
pub(super) fn rates(run: &Run, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("sequences", ""),
        Column::number("in all", "t/s"),
        Column::number("each sequence", "t/s"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for (key, n_seq) in workloads(run) {
            let metric = m.metric(key);
            let each = metric.and_then(|metric| Some(metric.value? / f64::from(n_seq)));
            rows.push(vec![
                Cell::text(name(m)),
                Cell::text(key),
                Cell::number(n_seq.to_string(), f64::from(n_seq)),
                Cell::metric(metric, m.comparison(key), scale(analysis, key), why_missing(m)),
                Cell::maybe(each, |v| rate(v).trim_end_matches(" t/s").to_owned(), why_missing(m)),
            ]);
        }
    }
    Table::new("together-table", "Tokens a second of several sequences side by side", columns, rows)
}
