//! The recommendation: what to take, by which rule, and how each of the others stands.

pub(super) mod pareto;

use super::{
    metric::{scale, synthetic},
    names::{name, original, why_missing},
    quality::{
        cells::{NOT_COMPARED, kld_of},
        words::limits_kept,
    },
};
use crate::{
    analysis::{
        Advice as Findings, Analysis, Axis, Choice, Comparison, Context, Figure as Estimate, Limit, LimitCheck,
        ModelAnalysis, NoRecommendation, Rank, Source, Unit, Verdict,
    },
    metric::{self, MetricId, memory_of_weights},
    record::{Ended, GivenUp, LeftOutWork, Phase, Role},
    report::{
        document::{Advice, Cell, Column, Section, Table},
        draw::canvas::DrawError,
        number::{Scale, bytes, comparison, fixed, nats, percent, rate},
        text::{inert_line, list},
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "choice",
        title: "Choice",
        lead: "What each model costs and buys, and why one of them is to be taken. A limit is kept only by a whole interval, and a \
             preference decides only where intervals do: what can't be told apart counts as equal.",
        tables: vec![table(analysis)],
        figures: pareto::figure(analysis)?.into_iter().collect(),
    })
}

/// The advice in words.
pub(crate) fn advice(analysis: &Analysis) -> Advice {
    let findings = &analysis.advice;
    let chosen = match findings.choice {
        Choice::Take { model, .. } => Some(model),
        Choice::Nothing { .. } => None,
    };
    Advice {
        sentence: sentence(analysis),
        rule: rule(findings),
        given: chosen.is_some(),
        why: (0..analysis.models.len()).map(|model| why(analysis, model)).collect(),
        chosen,
    }
}

fn sentence(analysis: &Analysis) -> String {
    match &analysis.advice.choice {
        Choice::Take { model, equals } => take(analysis, *model, equals),
        Choice::Nothing { because } => nothing(analysis, *because),
    }
}

fn take(analysis: &Analysis, model: usize, equals: &[usize]) -> String {
    let chosen = &analysis.models[model];
    let Some(base) = original(analysis).filter(|o| !std::ptr::eq(*o, chosen)) else {
        let better = better_words(analysis.advice.rule.by);
        let within =
            analysis.advice.standings.iter().any(|s| matches!(s.place, Rank::Behind | Rank::Equal | Rank::Dominated));
        return if within {
            format!("Keep {}: no candidate within the limits is distinguishably {better}.", name(chosen))
        } else {
            format!("Keep {}: no candidate is shown to keep the limits.", name(chosen))
        };
    };
    let (request, memory_id) = (request(analysis), weights(analysis, model));
    let mut gains = Vec::new();
    gains.extend(request.and_then(|tokens| request_time(chosen.comparison(&MetricId::Request)?, &name(base), &tokens)));
    gains.extend(first_tg(analysis).and_then(|id| speed(chosen.comparison(&id)?, &name(base))));
    gains.extend(memory(chosen, base, &memory_id));
    gains.extend(agreement(chosen));
    let rivals: Vec<String> = equals.iter().map(|&m| name(&analysis.models[m])).collect();
    let respect = respect(analysis.advice.rule.by);
    let rivals = match rivals.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} can't be told from it in {respect} and has the larger file"),
        all => format!("; {} can't be told from it in {respect} and have the larger files", list(all)),
    };
    format!("Take {}: {}{rivals}.{}", name(chosen), gains.join(", "), losses(chosen))
}

/// Everything in which a model is relevantly worse than the original, as a sentence with a space before it.
fn losses(m: &ModelAnalysis) -> String {
    let lost = |c: &Comparison| {
        let Verdict::Worse(word) = c.verdict? else { return None };
        let s = comparison(c)?;
        let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
        Some(format!("{} {} ({}{interval})", inert_line(&c.id.to_string()), word.text(), s.value))
    };
    // The line over all work is made of the others.
    let all: Vec<String> = m.vs_original.iter().filter(|c| c.id != MetricId::Overall).filter_map(lost).collect();
    if all.is_empty() { String::new() } else { format!(" It loses: {}.", list(&all)) }
}

/// Tokens of the request that the plan describes, in words; `None` where it describes none.
fn request(analysis: &Analysis) -> Option<String> {
    let work = &analysis.context.plan.workloads;
    let request = metric::request(work)?;
    let n = |workload: usize| work[workload].kind.metric().and_then(|id| Some(id.synthetic()?.1.n_tokens));
    Some(format!("a request of {} + {} tokens", n(request.prefill)?, n(request.decode)?))
}

fn request_time(c: &Comparison, base: &str, request: &str) -> Option<String> {
    let s = comparison(c)?;
    let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
    Some(match c.verdict? {
        Verdict::NoRelevantDifference => format!("{request} takes as long as with {base}{interval}"),
        Verdict::NotResolved => format!("the time of {request} is not told from {base}'s: {}{interval}", s.value),
        Verdict::Better(_) | Verdict::Worse(_) => format!("{request} takes {} the time of {base}{interval}", s.value),
    })
}

/// The memory that a model's weights take: a device's where one computes for it.
fn weights(analysis: &Analysis, model: usize) -> MetricId {
    let Context { subjects, machine, .. } = &analysis.context;
    subjects.get(model).map_or(MetricId::PeakMemory, |subject| memory_of_weights(machine, &subject.settings))
}

/// Generation, the first that the summary shows.
fn first_tg(analysis: &Analysis) -> Option<MetricId> {
    synthetic(analysis).into_iter().find(|id| id.is_of(Phase::Decode))
}

fn better_words(by: Axis) -> &'static str {
    match by {
        Axis::Request | Axis::Generation | Axis::Prompt => "faster",
        Axis::Divergence => "closer to the original",
        Axis::Memory | Axis::File => "smaller",
        Axis::Energy => "more frugal",
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

fn speed(c: &Comparison, base: &str) -> Option<String> {
    let s = comparison(c)?;
    let interval = s.brackets.map_or(String::new(), |b| format!(" {b}"));
    Some(match c.verdict? {
        Verdict::NoRelevantDifference => format!("generates as fast as {base}{interval}"),
        Verdict::NotResolved => format!("generation not told from {base}'s: {}{interval}", s.value),
        _ => format!("generates {} as fast as {base}{interval}", s.value),
    })
}

/// Memory saved, or the size of the file where no memory was measured.
fn memory(m: &ModelAnalysis, base: &ModelAnalysis, id: &MetricId) -> Option<String> {
    let less = |ratio: f64, what: &str| {
        if ratio <= 1.0 {
            format!("{} less {what}", percent(1.0 - ratio))
        } else {
            format!("{} more {what}", percent(ratio - 1.0))
        }
    };
    let Some(c) = m.comparison(id) else {
        let (own, other) = (m.size_bytes?, base.size_bytes?);
        return (own != other && other > 0).then(|| less(own as f64 / other as f64, "file"));
    };
    // A device's memory is read once, so that it has a ratio and no interval.
    if *id == MetricId::DeviceMemory {
        return c.ratio.filter(|r| r.is_finite()).map(|r| less(r, "device memory"));
    }
    match c.verdict? {
        Verdict::NoRelevantDifference => Some("the same memory".into()),
        Verdict::NotResolved => None,
        _ => c.ratio.filter(|r| r.is_finite()).map(|r| less(r, "memory")),
    }
}

fn agreement(m: &ModelAnalysis) -> Option<String> {
    let Estimate { value, low, high } = m.quality.as_ref()?.overall.as_ref()?.top1_agreement;
    let one = |v: f64| fixed(v * 100.0, 1);
    let interval = low.zip(high).map_or(String::new(), |(l, h)| format!(" [{}, {}]", one(l), one(h.min(1.0))));
    Some(format!("top token agrees {}\u{a0}%{interval}", one(value)))
}

/// What kept a run from what it was to do: by its end, never by what is absent.
fn cut(analysis: &Analysis) -> Option<&'static str> {
    match analysis.ended {
        Ended::Interrupted => Some("the run was interrupted"),
        Ended::Unfinished => Some("the run was cut off"),
        Ended::ServerLost => Some("an RPC server went away"),
        Ended::RoundsDone | Ended::Precise | Ended::Budget | Ended::NothingLeft | Ended::OriginalFailed => None,
    }
}

fn nothing(analysis: &Analysis, because: NoRecommendation) -> String {
    const GO_ON: &str = "go on with it (gguf-bench resume)";
    let by = analysis.advice.rule.by;
    match because {
        NoRecommendation::NoCandidate => "No recommendation: no candidate was measured.".into(),
        NoRecommendation::OnlyCopies => {
            "No recommendation: every candidate is a copy of the original, and what differs is this machine's doing."
                .into()
        }
        NoRecommendation::OutputsAlone => {
            let limits = limits_kept(analysis);
            let limits = if limits.is_empty() { String::new() } else { format!(" On mean KLD: {}", limits.join(" ")) };
            format!("No recommendation: outputs alone were compared, and no speed or memory was measured.{limits}")
        }
        NoRecommendation::OnlyBounds => format!(
            "No recommendation: KLD is a lower bound here, which can break a limit but can't keep one. {}",
            limits_kept(analysis).join(" ")
        ),
        NoRecommendation::OutputsNotCompared => {
            let left_out = &analysis.context.plan.left_out;
            if let Some(own) = left_out.iter().find(|own| own.work == LeftOutWork::Outputs) {
                return format!(
                    "No recommendation: what quantizing cost in output can't be measured of {}.",
                    own.because
                );
            }
            let asked = analysis.context.plan.quality.is_some();
            let had_no_time = analysis.time.given_up.iter().any(|g| matches!(g, GivenUp::Windows { windows: 0, .. }));
            let (what, remedy) = match cut(analysis).filter(|_| asked) {
                Some(cut) => (format!("{cut} before outputs were compared"), GO_ON),
                None if asked && had_no_time => {
                    ("outputs were not compared for want of time".into(), "allow more (--budget)")
                }
                None if asked && analysis.ended == Ended::OriginalFailed => {
                    ("the original failed before outputs were compared".into(), "its row says why")
                }
                None if asked && analysis.models.iter().all(|m| m.quality.is_none()) => {
                    ("outputs were not compared".into(), "the list of what was not done says why")
                }
                None if asked || analysis.models.iter().any(|m| m.quality.is_some()) => {
                    ("outputs could not be compared".into(), "the section on quality says why")
                }
                None => ("outputs were not compared".into(), "measure without --no-quality"),
            };
            format!("No recommendation: {what}, so what quantizing cost is not known; {remedy}.")
        }
        NoRecommendation::NotMeasured => {
            let (what, other) = match by {
                Axis::Request | Axis::Generation | Axis::Prompt => ("speed", "quality or --prefer size"),
                Axis::Divergence => ("divergence", "speed or --prefer size"),
                Axis::Memory | Axis::File => ("size", "speed or --prefer quality"),
                Axis::Energy => ("energy", "speed or --prefer size"),
            };
            match cut(analysis) {
                Some(cut) => format!("No recommendation: {cut} before {what} was measured; {GO_ON}."),
                None => {
                    format!("No recommendation: {what} was not measured in this run; --prefer {other} does without it.")
                }
            }
        }
        NoRecommendation::NoIntervals if cut(analysis).is_some() => format!(
            "No recommendation: {} before there were intervals, and central values decide nothing; {GO_ON}.",
            cut(analysis).unwrap_or_default()
        ),
        NoRecommendation::NoIntervals if analysis.quick => {
            let remedy = if analysis.context.plan.protocol.quick {
                "measure without --quick"
            } else {
                "allow more time (--budget)"
            };
            format!("No recommendation: a quick look has no intervals, and central values decide nothing; {remedy}.")
        }
        NoRecommendation::NoIntervals => {
            "No recommendation: too few rounds or windows for intervals, and central values decide nothing.".into()
        }
        NoRecommendation::NothingWithinLimits => "No recommendation: no model is shown to keep every limit.".into(),
    }
}

fn rule(findings: &Findings) -> String {
    let r = &findings.rule;
    let from = if r.max_kld_from == Source::Default { ", the default" } else { "" };
    let mut limits = vec![format!("mean KLD at most {} nats (--max-kld{from})", limit_nats(r.max_kld_nats))];
    limits.extend(r.min_tg_tps.map(|tps| format!("generation at least {} (--min-tg)", rate(tps))));
    limits.extend(r.max_memory_bytes.map(|most| format!("memory at most {} (--max-memory)", bytes(most))));
    let models = findings.standings.len();
    let pairs = match models * models.saturating_sub(1) / 2 {
        1 => "one pair".to_owned(),
        n => format!("{n} pairs"),
    };
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
        "Rule: {}, each with its whole interval; not worse than another model within the limits in every respect; then {by}, and \
         of those not distinguishable in that the smaller file. Intervals between models are adjusted for the {pairs} compared.",
        list(&limits)
    )
}

fn limit_nats(limit: f64) -> String {
    let text = nats(limit);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn why(analysis: &Analysis, model: usize) -> String {
    let advice = &analysis.advice;
    let Some(standing) = advice.standings.get(model) else { return String::new() };
    let name_of = |m: &usize| name(&analysis.models[*m]);
    let dominators = || list(&standing.dominated_by.iter().map(name_of).collect::<Vec<_>>());
    let chosen = match &advice.choice {
        Choice::Take { model, .. } => name_of(model),
        Choice::Nothing { .. } => String::new(),
    };
    let broken = |held: &[LimitCheck]| {
        let of = standing.limits.iter().filter(|c| held.contains(&c.held)).map(|c| limit(advice, c.limit));
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
        Rank::OutsideLimits => format!("outside the limit ({})", broken(&[LimitCheck::Outside])),
        Rank::LimitNotResolved => {
            format!("not shown to keep the limit ({})", broken(&[LimitCheck::NotResolved, LimitCheck::NotMeasured]))
        }
        Rank::NotMeasured => why_missing(&analysis.models[model]).into(),
        Rank::Original => "the original".into(),
        Rank::Unplaced if !standing.dominated_by.is_empty() => format!("dominated by {}", dominators()),
        Rank::Unplaced => String::new(),
    }
}

fn limit(advice: &Findings, limit: Limit) -> String {
    let r = &advice.rule;
    match limit {
        Limit::Kld => format!("mean KLD at most {}", limit_nats(r.max_kld_nats)),
        Limit::Generation => format!("generation at least {}", rate(r.min_tg_tps.unwrap_or(0.0))),
        Limit::Memory => format!("memory at most {}", bytes(r.max_memory_bytes.unwrap_or(0.0))),
    }
}

/// One row a model: the respects that count, what dominates it, what became of it.
fn table(analysis: &Analysis) -> Table {
    let tg = first_tg(analysis);
    let tg = tg.as_ref();
    let is_weights = |id: &MetricId| (0..analysis.models.len()).any(|model| weights(analysis, model) == *id);
    let on_device = is_weights(&MetricId::DeviceMemory);
    let memory_id = if on_device { MetricId::DeviceMemory } else { MetricId::PeakMemory };
    let (speed, memory) = (tg.map(|id| scale(analysis, id)), scale(analysis, &memory_id));
    let request = analysis.models.iter().any(|m| m.metric(&MetricId::Request).is_some());
    let request = request.then(|| scale(analysis, &MetricId::Request));
    let mut columns = vec![Column::text("model"), Column::number("mean KLD", "nats")];
    columns.extend(request.map(|scale| Column::number("request", scale.suffix)));
    columns.extend(tg.zip(speed).map(|(id, scale)| Column::number(&id.to_string(), scale.suffix)));
    let by_memory = (0..).zip(&analysis.models).any(|(i, m)| m.metric(&weights(analysis, i)).is_some());
    let sizes = Scale::for_all(Unit::Bytes, analysis.models.iter().filter_map(|m| m.size_bytes).map(|b| b as f64));
    columns.push(if by_memory {
        Column::number(if on_device { "device memory" } else { "peak memory" }, memory.suffix)
    } else {
        Column::number("file", sizes.suffix)
    });
    columns.extend([Column::text("dominated by"), Column::text("outcome")]);
    let row = |(i, m): (usize, &ModelAnalysis)| {
        let divergence = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats);
        let mut cells = vec![Cell::text(name(m))];
        cells.push(match divergence {
            Some(f) => kld_of(m, f),
            None if m.role == Role::Original => Cell::text("—"),
            None => Cell::unknown(NOT_COMPARED),
        });
        let of = |key: &MetricId, scale| Cell::metric(m.metric(key), None, scale, why_missing(m));
        cells.extend(request.map(|scale| of(&MetricId::Request, scale)));
        cells.extend(tg.zip(speed).map(|(key, scale)| of(key, scale)));
        cells.push(if by_memory {
            of(&weights(analysis, i), memory)
        } else {
            Cell::maybe(m.size_bytes.map(|b| b as f64), |b| sizes.number(b), "file not read")
        });
        let by: Vec<String> = analysis
            .advice
            .standings
            .get(i)
            .iter()
            .flat_map(|s| &s.dominated_by)
            .map(|&d| name(&analysis.models[d]))
            .collect();
        cells.push(Cell::text(if by.is_empty() { "—".into() } else { list(&by) }));
        let why = why(analysis, i);
        cells.push(Cell::text(if why.is_empty() { "—".to_owned() } else { why }));
        cells
    };
    let mut table = Table::new(
        "standings",
        "How each model stands",
        columns,
        analysis.models.iter().enumerate().map(row).collect(),
    );
    table.notes.push(format!(
        "A model is dominated when another within the limits is nowhere relevantly worse and somewhere better ({}), every respect \
         resolved by an interval of its own, paired by round and adjusted for the pairs of models.",
        list(&axes(analysis, tg, by_memory))
    ));
    table
}

fn axes(analysis: &Analysis, tg: Option<&MetricId>, by_memory: bool) -> Vec<String> {
    let mut all = Vec::new();
    if analysis.advice.rule.by == Axis::Divergence {
        all.push("mean KLD".to_owned());
    }
    if analysis.advice.rule.by == Axis::Request {
        all.push("request".to_owned());
    }
    if analysis.advice.rule.by == Axis::Energy {
        all.push("energy of a token".to_owned());
    }
    all.extend(tg.map(|_| "generation".to_owned()));
    if analysis.models.iter().any(|m| m.metrics.iter().any(|metric| metric.id.is_of(Phase::Prefill))) {
        all.push("prompt processing".into());
    }
    all.push(if by_memory { "memory where the weights lie" } else { "size of the file" }.into());
    all
}
