//! selfcheck: a model against itself by the same protocol. What differs is the machine's doing.

use anyhow::{Result, bail};
use clap::{Arg, Args};

use super::{
    bench::{self, Job},
    console::{Exit, print_text},
    machine::Environment,
    options::{
        engine::EngineArgs,
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        speed::{self, SpeedArgs},
    },
    outputs::{Layout, OutputArgs, Stdout},
    subjects::{self, Source},
};
use crate::{
    analysis::{self, Analysis, Finding},
    record::{Plan, Purpose, Run},
    report,
    run::quality::Inputs,
};

/// Timings are what is checked: the same file has the same output, and no model is better than itself.
#[derive(Debug, Args)]
#[command(mut_arg(speed::PROMPTS, no_prompts))]
pub(super) struct SelfcheckArgs {
    /// A GGUF file, the first part of a split one, or a folder holding one model
    model: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    speed: SpeedArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

fn no_prompts(prompts: Arg) -> Arg {
    prompts.default_value("none").help("Prompts to answer: a file (JSON, JSON Lines or text), or none")
}

pub(super) fn run(args: SelfcheckArgs) -> Result<Exit> {
    let SelfcheckArgs { model, output, speed, precision, execution, engine } = args;
    let environment = Environment::read()?;
    let (settings, threads) = engine.into_settings(environment.threads);
    let (workloads, sampling) = speed.into_work()?;
    if workloads.is_empty() {
        bail!("nothing to measure: --pp, --tg and --prompts are all none");
    }
    let protocol = precision.into_protocol(Scale::of(2), &workloads);
    let results = output.results.clone();
    let job = Job {
        purpose: Purpose::SelfCheck,
        plan: Plan { workloads, protocol, sampling, seed: execution.seed, quality: None, threads: Some(threads) },
        subjects: subjects::find(vec![Source::found(&model), Source::found(&model)], &settings),
        inputs: Inputs::default(),
        constraints: None,
        execution,
        environment,
        layout: Layout::Folder,
        output,
    };
    let Some(finished) = bench::take(job)? else { return Ok(Exit::Fine) };
    let stdout = finished.report(&results)?;
    conclude(&finished.run, &finished.analysis, stdout)
}

/// Whether the model was seen to differ from itself.
pub(super) fn conclude(run: &Run, analysis: &Analysis, stdout: Stdout) -> Result<Exit> {
    let exit = bench::exit(run);
    if exit != Exit::Fine {
        return Ok(exit);
    }
    let found = analysis::selfcheck(analysis);
    let text = report::selfcheck(&found);
    if stdout == Stdout::Free {
        print_text(&format!("\n{text}"))?;
    }
    Ok(if found.finding() == Finding::Passed { Exit::Fine } else { Exit::SelfcheckFailed })
}
