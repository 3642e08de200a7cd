//! diff: two records of the same models against each other, and the gate for CI.

use std::path::PathBuf;

use anyhow::{Result, bail};

use clap::Args;

use super::{
    console::{Exit, print_text, usage_error},
    outputs,
};
use crate::{
    analysis::diff::{Diff, Limit, diff},
    record::{self, Run},
    report::{self, Format},
};

#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
pub(super) struct DiffArgs {
    /// The older record: run.json, or the folder of a run
    pub(super) old: PathBuf,
    /// The newer record
    pub(super) new: PathBuf,
    /// Exit with 3 when a change is surely past this limit, as in 'tg128<-3%'; may be repeated
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true)]
    pub(super) fail_if: Vec<Limit>,
    /// Compare although models, parameters or builds differ
    #[arg(long)]
    pub(super) force: bool,
    /// Write the findings as JSON (- = stdout)
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
    /// Write Markdown, for a comment on a pull request (- = stdout)
    #[arg(long, value_name = "PATH")]
    pub(super) md: Option<PathBuf>,
}

const LIMITS: &str = "\
Limits are METRIC<CHANGE or METRIC>CHANGE. Metrics are those of the output: pp512, tg128, load, memory_peak
(or peak), short/tg, ppl, kld_mean (or kld), top1_agreement. Changes are in per cent of the older value;
those of kld_mean and top1_agreement, which may be 0, in their own unit:
  --fail-if 'tg128<-3%'      generation became more than 3 % slower
  --fail-if 'peak>5%'        the peak of memory rose by more than 5 %
  --fail-if 'kld>0.01'       the mean KLD rose by more than 0.01 nats
A limit fails only when the whole interval is past it; without an interval it can't fail.";

pub(super) fn run(args: &DiffArgs) -> Result<Exit> {
    if [&args.json, &args.md].into_iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("only one of --json and --md can be written to stdout");
    }
    let (old, new) = (record::read_run(&args.old)?, record::read_run(&args.new)?);
    let mut diff = diff(&old, &new);
    refuse(&diff, &old, &new, args.force)?;
    if let Err(error) = diff.hold_against(&args.fail_if) {
        return Ok(usage_error(&error.to_string()));
    }
    let mut stdout_taken = false;
    for (path, format) in [(&args.json, Format::Json), (&args.md, Format::Md)] {
        let Some(path) = path else { continue };
        stdout_taken |= path.as_os_str() == "-";
        outputs::write_report(path, format, &diff)?;
    }
    if !stdout_taken {
        print_text(&report::render(Format::Text, &diff, &outputs::for_terminal())?)?;
    }
    Ok(if diff.fails() {
        Exit::Regressed
    } else if diff.is_partial() {
        Exit::Partial
    } else {
        Exit::Fine
    })
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
