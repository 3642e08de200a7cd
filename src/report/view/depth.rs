//! The table of speed at a depth of context, and what of a model's speed is left there.

use super::{
    names::{name, why_missing},
    summary::scale,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::{Analysis, Retained},
    record::Run,
    report::{format::in_percent, text::inert_line},
};

/// One kind of work over the depths it was measured at.
pub(in crate::report) struct Course<'a> {
    /// `pp512`.
    pub(in crate::report) work: &'a str,
    /// Depth and key, the least depth first.
    pub(in crate::report) keys: Vec<(u32, &'a str)>,
}

/// Work that was measured at several depths.
pub(in crate::report) fn courses(run: &Run) -> Vec<Course<'_>> {
    let mut courses: Vec<Course<'_>> = Vec::new();
    for workload in &run.plan.workloads {
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
pub(super) fn speeds(run: &Run, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("depth", "tokens"),
        Column::number("speed", "t/s"),
        Column::number("left of its speed at the least depth", "%"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for Course { work, keys } in courses(run) {
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
