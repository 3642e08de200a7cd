//! Lying bars from zero with intervals and value labels.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, svg},
    plot::whisker_across,
};

/// A bar; without a value it keeps its row and its text, which says why.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) text: String,
    pub(crate) ink: Ink,
}

/// Bars under a head.
pub(crate) struct Group {
    /// The head, when there are several.
    pub(crate) title: Option<String>,
    pub(crate) bars: Vec<Bar>,
}

const ROW: i32 = 26;
const HEAD: i32 = 28;

/// Draws the groups below each other.
pub(crate) fn draw(id: &str, title: &str, groups: &[Group]) -> Result<String, DrawError> {
    let all = || groups.iter().flat_map(|g| &g.bars);
    let left = all().map(|b| Face::Normal.width(&b.label)).max().unwrap_or(0) + 10;
    let right = all().map(|b| Face::Normal.width(&b.text)).max().unwrap_or(0) + 10;
    let most = all()
        .filter_map(|b| Some(b.interval.map_or(b.value?, |(_, h)| h.max(b.value.unwrap_or(h)))))
        .fold(0.0, f64::max);
    let x = Axis::up_to(most, (left, left + (WIDTH - left - right).max(80)));
    let rows: i32 = groups.iter().map(|g| count(&g.bars) * ROW + if g.title.is_some() { HEAD } else { 0 }).sum();
    let desc = all().map(|b| format!("{}: {}", b.label, b.text)).collect::<Vec<_>>().join("; ");
    svg(id, title, &desc, rows + 4, |canvas| {
        let mut y = 2;
        for group in groups {
            if let Some(title) = &group.title {
                canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + HEAD / 2 + 2), title);
                y += HEAD;
            }
            for bar in &group.bars {
                draw_bar(canvas, bar, y, left, &x);
                y += ROW;
            }
            canvas.line(Ink::Muted, (left, y - count(&group.bars) * ROW), (left, y), 1);
        }
    })
}

fn draw_bar(canvas: &mut Canvas<'_>, bar: &Bar, y: i32, left: i32, x: &Axis) {
    let middle = y + ROW / 2;
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (left - 8, middle), &bar.label);
    if let Some(value) = bar.value {
        canvas.rect(bar.ink, (left, y + 4), ((x.at(value) - left).max(1), ROW - 8));
    }
    if let Some((low, high)) = bar.interval {
        whisker_across(canvas, Ink::Text, (x.at(low), x.at(high)), middle);
    }
    let ink = if bar.value.is_some() { Ink::Text } else { Ink::Muted };
    canvas.text(ink, Face::Normal, Anchor::End, (WIDTH - 2, middle), &bar.text);
}

fn count<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX / ROW)
}
