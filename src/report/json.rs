//! JSON: the analysis as it is, for scripts. Its keys are documented in FORMAT.md.

use serde::Serialize;

use super::guide::{self, Metrics};
use crate::{analysis::Analysis, text::inert_json};

/// The analysis, and the same in the words of the benchmarking guide.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    analysis: &'a Analysis,
    guide: Metrics,
}

/// The analysis, indented, with a line end.
///
/// # Errors
/// When a value can't be written as JSON.
pub(super) fn render(analysis: &Analysis) -> Result<String, serde_json::Error> {
    let document = Document { analysis, guide: guide::metrics(analysis) };
    let mut text = inert_json(&serde_json::to_string_pretty(&document)?);
    text.push('\n');
    Ok(text)
}
