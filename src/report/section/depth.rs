//! Speed at depths of context, and what of a model's speed is left there.

use super::{
    metric::{curve, scale, synthetic, whiskers},
    names::{failure, name, why_missing},
};
use crate::{
    analysis::{Analysis, ModelAnalysis, Retained},
    metric::MetricId,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Spacing,
            canvas::{DrawError, Size},
            curves::{Panel, Panels, draw},
        },
        figure::both,
        number::{in_percent, sig3},
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "depth",
        title: "Depth of context",
        lead: "The same work with so many tokens already in the context, as llama-bench's -d; those are evaluated before, untimed. Every \
             token attends to all before it, so speed falls with depth. What is left of it is paired by round.",
        tables: vec![table(analysis)],
        figures: both(|size| figure(analysis, size))?.into_iter().collect(),
    })
}

/// For where there is no room for sections: what no column of the summary shows.
pub(crate) fn beside(analysis: &Analysis) -> Option<Table> {
    let sweeps = sweeps(analysis).into_iter().map(|sweep| {
        let ids = sweep.ids.into_iter().filter(|(_, id)| !synthetic(analysis).contains(id)).collect();
        Sweep { ids, ..sweep }
    });
    // A failed model says so in its row of the summary.
    let rows = rows(analysis, &sweeps.collect::<Vec<_>>(), |m| failure(m).is_none());
    let title = "Tokens a second at depths of context, and what is left there of the speed at the least";
    (!rows.is_empty()).then(|| Table::new("depth-beside", title, columns("left"), rows))
}

/// One kind of work over the depths it was measured at.
pub(super) struct Sweep {
    /// Without its depth.
    pub(super) work: MetricId,
    /// Depth and metric, the least depth first.
    pub(super) ids: Vec<(u32, MetricId)>,
}

/// Work that was measured with something in the context.
fn sweeps(analysis: &Analysis) -> Vec<Sweep> {
    let mut sweeps = all_sweeps(analysis);
    sweeps.retain(|sweep| sweep.ids.iter().any(|(n_depth, _)| *n_depth > 0));
    sweeps
}

/// Work of one sequence, whatever its depths.
pub(super) fn all_sweeps(analysis: &Analysis) -> Vec<Sweep> {
    let mut sweeps: Vec<Sweep> = Vec::new();
    for workload in &analysis.context.plan.workloads {
        let Some((n_depth, id)) = workload.kind.depth().zip(workload.kind.metric()) else { continue };
        let work = id.without_layout();
        match sweeps.iter_mut().find(|sweep| sweep.work == work) {
            Some(sweep) => sweep.ids.push((n_depth, id)),
            None => sweeps.push(Sweep { work, ids: vec![(n_depth, id)] }),
        }
    }
    for sweep in &mut sweeps {
        sweep.ids.sort_by_key(|(n_depth, _)| *n_depth);
    }
    sweeps
}

fn columns(left: &str) -> Vec<Column> {
    vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("depth", "tokens"),
        Column::number("speed", "t/s"),
        Column::number(left, "%"),
    ]
}

/// One row a model, work and depth.
fn rows(analysis: &Analysis, sweeps: &[Sweep], shows: impl Fn(&ModelAnalysis) -> bool) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for m in analysis.models.iter().filter(|m| shows(m)) {
        for Sweep { work, ids } in sweeps {
            for (n_depth, id) in ids {
                let left = m.retained.iter().find(|r| r.key == *id);
                rows.push(vec![
                    Cell::text(name(m)),
                    Cell::text(work.to_string()),
                    Cell::number(n_depth.to_string(), f64::from(*n_depth)),
                    Cell::metric(m.metric(id), m.comparison(id), scale(analysis, id), why_missing(m)),
                    left.map_or_else(|| Cell::text("—"), share),
                ]);
            }
        }
    }
    rows
}

fn table(analysis: &Analysis) -> Table {
    let columns = columns("left of its speed at the least depth");
    let rows = rows(analysis, &sweeps(analysis), |_| true);
    Table::new("depth-table", "Tokens a second at each depth of context", columns, rows)
}

fn share(of: &Retained) -> Cell {
    let spread = in_percent(of.share, of.low.zip(of.high));
    Cell { brackets: spread.brackets, plus_minus: spread.plus_minus, ..Cell::number(spread.value, of.share) }
}

fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let sweeps = sweeps(analysis);
    let curve = |m: &ModelAnalysis, sweep: &Sweep| curve(m, sweep.ids.iter().map(|(n_depth, id)| (*n_depth, id)));
    let panel = |sweep: &Sweep| Panel {
        title: sweep.work.to_string(),
        written: sig3,
        curves: analysis.models.iter().map(|m| curve(m, sweep)).collect(),
    };
    let panels: Vec<Panel> = sweeps.iter().map(panel).collect();
    let Some((_, first)) = sweeps.first().and_then(|sweep| sweep.ids.first()) else { return Ok(None) };
    if panels.iter().flat_map(|p| &p.curves).all(|c| c.points.len() < 2) {
        return Ok(None);
    }
    let (id, title) = ("chart-depth", "Tokens a second at each depth of context");
    let svg =
        draw(size, &Panels { id, title, across: "tokens in the context before", spacing: Spacing::Linear, panels })?;
    let note = format!("More is better. {}", whiskers(analysis, first));
    Ok(Some(Figure { id: id.into(), title: title.into(), note, svg, narrow: None }))
}
