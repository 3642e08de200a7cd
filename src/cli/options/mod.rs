//! What can be typed, in groups that each turn into their part of a plan; a command has the groups that mean something to it.

pub(super) mod engine;
pub(super) mod execution;
pub(super) mod precision;
pub(super) mod quality;
pub(super) mod recommendation;
pub(super) mod speed;
pub(super) mod task;
pub(super) mod values;

use anyhow::{Result, bail};
use clap::Args;

use super::machine::Environment;
use crate::{
    record::{Constraints, Plan},
    run::quality::Inputs,
};
use engine::{EngineArgs, Variants};
use execution::ExecutionArgs;
use precision::{PrecisionArgs, Scale};
use quality::{OutputComparison, QualityArgs, Texts};
use recommendation::RecommendationArgs;
use speed::SpeedArgs;
use task::TaskArgs;

/// Wall time that a thorough run aims at, in seconds.
const FULL_AIM_S: u64 = 1800;

/// Options of every command that measures speed and compares outputs.
#[derive(Debug, Args)]
pub(super) struct MeasureArgs {
    #[command(flatten)]
    pub(super) speed: SpeedArgs,
    #[command(flatten)]
    pub(super) precision: PrecisionArgs,
    /// A thorough run, which aims at half an hour: at the depths 0, 4096 and 16384, and with every prompt
    #[arg(long, conflicts_with = "quick", help_heading = "Precision")]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) execution: ExecutionArgs,
    /// Do not compare outputs
    #[arg(long, help_heading = "Quality")]
    pub(super) no_quality: bool,
    #[command(flatten)]
    pub(super) quality: QualityArgs,
    #[command(flatten)]
    pub(super) task: TaskArgs,
    #[command(flatten)]
    pub(super) recommendation: RecommendationArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

/// What is asked for, before it is known which models there are.
pub(super) struct Request {
    pub(super) plan: Plan,
    /// Those of every file.
    pub(super) variants: Variants,
    pub(super) inputs: Inputs,
    pub(super) constraints: Option<Constraints>,
    pub(super) execution: ExecutionArgs,
}

impl MeasureArgs {
    pub(crate) fn into_request(self, scale: Scale, texts: Texts, environment: &Environment) -> Result<Request> {
        let Self { speed, precision, full, execution, no_quality, quality, task, recommendation, engine } = self;
        let speed = if full { speed.full() } else { speed };
        let scale = if full { Scale { aim_s: Some(FULL_AIM_S), ..scale } } else { scale };
        let tasks = task.into_inputs(execution.seed)?;
        let texts = Texts { quick: texts.quick || precision.quick, ..texts };
        let compared = if no_quality { None } else { Some(quality.into_plan(texts)?) };
        let (quality, inputs) = compared.map(|OutputComparison { plan, inputs }| (plan, inputs)).unzip();
        let prompts = speed.prompt_policy();
        let (workloads, sampling) = speed.into_work()?;
        if workloads.is_empty() && quality.is_none() && tasks.tasks.is_empty() {
            bail!("nothing to measure: --pp, --tg and --prompts are all none, --no-quality was given, and no --task");
        }
        let variants = engine.into_variants(environment.threads)?;
        let protocol = precision.into_protocol(scale, &workloads, prompts);
        Ok(Request {
            plan: Plan {
                workloads,
                protocol,
                sampling,
                seed: execution.seed,
                quality,
                threads: Some(variants.threads),
                task_work: tasks.work(),
                left_out: Vec::new(),
                min_ctx: None,
                race: None,
            },
            variants,
            inputs: Inputs { tasks, ..inputs.unwrap_or_default() },
            constraints: recommendation.constraints(),
            execution,
        })
    }
}
