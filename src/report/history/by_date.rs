//! Speeds by date: a strip a model on a scale of its own, a point a record with its interval, a line through the records of a machine.

use super::labels::{Label, machines};
use crate::report::draw::{
    axis::{Axis, Labels, Spacing, grid_up},
    canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
    plot::{self, LEFT, ink, legend, legend_height, mark, whisker_up},
};
use crate::{
    analysis::{
        MetricSummary,
        history::{History, ModelRows},
    },
    metric::MetricId,
    record::Phase,
    report::{
        document::Figure,
        figure::both,
        number::{quantity, sig3},
        text::{inert_line, shorten},
    },
};

const STRIP: i32 = 96;
const HEAD: i32 = 24;
const FOOT: i32 = 40;
/// Between the right edge of a strip and that of the figure.
const END: i32 = 34;
/// A strip shows at least so much above and below its middle, so that noise does not fill it.
const LEAST_REACH: f64 = 0.02;

/// A model's value in one record.
struct Point {
    record: usize,
    value: f64,
    low: f64,
    high: f64,
}

struct Strip {
    head: String,
    points: Vec<Point>,
}

/// One figure for generation and one for prompt processing, each of the first workload that most records have.
pub(super) fn charts(history: &History, labels: &[Label]) -> Result<Vec<Figure>, DrawError> {
    let phases = [(Phase::Decode, "generation"), (Phase::Prefill, "prompt processing")];
    let of = |(phase, what)| {
        let id = common(history, phase)?;
        Some(both(|size| chart(history, size, labels, (phase, what), &id)))
    };
    phases
        .into_iter()
        .filter_map(of)
        .collect::<Result<Vec<_>, _>>()
        .map(|charts| charts.into_iter().flatten().collect())
}

/// The first of the workloads that the most readings are of.
fn common(history: &History, phase: Phase) -> Option<MetricId> {
    let rows = || history.models.iter().flat_map(|m| &m.metrics).filter(|r| r.metric.is_of(phase));
    let readings = |id: &MetricId| {
        let own = rows().filter(|row| row.metric == *id).flat_map(|row| &row.readings);
        own.filter(|reading| reading.measured.value().is_some()).count()
    };
    let mut best: Option<(MetricId, usize)> = None;
    for row in rows() {
        let n = readings(&row.metric);
        if best.as_ref().is_none_or(|(_, most)| n > *most) {
            best = Some((row.metric.clone(), n));
        }
    }
    best.map(|(id, _)| id)
}

fn chart(
    history: &History,
    size: Size,
    labels: &[Label],
    (phase, what): (Phase, &str),
    id: &MetricId,
) -> Result<Option<Figure>, DrawError> {
    let strips: Vec<Strip> = history.models.iter().filter_map(|m| strip(m, id, labels)).collect();
    if strips.is_empty() {
        return Ok(None);
    }
    let machines = machines(history);
    let names: Vec<String> = machines.iter().map(|&record| labels[record].machine.clone()).collect();
    let top = if machines.len() > 1 { legend_height(names.len()) } else { 0 };
    let right = size.width - END;
    let at = places(history, right);
    let height = top + i32::try_from(strips.len()).unwrap_or(0) * STRIP + FOOT;
    let anchor = format!("chart-date-{}", phase.name());
    let title = format!("{id}, {what}, by date");
    let desc = strips.iter().map(|s| s.head.clone()).collect::<Vec<_>>().join("; ");
    // Machines are told apart by ink and shape, and joined by a line.
    let series_of = |record: usize| machines.iter().position(|m| *m == history.records[record].machine).unwrap_or(0);
    let svg = svg(&size.id(&anchor), &title, &desc, (size.width, height), |canvas| {
        if top > 0 {
            legend(canvas, &names);
        }
        for (i, strip) in (0_i32..).zip(&strips) {
            draw(canvas, strip, (top + i * STRIP, right), &at, &series_of);
        }
        axis(canvas, labels, &at, (height - FOOT + 4, right));
    })?;
    let note = "Tokens a second. Each model has a scale of its own, which need not begin at 0. Bars are intervals, where there were rounds enough. A line joins the \
                records of one machine.";
    Ok(Some(Figure { id: anchor, title, note: note.into(), svg, narrow: None }))
}

fn strip(model: &ModelRows, id: &MetricId, labels: &[Label]) -> Option<Strip> {
    let row = model.metrics.iter().find(|row| row.metric == *id)?;
    let point = |(record, m): (usize, &MetricSummary)| {
        let value = m.value.filter(|v| v.is_finite())?;
        let end = |of: Option<f64>| of.filter(|v| v.is_finite()).unwrap_or(value);
        Some(Point { record, value, low: end(m.low), high: end(m.high) })
    };
    let measured = row.readings.iter().enumerate().filter_map(|(i, r)| Some((i, r.measured.value()?)));
    let points: Vec<Point> = measured.filter_map(point).collect();
    let (first, last) = (points.first()?, points.last()?);
    let said = |p: &Point| format!("{} {}", labels[p.record].letter, quantity(row.unit, p.value));
    let ends = if points.len() > 1 { format!("{}, {}", said(first), said(last)) } else { said(first) };
    Some(Strip { head: format!("{}: {ends}", shorten(&inert_line(&model.name), 30)), points })
}

/// Where each record lies across: by its time, or in turn where times can't be read or are all the same.
fn places(history: &History, right: i32) -> Vec<i32> {
    let read = |started: &str| started.parse::<jiff::Timestamp>().ok().map(|t| t.as_second() as f64);
    let times: Option<Vec<f64>> = history.records.iter().map(|r| read(&r.side.started_utc)).collect();
    let in_turn: Vec<f64> = (0..history.records.len()).map(|i| i as f64).collect();
    let ends = |at: &[f64]| at.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let at = times.filter(|t| ends(t).1 > ends(t).0).unwrap_or(in_turn);
    let (low, high) = ends(&at);
    let axis = Axis::new(Spacing::Linear, (low, high), (LEFT + 20, right - 20));
    at.iter().map(|t| axis.at(*t)).collect()
}

fn draw(
    canvas: &mut Canvas<'_>,
    strip: &Strip,
    (top, right): (i32, i32),
    at: &[i32],
    series_of: &impl Fn(usize) -> usize,
) {
    let low = strip.points.iter().map(|p| p.low).fold(f64::INFINITY, f64::min);
    let high = strip.points.iter().map(|p| p.high).fold(f64::NEG_INFINITY, f64::max);
    let middle = f64::midpoint(low, high);
    let reach = ((high - low) / 2.0 * 1.1).max(middle.abs() * LEAST_REACH).max(f64::MIN_POSITIVE);
    let y = Axis::new(Spacing::Linear, (middle - reach, middle + reach), (top + STRIP - 14, top + HEAD));
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (LEFT, top + 12), &strip.head);
    grid_up(canvas, &y.ticks([middle + reach, middle - reach], sig3), right);
    let mut by_machine: Vec<(usize, Vec<(i32, i32)>)> = Vec::new();
    for point in &strip.points {
        let (series, place) = (series_of(point.record), (at[point.record], y.at(point.value)));
        match by_machine.iter_mut().find(|(s, _)| *s == series) {
            Some((_, places)) => places.push(place),
            None => by_machine.push((series, vec![place])),
        }
    }
    for (series, places) in &mut by_machine {
        places.sort_unstable();
        plot::line(canvas, *series, places);
    }
    for point in &strip.points {
        let (series, x) = (series_of(point.record), at[point.record]);
        if point.high > point.low {
            whisker_up(canvas, ink(series), x, (y.at(point.low), y.at(point.high)), 2, 4);
        }
        mark(canvas, series, (x, y.at(point.value)));
    }
}

/// The letters of the records, and their days where there is room.
fn axis(canvas: &mut Canvas<'_>, labels: &[Label], at: &[i32], (y, right): (i32, i32)) {
    canvas.line(Ink::Muted, (LEFT, y), (right, y), 1);
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&i| at[i]);
    let (mut letters, mut days) = (Labels::default(), Labels::default());
    for i in order {
        let (x, label) = (at[i], &labels[i]);
        canvas.line(Ink::Muted, (x, y), (x, y + 4), 1);
        letters.put(canvas, Ink::Text, (x, y + 12), &label.letter);
        days.put(canvas, Ink::Muted, (x, y + 26), &label.when);
    }
}
