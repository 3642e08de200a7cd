//! Tokens a second by category of prompt, generation and prompt processing apart.

use super::{Chart, metric_bars::bar};
use crate::report::draw::{
    bars::{self, Group},
    canvas::DrawError,
};
use crate::{
    analysis::{Analysis, ModelAnalysis, Unit},
    report::{
        format::Scale,
        text::{inert_line, shorten},
    },
};

pub(super) fn charts(analysis: &Analysis) -> Result<Vec<Chart>, DrawError> {
    [("tg", "Generation"), ("pp", "Prompt processing")]
        .into_iter()
        .filter_map(|(k, w)| chart(analysis, k, w).transpose())
        .collect()
}

fn chart(analysis: &Analysis, kind: &str, what: &str) -> Result<Option<Chart>, DrawError> {
    let mut categories: Vec<&str> = Vec::new();
    for c in analysis.models.iter().flat_map(|m| &m.categories) {
        if !categories.contains(&c.category.as_str()) {
            categories.push(&c.category);
        }
    }
    let group = |category: &&str| {
        let key = format!("{category}/{kind}");
        let bar = |m: &ModelAnalysis| bar(m, m.metric(&key), Scale::of(Unit::TokensPerSecond, 1.0), "too few tokens");
        let with = analysis.models.iter().filter(|m| m.categories.iter().any(|c| c.category == **category));
        Group { title: Some(shorten(&inert_line(category), 60)), bars: with.map(bar).collect() }
    };
    let groups: Vec<Group> = categories.iter().map(group).collect();
    let measured = |m: &ModelAnalysis| m.metrics.iter().any(|m| m.key.ends_with(&format!("/{kind}")));
    if !analysis.models.iter().any(measured) {
        return Ok(None);
    }
    let id = format!("chart-category-{kind}");
    let title = format!("{what} by category of prompt, tokens a second");
    let svg = bars::draw(&id, &title, &groups)?;
    Ok(Some(Chart { id, section: "prompts", title, note: "More is better.".into(), svg }))
}
