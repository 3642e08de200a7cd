//! Memory over one visit of each model, with what the worker was doing.

use crate::{
    analysis::{Analysis, Unit},
    record::{Mark, MemorySeries, Plan},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, time_across},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
        },
        number::Scale,
        section::names::name,
        text::{inert_line, shorten},
    },
    units::KIB,
};

const STRIP: i32 = 110;
const HEAD: i32 = 22;
const PLOT: i32 = 60;
const FOOT: i32 = 28;
const LEFT: i32 = 54;
/// Between the right edge of a strip and that of the figure.
const END: i32 = 12;
/// Most points of an outline: more can't be seen.
const MOST: usize = 400;

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let strips: Vec<(String, &MemorySeries)> = analysis
        .models
        .iter()
        .zip(&analysis.traces.models)
        .filter_map(|(m, traces)| Some((shorten(&name(m), 40), traces.memory.as_ref()?)))
        .collect();
    let end = strips.iter().filter_map(|(_, s)| s.at_ms.last()).max().copied().unwrap_or(0);
    let most = strips.iter().flat_map(|(_, s)| &s.rss_kib).max().copied().unwrap_or(0);
    if end == 0 || most == 0 {
        return Ok(None);
    }
    let scale = Scale::of(Unit::Bytes, most as f64 * KIB);
    let title = format!("Memory over the last visit, {}", scale.suffix);
    let peak = |s: &MemorySeries| scale.number(s.rss_kib.iter().max().copied().unwrap_or(0) as f64 * KIB);
    let desc = strips.iter().map(|(n, s)| format!("{n}: greatest reading {}", peak(s))).collect::<Vec<_>>().join("; ");
    let height = FOOT + i32::try_from(strips.len()).unwrap_or(0) * STRIP;
    let x = Axis::up_to(f64::from(end) / 1000.0, (LEFT, size.width - END));
    let svg = svg(&size.id("chart-memory-time"), &title, &desc, (size.width, height), |canvas| {
        for (i, (name, series)) in (0_i32..).zip(&strips) {
            let top = i * STRIP;
            canvas.text(
                Ink::Text,
                Face::Normal,
                Anchor::Start,
                (LEFT, top + 10),
                &format!("{name}, greatest reading {}", peak(series)),
            );
            let y = Axis::up_to(most as f64, (top + HEAD + PLOT, top + HEAD));
            draw_series(canvas, series, &x, &y);
            canvas.line(Ink::Muted, (LEFT, y.at(0.0)), (size.width - END, y.at(0.0)), 1);
            canvas.text(
                Ink::Muted,
                Face::Small,
                Anchor::End,
                (LEFT - 6, y.at(most as f64)),
                &scale.number(most as f64 * KIB),
            );
            canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(0.0)), "0");
            marks(canvas, &analysis.context.plan, series, top + HEAD + PLOT, &x);
        }
        time_across(canvas, &x, f64::from(end) / 1000.0, height - FOOT);
    })?;
    let note = "Blue: file-backed. Orange: anonymous. Marks: what the worker began.".into();
    Ok(Some(Figure { id: "chart-memory-time".into(), title, note, svg, narrow: None }))
}

fn draw_series(canvas: &mut Canvas<'_>, s: &MemorySeries, x: &Axis, y: &Axis) {
    let split = s.anon_kib.len() == s.rss_kib.len();
    let mut outline = |ink: Ink, kib: &[u64]| {
        let step = kib.len().div_ceil(MOST).max(1);
        let at = |ms: &u32| x.at(f64::from(*ms) / 1000.0);
        // Of the readings that share a point the greatest is drawn, so that no peak is lost.
        let points = s
            .at_ms
            .chunks(step)
            .zip(kib.chunks(step))
            .filter_map(|(t, k)| Some((at(t.first()?), y.at(*k.iter().max()? as f64))));
        let (first, last) = (s.at_ms.first().map_or(0, at), s.at_ms.last().map_or(0, at));
        let mut all = vec![(first, y.at(0.0))];
        all.extend(points);
        all.push((last, y.at(0.0)));
        canvas.area(ink, &all);
    };
    outline(if split { Ink::Weights } else { Ink::Original }, &s.rss_kib);
    if split {
        outline(Ink::Compute, &s.anon_kib);
    }
}

fn words(plan: &Plan, what: &Mark) -> String {
    let id = |workload: usize| plan.workloads.get(workload).map_or("", |workload| &workload.id);
    match what {
        Mark::Load => "load".into(),
        Mark::Loaded => "loaded".into(),
        Mark::WarmUp(workload) => format!("{} warm-up", id(*workload)),
        Mark::Workload(workload) => id(*workload).into(),
        Mark::Told(words) => words.clone(),
    }
}

/// A tick where the work changes, and its name where there is room for it.
fn marks(canvas: &mut Canvas<'_>, plan: &Plan, s: &MemorySeries, y: i32, x: &Axis) {
    let at = |ms: u32| x.at(f64::from(ms) / 1000.0);
    let end = s.at_ms.last().copied().unwrap_or(0);
    let mut phases: Vec<(i32, String)> = Vec::new();
    for (ms, what) in s.marks.iter().take(1000) {
        let label = shorten(&inert_line(&words(plan, what)), 16);
        if phases.last().is_none_or(|(_, before)| *before != label) {
            phases.push((at(*ms), label));
        }
    }
    let ends: Vec<i32> = phases.iter().skip(1).map(|(x, _)| *x).chain([at(end)]).collect();
    for ((from, label), to) in phases.iter().zip(ends) {
        canvas.line(Ink::Muted, (*from, y), (*from, y + 6), 1);
        if Face::Small.width(label) + 4 <= to - from {
            canvas.text(Ink::Muted, Face::Small, Anchor::Middle, (i32::midpoint(*from, to), y + 10), label);
        }
    }
}
