//! From findings to bytes: HTML, Markdown, CSV, JSON and the terminal. Pure: nothing is measured, read or written here.
//!
//! [`draw`] draws, below [`section`], which puts a topic into words, tables and figures, below the formats, which add layout.

pub(crate) mod card;
mod csv;
pub(crate) mod diff;
mod document;
mod draw;
mod embed;
pub(crate) mod format;
pub(crate) mod guide;
mod html;
mod json;
mod llama_bench;
mod markdown;
pub(crate) mod records;
pub(crate) mod section;
mod selfcheck;
mod terminal;
mod text;
pub(crate) mod view;

#[cfg(test)]
mod tests;

pub(crate) use llama_bench::LlamaBench;
pub(crate) use selfcheck::selfcheck;
pub(crate) use terminal::Colour;

use thiserror::Error;

use crate::{analysis::Analysis, record::Run};
use view::View;

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One page that works offline.
    Html,
    /// For an issue or a model card.
    Markdown,
    /// One row a metric.
    Csv,
    /// The analysis.
    Json,
    /// For a terminal.
    Text,
    /// For a terminal: which model to take, by which rule, and nothing else.
    Recommendation,
    /// llama-bench's rows of the synthetic workloads.
    LlamaBench(LlamaBench),
}

/// How to render for a terminal; the other formats ignore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether to colour.
    pub colour: Colour,
    /// Where the HTML report is, to be named at the end.
    pub written: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 80, colour: Colour::Never, written: None }
    }
}

/// Why a report could not be rendered. None of them is the reader's fault.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A template failed.
    #[error("render the page: {message}")]
    Template {
        /// What the engine said, with the place.
        message: String,
    },
    /// A value could not be written as JSON.
    #[error("write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A figure could not be drawn.
    #[error(transparent)]
    Draw(#[from] draw::canvas::DrawError),
}

/// Renders a run. The same run gives the same bytes.
///
/// # Errors
/// When a figure can't be drawn or a template fails.
pub(crate) fn render(format: Format, run: &Run, analysis: &Analysis, options: &Options) -> Result<String, Error> {
    Ok(match format {
        Format::Csv => csv::render(analysis),
        Format::Json => json::render(analysis)?,
        Format::Markdown => markdown::render(&View::new(analysis)),
        Format::Text => {
            terminal::render(&View::new(analysis), options.width, options.colour, options.written.as_deref())
        }
        Format::Recommendation => terminal::recommendation(&View::new(analysis), options.width),
        Format::LlamaBench(format) => llama_bench::render(run, format)?,
        Format::Html => html::render(run, &View::new(analysis), &section::all(analysis)?)?,
    })
}

/// Renders a person's own minijinja template over what the page is made of; TEMPLATES.md documents it. Text is escaped for HTML
/// unless `name` ends otherwise than `.html`, `.htm` or `.xml` (a further `.jinja` or `.j2` doesn't count).
///
/// # Errors
/// When a figure can't be drawn, or the template can't be parsed or names something that is not there.
pub(crate) fn render_template(name: &str, source: &str, analysis: &Analysis) -> Result<String, Error> {
    html::render_own(name, source, &View::new(analysis), &section::all(analysis)?, analysis)
}

/// The JSON Schema of [`Format::Json`].
///
/// # Errors
/// When it can't be written as JSON.
pub(crate) fn schema() -> Result<String, Error> {
    Ok(json::schema()?)
}
