//! Speed at depths of context, and what of a model's speed is left there.

use super::{
    metric::{curve, scale, whiskers},
    names::{name, why_missing},
};
use crate::{
    analysis::{Analysis, ModelAnalysis, Retained},
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Spacing,
            canvas::DrawError,
            curves::{Panel, Panels, draw},
        },
        number::in_percent,
        text::inert_line,
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "depth",
        title: "Depth of context",
        lead: "The same work with so many tokens already in the context, as llama-bench's -d: they are evaluated before, untimed. Every \
             token attends to all before it, so speed falls with depth; what is left is paired by round.",
        tables: vec![table(analysis)],
        figures: figure(analysis)?.into_iter().collect(),
    })
}

/// One kind of work over the depths it was measured at.
struct Course<'a> {
    /// `pp512`.
    work: &'a str,
    /// Depth and key, the least depth first.
    keys: Vec<(u32, &'a str)>,
}

/// Work that was measured at several depths.
fn courses(analysis: &Analysis) -> Vec<Course<'_>> {
    let mut courses: Vec<Course<'_>> = Vec::new();
    for workload in &analysis.context.plan.workloads {
        let Some(n_depth) = workload.kind.depth() else { continue };
        let (work, key) = (workload.at_any_depth(), (n_depth, workload.id.as_str()));
        match courses.iter_mut().find(|course| course.work == work) {
            Some(course) => course.keys.push(key),
            None => courses.push(Course { work, keys: vec![key] }),
        }
    }
    courses.retain(|course| course.keys.iter().any(|(n_depth, _)| *n_depth > 0));
    for course in &mut courses {
        course.keys.sort_by_key(|(n_depth, _)| *n_depth);
    }
    courses
}

/// One row a model, work and depth.
fn table(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("depth", "tokens"),
        Column::number("speed", "t/s"),
        Column::number("left of its speed at the least depth", "%"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for Course { work, keys } in courses(analysis) {
            for (n_depth, key) in keys {
                let left = m.retained.iter().find(|r| r.key == key);
                rows.push(vec![
                    Cell::text(name(m)),
                    Cell::text(inert_line(work)),
                    Cell::number(n_depth.to_string(), f64::from(n_depth)),
                    Cell::metric(m.metric(key), m.comparison(key), scale(analysis, key), why_missing(m)),
                    left.map_or_else(|| Cell::text("—"), share),
                ]);
            }
        }
    }
    Table::new("depth-table", "Tokens a second at each depth of context", columns, rows)
}

fn share(of: &Retained) -> Cell {
    let spread = in_percent(of.share, of.low.zip(of.high));
    Cell { brackets: spread.brackets, plus_minus: spread.plus_minus, ..Cell::number(spread.value, of.share) }
}

fn figure(analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    let courses = courses(analysis);
    let curve = |m: &ModelAnalysis, course: &Course<'_>| curve(m, course.keys.iter().copied());
    let panel = |course: &Course<'_>| Panel {
        title: inert_line(course.work),
        curves: analysis.models.iter().map(|m| curve(m, course)).collect(),
    };
    let panels: Vec<Panel> = courses.iter().map(panel).collect();
    let Some((_, first)) = courses.first().and_then(|course| course.keys.first()) else { return Ok(None) };
    if panels.iter().flat_map(|p| &p.curves).all(|c| c.points.len() < 2) {
        return Ok(None);
    }
    let (id, title) = ("chart-depth", "Tokens a second at each depth of context");
    let svg = draw(&Panels { id, title, across: "tokens in the context before", spacing: Spacing::Linear, panels })?;
    let note = format!("More is better. {}", whiskers(analysis, first));
    Ok(Some(Figure { id: id.into(), section: "depth", title: title.into(), note, svg }))
}
