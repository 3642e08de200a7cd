//! Throughput against the number of sequences side by side: in all, prompts and generation, one line a model.

use super::{Chart, metric_bars};
use crate::report::draw::{
    axis::Spacing,
    canvas::DrawError,
    curves::{Panel, Panels, draw},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::Run,
    report::{text::inert_line, view::together::workloads},
};

pub(super) fn chart(run: &Run, analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
    let all = workloads(run);
    let panel = |kind: &str, what: &str| {
        let mut keys: Vec<(&str, u32)> = all.iter().copied().filter(|(key, _)| key.starts_with(kind)).collect();
        keys.sort_by_key(|(_, n_seq)| *n_seq);
        let curve = |m: &ModelAnalysis| metric_bars::curve(m, keys.iter().map(|&(key, n_seq)| (n_seq, key)));
        let lengths = keys.first().map(|(key, _)| inert_line(key.split('x').next().unwrap_or(key)))?;
        Some(Panel { title: format!("{lengths}, {what}"), curves: analysis.models.iter().map(curve).collect() })
    };
    let panels: Vec<Panel> =
        [panel("pp", "prompt processing"), panel("tg", "generation")].into_iter().flatten().collect();
    let Some((first, _)) = all.first() else { return Ok(None) };
    if panels.iter().flat_map(|p| &p.curves).all(|c| c.points.is_empty()) {
        return Ok(None);
    }
    let (id, title) = ("chart-together", "Tokens a second in all, by sequences side by side");
    let svg = draw(&Panels { id, title, across: "sequences", spacing: Spacing::Logarithmic, panels })?;
    let note =
        format!("More is better. The axis of sequences is logarithmic. {}", metric_bars::whiskers(analysis, first));
    Ok(Some(Chart { id: id.into(), section: "together", title: title.into(), note, svg }))
}
