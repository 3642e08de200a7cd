//! Tokens a second of each synthetic workload, one figure a workload.

use super::{Chart, metric_bars};
use crate::report::draw::{bars, canvas::DrawError};
use crate::{
    analysis::Analysis,
    record::Run,
    report::{
        text::inert_line,
        view::summary::{scale, synthetic},
    },
};

pub(super) fn charts(run: &Run, analysis: &Analysis) -> Result<Vec<Chart>, DrawError> {
    let measured = |key: &&str| analysis.models.iter().any(|m| m.metric(key).is_some());
    let draw = |(i, key): (usize, &str)| {
        let id = format!("chart-speed-{i}");
        let what = if key.starts_with("pp") { "prompt processing" } else { "generation" };
        let title = format!("{}: {what}, tokens a second", inert_line(key));
        let note = format!("More is better. {}", metric_bars::whiskers(analysis, key));
        let svg = bars::draw(&id, &title, &metric_bars::one_each(analysis, key, scale(analysis, key)))?;
        Ok(Chart { id, section: "speed", title, note, svg })
    };
    synthetic(run).into_iter().filter(measured).enumerate().map(draw).collect()
}
