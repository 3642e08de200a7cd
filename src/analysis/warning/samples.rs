//! What the timings say of themselves: drift, warm-up, outliers, clocks.

use super::{
    kind::{Warning, WarningKind, of_model, of_run, original, percent},
    machine::TREND_P,
};
use crate::{
    analysis::{
        model::ModelAnalysis,
        series::{Series, visits},
        verdict::Comparison,
    },
    record::{Phase, Run, Sample, Visit, round_value},
    stats::{self, Trend},
    text::{agree, list},
};

/// A trend over the run beyond this is told.
const DRIFT: f64 = 0.02;
/// The first sample of a visit may be slower by this.
const WARMUP: f64 = 0.01;
/// Differences of ln y smaller than this are never outliers, however well the others agree.
const RESOLUTION: f64 = 0.001;
/// Outliers named one by one.
const NAMED: usize = 4;
/// Of the region of equivalence: from so many times on a difference must be seen.
const FAR: f64 = 2.0;
/// Native and wall clocks must agree this well.
const CLOCKS_AGREE: f64 = 0.01;

/// The synthetic work among a model's metrics: what speed is judged by.
fn speeds(own: &[Series]) -> Vec<&Series> {
    own.iter().filter(|s| s.id.synthetic().is_some()).collect()
}

/// From the original's own speeds, or the first model's that has any.
pub(super) fn drift(run: &Run, all: &[Vec<Series>]) -> Option<Warning> {
    let candidates = std::iter::once(original(run)).chain(0..run.subjects.len());
    let (model, series) = candidates.map(|m| (m, speeds(&all[m]))).find(|(_, series)| !series.is_empty())?;
    let worst =
        series.iter().filter_map(|s| Some((*s, change(s)?))).max_by(|a, b| a.1.0.abs().total_cmp(&b.1.0.abs()))?;
    let (of, (change, trend)) = worst;
    let went = if change < 0.0 { "fell" } else { "rose" };
    let p = if trend.p_value < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", trend.p_value) };
    let evidence = format!(
        "{} of {} {went} by {} from the first round to the last (Kendall's τ = {:.2}, {p}).",
        of.id,
        run.subjects[model].name,
        percent(change.abs()),
        trend.tau,
    );
    Some(of_run(
        WarningKind::Drift,
        evidence,
        "Pairing protects ratios, but not absolute numbers. Let the machine cool, close other programs, and repeat.",
    ))
}

/// How far ln y went over the rounds, as a share; `None` when that is no trend worth telling.
fn change(series: &Series) -> Option<(f64, Trend)> {
    let at: Vec<f64> = series.by_round.iter().map(|(round, _)| f64::from(*round)).collect();
    let logs: Vec<f64> = series.by_round.iter().map(|(_, value)| value.ln()).collect();
    let trend = stats::theil_sen(&at, &logs).ok().filter(|t| t.p_value < TREND_P)?;
    let change = (trend.slope * (at.last()? - at.first()?)).exp_m1();
    (change.abs() > DRIFT).then_some((change, trend))
}

/// Rounds far from the others, of the ratio to the original where there is one: what both models share is drift.
pub(super) fn outliers(run: &Run, all: &[Vec<Series>]) -> Option<Warning> {
    let base = speeds(&all[original(run)]);
    let mut found: Vec<(f64, String)> = Vec::new();
    let mut looked_at = 0;
    for (model, series) in all.iter().enumerate() {
        for own in speeds(series) {
            let reference = base.iter().find(|b| b.id == own.id).filter(|_| model != original(run));
            let points: Vec<(u32, f64)> =
                own.by_round.iter().filter_map(|&(r, v)| Some((r, log(v, r, reference.copied())?))).collect();
            let values: Vec<f64> = points.iter().map(|(_, d)| *d).collect();
            looked_at += values.len();
            let Ok(middle) = stats::median(&values) else { continue };
            for at in stats::outliers(&values, RESOLUTION).unwrap_or_default() {
                let off = (values[at] - middle).exp_m1();
                let sign = if off > 0.0 { "+" } else { "−" };
                let what = format!("{} of {}", own.id, run.subjects[model].name);
                found.push((
                    off.abs(),
                    format!("{what} in round {} ({sign}{})", points[at].0.saturating_add(1), percent(off.abs())),
                ));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let named: Vec<&str> = found.iter().take(NAMED).map(|(_, text)| &text[..]).collect();
    (!found.is_empty()).then(|| {
        let named: Vec<String> = named.into_iter().map(str::to_owned).collect();
        let more = (found.len() > NAMED).then(|| format!("{} more", found.len() - NAMED));
        let evidence = format!(
            "{} of {looked_at} values {} more than 5 robust deviations from the rest: {}.",
            found.len(),
            agree(found.len(), "lies", "lie"),
            list(&named.into_iter().chain(more).collect::<Vec<_>>())
        );
        of_run(
            WarningKind::Outliers,
            evidence,
            "Nothing was left out, and medians hardly mind. The timeline shows what else happened then.",
        )
    })
}

/// ln of the value, or of its ratio to the original's in the same round.
fn log(value: f64, round: u32, reference: Option<&Series>) -> Option<f64> {
    let base = match reference {
        Some(series) => series.by_round.iter().find(|(r, _)| *r == round)?.1,
        None => 1.0,
    };
    Some((value / base).ln()).filter(|log| log.is_finite())
}

/// The first sample of each visit against the median of those after it, over visits: steady work has no first.
pub(super) fn warmup_too_short(run: &Run, model: usize, own: &[Series]) -> Option<Warning> {
    let worst = speeds(own).into_iter().filter_map(|s| {
        let workload = run.plan.workload_of(&s.id)?;
        let d: Vec<f64> = visits(run, model).filter_map(|v| first_over_rest(v, workload)).collect();
        let slower = stats::hodges_lehmann(&d, run.plan.protocol.confidence).ok()?.exp();
        (slower.low > 1.0 + WARMUP).then_some((&s.id, slower))
    });
    let (metric, e) = worst.max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let evidence = format!(
        "The first sample of {metric} in a visit took {} longer [{}, {}] than those after it.",
        percent(e.value - 1.0),
        percent(e.low - 1.0),
        percent(e.high - 1.0)
    );
    Some(of_model(
        WarningKind::WarmupTooShort,
        &run.subjects[model].name,
        evidence,
        "Take more samples in a round (--inner): their median does not mind the first.",
    ))
}

/// ln(time of the first / median time of the rest), per token.
fn first_over_rest(visit: &Visit, workload: usize) -> Option<f64> {
    let own: Vec<&Sample> = visit.samples.iter().filter(|s| s.workload == workload).collect();
    let (first, rest) = own.split_first()?;
    let rest: Vec<f64> = rest.iter().map(|s| per_token(s)).collect();
    Some((per_token(first) / stats::median(&rest).ok()?).ln()).filter(|d| d.is_finite())
}

/// Speeds of which not even twice the region of equivalence could be called, where single samples scatter by more than the region. A run that
/// became as precise as it should can call two thirds beyond the region.
pub(super) fn too_noisy(run: &Run, models: &[ModelAnalysis]) -> Option<Warning> {
    let asked = run.plan.protocol.equivalence;
    let mut compared = 0;
    let mut missed: Vec<(f64, f64, &Comparison, &ModelAnalysis)> = Vec::new();
    for (index, model) in models.iter().enumerate() {
        for comparison in &model.vs_original {
            let Some((detectable, workload)) = comparison.detectable.zip(run.plan.workload_of(&comparison.id)) else {
                continue;
            };
            compared += 1;
            let either = [index, original(run)].map(|model| scatter(run, model, workload).unwrap_or(0.0));
            let scatter = either[0].max(either[1]);
            if detectable.ln_1p() > FAR * asked.ln_1p() && scatter > asked {
                missed.push((detectable, scatter, comparison, model));
            }
        }
    }
    let (detectable, scatter, comparison, model) = missed.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let others = match missed.len() - 1 {
        0 => String::new(),
        n => format!(" The same holds for {n} more of the {compared} comparisons of speed."),
    };
    let evidence = format!(
        "Single samples of {} scatter by {} (robust standard deviation). Between {} and {} only a difference of {} or more would have \
         been called, and what matters begins at {}.{others}",
        comparison.id,
        percent(*scatter),
        model.name,
        run.subjects[original(run)].name,
        percent(*detectable),
        percent(asked),
    );
    Some(of_run(
        WarningKind::TooNoisy,
        evidence,
        "Give it more time (--budget), end what else runs, or accept a wider --equivalence. `gguf-bench doctor` shows how steady the machine is.",
    ))
}

/// Spread of ln of the time of single samples over the whole run, as the standard deviation that most of them would have: a few that lie far
/// off are outliers and not noise.
fn scatter(run: &Run, model: usize, workload: usize) -> Option<f64> {
    let own = visits(run, model).flat_map(|v| &v.samples).filter(|s| s.workload == workload);
    let logs: Vec<f64> = own.map(|s| per_token(s).max(f64::MIN_POSITIVE).ln()).collect();
    stats::median_and_spread(&logs).ok().map(|(_, spread)| spread)
}

fn per_token(sample: &Sample) -> f64 {
    round_value::time_ns(sample) as f64 / f64::from(sample.n_tokens.max(1))
}

pub(super) fn clocks(run: &Run, model: usize) -> Option<Warning> {
    let samples = || visits(run, model).flat_map(|v| &v.samples);
    let apart = |s: &Sample| Some((s.native_ns? as f64 / s.wall_ns.max(1) as f64 - 1.0).abs());
    let median = |phase: Phase| {
        let own: Vec<f64> = samples().filter(|s| s.phase == phase).filter_map(apart).collect();
        stats::median(&own).ok().map(|median| (median, phase))
    };
    let worst = [Phase::Prefill, Phase::Decode].into_iter().filter_map(median).max_by(|a, b| a.0.total_cmp(&b.0));
    let (apart, phase) = worst.filter(|(apart, _)| *apart > CLOCKS_AGREE)?;
    let phase = match phase {
        Phase::Prefill => "prompt processing",
        Phase::Decode => "generation",
    };
    let evidence =
        format!("llama.cpp's timings and ours differ by {} in {phase} (median over samples).", percent(apart));
    Some(of_model(
        WarningKind::ClocksDisagree,
        &run.subjects[model].name,
        evidence,
        "Very short samples are measured badly: raise --pp and --tg. The record has both times of every sample (wall_ns, native_ns).",
    ))
}
