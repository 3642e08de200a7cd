//! Time from token to token through a generation: whether it grows with the context, and how it scatters.

use crate::{
    analysis::{Analysis, Tenths},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, round_steps, strokes},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
        },
        number::ms,
        section::names::name,
        text::shorten,
    },
};

const STRIP: i32 = 96;
const HEAD: i32 = 22;
const PLOT: i32 = 58;
const FOOT: i32 = 40;
const LEFT: i32 = 62;
/// Between the right edge of a strip and that of the figure.
const END: i32 = 12;

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let strips: Vec<(String, &[Tenths])> = analysis
        .models
        .iter()
        .zip(&analysis.traces.models)
        .filter_map(|(m, traces)| {
            let (median, p99) = traces.inter_token_ms?;
            let head = format!("{}, median {}, 99 % {}", shorten(&name(m), 30), ms(median), ms(p99));
            (traces.by_step_ms.len() > 1).then_some((head, &traces.by_step_ms[..]))
        })
        .collect();
    let longest = strips.iter().map(|(_, s)| s.len()).max().unwrap_or(0);
    let most = strips.iter().flat_map(|(_, s)| *s).map(|s| s.high).fold(0.0, f64::max);
    if longest < 2 || most <= 0.0 {
        return Ok(None);
    }
    let title = "Time from token to token through an answer, ms";
    let desc = strips.iter().map(|(head, _)| head.clone()).collect::<Vec<_>>().join("; ");
    let height = FOOT + i32::try_from(strips.len()).unwrap_or(0) * STRIP;
    let x = Axis::up_to((longest - 1) as f64, (LEFT, size.width - END));
    let svg = svg(&size.id("chart-latency"), title, &desc, (size.width, height), |canvas| {
        for (i, (head, steps)) in (0_i32..).zip(&strips) {
            strip(canvas, (i * STRIP, size.width - END), head, steps, most, &x);
        }
        // The first step leads to the second token.
        let steps = round_steps((longest - 1) as f64, 6).into_iter().map(f64::floor);
        strokes(canvas, &x.ticks(steps, |step| format!("{:.0}", step + 2.0)), height - FOOT, 14);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (size.width - END, height - 8), "token of the answer");
    })?;
    let note =
        "Line: median over all answers and rounds. Band: from the 10th to the 90th percentile. Less is better.".into();
    Ok(Some(Figure { id: "chart-latency".into(), title: title.into(), note, svg, narrow: None }))
}

fn strip(canvas: &mut Canvas<'_>, (top, right): (i32, i32), head: &str, steps: &[Tenths], most: f64, x: &Axis) {
    let y = Axis::up_to(most, (top + HEAD + PLOT, top + HEAD));
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (LEFT, top + 12), head);
    let edge = |of: fn(&Tenths) -> f64| steps.iter().enumerate().map(move |(i, s)| (x.at(i as f64), y.at(of(s))));
    let mut band: Vec<(i32, i32)> = edge(|s| s.low).collect();
    band.extend(edge(|s| s.high).rev());
    canvas.area(Ink::Region, &band);
    let middle: Vec<(i32, i32)> = edge(|s| s.median).collect();
    for pair in middle.windows(2) {
        canvas.line(Ink::Candidate, pair[0], pair[1], 2);
    }
    canvas.line(Ink::Muted, (LEFT, y.at(0.0)), (right, y.at(0.0)), 1);
    canvas.line(Ink::Grid, (LEFT, y.at(most)), (right, y.at(most)), 1);
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(0.0)), "0");
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(most)), &ms(most));
}
