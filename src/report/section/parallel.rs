//! Several sequences side by side: throughput in all, what one of them gets, one line a model.

use super::{
    metric::{curve, scale, whiskers},
    names::{name, why_missing},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::WorkloadKind,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Spacing,
            canvas::DrawError,
            curves::{Panel, Panels, draw},
        },
        number::rate,
        text::inert_line,
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "together",
        title: "Several at once",
        lead: "Sequences side by side in one context, as llama-batched-bench counts them: the tokens of all over the time of all. Each \
             sequence gets its share of that. Generation follows the prompt.",
        tables: vec![table(analysis)],
        figures: figure(analysis)?.into_iter().collect(),
    })
}

/// Workloads of several sequences: key, sequences.
fn workloads(analysis: &Analysis) -> Vec<(&str, u32)> {
    let of = |w: &'_ crate::record::Workload| match w.kind {
        WorkloadKind::PpTogether { n_seq, .. } | WorkloadKind::TgTogether { n_seq, .. } => Some(n_seq),
        WorkloadKind::Pp { .. } | WorkloadKind::Tg { .. } | WorkloadKind::Prompt(_) => None,
    };
    analysis.context.plan.workloads.iter().filter_map(|w| Some((w.id.as_str(), of(w)?))).collect()
}

/// One row a model and workload.
fn table(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("sequences", ""),
        Column::number("in all", "t/s"),
        Column::number("each sequence", "t/s"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for (key, n_seq) in workloads(analysis) {
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

fn figure(analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    let all = workloads(analysis);
    let panel = |kind: &str, what: &str| {
        let mut keys: Vec<(&str, u32)> = all.iter().copied().filter(|(key, _)| key.starts_with(kind)).collect();
        keys.sort_by_key(|(_, n_seq)| *n_seq);
        let curve = |m: &ModelAnalysis| curve(m, keys.iter().map(|&(key, n_seq)| (n_seq, key)));
        let lengths = keys.first().map(|(key, _)| inert_line(key.split('x').next().unwrap_or(key)))?;
        Some(Panel { title: format!("{lengths}, {what}"), curves: analysis.models.iter().map(curve).collect() })
    };
    let panels: Vec<Panel> =
        [panel("pp", "prompt processing"), panel("tg", "generation")].into_iter().flatten().collect();
    let Some((first, _)) = all.first() else { return Ok(None) };
    if panels.iter().flat_map(|p| &p.curves).all(|c| c.points.is_empty()) {
        return Ok(None);
    }
    let (id, title) = ("chart-together", "Tokens a second in all, by sequences side by side");
    let svg = draw(&Panels { id, title, across: "sequences", spacing: Spacing::Logarithmic, panels })?;
    let note = format!("More is better. The axis of sequences is logarithmic. {}", whiskers(analysis, first));
    Ok(Some(Figure { id: id.into(), section: "together", title: title.into(), note, svg }))
}
