//! What figures with two axes share: one ink and mark a series, which differ in shape too, a legend, whiskers.

use super::canvas::{Anchor, Canvas, Face, Ink};

/// Left edge of a plot: room for the labels of its axis.
pub(crate) const LEFT: i32 = 62;
/// Between its right edge and that of the figure.
pub(crate) const MARGIN: i32 = 14;
/// A line of the legend.
const LINE: i32 = 19;

/// Inks of series, in order. After the last the first comes again, with another shape.
const INKS: [Ink; 5] = [Ink::First, Ink::Second, Ink::Third, Ink::Fourth, Ink::Fifth];

pub(crate) fn ink(series: usize) -> Ink {
    INKS[series % INKS.len()]
}

/// The mark of a series. Shapes repeat later than inks do, so that no two of the first twenty are alike, in grey neither.
pub(crate) fn mark(canvas: &mut Canvas<'_>, series: usize, (x, y): (i32, i32)) {
    let ink = ink(series);
    match series % 4 {
        0 => canvas.dot(ink, (x, y), 4, true),
        1 => canvas.area(ink, &[(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)]),
        2 => canvas.area(ink, &[(x, y - 5), (x + 5, y + 4), (x - 5, y + 4)]),
        _ => canvas.area(ink, &[(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]),
    }
}

/// Height of a legend of so many lines.
pub(crate) fn legend_height(lines: usize) -> i32 {
    i32::try_from(lines).unwrap_or(0) * LINE + 8
}

/// One line a series: its mark and its text.
pub(crate) fn legend(canvas: &mut Canvas<'_>, texts: &[String]) {
    for (series, text) in texts.iter().enumerate() {
        let y = i32::try_from(series).unwrap_or(0) * LINE + LINE / 2;
        canvas.line(ink(series), (2, y), (22, y), 2);
        mark(canvas, series, (12, y));
        canvas.text(Ink::Text, Face::Normal, Anchor::Start, (30, y), text);
    }
}

/// A line through points with a mark at each.
pub(crate) fn line(canvas: &mut Canvas<'_>, series: usize, points: &[(i32, i32)]) {
    for pair in points.windows(2) {
        canvas.line(ink(series), pair[0], pair[1], 2);
    }
}

/// Half the width of the cap of a whisker.
const CAP: i32 = 4;

/// An interval beside a horizontal bar.
pub(crate) fn whisker_across(canvas: &mut Canvas<'_>, ink: Ink, (low, high): (i32, i32), y: i32) {
    canvas.line(ink, (low, y), (high, y), 1);
    for x in [low, high] {
        canvas.line(ink, (x, y - CAP), (x, y + CAP), 1);
    }
}

/// An interval above and below a mark.
pub(crate) fn whisker_up(canvas: &mut Canvas<'_>, ink: Ink, x: i32, (low, high): (i32, i32), width: u32, cap: i32) {
    canvas.line(ink, (x, low), (x, high), width);
    for y in [low, high] {
        canvas.line(ink, (x - cap, y), (x + cap, y), width);
    }
}
