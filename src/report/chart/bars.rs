//! Lying bars from zero with intervals and value labels; the layout several figures share.

use super::{
    Error,
    canvas::{Anchor, Canvas, Face, Ink, WIDTH, px, svg},
};
use crate::{
    analysis::{Analysis, MetricSummary, ModelAnalysis},
    record::Role,
    report::{
        format::{Scale, Spread, UNKNOWN},
        text::shorten,
        view::names::{failure, name},
    },
};

/// A bar.
pub(super) struct Bar {
    label: String,
    value: Option<f64>,
    interval: Option<(f64, f64)>,
    text: String,
    ink: Ink,
}

/// Bars under a head.
pub(super) struct Group {
    /// The head, when there are several.
    pub(super) title: Option<String>,
    /// Its bars.
    pub(super) bars: Vec<Bar>,
}

impl Bar {
    /// A model's metric; a model without it keeps its row and says why.
    pub(super) fn new(model: &ModelAnalysis, metric: Option<&MetricSummary>, scale: Scale, why: &str) -> Self {
        let spread = metric.and_then(|m| scale.spread(m));
        let text = match &spread {
            Some(Spread { value, brackets: Some(b), .. }) => format!("{value} {b}"),
            Some(s) => s.value.clone(),
            None if failure(model).is_some() => format!("{UNKNOWN}: failed"),
            None => format!("{UNKNOWN}: {why}"),
        };
        Self {
            label: shorten(&name(model), 22),
            value: metric.and_then(|m| m.value).filter(|v| v.is_finite() && *v >= 0.0),
            interval: metric.and_then(|m| m.low.zip(m.high)).filter(|(l, h)| l.is_finite() && h.is_finite()),
            text,
            ink: if model.role == Role::Original { Ink::Original } else { Ink::Candidate },
        }
    }
}

/// One bar a model.
pub(super) fn one_each(analysis: &Analysis, key: &str, scale: Scale) -> Vec<Group> {
    let bar = |m: &ModelAnalysis| Bar::new(m, m.metric(key), scale, "not measured");
    vec![Group { title: None, bars: analysis.models.iter().map(bar).collect() }]
}

/// How to read the whiskers, or why there are none.
pub(super) fn whiskers(analysis: &Analysis, key: &str) -> &'static str {
    let any = analysis.models.iter().filter_map(|m| m.metric(key)).any(|m| m.low.is_some());
    if any { "Whiskers and brackets: interval of the median." } else { "No intervals: too few rounds." }
}

const ROW: i32 = 26;
const HEAD: i32 = 28;

/// Draws the groups below each other.
pub(super) fn draw(id: &str, title: &str, groups: &[Group]) -> Result<String, Error> {
    let all = || groups.iter().flat_map(|g| &g.bars);
    let left = all().map(|b| Face::Normal.width(&b.label)).max().unwrap_or(0) + 10;
    let right = all().map(|b| Face::Normal.width(&b.text)).max().unwrap_or(0) + 10;
    let room = f64::from((WIDTH - left - right).max(80));
    let most = all()
        .filter_map(|b| Some(b.interval.map_or(b.value?, |(_, h)| h.max(b.value.unwrap_or(h)))))
        .fold(0.0, f64::max);
    let x = |v: f64| left + px(if most > 0.0 { v / most * room } else { 0.0 });
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

fn draw_bar(canvas: &mut Canvas<'_>, bar: &Bar, y: i32, left: i32, x: &impl Fn(f64) -> i32) {
    let middle = y + ROW / 2;
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (left - 8, middle), &bar.label);
    if let Some(value) = bar.value {
        canvas.rect(bar.ink, (left, y + 4), ((x(value) - left).max(1), ROW - 8));
    }
    if let Some((low, high)) = bar.interval {
        canvas.line(Ink::Text, (x(low), middle), (x(high), middle), 1);
        for end in [low, high] {
            canvas.line(Ink::Text, (x(end), middle - 4), (x(end), middle + 4), 1);
        }
    }
    let ink = if bar.value.is_some() { Ink::Text } else { Ink::Muted };
    canvas.text(ink, Face::Normal, Anchor::End, (WIDTH - 2, middle), &bar.text);
}

fn count<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX / ROW)
}
