//! From findings to bytes. Pure: nothing is measured, read or written here.
//!
//! [`draw`] draws, below [`section`], which puts a topic into words, tables and figures. [`run`], [`diff`] and [`history`] make a
//! [`document::Document`] each, and every `format` renders any of them.

pub(crate) mod card;
mod change;
pub(crate) mod diff;
mod document;
mod draw;
mod figure;
mod format;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod number;
mod run;
mod section;
mod selfcheck;
mod text;
mod tune;

#[cfg(test)]
mod tests;

pub(crate) use format::{Colour, Error, Format, Options, Report, render, render_template};
pub(crate) use run::RunReport;
#[cfg(test)]
pub(crate) use run::schema;
pub(crate) use section::guide::metrics as guide_metrics;
pub(crate) use selfcheck::selfcheck;
pub(crate) use text::shell;
pub(crate) use tune::{server as tune_server, tune};

use crate::analysis::Analysis;

/// The tables in the benchmarking guide's words, for a terminal.
pub(crate) fn guide_tables(analysis: &Analysis, options: &Options) -> String {
    format::terminal::tables(&section::guide::overall(analysis), options)
}
