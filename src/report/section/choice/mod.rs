//! The recommendation: what to take, by which rule, and how each of the others stands.

mod pareto;

use super::{
    metric::{scale, synthetic},
    names::{name, original, why_missing},
    quality::cells::{NOT_COMPARED, kld},
};
use crate::{
    analysis::{
        Advice as Findings, Analysis, Axis, Choice, Comparison, Figure as Estimate, Limit, LimitCheck, ModelAnalysis,
        NoRecommendation, Rank, Source, Unit, Verdict,
    },
    metric::MetricId,
    record::{Phase, Role},
    report::{
        document::{Advice, Cell, Column, Section, Table},
        draw::canvas::DrawError,
        number::{Scale, bytes, comparison, fixed, nats, percent, rate},
        text::list,
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
    let mut gains = Vec::new();
    gains.extend(first_tg(analysis).and_then(|id| speed(chosen.comparison(&id)?, &name(base))));
    gains.extend(memory(chosen, base));
    gains.extend(agreement(chosen));
    let rivals: Vec<String> = equals.iter().map(|&m| name(&analysis.models[m])).collect();
    let rivals = match rivals.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} is not distinguishably {}", better_words(analysis.advice.rule.by)),
        all => format!("; {} are not distinguishably {}", list(all), better_words(analysis.advice.rule.by)),
    };
    format!("Take {}: {}{rivals}.", name(chosen), gains.join(", "))
}

/// Generation, the first that the summary shows.
fn first_tg(analysis: &Analysis) -> Option<MetricId> {
    synthetic(analysis).into_iter().find(|id| id.is_of(Phase::Decode))
}

fn better_words(by: Axis) -> &'static str {
    match by {
        Axis::Generation | Axis::Prompt => "faster",
        Axis::Divergence => "closer to the original",
        Axis::Memory | Axis::File => "smaller",
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
fn memory(m: &ModelAnalysis, base: &ModelAnalysis) -> Option<String> {
    let less = |ratio: f64, what: &str| {
        if ratio <= 1.0 {
            format!("{} less {what}", percent(1.0 - ratio))
        } else {
            format!("{} more {what}", percent(ratio - 1.0))
        }
    };
    let Some(c) = m.comparison(&MetricId::PeakMemory) else {
        let (own, other) = (m.size_bytes?, base.size_bytes?);
        return (own != other && other > 0).then(|| less(own as f64 / other as f64, "file"));
    };
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

fn nothing(analysis: &Analysis, because: NoRecommendation) -> String {
    let by = analysis.advice.rule.by;
    match because {
        NoRecommendation::NoCandidate => "No recommendation: no candidate was measured.".into(),
        NoRecommendation::OnlyCopies => {
            "No recommendation: every candidate is a copy of the original, and what differs is this machine's doing.".into()
        }
        NoRecommendation::OutputsNotCompared => {
            let asked = analysis.models.iter().any(|m| m.quality.is_some());
            let (what, remedy) = if asked {
                ("could not be compared", "the section on quality says why")
            } else {
                ("were not compared", "measure without --no-quality")
            };
            format!("No recommendation: outputs {what}, so what quantizing cost is not known; {remedy}.")
        }
        NoRecommendation::NotMeasured => {
            let (what, other) = match by {
                Axis::Generation | Axis::Prompt => ("generation", "quality or --prefer size"),
                Axis::Divergence => ("divergence", "speed or --prefer size"),
                Axis::Memory | Axis::File => ("size", "speed or --prefer quality"),
            };
            format!("No recommendation: {what} was not measured in this run; --prefer {other} does without it.")
        }
        NoRecommendation::NoIntervals if analysis.quick => {
            "No recommendation: a quick look has no intervals, and central values decide nothing; measure without --quick.".into()
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
    let by = match r.by {
        Axis::Generation | Axis::Prompt => "the fastest generation (--prefer speed)",
        Axis::Divergence => "the least divergence (--prefer quality)",
        Axis::Memory => "the least peak memory (--prefer size)",
        Axis::File => "the smallest file (--prefer size)",
    };
    format!(
        "Rule: {}, each with its whole interval; not worse than another model in every respect; then {by}, and of those not \
         distinguishable in that the least divergent.",
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
            Axis::Generation | Axis::Prompt => format!("not distinguishably faster or slower than {chosen}"),
            Axis::Divergence => format!("not distinguishably closer or farther than {chosen}"),
            Axis::Memory | Axis::File => format!("not relevantly smaller or larger than {chosen}"),
        },
        Rank::Behind => match advice.rule.by {
            Axis::Generation | Axis::Prompt => format!("slower than {chosen}"),
            Axis::Divergence => format!("diverges more than {chosen}"),
            Axis::Memory | Axis::File => format!("larger than {chosen}"),
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
    let (speed, memory) = (tg.map(|id| scale(analysis, id)), scale(analysis, &MetricId::PeakMemory));
    let mut columns = vec![Column::text("model"), Column::number("mean KLD", "nats")];
    columns.extend(tg.zip(speed).map(|(id, scale)| Column::number(&id.to_string(), scale.suffix)));
    let by_memory = analysis.models.iter().any(|m| m.metric(&MetricId::PeakMemory).is_some());
    let sizes = Scale::for_all(Unit::Bytes, analysis.models.iter().filter_map(|m| m.size_bytes).map(|b| b as f64));
    columns.push(if by_memory {
        Column::number("peak memory", memory.suffix)
    } else {
        Column::number("file", sizes.suffix)
    });
    columns.extend([Column::text("dominated by"), Column::text("outcome")]);
    let row = |(i, m): (usize, &ModelAnalysis)| {
        let divergence = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats);
        let mut cells = vec![Cell::text(name(m))];
        cells.push(match divergence {
            Some(f) => kld(f),
            None if m.role == Role::Original => Cell::text("—"),
            None => Cell::unknown(NOT_COMPARED),
        });
        cells.extend(tg.zip(speed).map(|(key, scale)| Cell::metric(m.metric(key), None, scale, why_missing(m))));
        cells.push(if by_memory {
            Cell::metric(m.metric(&MetricId::PeakMemory), None, memory, why_missing(m))
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
        "A model is dominated when another is nowhere relevantly worse and somewhere better ({}), every respect resolved by its own paired {} interval.",
        list(&axes(analysis, tg, by_memory)),
        percent(analysis.confidence)
    ));
    table
}

fn axes(analysis: &Analysis, tg: Option<&MetricId>, by_memory: bool) -> Vec<String> {
    let mut all = Vec::new();
    if analysis.models.iter().any(|m| m.quality.is_some()) {
        all.push("mean KLD".to_owned());
    }
    all.extend(tg.map(|_| "generation".to_owned()));
    if analysis.models.iter().any(|m| m.metrics.iter().any(|metric| metric.id.is_of(Phase::Prefill))) {
        all.push("prompt processing".into());
    }
    all.push(if by_memory { "peak memory" } else { "size of the file" }.into());
    all
}
