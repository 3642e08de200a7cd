//! quality: compares outputs, and measures no speed.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::{
    bench::{self, Job, observer},
    console::Exit,
    fetch,
    machine::Environment,
    options::{
        engine::EngineArgs,
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        quality::{OutputComparison, QualityArgs, Texts},
        recommendation::RecommendationArgs,
        task::TaskArgs,
        values::confidence,
    },
    outputs::{Layout, OutputArgs},
    subjects,
};
use crate::{
    prompts,
    record::{Plan, PromptPolicy, Purpose, QualityMemory, QualityPlan, Role, Sampling, TextPlan},
    run::quality::Inputs,
};

/// Everything but speed.
#[derive(Debug, Args)]
pub(super) struct QualityCommand {
    /// The original, then the quantized checkpoints; with --logits the checkpoints alone
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Compare with log-probabilities written by --save-logits or by llama-perplexity --kl-divergence-base
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save_logits", "text"], help_heading = "Quality")]
    logits: Option<PathBuf>,
    /// Write the original's log-probabilities in llama-perplexity's format: large, and needs a single --text
    #[arg(long, value_name = "FILE", help_heading = "Quality")]
    save_logits: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
    #[command(flatten)]
    quality: QualityArgs,
    #[command(flatten)]
    task: TaskArgs,
    /// Score 8 windows, one of each document: a quick look, labelled as such
    #[arg(long, help_heading = "Quality")]
    quick: bool,
    /// Confidence of every interval
    #[arg(long, default_value = "0.95", value_name = "P", value_parser = confidence, help_heading = "Quality")]
    confidence: f64,
    #[command(flatten)]
    recommendation: RecommendationArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: QualityCommand) -> Result<Exit> {
    let QualityCommand {
        models,
        logits,
        save_logits,
        output,
        execution,
        quality,
        task,
        quick,
        confidence,
        recommendation,
        engine,
    } = args;
    let tasks = task.into_inputs(execution.seed)?;
    let OutputComparison { plan, inputs } =
        quality.into_plan(Texts { defaults: prompts::documents, quick, most_windows: None })?;
    if logits.is_some() && plan.memory == QualityMemory::Cached {
        bail!("--quality-memory cached keeps a part of the original's output; with --logits all of it is there");
    }
    if save_logits.is_some() && inputs.texts.len() != 1 {
        bail!("--save-logits writes the windows of one text: name it with --text");
    }
    if models.len() < 2 && logits.is_none() && save_logits.is_none() {
        bail!("name the original and at least one quantized checkpoint to compare with it");
    }
    // The header of a file to save says how many windows follow; the texts of one to read are not known.
    let precision = if save_logits.is_some() { 0.0 } else { plan.precision };
    let texts = logits.as_deref().map_or(plan.texts, |file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![TextPlan { domain: name.clone(), name, sha256: None, bytes: None }]
    });
    let quality = QualityPlan { texts, precision, ..plan };
    // No rounds, so nothing else that is typed for them.
    let precision = PrecisionArgs { confidence, quick, ..PrecisionArgs::defaults()? };
    let scale = Scale { aim_s: None, ..Scale::usual() };
    let environment = Environment::read()?;
    let (settings, threads) = engine.into_settings(environment.threads);
    let plan = Plan {
        workloads: Vec::new(),
        protocol: precision.into_protocol(scale, &[], PromptPolicy::Always),
        sampling: Sampling::Greedy,
        seed: execution.seed,
        quality: Some(quality),
        threads: Some(threads),
    };
    let names = models.iter().map(String::as_str);
    let first = if logits.is_some() { Role::Candidate } else { Role::Original };
    let sources = fetch::sources(names, first, execution.downloads(), observer(&output.results).as_mut());
    let mut found = subjects::find(sources, &settings);
    if let Some(file) = &logits {
        subjects::compare_with_file(&mut found, file, &settings);
    }
    bench::measure(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects: found,
        inputs: Inputs { logits, save_logits, tasks, ..inputs },
        constraints: recommendation.constraints(),
        execution,
        environment,
        layout: Layout::Folder,
        output,
    })
}
