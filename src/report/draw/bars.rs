//! Lying bars from zero with intervals and value labels.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
    plot::whisker_across,
    rows::Rows,
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

const HEAD: i32 = 28;
/// How thick a bar is.
const THICK: i32 = 18;

/// Draws the groups below each other.
pub(crate) fn draw(size: Size, id: &str, title: &str, groups: &[Group]) -> Result<String, DrawError> {
    let all = || groups.iter().flat_map(|g| &g.bars);
    let rows = Rows::of(size, all().map(|b| (&b.label[..], &b.text[..])), THICK + 8);
    let most = all()
        .filter_map(|b| Some(b.interval.map_or(b.value?, |(_, h)| h.max(b.value.unwrap_or(h)))))
        .fold(0.0, f64::max);
    let x = Axis::up_to(most, (rows.left, rows.right));
    let height: i32 =
        groups.iter().map(|g| count(&g.bars) * rows.height + if g.title.is_some() { HEAD } else { 0 }).sum();
    let desc = all().map(|b| format!("{}: {}", b.label, b.text)).collect::<Vec<_>>().join("; ");
    svg(&size.id(id), title, &desc, (size.width, height + 4), |canvas| {
        let mut y = 2;
        for group in groups {
            if let Some(title) = &group.title {
                canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + HEAD / 2 + 2), title);
                y += HEAD;
            }
            for bar in &group.bars {
                draw_bar(canvas, bar, y, &rows, &x);
                y += rows.height;
            }
            canvas.line(Ink::Muted, (rows.left, y - count(&group.bars) * rows.height), (rows.left, y), 1);
        }
    })
}

fn draw_bar(canvas: &mut Canvas<'_>, bar: &Bar, y: i32, rows: &Rows, x: &Axis) {
    let (left, middle) = (rows.left, y + rows.mark);
    if let Some(value) = bar.value {
        canvas.rect(bar.ink, (left, middle - THICK / 2), ((x.at(value) - left).max(1), THICK));
    }
    if let Some((low, high)) = bar.interval {
        whisker_across(canvas, Ink::Text, (x.at(low), x.at(high)), middle);
    }
    let ink = if bar.value.is_some() { Ink::Text } else { Ink::Muted };
    rows.words(canvas, y, &bar.label, (ink, &bar.text));
}

fn count<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX / 64)
}
