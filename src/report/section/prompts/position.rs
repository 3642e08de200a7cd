//! Speed of answering against the position in the context: prompt and answer so far, in bins, one line a model.

use crate::{
    analysis::{Analysis, Tenths},
    report::{
        document::Figure,
        draw::{
            axis::Spacing,
            canvas::{DrawError, Size},
            curves::{Curve, Panel, Panels, Point, draw},
        },
        number::sig3,
        section::names::name,
        text::shorten,
    },
};

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let point = |&(x, Tenths { low, median, high }): &(f64, Tenths)| Point { x, y: median, range: Some((low, high)) };
    let traces = &analysis.traces;
    let curves: Vec<Curve> = analysis
        .models
        .iter()
        .zip(&traces.models)
        .map(|(m, own)| Curve { name: shorten(&name(m), 40), points: own.by_position_tps.iter().map(point).collect() })
        .collect();
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return Ok(None);
    }
    let (id, title) = ("chart-position", "Tokens a second of answers, by position in the context");
    let panels = vec![Panel { title: "generation".into(), written: sig3, curves }];
    let svg = draw(
        size,
        &Panels { id, title, across: "tokens of prompt and answer before", spacing: Spacing::Linear, panels },
    )?;
    let note = format!(
        "More is better. Marks: medians over all answers and rounds, in steps of {} tokens of context, by our clock, sampling included. \
         Whiskers: from the slowest tenth to the fastest. Different prompts reach different positions.",
        traces.position_width
    );
    Ok(Some(Figure { id: id.into(), title: title.into(), note, svg, narrow: None }))
}
