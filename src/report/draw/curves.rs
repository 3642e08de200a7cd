//! Something against what was varied: a panel each for prompts and generation, one line a model, a mark and an interval a value.

use super::{
    axis::{Axis, Spacing, Tick, grid_up, round_steps, strokes},
    canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
    plot::{LEFT, ink, legend, legend_height, line, mark, whisker_up},
};

/// Right of the plots: room for the value at the end of a line.
const ROOM: i32 = 52;
const HEAD: i32 = 24;
const PLOT: i32 = 150;
const FOOT: i32 = 40;
const PANEL: i32 = HEAD + PLOT + FOOT;
/// Units between the marks of two models at the same place.
const APART: i32 = 3;
/// More places than this get round ticks instead of one each.
const MOST_TICKS: usize = 9;

/// A value at a place.
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Its interval, or what it spreads over.
    pub(crate) range: Option<(f64, f64)>,
}

/// What one model does; without points it keeps its ink and its line in the legend.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// One plot of a figure; all have a curve for every model, in the same order.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// How its values are written.
    pub(crate) written: fn(f64) -> String,
    pub(crate) curves: Vec<Curve>,
}

/// Panels below each other, over one axis.
pub(crate) struct Panels<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) across: &'a str,
    pub(crate) spacing: Spacing,
    pub(crate) panels: Vec<Panel>,
}

pub(crate) fn draw(size: Size, of: &Panels<'_>) -> Result<String, DrawError> {
    let names: Vec<String> =
        of.panels.first().map_or(Vec::new(), |p| p.curves.iter().map(|c| c.name.clone()).collect());
    let top = legend_height(names.len());
    let height = top + i32::try_from(of.panels.len()).unwrap_or(0) * PANEL;
    let right = size.width - ROOM;
    let (axis, ticks) = axis(of, right);
    svg(&size.id(of.id), of.title, &described(of), (size.width, height), |canvas| {
        legend(canvas, &names);
        for (i, panel) in (0_i32..).zip(&of.panels) {
            draw_panel(canvas, panel, (top + i * PANEL, right), (&axis, &ticks), of.across);
        }
    })
}

/// Every value in words, for those who don't see them.
fn described(of: &Panels<'_>) -> String {
    let line = |panel: &Panel, curve: &Curve| {
        let values: Vec<String> =
            curve.points.iter().map(|p| format!("{} at {}", (panel.written)(p.y), whole(p.x))).collect();
        format!("{}, {}: {}", panel.title, curve.name, values.join(", "))
    };
    let all = of.panels.iter().flat_map(|p| p.curves.iter().filter(|c| !c.points.is_empty()).map(move |c| line(p, c)));
    all.collect::<Vec<_>>().join("; ")
}

fn whole(x: f64) -> String {
    format!("{x:.0}")
}

/// The axis of what is varied, from 0 where it is linear, and its ticks. A single place lies in the middle.
fn axis(of: &Panels<'_>, right: i32) -> (Axis, Vec<Tick>) {
    let mut places: Vec<f64> = of.panels.iter().flat_map(|p| &p.curves).flat_map(|c| &c.points).map(|p| p.x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let high = places.last().copied().unwrap_or(0.0);
    let low = match of.spacing {
        Spacing::Linear => 0.0,
        Spacing::Logarithmic => places.first().copied().unwrap_or(1.0),
    };
    let (from, to) = (LEFT + 14, right - 14);
    let middle = i32::midpoint(from, to);
    let units = if high > low { (from, to) } else { (middle, middle) };
    let axis = Axis::new(of.spacing, (low, high), units);
    let places = if places.len() > MOST_TICKS { round_steps(high, 6) } else { places };
    let ticks = places.iter().map(|&x| (axis.at(x), whole(x))).collect();
    (axis, ticks)
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    (top, right): (i32, i32),
    (x, ticks): (&Axis, &[Tick]),
    across: &str,
) {
    let (roof, floor) = (top + HEAD, top + HEAD + PLOT);
    let ends = panel.curves.iter().flat_map(|c| &c.points).map(|p| p.range.map_or(p.y, |(_, high)| high.max(p.y)));
    let most = ends.filter(|y| y.is_finite()).fold(0.0, f64::max);
    let y = Axis::up_to(most, (floor, roof));
    canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, top + HEAD / 2), &panel.title);
    grid_up(canvas, &y.ticks(round_steps(most, 4), panel.written), right);
    strokes(canvas, ticks, floor, 13);
    canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, floor + 28), across);
    canvas.line(Ink::Muted, (LEFT, floor), (right, floor), 1);
    let middle = i32::try_from(panel.curves.len()).unwrap_or(1) / 2;
    let mut labels = Vec::new();
    for (series, curve) in panel.curves.iter().enumerate() {
        let aside = (i32::try_from(series).unwrap_or(0) - middle) * APART;
        let at = |p: &Point| (x.at(p.x) + aside, y.at(p.y));
        line(canvas, series, &curve.points.iter().map(at).collect::<Vec<_>>());
        for point in &curve.points {
            let place = at(point);
            if let Some((low, high)) = point.range {
                whisker_up(canvas, ink(series), place.0, (y.at(low), y.at(high)), 1, 3);
            }
            mark(canvas, series, place);
        }
        labels.extend(curve.points.last().map(|p| (y.at(p.y), series, (panel.written)(p.y))));
    }
    label(canvas, labels, roof, right);
}

/// The value at the end of each line; those that would lie on another move down.
fn label(canvas: &mut Canvas<'_>, mut labels: Vec<(i32, usize, String)>, roof: i32, right: i32) {
    labels.sort_by_key(|(y, ..)| *y);
    let mut free = roof;
    for (y, series, text) in labels {
        let y = y.max(free);
        canvas.text(ink(series), Face::Small, Anchor::Start, (right + 4, y), &text);
        free = y + 11;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::number::sig3;

    fn figure(spacing: Spacing, places: &[f64]) -> Panels<'static> {
        let points = places.iter().map(|&x| Point { x, y: 1.0 + x, range: Some((x, 2.0 + x)) }).collect();
        let curves = vec![Curve { name: "F16".into(), points }, Curve { name: "Q8_0".into(), points: Vec::new() }];
        Panels {
            id: "f",
            title: "T",
            across: "depth",
            spacing,
            panels: vec![Panel { title: "pp".into(), written: sig3, curves }],
        }
    }

    #[test]
    fn places_lie_where_their_numbers_say() {
        let across = |spacing, places: &[f64]| {
            let axis = super::axis(&figure(spacing, places), 500).0;
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
        let svg = draw(Size::WIDE, &figure(Spacing::Linear, &[0.0, 1024.0, 4096.0])).expect("a drawing");
        // Three values, and the one of the legend.
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.contains("<desc id=\"f-d\">pp, F16: 1.00 at 0, 1025 at 1024, 4097 at 4096</desc>"), "{svg}");
    }
}
