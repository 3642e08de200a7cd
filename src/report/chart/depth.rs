//! Speed against the tokens already in the context: prompt processing and generation, one line a model.

use super::{Chart, metric_bars};
use crate::report::draw::{
    axis::Spacing,
    canvas::DrawError,
    curves::{Panel, Panels, draw},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::Run,
    report::{
        text::inert_line,
        view::depth::{Course, courses},
    },
};

pub(super) fn chart(run: &Run, analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
    let courses = courses(run);
    let curve = |m: &ModelAnalysis, course: &Course<'_>| metric_bars::curve(m, course.keys.iter().copied());
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
    let note = format!("More is better. {}", metric_bars::whiskers(analysis, first));
    Ok(Some(Chart { id: id.into(), section: "depth", title: title.into(), note, svg }))
}
