//! What became of the output: the same windows under another build, paired.

use super::{Change, ChangeKind, MetricDiff};
use crate::{
    analysis::comparable::Pair,
    metric::MetricId,
    record::{CandidateQuality, Run, WindowMeans},
    stats::{self, Estimate},
};

/// Windows that both scored, by text.
type Windows<'a> = Vec<Vec<(&'a WindowMeans, &'a WindowMeans)>>;

/// Perplexity, mean KLD and agreement where both records compared this model's output with the same original.
pub(super) fn compare(old: &Run, new: &Run, pair: &Pair, pairs: &[Pair]) -> Vec<MetricDiff> {
    let same_original = pairs.iter().any(|p| Some(p.old) == old.original() && Some(p.new) == new.original());
    if !same_original {
        return Vec::new();
    }
    if Some(pair.new) == new.original() {
        // The original was evaluated beside each candidate: any that both have tells.
        let windows = pairs.iter().map(|p| common(old, new, p)).find(|windows| !windows.is_empty());
        return windows.iter().filter_map(|windows| perplexity(windows, new, |w| w.nll_base_nats)).collect();
    }
    let windows = common(old, new, pair);
    let difference = |metric: MetricId, of: fn(&WindowMeans) -> f64| {
        let change = change(&windows, new, of)?;
        let values = (mean(&windows, |w| of(w.0))?, mean(&windows, |w| of(w.1))?);
        let (low, high) = (change.low, change.high);
        Some(row(metric, values, Change { kind: ChangeKind::Difference, value: change.value, low, high }, &windows))
    };
    [
        perplexity(&windows, new, |w| w.nll_candidate_nats),
        difference(MetricId::MeanKld { lower_bound: false }, |w| w.kld_nats),
        difference(MetricId::SameTop, |w| w.same_top_fraction),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// exp of the mean difference of −log p: the ratio of perplexities.
fn perplexity(windows: &Windows<'_>, run: &Run, nll: fn(&WindowMeans) -> f64) -> Option<MetricDiff> {
    let change = change(windows, run, nll)?;
    let values = (mean(windows, |w| nll(w.0))?.exp(), mean(windows, |w| nll(w.1))?.exp());
    let (low, high) = (change.low.map(f64::exp), change.high.map(f64::exp));
    let change = Change { kind: ChangeKind::Ratio, value: change.value.exp(), low, high };
    Some(row(MetricId::Perplexity, values, change, windows))
}

fn row(metric: MetricId, (old, new): (f64, f64), change: Change, windows: &Windows<'_>) -> MetricDiff {
    let n = windows.iter().map(Vec::len).sum();
    let spec = metric.spec();
    MetricDiff { metric, old, new, unit: spec.unit, better: spec.better, change, verdict: None, n_old: n, n_new: n }
}

/// The mean difference with its interval over windows, texts counting equally.
fn change(windows: &Windows<'_>, run: &Run, of: fn(&WindowMeans) -> f64) -> Option<Change> {
    let differences: Vec<Vec<f64>> =
        windows.iter().map(|text| text.iter().map(|(old, new)| of(new) - of(old)).collect()).collect();
    let interval = stats::macro_mean(&differences, run.plan.protocol.confidence).ok();
    let value = mean(windows, |(old, new)| of(new) - of(old))?;
    let end = |of: fn(&Estimate) -> f64| interval.as_ref().map(of);
    Some(Change { kind: ChangeKind::Difference, value, low: end(|e| e.low), high: end(|e| e.high) })
}

/// The mean of the texts' means.
fn mean(windows: &Windows<'_>, of: impl Fn(&(&WindowMeans, &WindowMeans)) -> f64) -> Option<f64> {
    let means = windows.iter().map(|text| text.iter().map(&of).sum::<f64>() / text.len() as f64);
    (!windows.is_empty()).then(|| means.sum::<f64>() / windows.len() as f64)
}

/// Texts are matched by name; that their contents agree is looked at elsewhere.
fn common<'a>(old: &'a Run, new: &'a Run, pair: &Pair) -> Windows<'a> {
    let result = |run: &'a Run, model: usize| -> Option<&'a CandidateQuality> {
        run.quality.as_ref()?.results.iter().find(|r| r.candidate == model)
    };
    let (Some(before), Some(after)) = (result(old, pair.old), result(new, pair.new)) else { return Vec::new() };
    let name = |run: &'a Run, text: usize| Some(&run.plan.quality.as_ref()?.texts.get(text)?.name);
    let of_text = |text: &'a crate::record::TextQuality| {
        let own = name(new, text.text)?;
        let other = before.texts.iter().find(|t| name(old, t.text) == Some(own))?;
        let both = text.windows.iter().filter_map(|w| Some((other.windows.iter().find(|o| o.window == w.window)?, w)));
        Some(both.collect::<Vec<_>>()).filter(|both| !both.is_empty())
    };
    after.texts.iter().filter_map(of_text).collect()
}
