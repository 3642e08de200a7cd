//! report: renders a record again, from the record alone.

use anyhow::Result;

use super::{
    args::{FormatArg, ReportArgs},
    exit::Exit,
    outputs, print,
};
use crate::{analysis, record, report::Format};

pub(super) fn run(args: &ReportArgs) -> Result<Exit> {
    let run = record::read_run(&args.run)?;
    let analysis = analysis::analyse(&run);
    let format = match args.format {
        FormatArg::Html => Format::Html,
        FormatArg::Md => Format::Markdown,
        FormatArg::Csv => Format::Csv,
        FormatArg::Json => Format::Json,
        FormatArg::Text => Format::Text,
    };
    let beside = || args.run.with_file_name("report.html");
    match (&args.out, args.format) {
        (Some(path), _) => outputs::write(path, format, &run, &analysis)?,
        (None, FormatArg::Html) => {
            outputs::write(&beside(), format, &run, &analysis)?;
            print(&format!("{}\n", beside().display()))?;
        }
        (None, _) => outputs::write("-".as_ref(), format, &run, &analysis)?,
    }
    Ok(Exit::Fine)
}
