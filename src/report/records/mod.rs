//! Several records side by side: days of one machine, or machines, as a page, Markdown, text, CSV and JSON.

mod by_date;
mod csv;
mod labels;
mod markdown;
mod tables;
mod terminal;
mod view;

#[cfg(test)]
mod tests;

use schemars::generate::Contract;

use super::{Error, Options, html};
use crate::{analysis::several::Several, record::schema};

pub(crate) use view::View;

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One page that works offline.
    Html,
    /// For an issue.
    Markdown,
    /// One row a model, metric and record.
    Csv,
    /// The findings.
    Json,
    /// For a terminal.
    Text,
}

/// Renders records side by side. The same records give the same bytes.
///
/// # Errors
/// When a figure can't be drawn or a template fails.
pub(crate) fn render(form: Form, several: &Several, options: &Options) -> Result<String, Error> {
    Ok(match form {
        Form::Html => {
            let charts = by_date::charts(several, &labels::labels(several))?;
            html::render_records(&View::new(several), &charts)?
        }
        Form::Markdown => markdown::render(&View::new(several)),
        Form::Csv => csv::render(several),
        Form::Json => {
            let mut text = serde_json::to_string_pretty(several)?;
            text.push('\n');
            text
        }
        Form::Text => terminal::render(&View::new(several), options.width, options.colour),
    })
}

/// The JSON Schema of [`Form::Json`].
///
/// # Errors
/// When it can't be written as JSON.
pub(crate) fn schema() -> Result<String, Error> {
    Ok(schema::document::<Several>(
        "records",
        "What several records of gguf-bench say side by side: report A B --format json",
        Contract::Serialize,
    )?)
}
