//! Several sequences side by side: throughput in all, what one of them gets, one line a model.

use super::{
    metric::{curve, scale, whiskers},
    names::{failure, name, why_missing},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    metric::{Layout, MetricId},
    record::Phase,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Spacing,
            canvas::{DrawError, Size},
            curves::{Panel, Panels, draw},
        },
        figure::both,
        number::sig3,
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "together",
        title: "Several at once",
        lead: "Several sequences share a context, as in llama-batched-bench. Their speed in all is the tokens of all over the time of all, \
             and each sequence gets its share of that. Generation follows the prompt.",
        tables: vec![table(analysis)],
        figures: both(|size| figure(analysis, size))?.into_iter().collect(),
    })
}

/// For where there is no room for sections: what no column of the summary shows.
pub(crate) fn beside(analysis: &Analysis) -> Option<Table> {
    let mut table = table(analysis);
    // A failed model says so in its row of the summary.
    let failed: Vec<String> = analysis.models.iter().filter(|m| failure(m).is_some()).map(name).collect();
    table.rows.retain(|row| !failed.contains(&row[0].text));
    (!table.rows.is_empty()).then_some(table)
}

/// Workloads of several sequences: metric, sequences.
fn workloads(analysis: &Analysis) -> Vec<(MetricId, u32)> {
    let of = |id: MetricId| match id.synthetic()?.1.layout {
        Layout::Parallel { n_seq } => Some((id, n_seq)),
        Layout::One { .. } => None,
    };
    analysis.context.plan.metrics().into_iter().filter_map(of).collect()
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
        for (id, n_seq) in workloads(analysis) {
            let metric = m.metric(&id);
            let each = metric.and_then(|metric| Some(metric.value? / f64::from(n_seq)));
            rows.push(vec![
                Cell::text(name(m)),
                Cell::text(id.to_string()),
                Cell::number(n_seq.to_string(), f64::from(n_seq)),
                Cell::metric(metric, m.comparison(&id), scale(analysis, &id), why_missing(m)),
                Cell::maybe(each, sig3, why_missing(m)),
            ]);
        }
    }
    Table::new("together-table", "Tokens a second of several sequences side by side", columns, rows)
}

fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let all = workloads(analysis);
    let panel = |phase: Phase, what: &str| {
        let mut ids: Vec<&(MetricId, u32)> = all.iter().filter(|(id, _)| id.is_of(phase)).collect();
        ids.sort_by_key(|(_, n_seq)| *n_seq);
        let curve = |m: &ModelAnalysis| curve(m, ids.iter().map(|(id, n_seq)| (*n_seq, id)));
        let lengths = ids.first().map(|(id, _)| id.without_layout())?;
        Some(Panel {
            title: format!("{lengths}, {what}"),
            written: sig3,
            curves: analysis.models.iter().map(curve).collect(),
        })
    };
    let panels: Vec<Panel> = [panel(Phase::Prefill, "prompt processing"), panel(Phase::Decode, "generation")]
        .into_iter()
        .flatten()
        .collect();
    let Some((first, _)) = all.first() else { return Ok(None) };
    if panels.iter().flat_map(|p| &p.curves).all(|c| c.points.is_empty()) {
        return Ok(None);
    }
    let (id, title) = ("chart-together", "Tokens a second in all, by sequences side by side");
    let svg = draw(size, &Panels { id, title, across: "sequences", spacing: Spacing::Logarithmic, panels })?;
    let note = format!("More is better. The axis of sequences is logarithmic. {}", whiskers(analysis, first));
    Ok(Some(Figure { id: id.into(), title: title.into(), note, svg, narrow: None }))
}
