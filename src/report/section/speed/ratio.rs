//! Ratios to the original with their intervals, and the region in which a difference is not relevant.

use crate::{
    analysis::{Analysis, Better, Comparison, ModelAnalysis},
    metric::MetricId,
    report::{
        document::{Figure, Tone, better, tone},
        draw::{
            axis::{Axis, Spacing, Tick, grid_across},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
            rows::Rows,
        },
        number::{Spread, comparison, fixed, percent},
        section::{
            metric::synthetic,
            names::{baseline, name, original},
        },
        text::{inert_line, shorten},
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

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let mut keys = synthetic(analysis);
    keys.extend([MetricId::Load, MetricId::PeakMemory]);
    let groups: Vec<(String, Vec<Row<'_>>)> = keys.iter().filter_map(|key| group(analysis, key)).collect();
    let Some(base) = original(analysis).filter(|_| !groups.is_empty()) else { return Ok(None) };
    let rows = || groups.iter().flat_map(|(_, rows)| rows);
    let title = format!("Against {}: candidate over {}", name(base), baseline(&analysis.context));
    let desc = rows().map(|r| format!("{} {}: {}", r.label, r.of.id, r.text)).collect::<Vec<_>>().join("; ");
    let frame = Rows::of(size, rows().map(|r| (&r.label[..], &r.text[..])), ROW);
    let axis = axis(rows().map(|r| r.of), (frame.left, frame.right));
    let height = FOOT + groups.iter().map(|(_, rows)| HEAD + len(rows) * frame.height).sum::<i32>();
    let svg = svg(&size.id("chart-ratio"), &title, &inert_line(&desc), (size.width, height), |canvas| {
        let bottom = height - FOOT;
        grid_across(canvas, &ticks(&axis), 0, bottom);
        let (from, to) = (axis.at(1.0 - analysis.equivalence), axis.at(1.0 + analysis.equivalence));
        canvas.rect(Ink::Region, (from, 0), ((to - from).max(2), bottom));
        let mut y = 0;
        for (head, rows) in &groups {
            canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + HEAD / 2 + 3), head);
            y += HEAD;
            for row in rows {
                frame.words(canvas, y, &row.label, (Ink::Text, &row.text));
                draw_row(canvas, row, &axis, y + frame.mark);
                y += frame.height;
            }
        }
    })?;
    let note = format!(
        "Logarithmic. Shaded: differences under {} count as none. Filled: the whole interval lies outside, blue for better and orange for \
         worse. Grey and filled: it lies inside. Hollow: no interval, or not resolved.",
        percent(analysis.equivalence)
    );
    Ok(Some(Figure { id: "chart-ratio".into(), title, note, svg, narrow: None }))
}

fn group<'a>(analysis: &'a Analysis, id: &MetricId) -> Option<(String, Vec<Row<'a>>)> {
    let row = |m: &'a ModelAnalysis| {
        let of = m.comparison(id)?;
        let Spread { value, brackets, .. } = comparison(of)?;
        let text = brackets.map_or(value.clone(), |b| format!("{value} {b}"));
        (of.ratio? > 0.0).then_some(Row { label: shorten(&name(m), 22), text, of })
    };
    let rows: Vec<Row<'_>> = analysis.models.iter().filter_map(row).collect();
    let first: Better = rows.first()?.of.better;
    let what = id.spec().column.map_or_else(|| id.to_string(), |column| column.title);
    Some((format!("{} ({})", inert_line(&what), better(first)), rows))
}

fn draw_row(canvas: &mut Canvas<'_>, row: &Row<'_>, axis: &Axis, y: i32) {
    let (ink, filled) = match tone(row.of) {
        Tone::Better => (Ink::Better, true),
        Tone::Worse => (Ink::Worse, true),
        Tone::Same => (Ink::Muted, true),
        Tone::Plain | Tone::Open => (Ink::Muted, false),
    };
    if let Some((low, high)) = row.of.low.zip(row.of.high) {
        canvas.line(ink, (axis.at(low), y), (axis.at(high), y), 2);
    }
    if let Some(value) = row.of.ratio {
        // The page shows through a hollow dot, the interval doesn't.
        canvas.dot(Ink::Page, (axis.at(value), y), 4, true);
        canvas.dot(ink, (axis.at(value), y), 4, filled);
    }
}

/// A logarithmic axis of ratios that holds every interval, and 1 with room beside it.
fn axis<'a>(rows: impl Iterator<Item = &'a Comparison>, units: (i32, i32)) -> Axis {
    let ends = rows.flat_map(|c| [c.ratio, c.low, c.high]).flatten().filter(|v| v.is_finite() && *v > 0.0);
    let (low, high) = ends.fold((0.97_f64, 1.03_f64), |(l, h), v| (l.min(v), h.max(v)));
    Axis::new(Spacing::Logarithmic, (low / 1.03, high * 1.03), units)
}

/// As many of these as there is room for; one beside 1 gives way to it.
fn ticks(axis: &Axis) -> Vec<Tick> {
    const RATIOS: [f64; 21] =
        [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0];
    let mut ticks = axis.ticks(axis.inside(RATIOS), |v| format!("{}×", fixed(v, if v < 0.1 { 2 } else { 1 })));
    let mut last = i32::MIN / 2;
    ticks.retain(|(x, label)| {
        let half = Face::Small.width(label) / 2;
        let one = (axis.at(1.0) - x).abs();
        let fits = x - half >= last + 8 && (one == 0 || one >= 2 * half + 8);
        if fits {
            last = x + half;
        }
        fits
    });
    ticks
}

fn len<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(0)
}
