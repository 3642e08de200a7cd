//! Time from token to token through a generation: whether it grows with the context, and how it scatters.

use crate::{
    analysis::Analysis,
    record::Run,
    report::{
        document::Figure,
        draw::{
            axis::{Axis, round_steps, strokes},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, svg},
        },
        format::ms,
        section::names::name,
        text::shorten,
    },
    stats,
    units::NS_PER_MS,
};

const STRIP: i32 = 96;
const HEAD: i32 = 22;
const PLOT: i32 = 58;
const FOOT: i32 = 40;
const LEFT: i32 = 62;
const RIGHT: i32 = WIDTH - 12;
/// A step must be seen in so many answers to have a band.
const FEWEST: usize = 5;

/// One step of a generation: tenth, half and ninth tenth of its times, in ms.
struct Step {
    low: f64,
    median: f64,
    high: f64,
}

pub(super) fn figure(run: &Run, analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    let strips: Vec<(String, Vec<Step>)> = (0..)
        .zip(&analysis.models)
        .filter_map(|(i, m)| {
            let (steps, all) = steps(run, i);
            let of = |p| stats::quantile(&all, p).ok().map(ms);
            let head = format!("{}, median {}, 99 % {}", shorten(&name(m), 30), of(0.5)?, of(0.99)?);
            (steps.len() > 1).then_some((head, steps))
        })
        .collect();
    let longest = strips.iter().map(|(_, s)| s.len()).max().unwrap_or(0);
    let most = strips.iter().flat_map(|(_, s)| s).map(|s| s.high).fold(0.0, f64::max);
    if longest < 2 || most <= 0.0 {
        return Ok(None);
    }
    let title = "Time from token to token through an answer, ms";
    let desc = strips.iter().map(|(head, _)| head.clone()).collect::<Vec<_>>().join("; ");
    let height = FOOT + i32::try_from(strips.len()).unwrap_or(0) * STRIP;
    let x = Axis::up_to((longest - 1) as f64, (LEFT, RIGHT));
    let svg = svg("chart-latency", title, &desc, height, |canvas| {
        for (i, (head, steps)) in (0_i32..).zip(&strips) {
            strip(canvas, i * STRIP, head, steps, most, &x);
        }
        // The first step leads to the second token.
        let steps = round_steps((longest - 1) as f64, 6).into_iter().map(f64::floor);
        strokes(canvas, &x.ticks(steps, |step| format!("{:.0}", step + 2.0)), height - FOOT, 14);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (RIGHT, height - 8), "token of the answer");
    })?;
    let note =
        "Line: median over all answers and rounds. Band: from the 10th to the 90th percentile. Less is better.".into();
    Ok(Some(Figure { id: "chart-latency".into(), section: "prompts", title: title.into(), note, svg }))
}

/// Every step that was seen often enough, and all times.
fn steps(run: &Run, model: usize) -> (Vec<Step>, Vec<f64>) {
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v| v.model == model);
    let mut by_step: Vec<Vec<f64>> = Vec::new();
    for answer in visits.flat_map(|v| &v.generations) {
        for (i, ns) in answer.inter_token_ns.iter().enumerate() {
            if by_step.len() <= i {
                by_step.push(Vec::new());
            }
            by_step[i].push(*ns as f64 / NS_PER_MS);
        }
    }
    let all = by_step.concat();
    let of = |times: &Vec<f64>| {
        let at = |p| stats::quantile(times, p).ok();
        Some(Step { low: at(0.1)?, median: at(0.5)?, high: at(0.9)? })
    };
    (by_step.iter().take_while(|t| t.len() >= FEWEST).filter_map(of).collect(), all)
}

fn strip(canvas: &mut Canvas<'_>, top: i32, head: &str, steps: &[Step], most: f64, x: &Axis) {
    let y = Axis::up_to(most, (top + HEAD + PLOT, top + HEAD));
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (LEFT, top + 12), head);
    let edge = |of: fn(&Step) -> f64| steps.iter().enumerate().map(move |(i, s)| (x.at(i as f64), y.at(of(s))));
    let mut band: Vec<(i32, i32)> = edge(|s| s.low).collect();
    band.extend(edge(|s| s.high).rev());
    canvas.area(Ink::Region, &band);
    let middle: Vec<(i32, i32)> = edge(|s| s.median).collect();
    for pair in middle.windows(2) {
        canvas.line(Ink::Candidate, pair[0], pair[1], 2);
    }
    canvas.line(Ink::Muted, (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)), 1);
    canvas.line(Ink::Grid, (LEFT, y.at(most)), (RIGHT, y.at(most)), 1);
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(0.0)), "0");
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(most)), &ms(most));
}
