//! The sections of a run's report: each file makes the words, tables and figures of one topic.

mod bandwidth;
pub(crate) mod choice;
pub(crate) mod depth;
mod energy;
pub(crate) mod environment;
mod files;
pub(crate) mod findings;
pub(crate) mod guide;
mod kv_cache;
mod load;
mod machines;
mod memory;
pub(crate) mod method;
pub(crate) mod metric;
pub(crate) mod names;
pub(crate) mod parallel;
pub(crate) mod prompts;
pub(crate) mod quality;
mod speed;
pub(crate) mod summary;
pub(crate) mod tasks;
pub(crate) mod time;
mod tuning;
pub(crate) mod votes;

use super::{document::Section, draw::canvas::DrawError};
use crate::analysis::Analysis;

type Make = fn(&Analysis) -> Result<Section, DrawError>;

/// In the order of the page.
const SECTIONS: [Make; 18] = [
    |analysis| Ok(choice::section(analysis)),
    |analysis| Ok(tuning::section(analysis)),
    speed::section,
    depth::section,
    parallel::section,
    bandwidth::section,
    memory::section,
    |analysis| Ok(machines::section(analysis)),
    load::section,
    energy::section,
    quality::section,
    kv_cache::section,
    |analysis| Ok(tasks::section(analysis)),
    prompts::section,
    |analysis| Ok(votes::section(analysis)),
    |analysis| Ok(guide::section(analysis)),
    |analysis| Ok(files::section(analysis)),
    |analysis| Ok(time::section(analysis)),
];

/// Every section with a table or a figure, in order.
pub(crate) fn all(analysis: &Analysis) -> Result<Vec<Section>, DrawError> {
    let mut all = SECTIONS.iter().map(|section| section(analysis)).collect::<Result<Vec<_>, _>>()?;
    for section in &mut all {
        section.tables.retain(|table| !table.rows.is_empty());
    }
    all.retain(|section| !section.tables.is_empty() || !section.figures.is_empty());
    Ok(all)
}
