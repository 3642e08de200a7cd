//! JSON: the analysis as it is, for scripts. Its keys are documented in FORMAT.md.

use crate::analysis::Analysis;

/// The analysis, indented, with a line end.
///
/// # Errors
/// When a value can't be written as JSON.
pub(super) fn render(analysis: &Analysis) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(analysis)?;
    text.push('\n');
    Ok(text)
}
