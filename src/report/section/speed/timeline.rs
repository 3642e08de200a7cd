//! Every sample in time order as a deviation from its model's own median: drift and disturbances show as slopes and steps.

use crate::{
    analysis::{Analysis, ModelAnalysis, ModelTraces, SampleTrace, Unit},
    metric::MetricId,
    record::Phase,
    report::{
        document::Figure,
        draw::{
            axis::{Axis, Spacing, time_across},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
        },
        figure::both,
        number::{percent, quantity},
        section::{metric::synthetic, names::name},
        text::shorten,
    },
};

const STRIP: i32 = 74;
const HEAD: i32 = 22;
const FOOT: i32 = 28;
const LEFT: i32 = 54;
/// Between the right edge of a strip and that of the figure.
const END: i32 = 12;

/// A model's samples under their head.
struct Strip<'a> {
    head: String,
    trace: &'a SampleTrace,
}

/// One figure for the first workload of each kind.
pub(super) fn figures(analysis: &Analysis) -> Result<Vec<Figure>, DrawError> {
    let keys = synthetic(analysis);
    let first = |phase| Some((phase, keys.iter().find(|id| id.is_of(phase))?));
    let firsts = [Phase::Decode, Phase::Prefill].into_iter().filter_map(first);
    firsts.filter_map(|(phase, of)| both(|size| figure(analysis, size, phase, of)).transpose()).collect()
}

fn figure(analysis: &Analysis, size: Size, phase: Phase, of: &MetricId) -> Result<Option<Figure>, DrawError> {
    let Some(workload) = analysis.context.plan.workload_of(of) else { return Ok(None) };
    let models = analysis.models.iter().zip(&analysis.traces.models);
    let strips: Vec<Strip<'_>> = models.filter_map(|(m, traces)| strip(m, traces, workload)).collect();
    let points = || strips.iter().flat_map(|s| &s.trace.points);
    let end = points().map(|p| p.0).fold(0.0, f64::max);
    if end <= 0.0 {
        return Ok(None);
    }
    let reach = points().map(|p| p.1.abs()).fold(0.01, f64::max);
    let id = format!("chart-time-{}", phase.name());
    let title = format!("{of} over the run, from each model's median");
    let desc = strips.iter().map(|s| s.head.clone()).collect::<Vec<_>>().join("; ");
    let height = FOOT + i32::try_from(strips.len()).unwrap_or(0) * STRIP;
    let x = Axis::up_to(end, (LEFT, size.width - END));
    let svg = svg(&size.id(&id), &title, &desc, (size.width, height), |canvas| {
        for (i, strip) in (0_i32..).zip(&strips) {
            draw_strip(canvas, strip, (i * STRIP, size.width - END), reach, &x);
        }
        time_across(canvas, &x, end, height - FOOT);
    })?;
    let note =
        "Every sample, as taken. An orange line marks a drift over the rounds that chance hardly explains. A step that all models share is the machine, not the model.".into();
    Ok(Some(Figure { id, title, note, svg, narrow: None }))
}

fn strip<'a>(m: &ModelAnalysis, traces: &'a ModelTraces, workload: usize) -> Option<Strip<'a>> {
    let trace = traces.samples.iter().find(|trace| trace.workload == workload)?;
    let drift = trace.drift.map(|[from, to]| format!(", drift {} over the run", signed(to.1 - from.1)));
    let median = quantity(Unit::TokensPerSecond, trace.median_tps);
    let head = format!("{}, median {median}{}", shorten(&name(m), 30), drift.unwrap_or_default());
    Some(Strip { head, trace })
}

fn signed(share: f64) -> String {
    format!("{}{}", if share > 0.0 { "+" } else { "" }, percent(share))
}

fn draw_strip(canvas: &mut Canvas<'_>, strip: &Strip<'_>, (top, right): (i32, i32), reach: f64, x: &Axis) {
    let y = Axis::new(Spacing::Linear, (-reach, reach), (top + STRIP - 8, top + HEAD));
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (LEFT, top + 12), &strip.head);
    for (share, ink) in [(reach, Ink::Grid), (0.0, Ink::Muted), (-reach, Ink::Grid)] {
        canvas.line(ink, (LEFT, y.at(share)), (right, y.at(share)), 1);
    }
    for share in [reach, -reach] {
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(share)), &signed(share));
    }
    for (at, share) in &strip.trace.points {
        canvas.dot(Ink::Candidate, (x.at(*at), y.at(*share)), 2, true);
    }
    if let Some([from, to]) = strip.trace.drift {
        canvas.line(Ink::Worse, (x.at(from.0), y.at(from.1)), (x.at(to.0), y.at(to.1)), 2);
    }
}
