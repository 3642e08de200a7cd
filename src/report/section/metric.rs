//! A metric over all models: its scale, a bar or a curve a model, and how to read the whiskers.

use super::names::{failure, name};
use crate::{
    analysis::{Analysis, MetricSummary, ModelAnalysis},
    metric::MetricId,
    record::{Role, WorkloadKind},
    report::{
        draw::{
            bars::{Bar, Group},
            canvas::Ink,
            curves::{Curve, Point},
        },
        number::{Scale, Spread, UNKNOWN},
        text::shorten,
    },
};

/// The synthetic work of one sequence, in the plan's order: `pp512`, `tg128`; those at a greater depth than the least
/// have a section of their own.
pub(crate) fn synthetic(analysis: &Analysis) -> Vec<MetricId> {
    let is = |kind: &WorkloadKind| kind.depth().is_some() && analysis.context.plan.is_primary(kind);
    analysis.context.plan.workloads.iter().filter(|w| is(&w.kind)).filter_map(|w| w.kind.metric()).collect()
}

/// Whether a model takes memory of a device.
pub(crate) fn on_device(analysis: &Analysis) -> bool {
    let taken = |m: &ModelAnalysis| m.metric(&MetricId::DeviceMemory).and_then(|metric| metric.value);
    analysis.models.iter().filter_map(taken).any(|bytes| bytes > 0.0)
}

/// The memory that is spoken of first: a device's where a model takes some, else the machine's.
pub(super) fn first_memory(analysis: &Analysis) -> (MetricId, &'static str) {
    if on_device(analysis) { (MetricId::DeviceMemory, "device memory") } else { (MetricId::PeakMemory, "peak memory") }
}

/// The scale for a metric over all models.
pub(crate) fn scale(analysis: &Analysis, id: &MetricId) -> Scale {
    Scale::for_all(id.spec().unit, analysis.models.iter().filter_map(|m| m.metric(id)?.value))
}

/// A model's metric; a model without it keeps its row and says why.
pub(super) fn bar(model: &ModelAnalysis, metric: Option<&MetricSummary>, scale: Scale, why: &str) -> Bar {
    let spread = metric.and_then(|m| scale.spread(m));
    let text = match &spread {
        Some(Spread { value, brackets: Some(b), .. }) => format!("{value} {b}"),
        Some(s) => s.value.clone(),
        None if failure(model).is_some() => format!("{UNKNOWN}: failed"),
        None => format!("{UNKNOWN}: {why}"),
    };
    Bar {
        label: shorten(&name(model), 22),
        value: metric.and_then(|m| m.value).filter(|v| v.is_finite() && *v >= 0.0),
        interval: metric.and_then(|m| m.low.zip(m.high)).filter(|(l, h)| l.is_finite() && h.is_finite()),
        text,
        ink: if model.role == Role::Original { Ink::Original } else { Ink::Candidate },
    }
}

/// One bar a model.
pub(super) fn one_each(analysis: &Analysis, id: &MetricId, scale: Scale) -> Vec<Group> {
    let bar = |m: &ModelAnalysis| bar(m, m.metric(id), scale, "not measured");
    vec![Group { title: None, bars: analysis.models.iter().map(bar).collect() }]
}

/// How to read the whiskers, or why there are none.
pub(super) fn whiskers(analysis: &Analysis, id: &MetricId) -> &'static str {
    let any = analysis.models.iter().filter_map(|m| m.metric(id)).any(|m| m.low.is_some());
    if any { "Whiskers and brackets: interval of the median." } else { "No intervals: too few rounds." }
}

/// A model's metrics, each at its place; those without a value are left out.
pub(super) fn curve<'k>(model: &ModelAnalysis, places: impl Iterator<Item = (u32, &'k MetricId)>) -> Curve {
    let point = |(x, id): (u32, &MetricId)| {
        let metric = model.metric(id)?;
        Some(Point { x: f64::from(x), y: metric.value?, range: metric.low.zip(metric.high) })
    };
    Curve { name: shorten(&name(model), 40), points: places.filter_map(point).collect() }
}
