//! Ratios to the original with their intervals, and the region in which a difference is not relevant.

use super::{
    Chart, Error,
    canvas::{Anchor, Canvas, Face, Ink, WIDTH, px, svg},
};
use crate::{
    analysis::{Analysis, Better, Comparison, ModelAnalysis},
    record::Run,
    report::{
        format::{Spread, comparison, percent, ratio},
        text::{inert_line, shorten},
        view::{
            Tone,
            names::{name, original},
            summary::synthetic,
            table::{better, tone},
        },
    },
};

const ROW: i32 = 24;
const HEAD: i32 = 30;
const FOOT: i32 = 26;

/// A metric's row for one candidate.
struct Row<'a> {
    label: String,
    text: String,
    of: &'a Comparison,
}

pub(super) fn chart(run: &Run, analysis: &Analysis) -> Result<Option<Chart>, Error> {
    let mut keys = synthetic(run);
    keys.extend(["load", "memory_peak"]);
    let groups: Vec<(String, Vec<Row<'_>>)> = keys.iter().filter_map(|key| group(analysis, key)).collect();
    let Some(base) = original(analysis).filter(|_| !groups.is_empty()) else { return Ok(None) };
    let rows = || groups.iter().flat_map(|(_, rows)| rows);
    let title = format!("Against {}: candidate over original", name(base));
    let desc = rows().map(|r| format!("{} {}: {}", r.label, r.of.key, r.text)).collect::<Vec<_>>().join("; ");
    let left = rows().map(|r| Face::Normal.width(&r.label)).max().unwrap_or(0) + 14;
    let right = rows().map(|r| Face::Normal.width(&r.text)).max().unwrap_or(0) + 14;
    let axis = Axis::new(rows().map(|r| r.of), left, WIDTH - right.min(WIDTH - left - 80));
    let height = FOOT + groups.iter().map(|(_, rows)| HEAD + len(rows) * ROW).sum::<i32>();
    let svg = svg("chart-ratio", &title, &inert_line(&desc), height, |canvas| {
        axis.draw(canvas, analysis.equivalence, height - FOOT);
        let mut y = 0;
        for (head, rows) in &groups {
            canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + HEAD / 2 + 3), head);
            y += HEAD;
            for row in rows {
                draw_row(canvas, row, &axis, y + ROW / 2);
                y += ROW;
            }
        }
    })?;
    let note = format!(
        "Logarithmic. Shaded: differences under {} count as none. Filled: the whole interval lies outside (blue better, orange worse). \
         Hollow: no interval, or not resolved.",
        percent(analysis.equivalence)
    );
    Ok(Some(Chart { id: "chart-ratio".into(), section: "speed", title, note, svg }))
}

fn group<'a>(analysis: &'a Analysis, key: &str) -> Option<(String, Vec<Row<'a>>)> {
    let row = |m: &'a ModelAnalysis| {
        let of = m.comparison(key)?;
        let Spread { value, brackets, .. } = comparison(of)?;
        let text = brackets.map_or(value.clone(), |b| format!("{value} {b}"));
        (of.ratio? > 0.0).then_some(Row { label: shorten(&name(m), 22), text, of })
    };
    let rows: Vec<Row<'_>> = analysis.models.iter().filter_map(row).collect();
    let first: Better = rows.first()?.of.better;
    let what = if key == "memory_peak" { "peak memory" } else { key };
    Some((format!("{} ({})", inert_line(what), better(first)), rows))
}

fn draw_row(canvas: &mut Canvas<'_>, row: &Row<'_>, axis: &Axis, y: i32) {
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (10, y), &row.label);
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (WIDTH - 2, y), &row.text);
    let (ink, filled) = match tone(row.of) {
        Tone::Better => (Ink::Better, true),
        Tone::Worse => (Ink::Worse, true),
        Tone::Same => (Ink::Muted, true),
        Tone::Plain | Tone::Open => (Ink::Muted, false),
    };
    if let Some((low, high)) = row.of.low.zip(row.of.high) {
        canvas.line(ink, (axis.x(low), y), (axis.x(high), y), 2);
    }
    if let Some(value) = row.of.ratio {
        // The page shows through a hollow dot, the interval doesn't.
        canvas.dot(Ink::Page, (axis.x(value), y), 4, true);
        canvas.dot(ink, (axis.x(value), y), 4, filled);
    }
}

/// A logarithmic axis of ratios that holds every interval, and 1.
struct Axis {
    low: f64,
    high: f64,
    left: i32,
    right: i32,
}

impl Axis {
    fn new<'a>(rows: impl Iterator<Item = &'a Comparison>, left: i32, right: i32) -> Self {
        let ends = rows.flat_map(|c| [c.ratio, c.low, c.high]).flatten().filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = ends.fold((0.97_f64, 1.03_f64), |(l, h), v| (l.min(v), h.max(v)));
        Self { low: (low / 1.03).ln(), high: (high * 1.03).ln(), left, right }
    }

    fn x(&self, ratio: f64) -> i32 {
        let share = (ratio.max(1e-9).ln() - self.low) / (self.high - self.low);
        self.left + px(share.clamp(0.0, 1.0) * f64::from(self.right - self.left))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, equivalence: f64, bottom: i32) {
        let (from, to) = (self.x(1.0 - equivalence), self.x(1.0 + equivalence));
        let mut last = i32::MIN / 2;
        let inside = |v: &f64| v.ln() > self.low && v.ln() < self.high;
        for value in [
            0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0,
        ]
        .iter()
        .filter(|v| inside(v))
        {
            let (x, label) = (self.x(*value), ratio(*value).replace("0×", "×"));
            let half = Face::Small.width(&label) / 2;
            // A tick beside 1 gives way to it.
            let one = (self.x(1.0) - x).abs();
            if x - half < last + 8 || (one > 0 && one < 2 * half + 8) {
                continue;
            }
            canvas.line(Ink::Grid, (x, 0), (x, bottom), 1);
            canvas.text(Ink::Muted, Face::Small, Anchor::Middle, (x, bottom + 12), &label);
            last = x + half;
        }
        canvas.rect(Ink::Region, (from, 0), ((to - from).max(2), bottom));
    }
}

fn len<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(0)
}
