//! The metrics of the benchmarking guide under its own names: by model, by category, by prompt, with difference and ratio.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::names::{name, original};
use crate::{
    analysis::{Analysis, AnswerRow, ModelAnalysis},
    metric::MetricId,
    record::{Outcome, Role},
    report::{
        document::{Cell, Column, Section, Table},
        number::{bytes, count, percent, rate, ratio, seconds, sig3},
        text::{inert_line, shorten},
    },
};

/// Everything the guide names, for scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Metrics {
    /// The models; the first is the original.
    pub models: Vec<ModelMetrics>,
}

/// The guide's metrics of one model. What was not measured is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct ModelMetrics {
    /// Its short name.
    pub name: String,
    /// Original or candidate.
    pub role: Role,
    /// Before the model is loaded.
    pub initial_memory_bytes: Option<f64>,
    /// Least from the load on.
    pub min_memory_bytes: Option<f64>,
    /// Greatest.
    pub max_memory_bytes: Option<f64>,
    /// Average from the load on.
    pub avg_memory_bytes: Option<f64>,
    /// What the model added.
    pub memory_increase_bytes: Option<f64>,
    /// Loading the model.
    pub load_time_s: Option<f64>,
    /// Over all prompts.
    pub overall: Speed,
    /// Perplexity on the evaluation texts.
    pub perplexity: Option<f64>,
    /// 1 - its greatest memory over the original's.
    pub memory_reduction: Option<f64>,
    /// 1 - its bits per weight over the original's: what its file promises.
    pub expected_reduction: Option<f64>,
    /// By category of prompts.
    pub categories: Vec<Group>,
    /// By prompt.
    pub prompts: Vec<Group>,
}

/// A prompt or a category.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Group {
    /// Its name.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub speed: Speed,
}

/// Tokens of some prompts and the time they took, once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Speed {
    /// Tokens of the prompts.
    pub prompt_tokens: Option<u64>,
    /// Time to evaluate them.
    pub prompt_eval_time_s: Option<f64>,
    /// The one over the other.
    pub prompt_tokens_per_second: Option<f64>,
    /// Tokens of the answers.
    pub generated_tokens: Option<u64>,
    /// Time to generate all of them but the first of each, which comes from evaluating the prompt.
    pub generation_time_s: Option<f64>,
    /// Tokens generated in that time, over it.
    pub generation_tokens_per_second: Option<f64>,
}

/// The guide's metrics of every model.
pub(crate) fn metrics(analysis: &Analysis) -> Metrics {
    let base = original(analysis);
    Metrics {
        models: analysis.models.iter().map(|m| metrics_of(m, base.filter(|_| m.role != Role::Original))).collect(),
    }
}

fn metrics_of(m: &ModelAnalysis, base: Option<&ModelAnalysis>) -> ModelMetrics {
    let memory = m.memory.as_ref();
    let reduction = |of: fn(&ModelAnalysis) -> Option<f64>| Some(1.0 - of(m)? / of(base?)?);
    let mut categories: Vec<&str> = Vec::new();
    for answer in &m.answers {
        if !categories.contains(&answer.category.as_str()) {
            categories.push(&answer.category);
        }
    }
    let of_category = |category: &&str| Group {
        name: (*category).to_owned(),
        speed: speed(m.answers.iter().filter(|a| a.category == **category)),
    };
    ModelMetrics {
        name: m.name.clone(),
        role: m.role,
        initial_memory_bytes: memory.map(|s| s.initial_bytes),
        min_memory_bytes: memory.map(|s| s.min_bytes),
        max_memory_bytes: greatest(m),
        avg_memory_bytes: memory.map(|s| s.average_bytes),
        memory_increase_bytes: memory.map(|s| s.increase_bytes),
        load_time_s: m.load.as_ref().map(|l| l.model_s),
        overall: speed(m.answers.iter()),
        perplexity: m.metric(&MetricId::Perplexity).and_then(|p| p.value),
        memory_reduction: reduction(greatest),
        expected_reduction: reduction(|m| m.bits_per_weight),
        categories: categories.iter().map(of_category).collect(),
        prompts: m.answers.iter().map(|a| Group { name: a.prompt.clone(), speed: speed([a].into_iter()) }).collect(),
    }
}

fn greatest(m: &ModelAnalysis) -> Option<f64> {
    m.memory.as_ref().map(|s| s.max_bytes)
}

/// Totals, and total tokens over total time.
fn speed<'a>(answers: impl Iterator<Item = &'a AnswerRow>) -> Speed {
    let answers: Vec<&AnswerRow> = answers.collect();
    if answers.is_empty() {
        return Speed::default();
    }
    let prompt_tokens = answers.iter().map(|a| u64::from(a.n_prompt)).sum::<u64>();
    let prompt_s: f64 = answers.iter().map(|a| a.prompt_eval_s).sum();
    let generation: Vec<(f64, f64)> =
        answers.iter().filter_map(|a| Some((a.generation_s?, a.generation_tps?))).collect();
    let generation_s: f64 = generation.iter().map(|(s, _)| s).sum();
    let generated: f64 = generation.iter().map(|(s, tps)| s * tps).sum();
    let some = |ok: bool, value: f64| (ok && value.is_finite()).then_some(value);
    Speed {
        prompt_tokens: Some(prompt_tokens),
        prompt_eval_time_s: Some(prompt_s),
        prompt_tokens_per_second: some(prompt_s > 0.0, prompt_tokens as f64 / prompt_s),
        generated_tokens: Some(answers.iter().map(|a| u64::from(a.n_generated)).sum()),
        generation_time_s: some(generation_s > 0.0, generation_s),
        generation_tokens_per_second: some(generation_s > 0.0, generated / generation_s),
    }
}

/// A metric's name, where it stands, and how it is written.
type Row = (&'static str, fn(&ModelMetrics) -> Option<f64>, fn(f64) -> String);

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens are whole and positive")]
fn tokens(value: f64) -> String {
    count(value.round() as u64)
}

fn rows() -> [Row; 13] {
    [
        ("Initial memory", |m| m.initial_memory_bytes, bytes),
        ("Min memory", |m| m.min_memory_bytes, bytes),
        ("Max memory", |m| m.max_memory_bytes, bytes),
        ("Avg memory", |m| m.avg_memory_bytes, bytes),
        ("Memory increase", |m| m.memory_increase_bytes, bytes),
        ("Load time", |m| m.load_time_s, seconds),
        ("Prompt tokens", |m| m.overall.prompt_tokens.map(|n| n as f64), tokens),
        ("Prompt eval time", |m| m.overall.prompt_eval_time_s, seconds),
        ("Prompt tokens/sec", |m| m.overall.prompt_tokens_per_second, rate),
        ("Generated tokens", |m| m.overall.generated_tokens.map(|n| n as f64), tokens),
        ("Generation time", |m| m.overall.generation_time_s, seconds),
        ("Generation tokens/sec", |m| m.overall.generation_tokens_per_second, rate),
        ("Perplexity", |m| m.perplexity, sig3),
    ]
}

/// The original's value, the candidate's, their difference and ratio.
fn cells(title: &str, base: Option<f64>, own: Option<f64>, write: fn(f64) -> String) -> Vec<Cell> {
    let both = base.zip(own);
    let signed = |d: f64| {
        let sign = if d > 0.0 {
            "+"
        } else if d < 0.0 {
            "−"
        } else {
            ""
        };
        format!("{sign}{}", write(d.abs()))
    };
    let why = "not measured";
    vec![
        Cell::text(title),
        Cell::maybe(base, write, why),
        Cell::maybe(own, write, why),
        Cell::maybe(both.map(|(base, own)| own - base), signed, why),
        Cell::maybe(both.filter(|(base, _)| *base > 0.0).map(|(base, own)| own / base), ratio, why),
    ]
}

fn columns(first: &str, base: &str, own: &str) -> Vec<Column> {
    let number = |title| Column::number(title, "");
    vec![Column::text(first), number(base), number(own), number("difference"), number("ratio")]
}

/// One table a candidate; none without an original.
pub(crate) fn overall(analysis: &Analysis) -> Vec<Table> {
    (0..analysis.models.len()).filter_map(|model| of_candidate(analysis, model)).collect()
}

/// A candidate against the original; `None` of the original, without one, and of a candidate that failed or was not measured.
pub(crate) fn of_candidate(analysis: &Analysis, model: usize) -> Option<Table> {
    let (first, m) = (original(analysis)?, analysis.models.get(model)?);
    if m.role == Role::Original || m.outcome != Outcome::Done {
        return None;
    }
    let place = analysis.models[..=model].iter().filter(|m| m.role != Role::Original).count();
    let (base, own) = (metrics_of(first, None), metrics_of(m, Some(first)));
    let rows = rows().into_iter().map(|(title, of, write)| cells(title, of(&base), of(&own), write));
    let rows: Vec<_> = rows.filter(|row| row[1].why.is_none() || row[2].why.is_none()).collect();
    let title = format!("{} against {}, in the benchmarking guide's words", name(m), name(first));
    let columns = columns("metric", &name(first), &name(m));
    let mut table = Table::new(&format!("guide-{place}"), &title, columns, rows);
    if let Some(actual) = own.memory_reduction {
        let expected = own.expected_reduction.map_or(String::new(), |e| {
            format!(" Expected reduction: {} of the weights, by the files' bits per weight.", percent(e))
        });
        table.notes.push(format!("Memory reduction: {} of the greatest memory.{expected}", percent(actual)));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Generation speed by category and by prompt, one table a candidate.
fn by_group(analysis: &Analysis) -> Vec<Table> {
    let all = metrics(analysis);
    let Some(base) = all.models.iter().find(|m| m.role == Role::Original) else { return Vec::new() };
    let first = original(analysis).map(name).unwrap_or_default();
    let candidates = analysis.models.iter().zip(&all.models).filter(|(m, _)| m.role != Role::Original).enumerate();
    let table = |(i, (m, own)): (usize, (&ModelAnalysis, &ModelMetrics))| {
        let group = |kind: &'static str, of: fn(&ModelMetrics) -> &[Group]| {
            of(base).iter().flat_map(move |group| {
                let own = of(own).iter().find(|o| o.name == group.name).map(|o| o.speed).unwrap_or_default();
                let row = |what: &str, of: fn(&Speed) -> Option<f64>| {
                    let title = shorten(&inert_line(&group.name), 40);
                    cells(&format!("{kind} {title}, {what}"), of(&group.speed), of(&own), rate)
                };
                [row("prompt", |s| s.prompt_tokens_per_second), row("generation", |s| s.generation_tokens_per_second)]
            })
        };
        let rows = group("category", |m| &m.categories).chain(group("prompt", |m| &m.prompts)).collect();
        let title = format!("{} against {first}, tokens per second by category and by prompt", name(m));
        Table::new(&format!("guide-by-prompt-{}", i + 1), &title, columns("prompts", &first, &name(m)), rows)
    };
    candidates.filter(|(_, (m, _))| m.outcome == Outcome::Done).map(table).collect()
}

pub(super) fn section(analysis: &Analysis) -> Section {
    let mut tables = overall(analysis);
    tables.extend(by_group(analysis));
    Section {
        id: "guide",
        title: "Metric by metric",
        lead: "The metrics of the benchmarking guide under its names. Differences and ratios are of the values shown. Whether one is more than \
               noise is said under Speed and Memory.",
        tables,
        figures: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::fixture;

    #[test]
    fn every_metric_of_the_guide_has_a_row_with_difference_and_ratio() {
        let run = fixture::run();
        let analysis = crate::analysis::analyse(&run);
        let tables = overall(&analysis);
        let titles: Vec<&str> = tables[0].rows.iter().map(|row| row[0].text.as_str()).collect();
        for (title, ..) in rows() {
            assert!(titles.contains(&title) || title == "Perplexity", "{title} in {titles:?}");
        }
        let row = tables[0].rows.iter().find(|row| row[0].text == "Max memory").expect("it is there");
        assert!(row.iter().all(|cell| cell.why.is_none()), "{row:?}");
    }

    #[test]
    fn totals_are_of_tokens_over_time() {
        let run = fixture::run();
        let analysis = crate::analysis::analyse(&run);
        let m = &metrics(&analysis).models[0];
        let prompt: u64 = m.prompts.iter().filter_map(|p| p.speed.prompt_tokens).sum();
        assert_eq!(m.overall.prompt_tokens, Some(prompt));
        let of_categories: u64 = m.categories.iter().filter_map(|c| c.speed.generated_tokens).sum();
        assert_eq!(m.overall.generated_tokens, Some(of_categories));
        let (time, tps) =
            (m.overall.prompt_eval_time_s.expect("timed"), m.overall.prompt_tokens_per_second.expect("timed"));
        assert!((time * tps - prompt as f64).abs() < 1e-6 * prompt as f64);
    }
}
