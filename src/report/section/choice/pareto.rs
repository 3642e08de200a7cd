//! Divergence against speed, with the size of the file as the area: what each model costs and buys in one figure.

use crate::{
    analysis::{Analysis, Choice, Figure as Estimate, ModelAnalysis, Unit},
    metric::MetricId,
    record::{Phase, Role},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, grid_across, grid_up, round_steps},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, px, svg},
            plot::LEFT,
        },
        number::{Scale, bytes, nats},
        section::{metric::synthetic, names::name, quality::cells::mark},
        text::shorten,
    },
};

/// The strip above the axis for what does not diverge at all.
const ZERO: i32 = 34;
const TOP: i32 = 58;
const BOTTOM: i32 = 318;
const FOOT: i32 = 44;
const RIGHT: i32 = WIDTH - 118;
/// Radius of the largest file.
const LARGEST: f64 = 15.0;

struct Point {
    model: usize,
    label: String,
    x: f64,
    x_interval: Option<(f64, f64)>,
    kld: Estimate,
    /// What stands before it.
    mark: &'static str,
    radius: u32,
    original: bool,
    dominated: bool,
}

/// What divergence is drawn against.
pub(crate) struct Across {
    pub(crate) chart: &'static str,
    /// The metric; `None` of the size of the file.
    pub(crate) id: Option<MetricId>,
    pub(crate) title: &'static str,
    pub(crate) axis: String,
    pub(crate) scale: Scale,
    /// Where a point is better, in words.
    pub(crate) better: &'static str,
}

/// Against the speed of generation, or the size of the file where there is none.
pub(super) fn figure(analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    let tg = synthetic(analysis).into_iter().find(|id| id.is_of(Phase::Decode));
    let tg = tg.filter(|id| analysis.models.iter().any(|m| m.metric(id).is_some()));
    let chart = "chart-pareto";
    let across = match tg {
        Some(id) => Across {
            chart,
            title: "Divergence, speed and size",
            axis: format!("{id}, tokens a second"),
            scale: Scale::of(Unit::TokensPerSecond, 1.0),
            better: "up and right",
            id: Some(id),
        },
        None => Across {
            chart,
            id: None,
            title: "Divergence and size",
            axis: "size of the file".to_owned(),
            scale: Scale::of(Unit::Bytes, 1.0),
            better: "up and left",
        },
    };
    figure_across(analysis, &across)
}

/// Against anything.
pub(crate) fn figure_across(analysis: &Analysis, across: &Across) -> Result<Option<Figure>, DrawError> {
    let Across { chart, id, title, axis, scale, better } = across;
    let points = points(analysis, id.as_ref());
    let candidates = || points.iter().filter(|p| !p.original);
    let klds = candidates().flat_map(|p| [Some(p.kld.value), p.kld.low, p.kld.high]).flatten();
    // The axis runs down: less divergence is higher.
    let Some(y) = Axis::holding(klds.chain([analysis.advice.rule.max_kld_nats]), (TOP, BOTTOM)) else {
        return Ok(None);
    };
    let most = points.iter().map(|p| p.x_interval.map_or(p.x, |(_, h)| h.max(p.x))).fold(0.0, f64::max);
    if candidates().next().is_none() || most <= 0.0 {
        return Ok(None);
    }
    let x = Axis::up_to(most, (LEFT, RIGHT));
    let said = |x: f64| if id.is_some() { format!("{} {}", scale.number(x), scale.suffix) } else { bytes(x) };
    let say = |p: &Point| format!("{}: {}, mean KLD {}{}", p.label, said(p.x), p.mark, nats(p.kld.value));
    let desc = points.iter().map(say).collect::<Vec<_>>().join("; ");
    let svg = svg(chart, title, &desc, BOTTOM + FOOT, |canvas| {
        grid_up(canvas, &y.decades(), RIGHT);
        let label = |tick: f64| match id {
            Some(MetricId::Energy { .. }) => scale.number(tick),
            Some(_) => format!("{tick:.0}"),
            None => bytes(tick),
        };
        grid_across(canvas, &x.ticks(round_steps(most, 6), label), TOP, BOTTOM);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, ZERO), "0");
        canvas.line(Ink::Grid, (LEFT, ZERO), (RIGHT, ZERO), 1);
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (0, 8), "mean KLD, nats (less is higher)");
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (RIGHT, BOTTOM + 32), axis);
        limit(canvas, &y, analysis.advice.rule.max_kld_nats);
        let at = |p: &Point| (x.at(p.x), if p.kld.value > 0.0 { y.at(p.kld.value) } else { ZERO });
        let chosen = match analysis.advice.choice {
            Choice::Take { model, .. } => Some(model),
            Choice::Nothing { .. } => None,
        };
        for p in &points {
            whiskers(canvas, p, at(p), &x, &y);
        }
        for p in &points {
            bubble(canvas, p, at(p), chosen == Some(p.model));
        }
        labels(canvas, &points.iter().map(|p| (at(p), p)).collect::<Vec<_>>(), chosen, &x);
    })?;
    let note = format!(
        "Better is {better}. Area: size of the file. Lines: intervals. Hollow: dominated by another model. Ring: recommended. The \
         original does not diverge from itself."
    );
    Ok(Some(Figure { id: (*chart).into(), title: (*title).into(), note, svg }))
}

fn points(analysis: &Analysis, tg: Option<&MetricId>) -> Vec<Point> {
    let largest = analysis.models.iter().filter_map(|m| m.size_bytes).max().unwrap_or(1).max(1) as f64;
    let own = Estimate { value: 0.0, low: None, high: None };
    let of = |(model, m): (usize, &ModelAnalysis)| {
        let kld = match m.role {
            Role::Original => own,
            Role::Candidate => m.quality.as_ref()?.overall.as_ref()?.kld_mean_nats,
        };
        let (x, x_interval) = match tg {
            Some(id) => m.metric(id).and_then(|t| Some((t.value?, t.low.zip(t.high))))?,
            None => (m.size_bytes? as f64, None),
        };
        let size = m.size_bytes.map_or(largest / 4.0, |b| b as f64);
        let radius = px(LARGEST * (size / largest).sqrt()).max(4).unsigned_abs();
        let size = m.size_bytes.map_or(String::new(), |b| format!(", {}", bytes(b as f64)));
        let finite = x.is_finite() && kld.value.is_finite();
        finite.then(|| Point {
            model,
            label: format!("{}{size}", shorten(&name(m), 20)),
            x,
            x_interval: x_interval.filter(|(l, h)| l.is_finite() && h.is_finite()),
            kld,
            mark: mark(m),
            radius,
            original: m.role == Role::Original,
            dominated: analysis.advice.standings.get(model).is_some_and(|s| !s.dominated_by.is_empty()),
        })
    };
    analysis.models.iter().enumerate().filter_map(of).collect()
}

fn limit(canvas: &mut Canvas<'_>, y: &Axis, limit_nats: f64) {
    let at = y.at(limit_nats);
    for from in (LEFT..RIGHT).step_by(8) {
        canvas.line(Ink::Muted, (from, at), (from + 4, at), 1);
    }
    canvas.text(Ink::Muted, Face::Small, Anchor::Start, (RIGHT + 4, at), &format!("limit {limit_nats}"));
}

fn whiskers(canvas: &mut Canvas<'_>, p: &Point, (px, py): (i32, i32), x: &Axis, y: &Axis) {
    if let Some((low, high)) = p.x_interval {
        canvas.line(Ink::Text, (x.at(low), py), (x.at(high), py), 1);
    }
    if let (Some(low), Some(high), true) = (p.kld.low, p.kld.high, p.kld.value > 0.0) {
        canvas.line(Ink::Text, (px, y.at(low)), (px, y.at(high)), 1);
    }
}

fn bubble(canvas: &mut Canvas<'_>, p: &Point, at: (i32, i32), chosen: bool) {
    let ink = if p.original { Ink::Original } else { Ink::Candidate };
    if chosen {
        canvas.dot(Ink::Text, at, p.radius + 4, false);
    }
    canvas.dot(ink, at, p.radius, !p.dominated);
}

/// Names beside the bubbles, moved down where they would cover each other.
fn labels(canvas: &mut Canvas<'_>, points: &[((i32, i32), &Point)], chosen: Option<usize>, across: &Axis) {
    let mut placed: Vec<(i32, i32, i32)> = Vec::new();
    let mut sorted: Vec<_> = points.iter().collect();
    sorted.sort_by_key(|((_, y), _)| *y);
    for ((x, y), p) in sorted {
        let face = if chosen == Some(p.model) { Face::Bold } else { Face::Normal };
        let width = face.width(&p.label);
        let gap = px(f64::from(p.radius)) + 8;
        // Behind the interval, else before it.
        let (low, high) = p.x_interval.map_or((*x, *x), |(low, high)| (across.at(low), across.at(high)));
        let (after, before) = ((x + gap).max(high + 6), (x - gap).min(low - 6));
        let (start, anchor) =
            if after + width <= WIDTH { (after, Anchor::Start) } else { (before - width, Anchor::End) };
        let mut row = *y;
        while placed.iter().any(|(l, r, own)| (own - row).abs() < 15 && start < *r && start + width > *l) {
            row += 4;
        }
        placed.push((start, start + width, row));
        let at = if anchor == Anchor::Start { start } else { start + width };
        canvas.text(Ink::Text, face, anchor, (at, row), &p.label);
    }
}
