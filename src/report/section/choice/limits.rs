//! Other limits than the run's own: what the program says to each that a reader may choose on the page, worked out beforehand.
//!
//! The choice changes only at the ends of the models' intervals. Between two of them every limit gives the same, so that a table over
//! those steps holds every answer, and the page's script looks up and decides nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    picture::Marks,
    words::{because, first_tg, note, verdict, weights, why},
};
use crate::{
    analysis::{Advice, Analysis, Choice, Limit, Limits, Unit},
    metric::MetricId,
    record::Prefer,
    report::{
        document::{Choices, LimitField, PreferField},
        number::Scale,
        text::inert_in_html,
    },
    units::{GIB, MIB},
};

/// Most answers that are worked out: those of eight models. More would weigh more than the rest of the page.
const MOST: usize = 17_000;

/// Where a limit begins to matter, and what the page must know to find the step that a limit lies on.
#[derive(Serialize)]
struct Steps {
    /// In order.
    turns: Vec<f64>,
    /// Whether the limit is a least value: it passes a turn when it is greater, else when it is as great.
    at_least: bool,
    /// Whether there may be no limit, which is the first step then.
    optional: bool,
    /// The unit typed, in the unit of `turns`.
    unit: f64,
}

/// What the page looks up.
#[derive(Serialize)]
struct Table<'a> {
    /// KLD, generation, memory.
    steps: &'a [Steps; 3],
    prefer: &'a [&'static str],
    /// By preference and step of KLD, an index into `planes`.
    by: Vec<Vec<usize>>,
    /// By step of generation, an index into `rows`.
    planes: Vec<Vec<usize>>,
    /// By step of memory, an index into `outcomes`.
    rows: Vec<Vec<usize>>,
    outcomes: Vec<Outcome>,
    /// Every text once.
    words: Vec<String>,
    marks: &'a [Marks],
}

/// An answer; its texts are indices into `words`.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Serialize)]
struct Outcome {
    chosen: Option<usize>,
    verdict: usize,
    because: Vec<usize>,
    /// One a model.
    notes: Vec<usize>,
}

/// Things that are kept once, each with its index.
struct Once<T>(BTreeMap<T, usize>);

impl<T: Ord + Clone> Once<T> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn index(&mut self, thing: T) -> usize {
        let next = self.0.len();
        *self.0.entry(thing).or_insert(next)
    }

    fn all(self) -> Vec<T> {
        let mut all: Vec<(T, usize)> = self.0.into_iter().collect();
        all.sort_by_key(|(_, index)| *index);
        all.into_iter().map(|(thing, _)| thing).collect()
    }
}

/// What a reader may choose; `None` where no limit gives a recommendation, or where there would be too many answers.
pub(crate) fn choices(analysis: &Analysis, marks: &[Marks]) -> Option<Choices> {
    let rule = analysis.advice.rule;
    let memory = memory_unit(analysis);
    let steps = [
        steps(analysis, Limit::Kld, false, 1.0),
        steps(analysis, Limit::Generation, true, 1.0),
        steps(analysis, Limit::Memory, true, memory.1),
    ];
    let count = |s: &Steps| s.turns.len() + 1 + usize::from(s.optional);
    let prefer: Vec<Prefer> = Prefer::ALL.into_iter().filter(|prefer| can_decide(analysis, *prefer)).collect();
    if steps.iter().map(count).product::<usize>() * prefer.len() > MOST {
        return None;
    }
    let (mut words, mut outcomes, mut rows, mut planes) = (Once::new(), Once::new(), Once::new(), Once::new());
    let mut given = false;
    let mut by = Vec::new();
    for prefer in &prefer {
        let mut plane_of = Vec::new();
        for max_kld_nats in limits(&steps[0]).flatten() {
            let mut plane = Vec::new();
            for min_tg_tps in limits(&steps[1]) {
                let mut row = Vec::new();
                for max_memory_bytes in limits(&steps[2]) {
                    let limits = Limits { max_kld_nats, min_tg_tps, max_memory_bytes };
                    let advice = analysis.grounds.advise(&limits, *prefer);
                    given |= matches!(advice.choice, Choice::Take { .. });
                    row.push(outcomes.index(outcome(analysis, &advice, &mut words)));
                }
                plane.push(rows.index(row));
            }
            plane_of.push(planes.index(plane));
        }
        by.push(plane_of);
    }
    let names: Vec<&'static str> = prefer.iter().map(|prefer| prefer.name()).collect();
    let table = Table {
        steps: &steps,
        prefer: &names,
        by,
        planes: planes.all(),
        rows: rows.all(),
        outcomes: outcomes.all(),
        words: words.all(),
        marks,
    };
    let json = inert_in_html(&serde_json::to_string(&table).ok()?);
    given.then(|| Choices {
        limits: fields(analysis, &steps, memory),
        prefer: prefer
            .iter()
            .map(|prefer| PreferField { name: prefer.name(), label: label(*prefer), chosen: *prefer == rule.prefer })
            .collect(),
        json,
    })
}

/// A preference that something was measured for, or the run's own.
fn can_decide(analysis: &Analysis, prefer: Prefer) -> bool {
    use crate::analysis::NoRecommendation::NotMeasured;
    let rule = analysis.advice.rule;
    let own = Limits {
        max_kld_nats: rule.max_kld_nats,
        min_tg_tps: rule.min_tg_tps,
        max_memory_bytes: rule.max_memory_bytes,
    };
    let advice = analysis.grounds.advise(&own, prefer);
    prefer == rule.prefer || !matches!(advice.choice, Choice::Nothing { because: NotMeasured })
}

fn label(prefer: Prefer) -> &'static str {
    match prefer {
        Prefer::Speed => "speed",
        Prefer::Quality => "least divergence",
        Prefer::Size => "size",
        Prefer::Energy => "energy",
    }
}

fn outcome(analysis: &Analysis, advice: &Advice, words: &mut Once<String>) -> Outcome {
    let notes = (0..analysis.models.len()).map(|model| note(advice, model, &why(analysis, advice, model)));
    Outcome {
        chosen: match advice.choice {
            Choice::Take { model, .. } => Some(model),
            Choice::Nothing { .. } => None,
        },
        verdict: words.index(verdict(analysis, advice)),
        because: because(analysis, advice).into_iter().map(|sentence| words.index(sentence)).collect(),
        notes: notes.map(|note| words.index(note)).collect(),
    }
}

fn steps(analysis: &Analysis, limit: Limit, optional: bool, unit: f64) -> Steps {
    let turns = analysis.grounds.turns(limit);
    match limit {
        Limit::Generation => Steps { turns, at_least: true, optional, unit },
        // At 0 and below it every limit is passed.
        Limit::Kld | Limit::Memory => {
            Steps { turns: turns.into_iter().filter(|turn| *turn > 0.0).collect(), at_least: false, optional, unit }
        }
    }
}

/// A limit on each step, in order; `None` for no limit.
fn limits(Steps { turns, at_least, optional, .. }: &Steps) -> impl Iterator<Item = Option<f64>> {
    let none = optional.then_some(None);
    let ends = if *at_least { (None, Some(f64::INFINITY)) } else { (Some(0.0), None) };
    none.into_iter().chain(ends.0.into_iter().chain(turns.iter().copied()).chain(ends.1).map(Some))
}

/// The unit that memory is typed in.
fn memory_unit(analysis: &Analysis) -> (&'static str, f64) {
    let most = analysis.grounds.turns(Limit::Memory).into_iter().fold(0.0, f64::max);
    match Scale::of(Unit::Bytes, most).suffix {
        "GiB" => ("GiB", GIB),
        _ => ("MiB", MIB),
    }
}

/// The fields of what was measured.
fn fields(analysis: &Analysis, steps: &[Steps; 3], memory: (&'static str, f64)) -> Vec<LimitField> {
    let rule = analysis.advice.rule;
    let plain = |limit: Option<f64>| limit.map_or(String::new(), |limit| limit.to_string());
    let is_device = (0..analysis.models.len()).any(|model| weights(analysis, model) == MetricId::DeviceMemory);
    let measured = (0..analysis.models.len()).any(|model| {
        let id = weights(analysis, model);
        analysis.models[model].metric(&id).is_some()
    });
    let all = [
        LimitField {
            at: 0,
            option: "--max-kld",
            label: "Mean KLD at most".into(),
            unit: "nats",
            value: plain(Some(rule.max_kld_nats)),
            step: "0.01",
            suffix: "",
        },
        LimitField {
            at: 1,
            option: "--min-tg",
            label: format!("{} at least", first_tg(analysis).map_or_else(|| "generation".into(), |id| id.to_string())),
            unit: "t/s",
            value: plain(rule.min_tg_tps),
            step: "1",
            suffix: "",
        },
        LimitField {
            at: 2,
            option: "--max-memory",
            label: match (measured, is_device) {
                (true, true) => "Device memory at most".into(),
                (true, false) => "Peak memory at most".into(),
                (false, _) => "File at most".into(),
            },
            unit: memory.0,
            value: plain(rule.max_memory_bytes.map(|bytes| bytes / memory.1)),
            step: if memory.0 == "GiB" { "0.1" } else { "1" },
            suffix: memory.0,
        },
    ];
    all.into_iter().zip(steps).filter(|(_, steps)| !steps.turns.is_empty()).map(|(field, _)| field).collect()
}
