//! schema: prints the JSON Schema of a record or of what is printed as JSON, for those who read them with other tools.

use anyhow::Result;
use clap::ValueEnum;

use super::{exit::Exit, print};
use crate::{record::schema, report};

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Document {
    /// The record: run.json
    Run,
    /// What `report --format json` and `--json` print
    Report,
    /// What `report A B --format json` prints of several records
    Records,
}

pub(super) fn run(of: Document) -> Result<Exit> {
    print(&match of {
        Document::Run => schema::of_record()?,
        Document::Report => report::schema()?,
        Document::Records => report::history::schema()?,
    })
}
