//! The gate for CI: conditions on the command line, what became of them in a file for CI, and the exit code.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    console::{Exit, Misused},
    outputs,
};
use crate::{
    analysis::gate::{Gate, GateVerdict, Limit, gate_of_run, known_in},
    record::{Plan, Run},
    report::gate::{Held, junit},
};

/// Conditions, and where what became of them is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Args)]
pub(super) struct GateArgs {
    /// A limit to a change, as in 'tg128<-3%'; may be repeated. The run ends with PASS, FAIL (exit code 3) or INCONCLUSIVE (6)
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true, help_heading = "Gate")]
    fail_if: Vec<Limit>,
    /// Write what became of each limit as JUnit XML, for CI
    #[arg(long, value_name = "FILE", help_heading = "Gate")]
    junit: Option<PathBuf>,
}

/// How limits are written.
pub(super) const LIMITS: &str = "\
Limits are METRIC<CHANGE or METRIC>CHANGE. Metrics are those of the output: pp512, tg128, load, memory_peak
(or peak), short/tg, ppl, kld_mean (or kld), top1_agreement. Changes are in per cent of the older value, or of
the original's; those of kld_mean and top1_agreement, which may be 0, in their own unit:
  --fail-if 'tg128<-3%'      generation became more than 3 % slower
  --fail-if 'peak>5%'        the peak of memory rose by more than 5 %
  --fail-if 'kld>0.01'       the mean KLD rose by more than 0.01 nats, or is over it
PASS: each whole interval keeps to its limit. FAIL: an interval lies wholly past its limit, at a confidence
adjusted for the number of limits and models. INCONCLUSIVE: neither can be said, and what would say it.";

impl GateArgs {
    pub(super) fn limits(&self) -> &[Limit] {
        &self.fail_if
    }

    /// Refuses a file that says nothing, or that could not be written in the end. Stdout is for the report, and this beside it nowhere.
    pub(super) fn check_file(&self) -> Result<()> {
        let Some(path) = &self.junit else { return Ok(()) };
        if path == Path::new("-") {
            return Err(Misused("--junit takes a file: stdout is for the report".into()).into());
        }
        if self.fail_if.is_empty() {
            return Err(Misused("--junit says what became of limits: give one with --fail-if".into()).into());
        }
        outputs::check_writable(path, "--junit")
    }

    /// What is given now, and of what is not, what was given before.
    pub(super) fn or(&self, before: &Self) -> Self {
        let Self { fail_if, junit } = self;
        let limits = if fail_if.is_empty() { &before.fail_if } else { fail_if };
        Self { fail_if: limits.clone(), junit: junit.clone().or_else(|| before.junit.clone()) }
    }

    /// The same from any folder.
    pub(super) fn absolute(&self) -> Self {
        Self { junit: self.junit.as_deref().map(outputs::absolute), ..self.clone() }
    }

    /// Refuses, before anything slow starts, what the plan will not measure.
    pub(super) fn check(&self, plan: &Plan) -> Result<()> {
        self.check_file()?;
        known_in(plan, &self.fail_if).map_err(|error| Misused(error.to_string()).into())
    }

    /// What became of the conditions in a run; `None` without any.
    pub(super) fn of_run(&self, run: &Run) -> Result<Option<Gate>> {
        if self.fail_if.is_empty() {
            return Ok(None);
        }
        gate_of_run(run, &self.fail_if).map(Some).map_err(|error| Misused(error.to_string()).into())
    }

    /// Writes it where it was asked for; `suite` is the command that was gated.
    pub(super) fn write(&self, gate: Option<&Gate>, held: Held, suite: &str) -> Result<()> {
        if let (Some(path), Some(gate)) = (&self.junit, gate) {
            outputs::write_text(path, &junit(gate, held, suite))?;
        }
        Ok(())
    }
}

/// How the program ends where it would end so without conditions. What was not finished is no matter of the gate.
pub(super) fn exit(gate: Option<&Gate>, without: Exit) -> Exit {
    match (without, gate.map(|gate| gate.verdict)) {
        (Exit::Fine | Exit::Partial, Some(GateVerdict::Fail)) => Exit::Regressed,
        (Exit::Fine | Exit::Partial, Some(GateVerdict::Inconclusive)) => Exit::NotResolved,
        (without, _) => without,
    }
}
