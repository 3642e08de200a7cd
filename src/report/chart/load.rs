//! Load time of each model.

use super::{Chart, metric_bars};
use crate::report::draw::{bars, canvas::DrawError};
use crate::{analysis::Analysis, report::view::summary::scale};

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
    if analysis.models.iter().all(|m| m.metric("load").is_none()) {
        return Ok(None);
    }
    let scale = scale(analysis, "load");
    let title = format!("Load time, {}", scale.suffix);
    let svg = bars::draw("chart-load", &title, &metric_bars::one_each(analysis, "load", scale))?;
    let note =
        format!("Less is better. The model alone, without its context. {}", metric_bars::whiskers(analysis, "load"));
    Ok(Some(Chart { id: "chart-load".into(), section: "load", title, note, svg }))
}
