//! Mean KLD of each candidate.

use super::{Chart, Error, bars};
use crate::{analysis::Analysis, report::view::summary::scale};

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, Error> {
    if analysis.models.iter().all(|m| m.metric("kld_mean").is_none()) {
        return Ok(None);
    }
    let title = "Mean KLD from the original, nats";
    let svg = bars::draw("chart-kld", title, &bars::one_each(analysis, "kld_mean", scale(analysis, "kld_mean")))?;
    let note = "Less is better; the original is 0 from itself. Whiskers: 95 % interval over windows.".into();
    Ok(Some(Chart { id: "chart-kld".into(), section: "quality", title: title.into(), note, svg }))
}
