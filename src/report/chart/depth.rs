//! Speed against the tokens already in the context: prompt processing and generation, one line a model.

use super::{
    Chart, Error, bars,
    curves::{Curve, Figure, Panel, Point, Spacing, draw},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::Run,
    report::{
        text::{inert_line, shorten},
        view::{
            depth::{Course, courses},
            names::name,
        },
    },
};

pub(super) fn chart(run: &Run, analysis: &Analysis) -> Result<Option<Chart>, Error> {
    let courses = courses(run);
    let curve = |m: &ModelAnalysis, course: &Course<'_>| {
        let point = |&(n_depth, key): &(u32, &str)| {
            let metric = m.metric(key)?;
            Some(Point { x: f64::from(n_depth), y: metric.value?, range: metric.low.zip(metric.high) })
        };
        Curve { name: shorten(&name(m), 40), points: course.keys.iter().filter_map(point).collect() }
    };
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
    let svg = draw(&Figure { id, title, across: "tokens in the context before", spacing: Spacing::Linear, panels })?;
    let note = format!("More is better. {}", bars::whiskers(analysis, first));
    Ok(Some(Chart { id: id.into(), section: "depth", title: title.into(), note, svg }))
}
