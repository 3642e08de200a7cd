//! selfcheck: a model against itself by the same protocol. What differs is the machine's doing.

use anyhow::{Result, bail};
use clap::{Arg, Args};

use super::{
    bench::{self, Job, Taken},
    console::{Exit, print_text},
    fetch,
    gate::GateArgs,
    machine::Environment,
    options::{
        engine::EngineArgs,
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        speed::{self, SpeedArgs},
    },
    outputs::{Layout, OutputArgs, Stdout},
    subjects,
};
use crate::{
    analysis::{self, Analysis, Finding},
    record::{Plan, Purpose, Role, Run},
    report,
    run::quality::Inputs,
};

/// Timings are what is checked: the same file has the same output, and no model is better than itself.
#[derive(Debug, Args)]
#[command(mut_arg(speed::PROMPTS, no_prompts))]
pub(super) struct SelfcheckArgs {
    /// A GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
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
    let environment = Environment::with_servers(&engine.rpc_servers())?;
    let variants = engine.into_variants(environment.threads)?;
    variants.only()?;
    let prompts = speed.prompt_policy();
    let (workloads, sampling) = speed.into_work()?;
    if workloads.is_empty() {
        bail!("nothing to measure: --pp, --tg and --prompts are all none");
    }
    let protocol = precision.into_protocol(Scale::usual(), &workloads, prompts);
    let results = output.results.clone();
    let mut sources =
        fetch::sources([&*model], Role::Candidate, execution.downloads(), bench::observer(&results).as_mut());
    sources.extend(sources.first().cloned());
    let job = Job {
        purpose: Purpose::SelfCheck,
        plan: Plan {
            workloads,
            protocol,
            sampling,
            seed: execution.seed,
            quality: None,
            threads: Some(variants.threads),
            task_work: None,
            left_out: Vec::new(),
            min_ctx: None,
            race: None,
        },
        subjects: subjects::find(sources, &variants),
        inputs: Inputs::default(),
        constraints: None,
        tuning: None,
        execution,
        environment,
        layout: Layout::Folder,
        output,
        gate: GateArgs::default(),
    };
    let finished = match bench::take(job)? {
        Taken::Finished(finished) => finished,
        Taken::Planned(exit) => return Ok(exit),
    };
    let stdout = finished.report(&results, None)?;
    conclude(&finished.run, &finished.analysis, stdout)
}

/// Whether the model was seen to differ from itself.
pub(super) fn conclude(run: &Run, analysis: &Analysis, stdout: Stdout) -> Result<Exit> {
    let exit = bench::exit(run);
    if exit != Exit::Fine {
        return Ok(exit);
    }
    let found = analysis::selfcheck(run, analysis);
    let text = report::selfcheck(&found);
    if stdout == Stdout::Free {
        print_text(&format!("\n{text}"))?;
    }
    Ok(match found.finding() {
        Finding::Passed => Exit::Fine,
        Finding::Failed => Exit::SelfcheckFailed,
        Finding::NotResolved => Exit::NotResolved,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Outcome, read_run};

    /// A model against itself over ten rounds, the second time slower by `factor`, and every other round by `noise`.
    fn concluded(factor: f64, noise: f64) -> Exit {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = read_run(&path).expect("the fixture is a record");
        run.subjects.truncate(2);
        run.subjects.iter_mut().for_each(|subject| subject.outcome = Outcome::Done);
        run.purpose = Purpose::SelfCheck;
        run.ended = crate::record::Ended::RoundsDone;
        run.quality = None;
        let mut round = run.rounds[0].clone();
        round.visits.truncate(1);
        let mut second = round.visits[0].clone();
        second.model = 1;
        round.visits[0].model = 0;
        round.visits.push(second);
        let slower = |ns: u64, by: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
            {
                (ns as f64 * by) as u64
            }
        };
        run.rounds.clear();
        for index in 0..10 {
            let mut own = round.clone();
            own.index = index;
            let by = factor * (1.0 + noise * f64::from(index % 3));
            for sample in &mut own.visits[1].samples {
                sample.wall_ns = slower(sample.wall_ns, by);
                sample.native_ns = sample.native_ns.map(|ns| slower(ns, by));
            }
            run.rounds.push(own);
        }
        let analysis = crate::analysis::analyse(&run);
        conclude(&run, &analysis, Stdout::Taken).expect("nothing is printed")
    }

    #[test]
    fn the_exit_code_is_the_finding() {
        assert_eq!(concluded(1.0, 0.0), Exit::Fine);
        assert_eq!(concluded(1.2, 0.0), Exit::SelfcheckFailed);
        assert_eq!(concluded(1.0, 0.2), Exit::NotResolved);
    }
}
