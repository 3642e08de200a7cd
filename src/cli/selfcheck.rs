//! selfcheck: a model against itself by the same protocol. What differs is the machine's doing.

use anyhow::Result;

use super::{
    args::SelfcheckArgs,
    bench::{self, Job},
    exit::Exit,
    machine,
    outputs::Stdout,
    plan, quality, say,
    subjects::Source,
};
use crate::{
    analysis::{self, Finding},
    prompts,
    record::{Purpose, Run},
    report,
};

pub(super) fn run(args: SelfcheckArgs) -> Result<Exit> {
    let SelfcheckArgs { model, mut measure } = args;
    // Timings are what is checked; the same file has the same output.
    measure.prompts.get_or_insert_with(|| "none".into());
    measure.no_quality = true;
    let here = machine::here()?;
    let quality = quality::wanted(&measure, prompts::builtin_texts)?;
    let plan = plan::plan(&measure, &bench::setting(2), &quality, &here.machine)?;
    let settings = plan::settings(&measure, here.machine.allowed_cpus);
    let sources = vec![Source::found(&model), Source::found(&model)];
    let job = Job { args: &measure, plan, settings, here, sources, quality, purpose: Purpose::SelfCheck };
    let Some(finished) = bench::take(job)? else { return Ok(Exit::Fine) };
    let stdout = finished.report(&measure.results)?;
    conclude(&finished.run, stdout)
}

/// Whether the model was seen to differ from itself.
pub(super) fn conclude(run: &Run, stdout: Stdout) -> Result<Exit> {
    let exit = bench::exit(run);
    if exit != Exit::Fine {
        return Ok(exit);
    }
    let found = analysis::selfcheck(&analysis::analyse(run));
    let text = report::selfcheck(&found);
    if stdout == Stdout::Free {
        say(&format!("\n{text}"))?;
    }
    Ok(if found.finding() == Finding::Passed { Exit::Fine } else { Exit::SelfcheckFailed })
}
