//! diff: two records of the same models against each other, and the gate for CI.

use std::path::PathBuf;

use anyhow::{Result, bail};

use clap::Args;

use super::{
    console::{Exit, Misused, print_stdout, usage_error},
    gate::{self, GateArgs, LIMITS},
    outputs,
};
use crate::{
    analysis::diff::{Diff, DiffError, diff},
    record::{self, Run},
    report::{self, Format},
};

#[derive(Debug, Args)]
#[command(
    after_help = LIMITS,
    override_usage = "gguf-bench diff [OPTIONS] OLD NEW\n       gguf-bench diff [OPTIONS] OLD OLD OLD... --new NEW NEW NEW..."
)]
pub(super) struct DiffArgs {
    /// The older record and the newer one: run.json, or the folder of a run. With --new all of them are older ones
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// The newer records. From three of each side on, intervals and gate know what varies from run to run
    #[arg(long, value_name = "NEW", num_args = 1..)]
    new: Vec<PathBuf>,
    /// Compare although models, parameters or builds differ
    #[arg(long)]
    force: bool,
    /// Write the findings as JSON (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write Markdown, for a comment on a pull request (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    md: Option<PathBuf>,
    /// Write an HTML page (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    html: Option<PathBuf>,
    #[command(flatten)]
    gate: GateArgs,
}

pub(super) fn run(args: &DiffArgs) -> Result<Exit> {
    let formats = [(&args.json, Format::Json), (&args.md, Format::Md), (&args.html, Format::Html)];
    let formats = || formats.into_iter().filter_map(|(path, format)| Some((path.as_deref()?, format)));
    let stdout = formats().filter(|(path, _)| path.as_os_str() == "-").count();
    if stdout > 1 {
        bail!("only one of --json, --md and --html can be written to stdout");
    }
    let (old, new) = sides(args)?;
    let read = |paths: &[PathBuf]| paths.iter().map(|path| record::read_run(path)).collect::<Result<Vec<Run>, _>>();
    let (old, new) = (read(old)?, read(new)?);
    // Whether they can be compared at all comes before what is asked of them.
    let bare = diff(&old, &new, &[]).map_err(|error| Misused(error.to_string()))?;
    refuse(&bare, &old[0], &new[0], args.force)?;
    let diff = match diff(&old, &new, args.gate.limits()) {
        Err(DiffError::Metric(unknown)) => return Ok(usage_error(&unknown.to_string())),
        diff => diff?,
    };
    for (path, format) in formats() {
        outputs::write_report(path, format, &diff)?;
    }
    args.gate.write(diff.gate.as_ref(), diff.held(), "gguf-bench diff")?;
    if stdout == 0 {
        print_stdout(&report::render(Format::Text, &diff, &outputs::for_terminal())?)?;
    }
    Ok(gate::exit(diff.gate.as_ref(), if diff.is_partial() { Exit::Partial } else { Exit::Fine }))
}

/// The older records and the newer ones.
fn sides(args: &DiffArgs) -> Result<(&[PathBuf], &[PathBuf])> {
    args.gate.check_file()?;
    match (args.records.as_slice(), args.new.as_slice()) {
        ([old, new], []) => Ok((std::slice::from_ref(old), std::slice::from_ref(new))),
        (_, []) => Err(Misused(format!(
            "{} records are given, and not which are the newer ones: write OLD NEW, or OLD OLD OLD --new NEW NEW NEW",
            args.records.len()
        ))
        .into()),
        (old, new) => Ok((old, new)),
    }
}

/// A ratio of different work would be believed.
fn refuse(diff: &Diff, old: &Run, new: &Run, force: bool) -> Result<()> {
    if diff.models.is_empty() {
        let names = |run: &Run| run.subjects.iter().map(|m| m.name.clone()).collect::<Vec<_>>().join(", ");
        bail!("the records have no model in common: {} in OLD, {} in NEW", names(old), names(new));
    }
    let objections = report::diff::objections(diff);
    if !force && !objections.is_empty() {
        bail!("comparing these records means nothing (--force does it all the same):\n  {}", objections.join("\n  "));
    }
    Ok(())
}
