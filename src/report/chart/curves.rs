//! Speed against something that was varied: a panel each for prompts and generation, one line a model, a mark and an interval a value.

use super::{
    Error,
    canvas::{Anchor, Canvas, Face, Ink, WIDTH, px, svg},
    plot::{LEFT, ink, legend, legend_height, line, mark},
};
use crate::{
    analysis::ModelAnalysis,
    report::{format::sig3, text::shorten, view::names::name},
};

/// Right edge of the plots: room for the value at the end of a line.
const RIGHT: i32 = WIDTH - 52;
const HEAD: i32 = 24;
const PLOT: i32 = 150;
const FOOT: i32 = 40;
const PANEL: i32 = HEAD + PLOT + FOOT;
/// Units between the marks of two models at the same place.
const APART: i32 = 3;
/// More places than this get round ticks instead of one each.
const MOST_TICKS: usize = 9;

/// A value at a place.
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Its interval, or what it spreads over.
    pub(super) range: Option<(f64, f64)>,
}

/// What one model does; without points it keeps its ink and its line in the legend.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

impl Curve {
    /// A model's metrics, each at its place; those without a value are left out.
    pub(super) fn of_metrics<'k>(model: &ModelAnalysis, places: impl Iterator<Item = (u32, &'k str)>) -> Self {
        let point = |(x, key): (u32, &str)| {
            let metric = model.metric(key)?;
            Some(Point { x: f64::from(x), y: metric.value?, range: metric.low.zip(metric.high) })
        };
        Self { name: shorten(&name(model), 40), points: places.filter_map(point).collect() }
    }
}

/// One plot of a figure; all have a curve for every model, in the same order.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) curves: Vec<Curve>,
}

/// How places lie on the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// As far apart as their numbers, from 0.
    Linear,
    /// Evenly for equal ratios.
    Logarithmic,
}

/// A figure to be drawn.
pub(super) struct Figure<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What is varied.
    pub(super) across: &'a str,
    pub(super) spacing: Spacing,
    pub(super) panels: Vec<Panel>,
}

/// Draws it.
///
/// # Errors
/// When the canvas fails.
pub(super) fn draw(figure: &Figure<'_>) -> Result<String, Error> {
    let names: Vec<String> =
        figure.panels.first().map_or(Vec::new(), |p| p.curves.iter().map(|c| c.name.clone()).collect());
    let top = legend_height(names.len());
    let height = top + i32::try_from(figure.panels.len()).unwrap_or(0) * PANEL;
    let axis = Across::holding(figure);
    svg(figure.id, figure.title, &described(figure), height, |canvas| {
        legend(canvas, &names);
        for (i, panel) in (0_i32..).zip(&figure.panels) {
            draw_panel(canvas, panel, top + i * PANEL, &axis, figure.across);
        }
    })
}

/// Every value in words, for those who don't see them.
fn described(figure: &Figure<'_>) -> String {
    let of = |panel: &Panel, curve: &Curve| {
        let values: Vec<String> = curve.points.iter().map(|p| format!("{} at {}", sig3(p.y), whole(p.x))).collect();
        format!("{}, {}: {}", panel.title, curve.name, values.join(", "))
    };
    let all =
        figure.panels.iter().flat_map(|p| p.curves.iter().filter(|c| !c.points.is_empty()).map(move |c| of(p, c)));
    all.collect::<Vec<_>>().join("; ")
}

fn whole(x: f64) -> String {
    format!("{x:.0}")
}

/// The axis of what is varied.
struct Across {
    spacing: Spacing,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Across {
    fn holding(figure: &Figure<'_>) -> Self {
        let mut places: Vec<f64> =
            figure.panels.iter().flat_map(|p| &p.curves).flat_map(|c| &c.points).map(|p| p.x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup_by(|a, b| a.total_cmp(b).is_eq());
        let high = places.last().copied().unwrap_or(0.0);
        let low = match figure.spacing {
            Spacing::Linear => 0.0,
            Spacing::Logarithmic => places.first().copied().unwrap_or(1.0),
        };
        let ticks = if places.len() > MOST_TICKS { super::ticks(high, 6) } else { places };
        Self { spacing: figure.spacing, low, high, ticks }
    }

    fn at(&self, x: f64) -> i32 {
        let share = match self.spacing {
            Spacing::Linear => (x - self.low) / (self.high - self.low),
            Spacing::Logarithmic => (x / self.low).ln() / (self.high / self.low).ln(),
        };
        // A single place lies in the middle.
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
        LEFT + 14 + px(share * f64::from(RIGHT - LEFT - 28))
    }
}

fn draw_panel(canvas: &mut Canvas<'_>, panel: &Panel, top: i32, axis: &Across, across: &str) {
    let (roof, floor) = (top + HEAD, top + HEAD + PLOT);
    let ends = panel.curves.iter().flat_map(|c| &c.points).map(|p| p.range.map_or(p.y, |(_, high)| high.max(p.y)));
    let most = ends.filter(|y| y.is_finite()).fold(0.0, f64::max);
    let y = |value: f64| floor - px(if most > 0.0 { (value / most).clamp(0.0, 1.0) * f64::from(PLOT) } else { 0.0 });
    canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, top + HEAD / 2), &panel.title);
    for tick in super::ticks(most, 4) {
        canvas.line(Ink::Grid, (LEFT, y(tick)), (RIGHT, y(tick)), 1);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y(tick)), &sig3(tick));
    }
    let mut free = i32::MIN;
    for &tick in &axis.ticks {
        let (x, label) = (axis.at(tick), whole(tick));
        let half = Face::Small.width(&label) / 2;
        canvas.line(Ink::Muted, (x, floor), (x, floor + 4), 1);
        if x - half > free {
            canvas.text(Ink::Muted, Face::Small, Anchor::Middle, (x, floor + 13), &label);
            free = x + half + 4;
        }
    }
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (RIGHT, floor + 28), across);
    canvas.line(Ink::Muted, (LEFT, floor), (RIGHT, floor), 1);
    let middle = i32::try_from(panel.curves.len()).unwrap_or(1) / 2;
    let mut labels = Vec::new();
    for (series, curve) in panel.curves.iter().enumerate() {
        let aside = (i32::try_from(series).unwrap_or(0) - middle) * APART;
        let at = |p: &Point| (axis.at(p.x) + aside, y(p.y));
        line(canvas, series, &curve.points.iter().map(at).collect::<Vec<_>>());
        for point in &curve.points {
            let place = at(point);
            if let Some((low, high)) = point.range {
                canvas.line(ink(series), (place.0, y(low)), (place.0, y(high)), 1);
                for end in [low, high] {
                    canvas.line(ink(series), (place.0 - 3, y(end)), (place.0 + 3, y(end)), 1);
                }
            }
            mark(canvas, series, place);
        }
        labels.extend(curve.points.last().map(|p| (y(p.y), series, sig3(p.y))));
    }
    label(canvas, labels, roof);
}

/// The value at the end of each line; those that would lie on another move down.
fn label(canvas: &mut Canvas<'_>, mut labels: Vec<(i32, usize, String)>, roof: i32) {
    labels.sort_by_key(|(y, ..)| *y);
    let mut free = roof;
    for (y, series, text) in labels {
        let y = y.max(free);
        canvas.text(ink(series), Face::Small, Anchor::Start, (RIGHT + 4, y), &text);
        free = y + 11;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(spacing: Spacing, places: &[f64]) -> Figure<'static> {
        let points = places.iter().map(|&x| Point { x, y: 1.0 + x, range: Some((x, 2.0 + x)) }).collect();
        let curves = vec![Curve { name: "F16".into(), points }, Curve { name: "Q8_0".into(), points: Vec::new() }];
        Figure { id: "f", title: "T", across: "depth", spacing, panels: vec![Panel { title: "pp".into(), curves }] }
    }

    #[test]
    fn places_lie_where_their_numbers_say() {
        let across = |spacing, places: &[f64]| {
            let axis = Across::holding(&figure(spacing, places));
            places.iter().map(|&x| axis.at(x)).collect::<Vec<_>>()
        };
        let [a, b, c] = across(Spacing::Linear, &[0.0, 1024.0, 4096.0])[..] else { panic!("three places") };
        assert!((3 * (b - a) - (c - b)).abs() <= 3);
        let [a, b, c] = across(Spacing::Logarithmic, &[1.0, 4.0, 16.0])[..] else { panic!("three places") };
        assert!(((b - a) - (c - b)).abs() <= 1);
        assert_eq!(across(Spacing::Logarithmic, &[4.0]).len(), 1, "a single place is one, too");
    }

    #[test]
    fn every_value_has_its_mark_and_is_said() {
        let svg = draw(&figure(Spacing::Linear, &[0.0, 1024.0, 4096.0])).expect("a drawing");
        // Three values, and the one of the legend.
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.contains("<desc id=\"f-d\">pp, F16: 1.00 at 0, 1025 at 1024, 4097 at 4096</desc>"), "{svg}");
    }
}
