//! The formats: each renders any report, whoever made it, and is one file and one arm here.

mod csv;
mod html;
mod llama_bench;
pub(crate) mod markdown;
pub(crate) mod terminal;

pub(crate) use csv::{Field, Rows};
pub(crate) use html::{PageError, render_template};
pub(crate) use terminal::{Colour, Options};

use std::borrow::Cow;

use clap::ValueEnum;
use thiserror::Error;

use super::{document::Document, draw::canvas::DrawError};
use crate::{record::Run, text::inert_json};

/// What to render, under the names that `--format` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One page that works offline
    Html,
    /// For an issue or a comment
    Md,
    /// One row a figure
    Csv,
    /// The findings, for scripts
    Json,
    /// For a terminal
    Text,
    /// llama-bench's rows as Markdown; likewise below
    LlamaBenchMd,
    LlamaBenchCsv,
    LlamaBenchJson,
    LlamaBenchJsonl,
    LlamaBenchSql,
    // An option of its own asks for it: which model to take, by which rule, and nothing else.
    #[value(skip)]
    Recommendation,
}

/// Why a report could not be rendered.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("write JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("write CSV: {0}")]
    Csv(#[from] ::csv::Error),
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The format shows what one record alone has.
    #[error("llama-bench's rows are of one record")]
    NotOneRecord,
}

/// What a report is made of, for each format that which it is of.
pub(crate) trait Report {
    /// Words, tables and figures, for people.
    fn document(&self) -> Result<Cow<'_, Document>, DrawError>;
    /// The findings as indented JSON, for scripts.
    fn findings(&self) -> Result<String, serde_json::Error>;
    /// The findings as a table of plain values.
    fn rows(&self) -> Rows;
    /// The record, where the report is of one alone.
    fn record(&self) -> Option<&Run>;
}

/// Renders a report. The same report gives the same bytes.
pub(crate) fn render(format: Format, report: &dyn Report, options: &Options) -> Result<String, Error> {
    let run = || report.record().ok_or(Error::NotOneRecord);
    Ok(match format {
        Format::Html => html::render(&*report.document()?, report.record())?,
        Format::Md => markdown::render(&*report.document()?),
        Format::Csv => csv::render(&report.rows())?,
        Format::Json => inert_json(&report.findings()?) + "\n",
        Format::Text => terminal::render(&*report.document()?, options),
        Format::LlamaBenchMd => llama_bench::markdown(run()?),
        Format::LlamaBenchCsv => llama_bench::csv(run()?)?,
        Format::LlamaBenchJson => llama_bench::json(run()?)?,
        Format::LlamaBenchJsonl => llama_bench::json_lines(run()?)?,
        Format::LlamaBenchSql => llama_bench::sql(run()?),
        Format::Recommendation => terminal::recommendation(&*report.document()?, options),
    })
}
