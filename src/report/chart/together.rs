//! Throughput against the number of sequences side by side: a group of bars a size, one figure for prompts and one for generation.

use super::{Chart, Error, bars};
use crate::{
    analysis::{Analysis, Unit},
    record::Run,
    report::{format::Scale, view::together::workloads},
};

pub(super) fn charts(run: &Run, analysis: &Analysis) -> Result<Vec<Chart>, Error> {
    let draw = |kind: &str, what: &str| -> Result<Option<Chart>, Error> {
        let mut keys: Vec<(&str, u32)> = workloads(run).into_iter().filter(|(key, _)| key.starts_with(kind)).collect();
        keys.sort_by_key(|(_, n_seq)| *n_seq);
        let Some((first, _)) = keys.first() else { return Ok(None) };
        let values = || keys.iter().flat_map(|(key, _)| analysis.models.iter().filter_map(|m| m.metric(key)?.value));
        if values().next().is_none() {
            return Ok(None);
        }
        // One scale, so that bars can be held against each other across the sizes.
        let scale = Scale::for_all(Unit::TokensPerSecond, values());
        let group = |(key, n_seq): &(&str, u32)| {
            let title = if *n_seq == 1 { "1 sequence".into() } else { format!("{n_seq} sequences") };
            let mut groups = bars::one_each(analysis, key, scale);
            for group in &mut groups {
                group.title = Some(title.clone());
            }
            groups
        };
        let groups: Vec<_> = keys.iter().flat_map(group).collect();
        let id = format!("chart-together-{kind}");
        let title = format!("{what} of several sequences side by side, tokens a second in all");
        let note = format!("More is better. {}", bars::whiskers(analysis, first));
        let svg = bars::draw(&id, &title, &groups)?;
        Ok(Some(Chart { id, section: "together", title, note, svg }))
    };
    Ok([draw("pp", "Prompt processing")?, draw("tg", "Generation")?].into_iter().flatten().collect())
}
