//! diff: two records of the same models against each other, and the gate for CI.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{args::DiffArgs, exit::Exit, outputs, print};
use crate::{
    analysis::diff::{Diff, diff},
    record::{self, Run},
    report,
};

pub(super) fn run(args: &DiffArgs) -> Result<Exit> {
    if [&args.json, &args.md].into_iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("only one of --json and --md can be written to stdout");
    }
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let mut diff = diff(&old, &new);
    refuse(&diff, &old, &new, args.force)?;
    if let Err(error) = diff.hold_against(&args.fail_if) {
        return Ok(super::usage(&error.to_string()));
    }
    let mut stdout_taken = false;
    for (path, text) in [(&args.json, report::diff::json(&diff)?), (&args.md, report::diff::markdown(&diff))] {
        let Some(path) = path else { continue };
        stdout_taken |= path.as_os_str() == "-";
        outputs::put(path, &text)?;
    }
    if !stdout_taken {
        print(&report::diff::terminal(&diff, outputs::for_terminal().width))?;
    }
    Ok(if diff.fails() {
        Exit::Regressed
    } else if diff.is_partial() {
        Exit::Partial
    } else {
        Exit::Fine
    })
}

/// A record, or the one in the folder of a run.
fn read(path: &Path) -> Result<Run> {
    let file: PathBuf = if path.is_dir() { path.join("run.json") } else { path.into() };
    Ok(record::read_run(&file)?)
}

/// A ratio of different work would be believed.
fn refuse(diff: &Diff, old: &Run, new: &Run, force: bool) -> Result<()> {
    if diff.models.is_empty() {
        let names = |run: &Run| run.models.iter().map(|m| m.name.clone()).collect::<Vec<_>>().join(", ");
        bail!("the records have no model in common: {} in OLD, {} in NEW", names(old), names(new));
    }
    let objections = report::diff::objections(diff);
    if !force && !objections.is_empty() {
        bail!("comparing these records means nothing (--force does it all the same):\n  {}", objections.join("\n  "));
    }
    Ok(())
}
