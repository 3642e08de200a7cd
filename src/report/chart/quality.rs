//! Mean KLD of each candidate.

use super::{Chart, metric_bars::bar};
use crate::report::draw::{
    bars::{self, Group},
    canvas::DrawError,
};
use crate::{analysis::Analysis, record::Role, report::view::summary::scale};

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
    if analysis.models.iter().all(|m| m.metric("kld_mean").is_none()) {
        return Ok(None);
    }
    let title = "Mean KLD from the original, nats";
    let scale = scale(analysis, "kld_mean");
    let candidates = analysis.models.iter().filter(|m| m.role == Role::Candidate);
    let bars = candidates.map(|m| bar(m, m.metric("kld_mean"), scale, "not compared")).collect();
    let svg = bars::draw("chart-kld", title, &[Group { title: None, bars }])?;
    let note = "Less is better; the original is 0 from itself. Whiskers: 95 % interval over windows.".into();
    Ok(Some(Chart { id: "chart-kld".into(), section: "quality", title: title.into(), note, svg }))
}
