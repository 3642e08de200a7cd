//! Load time of each model.

use super::{Chart, Error, bars};
use crate::{analysis::Analysis, report::view::summary::scale};

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, Error> {
    if analysis.models.iter().all(|m| m.metric("load").is_none()) {
        return Ok(None);
    }
    let scale = scale(analysis, "load");
    let title = format!("Load time, {}", scale.suffix);
    let svg = bars::draw("chart-load", &title, &bars::one_each(analysis, "load", scale))?;
    let note = format!("Less is better. The model alone, without its context. {}", bars::whiskers(analysis, "load"));
    Ok(Some(Chart { id: "chart-load".into(), section: "load", title, note, svg }))
}
