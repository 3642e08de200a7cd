//! The prompt suite: speed by category and by prompt.

pub(crate) mod answers;
pub(crate) mod behaviour;
mod latency;
mod position;

use super::{
    metric::{bar, scale},
    names::{name, why_missing},
};
use crate::{
    analysis::{Analysis, AnswerRow, ModelAnalysis, Unit},
    metric::MetricId,
    record::Phase,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            bars::{self, Group},
            canvas::{DrawError, Size},
        },
        figure::both,
        number::{Scale, count, ms, seconds, sig3},
        text::{inert_line, shorten},
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let mut figures = by_category(analysis)?;
    figures.extend(both(|size| latency::figure(analysis, size))?);
    figures.extend(both(|size| position::figure(analysis, size))?);
    Ok(Section {
        id: "prompts",
        title: "Prompts",
        lead: "The prompt suite, answered by every model. Rates are total tokens over total time.",
        tables: vec![behaviour::table(analysis), categories(analysis), prompts(analysis)],
        figures,
    })
}

fn categories(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("category"),
        Column::text("model"),
        Column::number("prompts", ""),
        Column::number("prompt tokens", ""),
        Column::number("prompt", "t/s"),
        Column::number("generated tokens", ""),
        Column::number("generation", "t/s"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for c in &m.categories {
            let tps = |value: Option<f64>, phase: Phase| {
                let id = MetricId::Category { category: c.category.clone(), phase };
                let (metric, comparison) = (m.metric(&id), m.comparison(&id));
                match metric {
                    Some(_) => Cell::metric(metric, comparison, scale(analysis, &id), why_missing(m)),
                    None => Cell::maybe(value, sig3, "too few tokens"),
                }
            };
            rows.push(vec![
                Cell::text(shorten(&inert_line(&c.category), 40)),
                Cell::text(name(m)),
                Cell::number(c.prompts.to_string(), c.prompts as f64),
                Cell::number(count(c.n_prompt), c.n_prompt as f64),
                tps(c.prompt_tps, Phase::Prefill),
                Cell::number(count(c.n_generated), c.n_generated as f64),
                tps(c.generation_tps, Phase::Decode),
            ]);
        }
    }
    let order: Vec<String> = rows.iter().map(|r| r[0].text.clone()).collect();
    rows.sort_by_key(|r| order.iter().position(|c| *c == r[0].text));
    Table::new("categories", "By category of prompt", columns, rows)
}

fn prompts(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("prompt"),
        Column::text("model"),
        Column::number("prompt tokens", ""),
        Column::number("prompt eval", ""),
        Column::number("prompt", "t/s"),
        Column::number("generated", "tokens"),
        Column::number("generation", ""),
        Column::number("generation", "t/s"),
        Column::number("first token", ""),
        Column::number("p50", "ms/token"),
        Column::number("p95", "ms/token"),
        Column::number("p99", "ms/token"),
    ];
    let row = |m: &ModelAnalysis, a: &AnswerRow| {
        let token = |v: Option<f64>| Cell::maybe(v, sig3, "too few tokens");
        let l = &a.latency;
        vec![
            Cell::text(shorten(&inert_line(&a.prompt), 60)),
            Cell::text(name(m)),
            Cell::number(count(a.n_prompt.into()), a.n_prompt.into()),
            Cell::number(seconds(a.prompt_eval_s), a.prompt_eval_s),
            token(a.prompt_tps),
            Cell::number(count(a.n_generated.into()), a.n_generated.into()),
            Cell::maybe(a.generation_s, seconds, "too few tokens"),
            token(a.generation_tps),
            Cell::number(ms(l.ttft_ms), l.ttft_ms),
            token(l.inter_token_p50_ms),
            token(l.inter_token_p95_ms),
            token(l.inter_token_p99_ms),
        ]
    };
    let mut rows: Vec<_> = analysis.models.iter().flat_map(|m| m.answers.iter().map(move |a| row(m, a))).collect();
    let order: Vec<String> = rows.iter().map(|r| r[0].text.clone()).collect();
    rows.sort_by_key(|r| order.iter().position(|p| *p == r[0].text));
    Table::new("prompt-table", "Every prompt", columns, rows)
}

/// Tokens a second by category, generation and prompt processing apart.
fn by_category(analysis: &Analysis) -> Result<Vec<Figure>, DrawError> {
    [(Phase::Decode, "Generation"), (Phase::Prefill, "Prompt processing")]
        .into_iter()
        .filter_map(|(phase, what)| both(|size| figure(analysis, size, phase, what)).transpose())
        .collect()
}

fn figure(analysis: &Analysis, size: Size, phase: Phase, what: &str) -> Result<Option<Figure>, DrawError> {
    let mut categories: Vec<&str> = Vec::new();
    for c in analysis.models.iter().flat_map(|m| &m.categories) {
        if !categories.contains(&c.category.as_str()) {
            categories.push(&c.category);
        }
    }
    let group = |category: &&str| {
        let id = MetricId::Category { category: (*category).to_owned(), phase };
        let bar = |m: &ModelAnalysis| bar(m, m.metric(&id), Scale::of(Unit::TokensPerSecond, 1.0), "too few tokens");
        let with = analysis.models.iter().filter(|m| m.categories.iter().any(|c| c.category == **category));
        Group { title: Some(shorten(&inert_line(category), 60)), bars: with.map(bar).collect() }
    };
    let groups: Vec<Group> = categories.iter().map(group).collect();
    let measured = |m: &ModelAnalysis| {
        m.metrics.iter().any(|m| matches!(m.id, MetricId::Category { phase: own, .. } if own == phase))
    };
    if !analysis.models.iter().any(measured) {
        return Ok(None);
    }
    let id = format!("chart-category-{}", phase.name());
    let title = format!("{what} by category of prompt, tokens a second");
    let svg = bars::draw(size, &id, &title, &groups)?;
    Ok(Some(Figure { id, title, note: "More is better.".into(), svg, narrow: None }))
}
