//! The figures, one file each, as inline SVG: values labelled, intervals drawn, legible in grey, the same bytes every time.

mod by_date;
mod category;
mod depth;
mod kld_bins;
mod kld_distribution;
mod kld_text;
mod latency;
mod load;
mod memory;
mod memory_time;
mod metric_bars;
mod pareto;
mod position;
mod quality;
mod ratio;
mod roofline;
mod speed;
mod timeline;
mod together;

pub(super) use super::document::Figure as Chart;
use super::draw::canvas::DrawError;
use crate::{analysis::Analysis, record::Run};
pub(super) use by_date::charts as by_date;

/// Every figure the run has data for.
///
/// # Errors
/// When a figure can't be drawn.
pub(crate) fn all(run: &Run, analysis: &Analysis) -> Result<Vec<Chart>, DrawError> {
    let mut charts = Vec::new();
    charts.extend(pareto::chart(run, analysis)?);
    charts.extend(ratio::chart(run, analysis)?);
    charts.extend(speed::charts(run, analysis)?);
    charts.extend(timeline::charts(run, analysis)?);
    charts.extend(depth::chart(run, analysis)?);
    charts.extend(together::chart(run, analysis)?);
    charts.extend(roofline::chart(analysis)?);
    charts.extend(memory::chart(analysis)?);
    charts.extend(memory_time::chart(run, analysis)?);
    charts.extend(load::chart(analysis)?);
    charts.extend(quality::chart(analysis)?);
    charts.extend(kld_distribution::chart(run, analysis)?);
    charts.extend(kld_text::chart(analysis)?);
    charts.extend(kld_bins::charts(run, analysis)?);
    charts.extend(category::charts(analysis)?);
    charts.extend(latency::chart(run, analysis)?);
    charts.extend(position::chart(run, analysis)?);
    Ok(charts)
}
