//! JSON: the analysis as it is, for scripts. Its keys are documented in FORMAT.md.

use schemars::{JsonSchema, generate::Contract};
use serde::Serialize;

use super::guide::{self, Metrics};
use crate::{analysis::Analysis, record::schema};

/// The analysis, and the same in the words of the benchmarking guide.
#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    #[serde(flatten)]
    analysis: &'a Analysis,
    /// The metrics of the benchmarking guide under its names.
    guide: Metrics,
}

/// The analysis, indented, with a line end.
///
/// # Errors
/// When a value can't be written as JSON.
pub(super) fn render(analysis: &Analysis) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&Document { analysis, guide: guide::metrics(analysis) })?;
    text.push('\n');
    Ok(text)
}

/// The schema of what [`render`] gives.
///
/// # Errors
/// When it can't be written as JSON.
pub(super) fn schema() -> Result<String, serde_json::Error> {
    schema::document::<Document<'_>>(
        "report",
        "What a run of gguf-bench says: report --format json",
        Contract::Serialize,
    )
}
