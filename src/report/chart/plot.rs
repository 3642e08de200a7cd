//! What figures with two axes share: a logarithmic axis, one mark and ink a series that differ in shape too, and a legend that
//! carries the values.

use super::canvas::{Anchor, Canvas, Face, Ink, WIDTH, px};

/// Left edge of a plot: room for the labels of its axis.
pub(super) const LEFT: i32 = 62;
/// Right edge.
pub(super) const RIGHT: i32 = WIDTH - 14;
/// A line of the legend.
const LINE: i32 = 19;

/// Inks of series, in order. After the last the first comes again, with another shape.
const INKS: [Ink; 5] = [Ink::First, Ink::Second, Ink::Third, Ink::Fourth, Ink::Fifth];

pub(super) fn ink(series: usize) -> Ink {
    INKS[series % INKS.len()]
}

/// The mark of a series. Shapes repeat later than inks do, so that no two of the first twenty are alike, in grey neither.
pub(super) fn mark(canvas: &mut Canvas<'_>, series: usize, (x, y): (i32, i32)) {
    let ink = ink(series);
    match series % 4 {
        0 => canvas.dot(ink, (x, y), 4, true),
        1 => canvas.area(ink, &[(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)]),
        2 => canvas.area(ink, &[(x, y - 5), (x + 5, y + 4), (x - 5, y + 4)]),
        _ => canvas.area(ink, &[(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]),
    }
}

/// Height of a legend of so many lines.
pub(super) fn legend_height(lines: usize) -> i32 {
    i32::try_from(lines).unwrap_or(0) * LINE + 8
}

/// One line a series: its mark and its text.
pub(super) fn legend(canvas: &mut Canvas<'_>, texts: &[String]) {
    for (series, text) in texts.iter().enumerate() {
        let y = i32::try_from(series).unwrap_or(0) * LINE + LINE / 2;
        canvas.line(ink(series), (2, y), (22, y), 2);
        mark(canvas, series, (12, y));
        canvas.text(Ink::Text, Face::Normal, Anchor::Start, (30, y), text);
    }
}

/// A line through points with a mark at each.
pub(super) fn line(canvas: &mut Canvas<'_>, series: usize, points: &[(i32, i32)]) {
    for pair in points.windows(2) {
        canvas.line(ink(series), pair[0], pair[1], 2);
    }
}

/// A logarithmic axis from `low` to `high`, which lie at the units `from` and `to` of the figure.
pub(super) struct Log {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Log {
    /// An axis that holds every positive value, with a little room; `None` without one.
    pub(super) fn holding(values: impl Iterator<Item = f64>, from: i32, to: i32) -> Option<Self> {
        let positive = values.filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (high > 0.0).then(|| Self { low: (low / 1.3).ln(), high: (high * 1.3).ln(), from, to })
    }

    /// Where a value lies; what is outside, and 0, lies at the end.
    pub(super) fn at(&self, value: f64) -> i32 {
        let share = if value > 0.0 { (value.ln() - self.low) / (self.high - self.low) } else { 0.0 };
        self.from + px(share.clamp(0.0, 1.0) * f64::from(self.to - self.from))
    }

    /// So many values, evenly apart on this axis.
    pub(super) fn steps(&self, n: u32) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        (0..=n).map(move |i| (low + (high - low) * f64::from(i) / f64::from(n)).exp())
    }

    /// Powers of ten; 2 and 5 times them, too, where few of those lie on the axis.
    pub(super) fn ticks(&self) -> Vec<(i32, String)> {
        let inside = |v: f64| v.ln() >= self.low && v.ln() <= self.high;
        let of = |factors: &[f64]| -> Vec<f64> {
            (-12..6).flat_map(|e| factors.iter().map(move |f| f * 10_f64.powi(e))).filter(|&v| inside(v)).collect()
        };
        let powers = of(&[1.0]);
        let all = if powers.len() > 2 { powers } else { of(&[1.0, 2.0, 5.0]) };
        all.into_iter().map(|v| (self.at(v), short(v))).collect()
    }

    /// As a horizontal axis with its lines, from `top` to `bottom`.
    pub(super) fn draw_across(&self, canvas: &mut Canvas<'_>, top: i32, bottom: i32) {
        let mut free = i32::MIN;
        for (x, label) in self.ticks() {
            canvas.line(Ink::Grid, (x, top), (x, bottom), 1);
            let half = Face::Small.width(&label) / 2;
            if x - half > free {
                canvas.text(Ink::Muted, Face::Small, Anchor::Middle, (x, bottom + 12), &label);
                free = x + half + 4;
            }
        }
    }

    /// As a vertical axis with its lines, from [`LEFT`] to `right`.
    pub(super) fn draw_up(&self, canvas: &mut Canvas<'_>, right: i32) {
        for (y, label) in self.ticks() {
            canvas.line(Ink::Grid, (LEFT, y), (right, y), 1);
            canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y), &label);
        }
    }
}

/// `0.01`, `5`, `10⁻⁵`.
fn short(value: f64) -> String {
    if value >= 0.000_9 {
        let digits = usize::try_from(px(-value.log10().floor()).max(0)).unwrap_or(0);
        return format!("{value:.digits$}");
    }
    let exponent = px(value.log10().floor());
    let factor = px(value / 10_f64.powi(exponent));
    let digits: String = exponent.abs().to_string().bytes().map(superscript).collect();
    let factor = if factor == 1 { String::new() } else { format!("{factor}·") };
    format!("{factor}10⁻{digits}")
}

fn superscript(digit: u8) -> char {
    const SIGNS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    SIGNS[usize::from(digit.saturating_sub(b'0')) % 10]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_axis_holds_its_values() {
        let axis = Log::holding([0.001, 1.0, -1.0, f64::NAN].into_iter(), 0, 1000).expect("positive values");
        assert!(axis.at(0.001) > 0 && axis.at(1.0) < 1000 && axis.at(0.001) < axis.at(0.1));
        assert_eq!((axis.at(0.0), axis.at(1e9)), (0, 1000));
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.001", "0.01", "0.1", "1"]);
        assert!(Log::holding([0.0].into_iter(), 0, 1).is_none());
        assert_eq!(axis.steps(10).count(), 11);
    }

    #[test]
    fn small_numbers_are_powers() {
        assert_eq!([1e-5, 2e-5, 1e-12, 0.05, 20.0].map(short), ["10⁻⁵", "2·10⁻⁵", "10⁻¹²", "0.05", "20"]);
    }
}
