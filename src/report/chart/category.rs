//! Tokens a second by category of prompt, generation and prompt processing apart.

use super::{
    Chart, Error,
    bars::{self, Bar, Group},
};
use crate::{
    analysis::{Analysis, Unit},
    report::{
        format::Scale,
        text::{inert_line, shorten},
    },
};

pub(super) fn charts(analysis: &Analysis) -> Result<Vec<Chart>, Error> {
    [("tg", "Generation"), ("pp", "Prompt processing")]
        .into_iter()
        .filter_map(|(k, w)| chart(analysis, k, w).transpose())
        .collect()
}

fn chart(analysis: &Analysis, kind: &str, what: &str) -> Result<Option<Chart>, Error> {
    let mut categories: Vec<&str> = Vec::new();
    for c in analysis.models.iter().flat_map(|m| &m.categories) {
        if !categories.contains(&c.category.as_str()) {
            categories.push(&c.category);
        }
    }
    let group = |category: &&str| {
        let key = format!("{category}/{kind}");
        let bar =
            |m| Bar::new(m, crate::analysis::ModelAnalysis::metric(m, &key), Scale::of(Unit::TokensPerSecond, 1.0));
        let with = analysis.models.iter().filter(|m| m.metric(&key).is_some());
        Group { title: Some(shorten(&inert_line(category), 60)), bars: with.map(bar).collect() }
    };
    let groups: Vec<Group> = categories.iter().map(group).filter(|g| !g.bars.is_empty()).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let id = format!("chart-category-{kind}");
    let title = format!("{what} by category of prompt, tokens a second");
    let svg = bars::draw(&id, &title, &groups)?;
    Ok(Some(Chart { id, section: "prompts", title, note: "More is better.".into(), svg }))
}
