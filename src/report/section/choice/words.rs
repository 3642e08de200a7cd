//! A recommendation in words: the verdict, what is gained and lost by it, the rule, and why each of the others is not it.

use crate::{
    analysis::{
        Advice as Findings, Analysis, Axis, Choice, Comparison, Context, Figure as Estimate, Limit, LimitCheck,
        ModelAnalysis, NoRecommendation, Rank, Source, Verdict,
    },
    metric::{self, MetricId, memory_of_weights},
    record::{Ended, GivenUp, LeftOutWork, Phase},
    report::{
        document::Advice,
        number::{bytes, comparison, fixed, limit_nats, percent, rate},
        section::{
            metric::synthetic,
            names::{baseline, name, original, why_missing},
            quality::{cells::mark_rounded, words::limits_kept},
        },
        text::{agree, counted, inert_line, list},
        tune,
    },
};

/// Losses that are named; what else is lost is counted.
const MOST_LOSSES: usize = 3;

/// The run's own advice in words.
pub(crate) fn advice(analysis: &Analysis) -> Advice {
    let findings = &analysis.advice;
    let chosen = match findings.choice {
        Choice::Take { model, .. } => Some(model),
        Choice::Nothing { .. } => None,
    };
    if let Some(tuning) = &analysis.tuning {
        let is_taken = |model: usize| tuning.keeps_limits && model == tuning.take;
        let why = |model| if is_taken(model) { "its settings are the ones to take".into() } else { String::new() };
        let (verdict, because) = (tune::verdict(analysis, tuning), tune::evidence(analysis, tuning));
        return Advice {
            sentence: format!("{verdict} {}", because.join(" ")).trim_end().to_owned(),
            verdict,
            because,
            rule: tune::RULE.into(),
            given: tuning.keeps_limits,
            why: (0..analysis.models.len()).map(why).collect(),
            chosen: tuning.keeps_limits.then_some(tuning.take),
        };
    }
    let (verdict, because) = (verdict(analysis, findings), because(analysis, findings));
    Advice {
        sentence: format!("{verdict} {}", because.join(" ")).trim_end().to_owned(),
        verdict,
        because,
        rule: rule(findings),
        given: chosen.is_some(),
        why: (0..analysis.models.len()).map(|model| why(analysis, findings, model)).collect(),
        chosen,
    }
}

/// What to take, in three words.
pub(super) fn verdict(analysis: &Analysis, advice: &Findings) -> String {
    match advice.choice {
        Choice::Nothing { .. } => "No recommendation.".into(),
        Choice::Take { model, .. } => {
            let chosen = &analysis.models[model];
            let is_original = original(analysis).is_none_or(|o| std::ptr::eq(o, chosen));
            format!("{} {}.", if is_original { "Keep" } else { "Take" }, name(chosen))
        }
    }
}

/// What is gained, what is lost, and what could not be told apart: three sentences at most.
pub(super) fn because(analysis: &Analysis, advice: &Findings) -> Vec<String> {
    match &advice.choice {
        Choice::Nothing { because } => vec![nothing(analysis, advice, *because)],
        Choice::Take { model, equals } => {
            let chosen = &analysis.models[*model];
            match original(analysis).filter(|o| !std::ptr::eq(*o, chosen)) {
                None => vec![kept(analysis, advice)],
                Some(base) => {
                    let all = [
                        Some(gains(analysis, advice, *model, base)),
                        losses(analysis, *model, base),
                        untold(analysis, advice, *model, equals, base),
                    ];
                    all.into_iter().flatten().collect()
                }
            }
        }
    }
}

/// Why the original stays.
fn kept(analysis: &Analysis, advice: &Findings) -> String {
    let within = advice.standings.iter().any(|s| matches!(s.place, Rank::Behind | Rank::Equal | Rank::Dominated));
    if within {
        format!("No candidate within the limits is distinguishably {}.", better_words(analysis, advice.rule.by))
    } else {
        "No candidate is shown to keep the limits.".into()
    }
}

/// Everything that matters for a choice and is better than with the original, or the same.
fn gains(analysis: &Analysis, advice: &Findings, model: usize, base: &ModelAnalysis) -> String {
    let chosen = &analysis.models[model];
    let shown = |id: &MetricId, better: &dyn Fn(&str) -> String, same: &str| {
        let c = chosen.comparison(id)?;
        let s = comparison(c)?;
        let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
        match c.verdict? {
            Verdict::Better(_) => Some(format!("{}{interval}", better(&s.value))),
            Verdict::NoRelevantDifference => Some(format!("{same}{interval}")),
            Verdict::Worse(_) | Verdict::NotResolved => None,
        }
    };
    let mut all = Vec::new();
    if let Some(tokens) = request(analysis) {
        let id = MetricId::Request;
        let better = |ratio: &str| format!("takes {ratio} the time for {tokens}");
        all.extend(shown(&id, &better, &format!("takes as long for {tokens}")));
    }
    if let Some(id) = first_tg(analysis) {
        all.extend(shown(&id, &|ratio| format!("generates {ratio} as fast"), "generates as fast"));
    } else if let Some(id) = synthetic(analysis).into_iter().find(|id| id.is_of(Phase::Prefill)) {
        all.extend(shown(&id, &|ratio| format!("processes prompts {ratio} as fast"), "processes prompts as fast"));
    }
    if advice.rule.by == Axis::Energy {
        let energy = chosen.metrics.iter().find(|m| matches!(m.id, MetricId::Energy { phase: Phase::Decode, .. }));
        let better = |ratio: &str| format!("uses {ratio} the energy for a generated token");
        all.extend(energy.and_then(|m| shown(&m.id, &better, "uses as much energy for a generated token")));
    }
    let more = memory(chosen, base, &weights(analysis, model));
    all.extend(more.filter(|(ratio, _)| *ratio <= 1.0).map(|(_, words)| words));
    if all.is_empty() {
        format!("This run shows no gain over {}.", name(base))
    } else {
        format!("Against {} it {}.", name(base), list(&all))
    }
}

/// What the output keeps of the original's, and everything that is relevantly worse.
fn losses(analysis: &Analysis, model: usize, base: &ModelAnalysis) -> Option<String> {
    let chosen = &analysis.models[model];
    let mut all: Vec<String> = agreement(chosen, base).into_iter().collect();
    // The line over all work is made of the others.
    let worse = chosen.vs_original.iter().filter(|c| c.id != MetricId::Overall).filter_map(lost);
    let worse: Vec<(String, String)> = worse.collect();
    let more = worse.len().saturating_sub(MOST_LOSSES);
    let named = &worse[..worse.len() - more];
    let mut said: Vec<&str> = Vec::new();
    for (word, _) in named {
        if !said.contains(&word.as_str()) {
            said.push(word);
            let alike: Vec<String> =
                named.iter().filter(|(own, _)| own == word).map(|(_, what)| what.clone()).collect();
            all.push(format!("{} {} {word}", list(&alike), agree(alike.len(), "is", "are")));
        }
    }
    let named_memory = chosen.comparison(&weights(analysis, model)).is_some_and(|c| c.verdict.is_some());
    let larger = memory(chosen, base, &weights(analysis, model)).filter(|(ratio, _)| *ratio > 1.0 && !named_memory);
    all.extend(larger.map(|(_, words)| format!("it {words}")));
    if more > 0 {
        all.push(format!("{} {} worse", counted(more, "other figure"), agree(more, "is", "are")));
    }
    // They are lists themselves.
    let last = all.pop()?;
    Some(if all.is_empty() {
        format!("In return, {last}.")
    } else {
        format!("In return, {}, and {last}.", all.join(", "))
    })
}

/// The word for what is relevantly worse, and what it is with its ratio.
fn lost(c: &Comparison) -> Option<(String, String)> {
    let Verdict::Worse(word) = c.verdict? else { return None };
    let s = comparison(c)?;
    let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
    let what = match c.id {
        MetricId::Request => "a request".to_owned(),
        _ => inert_line(&c.id.words()),
    };
    Some((word.text(), format!("{what} ({}{interval})", s.value)))
}

/// Whoever is as good in what decides, and what of the original was not resolved.
fn untold(
    analysis: &Analysis,
    advice: &Findings,
    model: usize,
    equals: &[usize],
    base: &ModelAnalysis,
) -> Option<String> {
    let rivals: Vec<String> = equals.iter().map(|&m| name(&analysis.models[m])).collect();
    let respect = respect(advice.rule.by);
    match rivals.as_slice() {
        [] => {}
        [one] => return Some(format!("{one} can't be told from it in {respect}, and has the larger file.")),
        all => return Some(format!("{} can't be told from it in {respect}, and have larger files.", list(all))),
    }
    let c = analysis.models[model].comparison(&MetricId::Request)?;
    let s = comparison(c).filter(|_| c.verdict == Some(Verdict::NotResolved))?;
    let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
    let tokens = request(analysis)?;
    Some(format!("Whether {tokens} takes less time than with {} is not resolved: {}{interval}.", name(base), s.value))
}

/// Tokens of the request that the plan describes, in words; `None` where it describes none.
pub(super) fn request(analysis: &Analysis) -> Option<String> {
    let work = &analysis.context.plan.workloads;
    let request = metric::request(work)?;
    let n = |workload: usize| work[workload].kind.metric().and_then(|id| Some(id.synthetic()?.1.n_tokens));
    Some(format!("a request of {} + {} tokens", n(request.prefill)?, n(request.decode)?))
}

/// The memory that a model's weights take: a device's where one computes for it.
pub(super) fn weights(analysis: &Analysis, model: usize) -> MetricId {
    let Context { subjects, machine, .. } = &analysis.context;
    subjects.get(model).map_or(MetricId::PeakMemory, |subject| memory_of_weights(machine, &subject.settings))
}

/// Generation, the first that the summary shows.
pub(super) fn first_tg(analysis: &Analysis) -> Option<MetricId> {
    synthetic(analysis).into_iter().find(|id| id.is_of(Phase::Decode))
}

fn better_words(analysis: &Analysis, by: Axis) -> String {
    match by {
        Axis::Request | Axis::Generation | Axis::Prompt => "faster".into(),
        Axis::Divergence => format!("closer to the {}", baseline(&analysis.context)),
        Axis::Memory | Axis::File => "smaller".into(),
        Axis::Energy => "lower in energy".into(),
    }
}

/// A respect in words.
fn respect(axis: Axis) -> &'static str {
    match axis {
        Axis::Request => "the time of a request",
        Axis::Generation => "generation",
        Axis::Prompt => "prompt processing",
        Axis::Divergence => "divergence",
        Axis::Memory => "memory",
        Axis::File => "size",
        Axis::Energy => "energy",
    }
}

/// Memory against the original's, or the size of the file where no memory was measured: the ratio, and its words.
fn memory(m: &ModelAnalysis, base: &ModelAnalysis, id: &MetricId) -> Option<(f64, String)> {
    let less = |ratio: f64, what: &str| {
        if ratio <= 1.0 {
            format!("needs {} less {what}", percent(1.0 - ratio))
        } else {
            format!("needs {} more {what}", percent(ratio - 1.0))
        }
    };
    let Some(c) = m.comparison(id) else {
        let (own, other) = (m.size_bytes?, base.size_bytes?);
        let ratio = (own != other && other > 0).then(|| own as f64 / other as f64)?;
        let words = if ratio <= 1.0 {
            format!("has a file {} smaller", percent(1.0 - ratio))
        } else {
            format!("has a file {} larger", percent(ratio - 1.0))
        };
        return Some((ratio, words));
    };
    let ratio = c.ratio.filter(|r| r.is_finite())?;
    // A device's memory is read once, so that it has a ratio and no interval.
    if *id == MetricId::DeviceMemory {
        return Some((ratio, less(ratio, "device memory")));
    }
    match c.verdict? {
        Verdict::NoRelevantDifference => Some((1.0, "needs the same memory".into())),
        Verdict::NotResolved => None,
        _ => Some((ratio, less(ratio, "memory"))),
    }
}

fn agreement(m: &ModelAnalysis, base: &ModelAnalysis) -> Option<String> {
    let Estimate { value, low, high } = m.quality.as_ref()?.overall.as_ref()?.top1_agreement;
    let one = |v: f64| fixed(v * 100.0, 1);
    let interval = low.zip(high).map_or(String::new(), |(l, h)| format!(" [{}, {}]", one(l), one(h.min(1.0))));
    Some(format!(
        "its most likely token is {}'s in {}{}\u{a0}% of places{interval}",
        name(base),
        mark_rounded(m),
        one(value)
    ))
}

/// What kept a run from what it was to do: by its end, never by what is absent.
fn cut(analysis: &Analysis) -> Option<&'static str> {
    match analysis.ended {
        Ended::Interrupted => Some("The run was interrupted"),
        Ended::Unfinished => Some("The run was cut off"),
        Ended::ServerLost => Some("An RPC server went away"),
        Ended::RoundsDone
        | Ended::Precise
        | Ended::OneLeft
        | Ended::Budget
        | Ended::NothingLeft
        | Ended::OriginalFailed => None,
    }
}

/// Why nothing is recommended, in sentences.
fn nothing(analysis: &Analysis, advice: &Findings, because: NoRecommendation) -> String {
    const GO_ON: &str = "Go on with it (gguf-bench resume).";
    let by = advice.rule.by;
    match because {
        NoRecommendation::NoCandidate => "No candidate was measured.".into(),
        NoRecommendation::OnlyCopies => {
            "Every candidate is a copy of the original, and what differs is this machine's doing.".into()
        }
        NoRecommendation::OutputsAlone => {
            let limits = limits_kept(analysis);
            let limits = if limits.is_empty() { String::new() } else { format!(" {}", limits.join(" ")) };
            format!("Outputs alone were compared, and no speed or memory was measured.{limits}")
        }
        NoRecommendation::OnlyBounds => format!(
            "KLD is a lower bound here, which can break a limit but can't keep one. {}",
            limits_kept(analysis).join(" ")
        ),
        NoRecommendation::OutputsNotCompared => {
            let left_out = &analysis.context.plan.left_out;
            if let Some(own) = left_out.iter().find(|own| own.work == LeftOutWork::Outputs) {
                return format!("What quantizing cost in output can't be measured of {}.", own.because);
            }
            let asked = analysis.context.plan.quality.is_some();
            let had_no_time = analysis.time.given_up.iter().any(|g| matches!(g, GivenUp::Windows { windows: 0, .. }));
            let (what, remedy) = match cut(analysis).filter(|_| asked) {
                Some(cut) => (format!("{cut} before outputs were compared"), GO_ON),
                None if asked && had_no_time => {
                    ("Outputs were not compared, for want of time".into(), "Allow more (--budget).")
                }
                None if asked && analysis.ended == Ended::OriginalFailed => {
                    ("The original failed before outputs were compared".into(), "Its row says why.")
                }
                None if asked && analysis.models.iter().all(|m| m.quality.is_none()) => {
                    ("Outputs were not compared".into(), "The list of what was not done says why.")
                }
                None if asked || analysis.models.iter().any(|m| m.quality.is_some()) => {
                    ("Outputs could not be compared".into(), "The section on quality says why.")
                }
                None => ("Outputs were not compared".into(), "Measure without --no-quality."),
            };
            format!("{what}, so what quantizing cost is not known. {remedy}")
        }
        NoRecommendation::NotMeasured => {
            let (what, other) = match by {
                Axis::Request | Axis::Generation | Axis::Prompt => ("speed", "quality or --prefer size"),
                Axis::Divergence => ("divergence", "speed or --prefer size"),
                Axis::Memory | Axis::File => ("size", "speed or --prefer quality"),
                Axis::Energy => ("energy", "speed or --prefer size"),
            };
            match cut(analysis) {
                Some(cut) => format!("{cut} before {what} was measured. {GO_ON}"),
                None => format!("This run did not measure {what}. --prefer {other} does without it."),
            }
        }
        NoRecommendation::NoIntervals if cut(analysis).is_some() => format!(
            "{} before there were intervals, and central values decide nothing. {GO_ON}",
            cut(analysis).unwrap_or_default()
        ),
        NoRecommendation::NoIntervals if analysis.quick => {
            let remedy = if analysis.context.plan.protocol.quick {
                "Measure without --quick."
            } else {
                "Allow more time (--budget)."
            };
            format!("A quick look has no intervals, and central values decide nothing. {remedy}")
        }
        NoRecommendation::NoIntervals => {
            "There were too few rounds or windows for intervals, and central values decide nothing.".into()
        }
        NoRecommendation::NothingWithinLimits => "No model is shown to keep every limit.".into(),
    }
}

/// The rule with its limits, and the options that change them.
pub(super) fn rule(findings: &Findings) -> String {
    let r = &findings.rule;
    let from = if r.max_kld_from == Source::Default { ", the default" } else { "" };
    let mut limits = vec![format!("mean KLD at most {} nats (--max-kld{from})", limit_nats(r.max_kld_nats))];
    limits.extend(r.min_tg_tps.map(|tps| format!("generation at least {} (--min-tg)", rate(tps))));
    limits.extend(r.max_memory_bytes.map(|most| format!("memory at most {} (--max-memory)", bytes(most))));
    let models = findings.standings.len();
    let pairs = counted(models * models.saturating_sub(1) / 2, "pair");
    let by = match r.by {
        Axis::Request => "the least time for a request (--prefer speed)",
        Axis::Generation => "the fastest generation (--prefer speed)",
        Axis::Prompt => "the fastest prompt processing (--prefer speed)",
        Axis::Divergence => "the least divergence (--prefer quality)",
        Axis::Memory => "the least memory (--prefer size)",
        Axis::File => "the smallest file (--prefer size)",
        Axis::Energy => "the least energy for a token (--prefer energy)",
    };
    format!(
        "Rule: {}, kept by the whole interval. A model is out when another within the limits beats it somewhere and equals it elsewhere. \
         Of the rest, the one with {by} is taken. Where several can't be told apart, it is the one with the smallest file. Intervals \
         between models are adjusted for {pairs}.",
        list(&limits)
    )
}

/// Why a model is to be taken or not; empty where nothing can be said.
pub(super) fn why(analysis: &Analysis, advice: &Findings, model: usize) -> String {
    let Some(standing) = advice.standings.get(model) else { return String::new() };
    let name_of = |m: &usize| name(&analysis.models[*m]);
    let dominators = || list(&standing.dominated_by.iter().map(name_of).collect::<Vec<_>>());
    let chosen = match &advice.choice {
        Choice::Take { model, .. } => name_of(model),
        Choice::Nothing { .. } => String::new(),
    };
    let broken = |held: &[LimitCheck]| {
        let of = standing.limits.iter().filter(|c| held.contains(&c.held)).map(|c| limit(c.limit).to_owned());
        list(&of.collect::<Vec<_>>())
    };
    match standing.place {
        Rank::Chosen => "recommended".into(),
        Rank::Equal => match advice.rule.by {
            Axis::Request | Axis::Generation | Axis::Prompt => {
                format!("not distinguishably faster or slower than {chosen}, in a larger file")
            }
            Axis::Divergence => format!("not distinguishably closer or farther than {chosen}, in a larger file"),
            Axis::Memory | Axis::File => format!("not relevantly smaller or larger than {chosen}"),
            Axis::Energy => {
                format!("not distinguishably more or less energy for a token than {chosen}, in a larger file")
            }
        },
        Rank::Behind => match advice.rule.by {
            Axis::Request | Axis::Generation | Axis::Prompt => format!("slower than {chosen}"),
            Axis::Divergence => format!("diverges more than {chosen}"),
            Axis::Memory | Axis::File => format!("larger than {chosen}"),
            Axis::Energy => format!("uses more energy than {chosen}"),
        },
        Rank::Dominated => format!("dominated by {}: nowhere better, somewhere worse", dominators()),
        Rank::OutsideLimits => format!("outside the limit on {}", broken(&[LimitCheck::Outside])),
        Rank::LimitNotResolved => {
            format!("not shown to keep the limit on {}", broken(&[LimitCheck::NotResolved, LimitCheck::NotMeasured]))
        }
        Rank::NotMeasured => why_missing(&analysis.models[model]).into(),
        Rank::Original => format!("the {}", baseline(&analysis.context)),
        Rank::Unplaced if !standing.dominated_by.is_empty() => format!("dominated by {}", dominators()),
        Rank::Unplaced => String::new(),
    }
}

/// What a limit is on.
fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::Kld => "KLD",
        Limit::Generation => "generation",
        Limit::Memory => "memory",
    }
}

/// What a model's card says below its figures; empty where the card says it already.
pub(crate) fn note(advice: &Findings, model: usize, why: &str) -> String {
    match advice.standings.get(model).map(|standing| standing.place) {
        None | Some(Rank::Chosen | Rank::Original | Rank::NotMeasured) => String::new(),
        Some(_) => why.to_owned(),
    }
}
