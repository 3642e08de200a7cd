//! Conditions of one run: each candidate against the original, paired by round.

use super::{Change, ChangeKind, Gate, Held, Limit, Row, UnknownMetric, check, hold};
use crate::{
    analysis::{
        analyse::{Analysis, analyse},
        model::ModelAnalysis,
        quality::Figure,
    },
    metric::{self, Family, KldOf, MetricId},
    record::{Outcome, Plan, Role, Run},
};

/// Holds every candidate against the limits. Speeds, times and memory are ratios to the original; the mean KLD and the share of equal
/// first choices are themselves differences from it.
///
/// # Errors
/// When a limit is to what no candidate has or should have, or in other terms.
pub(crate) fn gate_of_run(run: &Run, limits: &[Limit]) -> Result<Gate, UnknownMetric> {
    let analysis = analyse(run);
    let candidates = || analysis.models.iter().filter(|model| model.role == Role::Candidate);
    let planned = planned(&run.plan);
    let held = candidates().map(|model| {
        let failure = match &model.outcome {
            Outcome::Failed { reason, .. } => Some(reason.clone()),
            Outcome::Done => None,
        };
        let own = of_model(0, model);
        let lost = planned.iter().map(|(id, _)| id).filter(|id| own.iter().all(|row| row.metric != **id));
        Held { name: model.name.clone(), lost: lost.cloned().collect(), failure }
    });
    let held: Vec<Held> = held.collect();
    let rows = |analysis: &Analysis| -> Vec<Row> {
        let candidates = analysis.models.iter().filter(|model| model.role == Role::Candidate);
        candidates.enumerate().flat_map(|(index, model)| of_model(index, model)).collect()
    };
    hold(limits, &held, run.plan.protocol.confidence, |confidence| {
        if confidence.total_cmp(&run.plan.protocol.confidence).is_eq() {
            return rows(&analysis);
        }
        // Every interval of the run at another confidence: what is adjusted is what is shown.
        let mut surer = run.clone();
        surer.plan.protocol.confidence = confidence;
        rows(&analyse(&surer))
    })
}

/// Whether a plan will measure what the limits are to, before any of it is done.
///
/// # Errors
/// When it will not, or in other terms.
pub(crate) fn known_in(plan: &Plan, limits: &[Limit]) -> Result<(), UnknownMetric> {
    let mut planned = planned(plan);
    // Which it will be hangs on the memory there is, and on what stands for the original.
    if plan.quality.is_some() {
        let others = [KldOf::MostLikely, KldOf::Rounded];
        planned.extend(others.map(|of| (MetricId::MeanKld { of }, ChangeKind::Difference)));
    }
    limits.iter().try_for_each(|limit| check(limit, planned.iter().map(|(id, kind)| (id, *kind)), |_| false))
}

/// What a candidate of a plan should have.
fn planned(plan: &Plan) -> Vec<(MetricId, ChangeKind)> {
    let mut all: Vec<(MetricId, ChangeKind)> =
        metric::of_workloads(&plan.workloads).into_iter().map(|id| (id, ChangeKind::Ratio)).collect();
    if plan.quality.is_some() {
        all.push((MetricId::Perplexity, ChangeKind::Ratio));
        all.push((MetricId::MeanKld { of: KldOf::Whole }, ChangeKind::Difference));
        all.push((MetricId::SameTop, ChangeKind::Difference));
    }
    all
}

fn of_model(subject: usize, model: &ModelAnalysis) -> Vec<Row> {
    let ratios = model.vs_original.iter().filter(|c| c.id.spec().family != Family::Quality).filter_map(|c| {
        let change = Change { kind: ChangeKind::Ratio, value: c.ratio?, low: c.low, high: c.high };
        Some(Row { subject, metric: c.id.clone(), change })
    });
    let figures = model.quality.iter().filter_map(|quality| Some((quality, quality.overall.as_ref()?)));
    let outputs = figures.flat_map(|(quality, figures)| {
        let row = |metric, kind, figure: Figure| Row {
            subject,
            metric,
            change: Change { kind, value: figure.value, low: figure.low, high: figure.high },
        };
        let ppl = figures.ppl_ratio.map(|figure| row(MetricId::Perplexity, ChangeKind::Ratio, figure));
        ppl.into_iter().chain([
            row(MetricId::MeanKld { of: quality.kld.of_what() }, ChangeKind::Difference, figures.kld_mean_nats),
            row(MetricId::SameTop, ChangeKind::Difference, figures.top1_agreement),
        ])
    });
    ratios.chain(outputs).collect()
}
