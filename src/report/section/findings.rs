//! What a run says, in two or three plain sentences: what an interval supports, what was only seen, what is missing.

use super::{
    metric::{first_memory, synthetic},
    names::{baseline, name, original},
    quality, tasks, votes,
};
use crate::{
    analysis::{Analysis, Comparison, ModelAnalysis, Unit, Verdict},
    metric::MetricId,
    record::{LeftOutWork, Outcome, Phase, WorkloadKind},
    report::{
        number::{Spread, comparison, percent, quantity},
        text::{agree, counted, list},
    },
};

/// The sentences, the most important first.
pub(crate) fn sentences(analysis: &Analysis) -> Vec<String> {
    let mut out = Vec::new();
    let measured: Vec<&ModelAnalysis> = analysis.models.iter().filter(|m| !m.metrics.is_empty()).collect();
    match original(analysis) {
        _ if measured.is_empty() => out.push("Nothing could be measured.".into()),
        Some(o) if !o.metrics.is_empty() => {
            out.extend(fastest(analysis, o));
            out.extend(overall(analysis, o));
            out.extend(smallest(analysis, o));
        }
        Some(o) => {
            let base = baseline(&analysis.context);
            out.push(format!("The {base}, {}, has no figures, so nothing is compared with it.", name(o)));
            out.extend(absolute(analysis));
        }
        None => out.extend(absolute(analysis)),
    }
    out.extend(quality::words::sentences(analysis));
    out.extend(tasks::sentences(analysis));
    out.extend(votes::sentences(analysis));
    out.extend(failures(analysis));
    out.extend(not_measured(analysis));
    out
}

/// The workload the first sentence is about: generation if it was measured, else prompt processing.
fn primary(analysis: &Analysis) -> Option<(MetricId, &'static str)> {
    let keys = synthetic(analysis);
    let find = |phase| keys.iter().find(|id| id.is_of(phase)).cloned();
    find(Phase::Decode).map(|id| (id, "generates")).or_else(|| find(Phase::Prefill).map(|id| (id, "processes prompts")))
}

/// The candidate that is ahead over all synthetic workloads, of those that have an interval there.
fn overall(analysis: &Analysis, original: &ModelAnalysis) -> Option<String> {
    let of = |m: &ModelAnalysis| {
        let compared = m.comparison(&MetricId::Overall)?;
        let shown = comparison(compared)?;
        Some((compared.ratio?, name(m), format!("{} the speed of {} {}", shown.value, name(original), shown.brackets?)))
    };
    let all: Vec<(f64, String, String)> = analysis.models.iter().filter_map(of).collect();
    let (_, who, speed) = all.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let has = if all.len() == 1 { "has" } else { "is ahead, with" };
    Some(format!("By the geometric mean of {}, {who} {has} {speed}.", workloads(analysis)))
}

/// The same of every candidate, for where there is room.
pub(super) fn overall_of_each(analysis: &Analysis, original: &ModelAnalysis) -> Option<String> {
    let of = |m: &ModelAnalysis| {
        let shown = comparison(m.comparison(&MetricId::Overall)?)?;
        Some(format!("{} {} {}", name(m), shown.value, shown.brackets?))
    };
    let each: Vec<String> = analysis.models.iter().filter_map(of).collect();
    (!each.is_empty())
        .then(|| format!("Geometric mean of {}, against {}: {}.", workloads(analysis), name(original), each.join(", ")))
}

fn workloads(analysis: &Analysis) -> String {
    list(&synthetic(analysis).iter().map(MetricId::to_string).collect::<Vec<_>>())
}

/// The candidate with the highest ratio, and what may be said of it.
fn fastest(analysis: &Analysis, original: &ModelAnalysis) -> Vec<String> {
    let Some((key, does)) = primary(analysis) else { return Vec::new() };
    let ratio_of = |m: &ModelAnalysis| m.comparison(&key).and_then(|c| c.ratio).filter(|r| r.is_finite());
    let top = analysis.models.iter().filter_map(|m| Some((m, ratio_of(m)?))).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((model, c)) = top.and_then(|(m, _)| Some((m, m.comparison(&key)?))) else { return Vec::new() };
    let (Some(s), base, who) = (comparison(c), name(original), name(model)) else { return Vec::new() };
    let (times, memory, work) = (&s.value, memory_clause(analysis, model), &key);
    // Nothing is the best of one.
    let is_alone = analysis.models.iter().filter(|m| ratio_of(m).is_some()).count() == 1;
    vec![match (c.verdict, &s.brackets) {
        (Some(Verdict::Better(_)), Some(interval)) => {
            format!("{who} {does} {times} as fast as {base} {interval}{memory}.{}", standing(analysis, c, &key))
        }
        (Some(Verdict::Worse(_)), Some(interval)) if is_alone => {
            format!("{who} {does} at {times} the speed of {base} {interval}{memory}.")
        }
        (Some(Verdict::NoRelevantDifference), Some(interval)) if is_alone => {
            format!("{who} shows no relevant difference from {base} in {work}: {times} {interval}{memory}.")
        }
        (Some(Verdict::Worse(_)), Some(interval)) => format!(
            "No candidate {does} faster than {base}: the best, {who}, reaches {times} its speed {interval}{memory}."
        ),
        (Some(Verdict::NoRelevantDifference), Some(interval)) => format!(
            "{who}, the best candidate in {work}, shows no relevant difference from {base}: {times} {interval}{memory}."
        ),
        (Some(Verdict::NotResolved), Some(interval)) if outside(c, analysis.equivalence) => format!(
            "In {work}, {who} was {times} as fast as {base} {interval}. With several verdicts each is held to a stricter level, and \
             at that {} do not resolve it.{}",
            counted(c.n, "round"),
            would_show(c)
        ),
        (Some(Verdict::NotResolved), Some(interval)) => format!(
            "Whether {who} {does} faster than {base} is not resolved after {}: {times} {interval}.{}",
            counted(c.n, "round"),
            would_show(c)
        ),
        _ => format!("In {work}, {who} was {times} as fast as {base}{memory}. {}", too_few(analysis, c.n)),
    }]
}

/// What the run could have seen, as a sentence with a space before it.
fn would_show(c: &Comparison) -> String {
    c.detectable.map_or_else(String::new, |size| {
        format!(" A difference of {} would have shown in four of five such runs.", percent(size))
    })
}

/// Whether the interval shown lies outside the region: verdicts are stricter, as there are many of them.
fn outside(c: &Comparison, equivalence: f64) -> bool {
    c.low.is_some_and(|low| low > 1.0 + equivalence) || c.high.is_some_and(|high| high < 1.0 - equivalence)
}

/// Whether the runner-up's interval lies wholly below: only then is one called the fastest.
fn standing(analysis: &Analysis, top: &Comparison, id: &MetricId) -> String {
    let others: Vec<(&ModelAnalysis, &Comparison)> = analysis
        .models
        .iter()
        .filter_map(|m| Some((m, m.comparison(id)?)))
        .filter(|(_, c)| !std::ptr::eq(*c, top) && c.ratio.is_some())
        .collect();
    let rivals: Vec<String> = others
        .iter()
        .filter(|(_, c)| c.high.zip(top.low).is_none_or(|(high, low)| high >= low))
        .map(|(m, _)| name(m))
        .collect();
    match (others.len(), rivals.len()) {
        (0, _) => String::new(),
        (_, 0) => " It is the fastest measured.".into(),
        _ => format!(" {} can't be told from it.", list(&rivals)),
    }
}

/// Whether a ratio lies in the region of equivalence.
fn is_same(analysis: &Analysis, ratio: f64) -> bool {
    ratio.ln().abs() <= analysis.equivalence.ln_1p()
}

/// `, in 36 % of the memory`, when there is a comparison.
fn memory_clause(analysis: &Analysis, model: &ModelAnalysis) -> String {
    let (id, _) = first_memory(analysis);
    let Some(c) = model.comparison(&id) else { return String::new() };
    let ratio = c.ratio.filter(|r| r.is_finite());
    if id == MetricId::DeviceMemory {
        return ratio.map_or_else(String::new, |ratio| format!(", in {} of the device memory", percent(ratio)));
    }
    match (c.verdict, ratio) {
        (Some(Verdict::NoRelevantDifference), Some(_)) => ", in the same memory".into(),
        (Some(Verdict::NotResolved), _) | (_, None) => String::new(),
        // Without an interval, what is about the same is no news.
        (None, Some(ratio)) if is_same(analysis, ratio) => String::new(),
        (_, Some(ratio)) => format!(", in {} of the memory", percent(ratio)),
    }
}

/// Who had the least memory, of the original and those told from it; nothing when one that is not told from it had less still.
fn smallest(analysis: &Analysis, original: &ModelAnalysis) -> Option<String> {
    let (id, memory) = first_memory(analysis);
    let peak = |m: &ModelAnalysis| m.metric(&id).and_then(|p| p.value);
    let is_told = |m: &ModelAnalysis| {
        let c = m.comparison(&id);
        match c.and_then(|c| c.verdict) {
            Some(verdict) => !matches!(verdict, Verdict::NoRelevantDifference | Verdict::NotResolved),
            // A device's memory is read once, and a quick look has no intervals, either.
            None => !c.and_then(|c| c.ratio).is_some_and(|ratio| is_same(analysis, ratio)),
        }
    };
    let own = peak(original)?;
    let all: Vec<(&ModelAnalysis, f64)> = analysis.models.iter().filter_map(|m| Some((m, peak(m)?))).collect();
    if all.len() < 2 {
        // Nothing is the lowest of one.
        return None;
    }
    let &(model, least) = all.iter().filter(|(m, _)| is_told(m)).min_by(|a, b| a.1.total_cmp(&b.1))?;
    let who = name(model);
    if std::ptr::eq(model, original) {
        let bytes = quantity(Unit::Bytes, own);
        return Some(if all.iter().all(|(m, _)| is_told(m)) {
            format!("The {}, {who}, had the lowest {memory}, {bytes}.", baseline(&analysis.context))
        } else {
            format!("No candidate is shown to need less memory than {who} ({bytes}).")
        });
    }
    if all.iter().any(|(_, bytes)| *bytes < least) {
        return None;
    }
    let ratio = model.comparison(&id).and_then(comparison);
    let interval = ratio.as_ref().and_then(|r| r.brackets.clone()).map(|b| format!(" {b}")).unwrap_or_default();
    let times = ratio.map_or(" against".into(), |Spread { value, .. }| format!(", {value}{interval} of"));
    let (least, own, base) = (quantity(Unit::Bytes, least), quantity(Unit::Bytes, own), name(original));
    Some(format!("{who} had the lowest {memory}: {least}{times} {base}'s {own}."))
}

/// Without an original: who was seen to be fastest, in its own unit.
fn absolute(analysis: &Analysis) -> Option<String> {
    let (key, _) = primary(analysis)?;
    let all: Vec<_> = analysis.models.iter().filter_map(|m| Some((m, m.metric(&key)?.value?))).collect();
    let top = all.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (who, rate) = (name(top.0), quantity(Unit::TokensPerSecond, top.1));
    Some(match all.len() {
        1 => format!("{key} was measured for {who} alone: {rate}."),
        _ => format!("The highest {key} was measured for {who}: {rate}."),
    })
}

fn failures(analysis: &Analysis) -> Option<String> {
    let failed: Vec<&ModelAnalysis> = analysis.models.iter().filter(|m| m.outcome != Outcome::Done).collect();
    let names: Vec<String> = failed.iter().map(|m| name(m)).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("{} failed, and its row says why.", list(&names))),
        _ => Some(format!("{} failed, and their rows say why.", list(&names))),
    }
}

/// What a reader might look for in vain: nobody asked for it. What was asked for and not done has a list of its own.
fn not_measured(analysis: &Analysis) -> Option<String> {
    let (keys, plan) = (synthetic(analysis), &analysis.context.plan);
    let is_left_out = |is: fn(&LeftOutWork) -> bool| plan.left_out.iter().any(|left_out| is(&left_out.work));
    let asks_prompts = plan.workloads.iter().any(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
    let compares = plan.quality.is_some() || analysis.models.iter().any(|m| m.quality.is_some());
    let mut missing = Vec::new();
    if !compares && !is_left_out(|work| matches!(work, LeftOutWork::Outputs)) {
        missing.push("output quality");
    }
    for (phase, what) in [(Phase::Prefill, "prompt processing"), (Phase::Decode, "generation")] {
        let is_timed = keys.iter().any(|id| id.is_of(phase));
        if !is_timed && !is_left_out(|work| matches!(work, LeftOutWork::Workload { .. })) {
            missing.push(what);
        }
    }
    if !asks_prompts && !is_left_out(|work| matches!(work, LeftOutWork::Prompts { .. })) {
        missing.push("answers to prompts");
    }
    (!missing.is_empty()).then(|| format!("Not part of this run: {}.", list(&missing)))
}

/// Why there is no interval, as a sentence.
fn too_few(analysis: &Analysis, n: usize) -> String {
    let (rounds, are) = (counted(n, "round"), agree(n, "is", "are"));
    if analysis.quick {
        format!("That is a quick look of {rounds}, too short for an interval.")
    } else {
        format!("{rounds} {are} too few for an interval.")
    }
}
