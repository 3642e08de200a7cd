//! The picture: divergence against what decides, with the size of the file as the area. What each model costs and buys in one figure.

use serde::Serialize;

use super::words::request;
use crate::{
    analysis::{Analysis, Choice, Figure as Estimate, ModelAnalysis, Unit},
    metric::MetricId,
    record::{Phase, Role},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, Spacing, grid_across, grid_between, round_steps},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, px, svg},
        },
        number::{Scale, bytes, nats},
        section::{
            metric::{scale, synthetic},
            names::{baseline, name},
            quality::cells::mark,
        },
        text::shorten,
    },
};

/// The strip above the axis for what does not diverge at all.
const ZERO: i32 = 36;
const TOP: i32 = 60;
/// Below the plot, for its axis.
const FOOT: i32 = 44;
/// How far apart lines of text are.
const LINE: i32 = 15;

/// A size that the picture is drawn in.
struct Frame {
    width: i32,
    height: i32,
    left: i32,
    /// Radius of the largest file.
    largest: f64,
    /// Characters of a name.
    name: usize,
    /// Whether the size of the file stands beside the name.
    sizes: bool,
}

const WIDE: Frame = Frame { width: Size::WIDE.width, height: 362, left: 50, largest: 15.0, name: 22, sizes: true };
/// For a telephone, on which the wide one's letters would be too small to read.
const NARROW: Frame = Frame { width: Size::NARROW.width, height: 330, left: 44, largest: 12.0, name: 16, sizes: false };

struct Point {
    model: usize,
    name: String,
    size: Option<f64>,
    x: f64,
    x_interval: Option<(f64, f64)>,
    kld: Estimate,
    /// What stands before it.
    mark: &'static str,
    /// Of the largest file's radius.
    share: f64,
    original: bool,
}

/// What divergence is drawn against.
pub(crate) struct Across {
    pub(crate) chart: &'static str,
    /// The metric; `None` of the size of the file.
    pub(crate) id: Option<MetricId>,
    pub(crate) title: &'static str,
    pub(crate) axis: String,
    pub(crate) scale: Scale,
    pub(crate) better: Towards,
}

/// Where less or more of it is better, and the word for that.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Towards {
    Left(&'static str),
    Right(&'static str),
}

/// Where the marks of a drawing lie, so that a reader who chooses other limits sees them move.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Marks {
    /// Which drawing of the figure: `wide`, `narrow`.
    drawing: &'static str,
    /// The logarithms of the divergences at the ends of its axis, and where these lie.
    axis: (f64, f64, i32, i32),
    /// Place and radius of the ring around each model; `None` for a model that is not drawn.
    rings: Vec<Option<(i32, i32, u32)>>,
}

/// The time of a request, or else the speed of what was timed, or else the size of the file, against divergence; `None` where no outputs
/// were compared.
pub(crate) fn picture(analysis: &Analysis) -> Result<Option<(Figure, Vec<Marks>)>, DrawError> {
    let measured = |id: &MetricId| analysis.models.iter().any(|m| m.metric(id).is_some());
    let speed = |phase| synthetic(analysis).into_iter().find(|id| id.is_of(phase) && measured(id));
    let (id, title, axis, better) = match request(analysis).filter(|_| measured(&MetricId::Request)) {
        Some(request) => {
            let axis = format!("{request}, {}", scale(analysis, &MetricId::Request).suffix);
            (Some(MetricId::Request), "Divergence against the time of a request", axis, Towards::Left("faster"))
        }
        None => match speed(Phase::Decode).or_else(|| speed(Phase::Prefill)) {
            Some(id) => {
                let axis = format!("{id}, tokens a second");
                (Some(id), "Divergence against speed", axis, Towards::Right("faster"))
            }
            None => (None, "Divergence against size", "size of the file".to_owned(), Towards::Left("smaller")),
        },
    };
    let scale = id.as_ref().map_or(Scale::of(Unit::Bytes, 1.0), |id| scale(analysis, id));
    across(analysis, &Across { chart: "picture", id, title, axis, scale, better })
}

/// Divergence against anything.
pub(crate) fn across(analysis: &Analysis, across: &Across) -> Result<Option<(Figure, Vec<Marks>)>, DrawError> {
    let points = points(analysis, across.id.as_ref());
    let most = points.iter().map(|p| p.x_interval.map_or(p.x, |(_, high)| high.max(p.x))).fold(0.0, f64::max);
    if points.iter().all(|p| p.original) || most <= 0.0 {
        return Ok(None);
    }
    let (Some((svg, wide)), Some((narrow, small))) = (
        drawing(analysis, across, &points, (&WIDE, across.chart, "wide"))?,
        drawing(analysis, across, &points, (&NARROW, &format!("{}-narrow", across.chart), "narrow"))?,
    ) else {
        return Ok(None);
    };
    let note = format!(
        "Area: size of the file. Lines: intervals. Ring: recommended. Shaded: beyond the limit on KLD. The {} does not diverge from \
         itself.",
        baseline(&analysis.context)
    );
    let figure =
        Figure { id: format!("chart-{}", across.chart), title: across.title.into(), note, svg, narrow: Some(narrow) };
    Ok(Some((figure, vec![wide, small])))
}

fn drawing(
    analysis: &Analysis,
    of: &Across,
    points: &[Point],
    (frame, chart, drawing): (&Frame, &str, &'static str),
) -> Result<Option<(String, Marks)>, DrawError> {
    let (left, right, bottom) = (frame.left, frame.width - 8, frame.height - FOOT);
    let Some(y) = divergences(analysis, points, bottom) else { return Ok(None) };
    let x = extent(points, (left, right));
    let Across { id, title, axis, scale, better, .. } = of;
    let said = |x: f64| if id.is_some() { format!("{} {}", scale.number(x), scale.suffix) } else { bytes(x) };
    let tick = |x: f64| if id.is_some() { scale.number(x) } else { bytes(x) };
    let say = |p: &Point| format!("{}: {}, mean KLD {}{}", p.name, said(p.x), p.mark, nats(p.kld.value));
    let desc = points.iter().map(say).collect::<Vec<_>>().join("; ");
    let at = |p: &Point| (x.at(p.x), if p.kld.value > 0.0 { y.at(p.kld.value) } else { ZERO });
    let radius = |p: &Point| px(frame.largest * p.share).max(4).unsigned_abs();
    let chosen = match analysis.advice.choice {
        Choice::Take { model, .. } => Some(model),
        Choice::Nothing { .. } => None,
    };
    let svg = svg(&format!("chart-{chart}"), title, &desc, (frame.width, frame.height), |canvas| {
        let limit = y.at(analysis.advice.rule.max_kld_nats);
        canvas.rect(Ink::Beyond, (left, limit), (right - left, (bottom - limit).max(1)));
        grid_between(canvas, &y.decades(), (left, right));
        grid_across(canvas, &x.ticks(x.inside(round_steps(x.ends().1, 8)), tick), TOP, bottom);
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (left - 6, ZERO), "0");
        canvas.line(Ink::Grid, (left, ZERO), (right, ZERO), 1);
        let closer = format!("↑ closer to the {}: mean KLD, nats", baseline(&analysis.context));
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (0, 8), &closer);
        let below = bottom + 32;
        match better {
            Towards::Left(word) => {
                canvas.text(Ink::Muted, Face::Small, Anchor::Start, (left, below), &format!("← {word}"));
                canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, below), axis);
            }
            Towards::Right(word) => {
                canvas.text(Ink::Muted, Face::Small, Anchor::Start, (left, below), axis);
                canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, below), &format!("{word} →"));
            }
        }
        canvas.line(Ink::Limit, (left, limit), (right, limit), 1);
        let words = format!("limit {}", analysis.advice.rule.max_kld_nats);
        // At the end where no point's own words are.
        let is_crowded = |&(x, y): &(i32, i32)| (y - limit - 10).abs() < 20 && x > left + (right - left) / 3;
        if points.iter().map(at).any(|point| is_crowded(&point)) {
            canvas.text(Ink::Limit, Face::Small, Anchor::Start, (left + 4, limit + 10), &words);
        } else {
            canvas.text(Ink::Limit, Face::Small, Anchor::End, (right - 4, limit + 10), &words);
        }
        for p in points {
            whiskers(canvas, p, at(p), &x, &y);
        }
        for p in points {
            if chosen == Some(p.model) {
                canvas.dot(Ink::Ring, at(p), radius(p) + 4, false);
            }
            canvas.dot(if p.original { Ink::Original } else { Ink::Candidate }, at(p), radius(p), true);
        }
        let placed: Vec<Placed<'_>> =
            points.iter().map(|point| Placed { point, at: at(point), radius: px(f64::from(radius(point))) }).collect();
        labels(canvas, frame, &placed, &x);
    })?;
    let rings = (0..analysis.models.len()).map(|model| {
        let point = points.iter().find(|p| p.model == model)?;
        let (x, y) = at(point);
        Some((x, y, radius(point) + 4))
    });
    Ok(Some((svg, Marks { drawing, axis: y.ends(), rings: rings.collect() })))
}

/// The axis of divergences, which holds the limit too. It runs down: less divergence is higher.
fn divergences(analysis: &Analysis, points: &[Point], bottom: i32) -> Option<Axis> {
    let candidates = points.iter().filter(|p| !p.original);
    let klds = candidates.flat_map(|p| [Some(p.kld.value), p.kld.low, p.kld.high]).flatten();
    // A little room, so that no bubble lies across an end.
    let roomy = klds.filter(|kld| *kld > 0.0).flat_map(|kld| [kld / 1.15, kld * 1.15]);
    Axis::holding(roomy.chain([analysis.advice.rule.max_kld_nats]), (TOP, bottom))
}

/// The axis across: from 0, unless all points lie in its far half.
fn extent(points: &[Point], (left, right): (i32, i32)) -> Axis {
    let ends = points.iter().flat_map(|p| [Some(p.x), p.x_interval.map(|(l, _)| l), p.x_interval.map(|(_, h)| h)]);
    let (low, high) = ends.flatten().fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
    let room = 0.08 * (high - low).max(0.1 * high);
    let low = if low > 0.5 * high { low - room } else { 0.0 };
    Axis::new(Spacing::Linear, (low, high + room), (left, right))
}

fn points(analysis: &Analysis, id: Option<&MetricId>) -> Vec<Point> {
    let largest = analysis.models.iter().filter_map(|m| m.size_bytes).max().unwrap_or(1).max(1) as f64;
    let own = Estimate { value: 0.0, low: None, high: None };
    let of = |(model, m): (usize, &ModelAnalysis)| {
        let kld = match m.role {
            Role::Original => own,
            Role::Candidate => m.quality.as_ref()?.overall.as_ref()?.kld_mean_nats,
        };
        let (x, x_interval) = match id {
            Some(id) => m.metric(id).and_then(|t| Some((t.value?, t.low.zip(t.high))))?,
            None => (m.size_bytes? as f64, None),
        };
        let size = m.size_bytes.map(|b| b as f64);
        let finite = x.is_finite() && kld.value.is_finite();
        finite.then(|| Point {
            model,
            name: name(m),
            size,
            x,
            x_interval: x_interval.filter(|(l, h)| l.is_finite() && h.is_finite()),
            kld,
            mark: mark(m),
            share: (size.unwrap_or(largest / 4.0) / largest).sqrt(),
            original: m.role == Role::Original,
        })
    };
    analysis.models.iter().enumerate().filter_map(of).collect()
}

fn whiskers(canvas: &mut Canvas<'_>, p: &Point, (px, py): (i32, i32), x: &Axis, y: &Axis) {
    if let Some((low, high)) = p.x_interval {
        canvas.line(Ink::Muted, (x.at(low), py), (x.at(high), py), 1);
    }
    if let (Some(low), Some(high), true) = (p.kld.low, p.kld.high, p.kld.value > 0.0) {
        canvas.line(Ink::Muted, (px, y.at(low)), (px, y.at(high)), 1);
    }
}

/// A point where it is drawn.
struct Placed<'a> {
    point: &'a Point,
    at: (i32, i32),
    radius: i32,
}

/// Names beside the bubbles: behind, before, above or below, whichever is free first.
fn labels(canvas: &mut Canvas<'_>, frame: &Frame, points: &[Placed<'_>], across: &Axis) {
    let mut taken: Vec<(i32, i32, i32, i32)> = points
        .iter()
        .map(|p| (p.at.0 - p.radius - 4, p.at.0 + p.radius + 4, p.at.1 - p.radius - 2, p.at.1 + p.radius + 2))
        .collect();
    for p in points {
        let size = p.point.size.filter(|_| frame.sizes).map_or(String::new(), |b| format!(", {}", bytes(b)));
        let text = format!("{}{size}", shorten(&p.point.name, frame.name));
        let width = Face::Normal.width(&text);
        let (x, y) = p.at;
        // Behind the interval, else before it.
        let (low, high) = p.point.x_interval.map_or((x, x), |(low, high)| (across.at(low), across.at(high)));
        let (after, before) = ((x + p.radius + 8).max(high + 6), (x - p.radius - 8).min(low - 6));
        let beside = [(after, y), (before - width, y)];
        let rows = [y - p.radius - LINE, y + p.radius + LINE];
        let off = rows.iter().flat_map(|row| [(x - width / 2, *row), (after, *row), (before - width, *row)]);
        let holds = |(start, row): (i32, i32)| {
            start >= frame.left && start + width <= frame.width && row >= LINE && row <= frame.height - FOOT - 4
        };
        let free = |(start, row): (i32, i32)| {
            let half = LINE / 2;
            taken.iter().all(|(l, r, t, b)| start >= *r || start + width <= *l || row - half >= *b || row + half <= *t)
        };
        let all: Vec<(i32, i32)> = beside.into_iter().chain(off).filter(|place| holds(*place)).collect();
        let place = all.iter().find(|place| free(**place)).or(all.first()).copied();
        let (start, row) = place.unwrap_or(((frame.width - width).max(0), y));
        taken.push((start, start + width, row - LINE / 2, row + LINE / 2));
        canvas.text(Ink::Text, Face::Normal, Anchor::Start, (start, row), &text);
    }
}
