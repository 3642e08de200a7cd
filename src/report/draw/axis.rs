//! Axes: where a value lies on a figure, linear or logarithmic, and the ticks beside it.

use super::{
    canvas::{Anchor, Canvas, Face, Ink, px},
    plot::LEFT,
};

/// How values lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// As far apart as their numbers.
    Linear,
    /// Evenly for equal ratios.
    Logarithmic,
}

/// An axis from the units `from` to `to` of the figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    spacing: Spacing,
    /// The values at its ends; their logarithms on a logarithmic axis.
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

/// Where a tick lies, and what it says.
pub(crate) type Tick = (i32, String);

impl Axis {
    pub(crate) fn new(spacing: Spacing, (low, high): (f64, f64), (from, to): (i32, i32)) -> Self {
        let (low, high) = match spacing {
            Spacing::Linear => (low, high),
            Spacing::Logarithmic => (low.ln(), high.ln()),
        };
        Self { spacing, low, high, from, to }
    }

    /// A linear axis from 0.
    pub(crate) fn up_to(high: f64, units: (i32, i32)) -> Self {
        Self::new(Spacing::Linear, (0.0, high), units)
    }

    /// A logarithmic axis that holds every positive value, with room for a factor of 1.3 beyond them; `None` without one.
    pub(crate) fn holding(values: impl Iterator<Item = f64>, units: (i32, i32)) -> Option<Self> {
        let positive = values.filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (high > 0.0).then(|| Self::new(Spacing::Logarithmic, (low / 1.3, high * 1.3), units))
    }

    /// The logarithms of the values at its ends on a logarithmic axis, else the values; then the units of its ends.
    pub(crate) fn ends(&self) -> (f64, f64, i32, i32) {
        (self.low, self.high, self.from, self.to)
    }

    /// Where a value lies; what is outside lies at the nearer end, and everything at the beginning of an axis without extent.
    pub(crate) fn at(&self, value: f64) -> i32 {
        let on_axis = match self.spacing {
            Spacing::Linear => value,
            Spacing::Logarithmic if value > 0.0 => value.ln(),
            Spacing::Logarithmic => self.low,
        };
        let share = (on_axis - self.low) / (self.high - self.low);
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self.from + px(share * f64::from(self.to - self.from))
    }

    /// `n + 1` values from end to end, evenly apart on this axis.
    pub(crate) fn steps(&self, n: u32) -> impl Iterator<Item = f64> {
        let Self { spacing, low, high, .. } = *self;
        (0..=n).map(move |i| {
            let value = low + (high - low) * f64::from(i) / f64::from(n);
            if spacing == Spacing::Logarithmic { value.exp() } else { value }
        })
    }

    pub(crate) fn ticks(&self, values: impl IntoIterator<Item = f64>, label: impl Fn(f64) -> String) -> Vec<Tick> {
        values.into_iter().map(|v| (self.at(v), label(v))).collect()
    }

    /// Those of the values that lie on the axis.
    pub(crate) fn inside(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let inside = |value: &f64| match self.spacing {
            Spacing::Linear => self.low <= *value && *value <= self.high,
            Spacing::Logarithmic => self.low <= value.ln() && value.ln() <= self.high,
        };
        values.into_iter().filter(inside).collect()
    }

    /// Powers of ten; 2 and 5 times them, too, where few of those lie on the axis.
    pub(crate) fn decades(&self) -> Vec<Tick> {
        let of = |factors: &[f64]| {
            self.inside((-12..6).flat_map(|e| factors.iter().map(move |f| f * 10_f64.powi(e))).collect::<Vec<_>>())
        };
        let powers = of(&[1.0]);
        self.ticks(if powers.len() > 2 { powers } else { of(&[1.0, 2.0, 5.0]) }, power)
    }
}

/// Round values (1, 2, 5 times a power of ten apart) that divide `0..=max` into about `n` parts.
pub(crate) fn round_steps(max: f64, n: usize) -> Vec<f64> {
    if !(max > 0.0 && max.is_finite()) || n == 0 {
        return vec![0.0];
    }
    let rough = max / n as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    (0..=n + 1).map(|i| i as f64 * step).filter(|t| *t <= max * 1.000_001).collect()
}

/// A horizontal axis: a line through the plot at every tick, labels below where there is room.
pub(crate) fn grid_across(canvas: &mut Canvas<'_>, ticks: &[Tick], top: i32, bottom: i32) {
    let mut labels = Labels::default();
    for (x, label) in ticks {
        canvas.line(Ink::Grid, (*x, top), (*x, bottom), 1);
        labels.put(canvas, Ink::Muted, (*x, bottom + 12), label);
    }
}

/// A vertical axis: a line through the plot at every tick, labels left of [`LEFT`].
pub(crate) fn grid_up(canvas: &mut Canvas<'_>, ticks: &[Tick], right: i32) {
    grid_between(canvas, ticks, (LEFT, right));
}

/// The same from another left edge.
pub(crate) fn grid_between(canvas: &mut Canvas<'_>, ticks: &[Tick], (left, right): (i32, i32)) {
    for (y, label) in ticks {
        canvas.line(Ink::Grid, (left, *y), (right, *y), 1);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (left - 6, *y), label);
    }
}

/// A horizontal axis of short strokes at `y`, labels `drop` below it where there is room.
pub(crate) fn strokes(canvas: &mut Canvas<'_>, ticks: &[Tick], y: i32, drop: i32) {
    let mut labels = Labels::default();
    for (x, label) in ticks {
        canvas.line(Ink::Muted, (*x, y), (*x, y + 4), 1);
        labels.put(canvas, Ink::Muted, (*x, y + drop), label);
    }
}

/// Seconds or minutes since something began.
pub(crate) fn time_across(canvas: &mut Canvas<'_>, axis: &Axis, end_s: f64, y: i32) {
    let (unit, suffix) = if end_s >= 180.0 { (60.0, "min") } else { (1.0, "s") };
    let digits = usize::from(end_s / unit < 6.0);
    let times = round_steps(end_s / unit, 6).into_iter();
    let ticks: Vec<Tick> = times.map(|tick| (axis.at(tick * unit), format!("{tick:.digits$} {suffix}"))).collect();
    strokes(canvas, &ticks, y, 14);
}

/// Labels in a row, from left to right: one that would lie on the one before is left out.
#[derive(Default)]
pub(crate) struct Labels {
    free: Option<i32>,
}

impl Labels {
    pub(crate) fn put(&mut self, canvas: &mut Canvas<'_>, ink: Ink, (x, y): (i32, i32), text: &str) {
        let half = Face::Small.width(text) / 2;
        if self.free.is_none_or(|free| x - half > free) {
            canvas.text(ink, Face::Small, Anchor::Middle, (x, y), text);
            self.free = Some(x + half + 4);
        }
    }
}

/// `0.01`, `5`, `10⁻⁵`.
fn power(value: f64) -> String {
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
        let axis = Axis::holding([0.001, 1.0, -1.0, f64::NAN].into_iter(), (0, 1000)).expect("positive values");
        assert!(axis.at(0.001) > 0 && axis.at(1.0) < 1000 && axis.at(0.001) < axis.at(0.1));
        assert_eq!((axis.at(0.0), axis.at(f64::NAN), axis.at(1e9)), (0, 0, 1000));
        let labels: Vec<String> = axis.decades().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.001", "0.01", "0.1", "1"]);
        assert!(Axis::holding([0.0].into_iter(), (0, 1)).is_none());
        assert_eq!(axis.steps(10).count(), 11);
        let even = Axis::new(Spacing::Logarithmic, (1.0, 16.0), (0, 400));
        assert_eq!([1.0, 4.0, 16.0].map(|v| even.at(v)), [0, 200, 400]);
    }

    #[test]
    fn a_linear_axis_may_run_either_way() {
        let up = Axis::up_to(4.0, (100, 20));
        assert_eq!([0.0, 1.0, 4.0, 9.0, -1.0].map(|v| up.at(v)), [100, 80, 20, 20, 100]);
        assert_eq!(Axis::up_to(0.0, (100, 20)).at(0.0), 100, "no extent");
        assert_eq!(up.ticks(up.inside([-1.0, 2.0, 5.0]), |v| v.to_string()), [(60, "2".to_owned())]);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(round_steps(47.0, 5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(round_steps(1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(round_steps(0.0, 4), [0.0]);
        assert_eq!(round_steps(f64::NAN, 4), [0.0]);
    }

    #[test]
    fn small_numbers_are_powers() {
        assert_eq!([1e-5, 2e-5, 1e-12, 0.05, 20.0].map(power), ["10⁻⁵", "2·10⁻⁵", "10⁻¹²", "0.05", "20"]);
    }
}
