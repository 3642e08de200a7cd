//! The figures, one file each, as inline SVG: values labelled, intervals drawn, legible in grey, the same bytes every time.

mod bars;
mod by_date;
mod canvas;
mod category;
mod curves;
mod depth;
mod kld_bins;
mod kld_distribution;
mod kld_text;
mod latency;
mod load;
mod memory;
mod memory_time;
mod pareto;
mod plot;
mod position;
mod quality;
mod ratio;
mod roofline;
mod speed;
mod timeline;
mod together;

pub(super) use by_date::charts as by_date;
use serde::Serialize;

use super::Error;
use crate::{analysis::Analysis, record::Run};

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Chart {
    /// Anchor, unique on the page.
    pub id: String,
    /// The section it belongs to.
    pub section: &'static str,
    /// Caption.
    pub title: String,
    /// How to read it.
    pub note: String,
    /// The drawing.
    pub svg: String,
}

/// Every figure the run has data for.
///
/// # Errors
/// When a figure can't be drawn.
pub(crate) fn all(run: &Run, analysis: &Analysis) -> Result<Vec<Chart>, Error> {
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

/// Round steps (1, 2, 5 times a power of ten) that divide `0..=max` into about `n` parts.
fn ticks(max: f64, n: usize) -> Vec<f64> {
    if !(max > 0.0 && max.is_finite()) || n == 0 {
        return vec![0.0];
    }
    let rough = max / n as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    (0..=n + 1).map(|i| i as f64 * step).filter(|t| *t <= max * 1.000_001).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(47.0, 5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 4), [0.0]);
        assert_eq!(ticks(f64::NAN, 4), [0.0]);
    }
}
