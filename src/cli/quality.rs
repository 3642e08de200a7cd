//! quality: compares outputs, and measures no speed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{
    bench::{self, CompareArgs, Job, observer},
    console::Exit,
    fetch,
    gate::GateArgs,
    machine::Environment,
    options::{
        MeasureArgs,
        engine::EngineArgs,
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        quality::{OutputComparison, QualityArgs, Texts, min_windows},
        recommendation::RecommendationArgs,
        task::TaskArgs,
        values::confidence,
    },
    outputs::{self, Layout, OutputArgs},
    subjects,
};
use crate::{
    prompts,
    quality::{
        open_regular,
        reference_file::{self, ReferenceHeader},
    },
    record::{Plan, PromptPolicy, Purpose, QualityMemory, QualityPlan, Reference, Role, Sampling, TextPlan},
    run::quality::{Inputs, StoredReference},
    text::printable,
};

/// Everything but speed.
#[derive(Debug, Args)]
pub(super) struct QualityCommand {
    /// The original, then the quantized checkpoints; with --logits or --reference the checkpoints alone
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Compare with log-probabilities written by --save-logits or by llama-perplexity --kl-divergence-base
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save_logits", "text", "task", "recall"], help_heading = "Quality")]
    logits: Option<PathBuf>,
    /// Compare with a file that `gguf-bench reference` wrote, without the original; KLD is then a lower bound
    #[arg(long, value_name = "FILE.gbref", conflicts_with_all = ["logits", "save_logits", "task", "recall"], help_heading = "Quality")]
    reference: Option<PathBuf>,
    /// Write the original's log-probabilities in llama-perplexity's format: large, and needs a single --text
    #[arg(long, value_name = "FILE", help_heading = "Quality")]
    save_logits: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    gate: GateArgs,
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
        reference,
        save_logits,
        output,
        gate,
        execution,
        quality,
        task,
        quick,
        confidence,
        recommendation,
        engine,
    } = args;
    let tasks = task.into_inputs(execution.seed)?;
    // Its windows are the file's, and what texts there are depends on their length.
    let reference = reference.map(|path| read_reference(&path).map(|header| (path, header))).transpose()?;
    let quality = QualityArgs { ctx: reference.as_ref().map(|(_, header)| header.n_ctx).or(quality.ctx), ..quality };
    let OutputComparison { plan, inputs } =
        quality.into_plan(Texts { defaults: prompts::documents, quick, most_windows: None })?;
    if (logits.is_some() || reference.is_some()) && plan.memory == QualityMemory::Cached {
        bail!("--quality-memory cached evaluates the original, for which a file stands here");
    }
    if save_logits.is_some() && inputs.texts.len() != 1 {
        bail!("--save-logits writes the windows of one text: name it with --text");
    }
    if plan.positions.is_some() && (logits.is_some() || reference.is_some() || save_logits.is_some()) {
        bail!("--positions scores a part of each window, and a file holds whole ones");
    }
    if let Some(file) = &logits {
        check_logits(file)?;
    }
    if let Some(file) = &save_logits {
        output.replace.check_file(file, "--save-logits")?;
        outputs::check_writable(file, "--save-logits")?;
    }
    // The header of a file to save says how many windows follow; the texts of one to read are not known.
    let precision = if save_logits.is_some() { 0.0 } else { plan.precision };
    let texts = logits.as_deref().map_or(plan.texts, |file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![TextPlan { domain: name.clone(), name, sha256: None, bytes: None }]
    });
    let mut quality = QualityPlan { texts, precision, ..plan };
    let mut inputs = Inputs { logits, save_logits, tasks, ..inputs };
    if let Some((path, header)) = reference {
        stand_in(&path, header, &mut quality, &mut inputs)?;
    }
    // No rounds, so nothing else that is typed for them.
    let precision = PrecisionArgs { confidence, quick, ..PrecisionArgs::defaults()? };
    let scale = Scale { aim_s: None, ..Scale::usual() };
    let environment = Environment::with_servers(&engine.rpc_servers())?;
    let variants = engine.into_variants(environment.threads)?;
    let is_alone = models.len() < 2 && variants.all().len() < 2;
    if is_alone && !inputs.without_original() && inputs.save_logits.is_none() {
        bail!(
            "name the original and at least one quantized checkpoint to compare with it, or several values of a setting"
        );
    }
    let plan = Plan {
        workloads: Vec::new(),
        protocol: precision.into_protocol(scale, &[], PromptPolicy::Always),
        sampling: Sampling::Greedy,
        seed: execution.seed,
        quality: Some(quality),
        threads: Some(variants.threads),
        task_work: inputs.tasks.work(),
        left_out: Vec::new(),
        min_ctx: None,
        race: None,
    };
    let names = models.iter().map(String::as_str);
    let first = if inputs.without_original() { Role::Candidate } else { Role::Original };
    let sources = fetch::sources(names, first, execution.downloads(), observer(&output.results).as_mut());
    let mut found = subjects::find(sources, &variants);
    if let Some(file) = inputs.stands_for_original() {
        let name = inputs.reference.as_ref().and_then(|stored| match &stored.described {
            Reference::ReferenceFile { model, .. } => Some(&**model),
            Reference::Original | Reference::LogitsFile { .. } => None,
        });
        subjects::compare_with_file(&mut found, file, name, variants.base());
    }
    bench::measure(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects: found,
        inputs,
        constraints: recommendation.constraints(),
        tuning: None,
        execution,
        environment,
        layout: Layout::Folder,
        output,
        gate,
    })
}

/// Refuses a logits file that can't be read, before any model is loaded.
fn check_logits(path: &Path) -> Result<()> {
    match open_regular(path).with_context(|| format!("read {}", path.display()))? {
        Some(_) => Ok(()),
        None => bail!("{} is not a regular file", path.display()),
    }
}

/// The header of a reference file, once for all that depends on it: its checksum is over the whole file.
fn read_reference(path: &Path) -> Result<ReferenceHeader> {
    let (header, _) = reference_file::read(path).map_err(|error| refused(path, &error))?;
    Ok(header)
}

fn refused(path: &Path, error: &dyn std::fmt::Display) -> anyhow::Error {
    anyhow!("the reference file {}: {error}", path.display())
}

/// Puts a reference file in the original's place: its windows of its texts, which must be among ours.
fn stand_in(path: &Path, header: ReferenceHeader, plan: &mut QualityPlan, inputs: &mut Inputs) -> Result<()> {
    let body = |text: &TextPlan| {
        let ours = plan.texts.iter().position(|own| own.sha256.is_some() && own.sha256 == text.sha256);
        let missing = || {
            let made = format!(
                "it was made of the text {}, and no text here is the same; use the version that made it, {}, or --text",
                printable(&text.name),
                printable(&header.program)
            );
            refused(path, &made)
        };
        ours.and_then(|at| inputs.texts.get(at)).cloned().ok_or_else(missing)
    };
    let texts = header.texts.iter().map(body).collect::<Result<Vec<String>>>()?;
    inputs.texts = texts;
    (plan.texts, plan.n_ctx) = (header.texts, header.n_ctx);
    plan.min_windows = min_windows(plan.texts.len());
    plan.max_windows = Some(plan.max_windows.unwrap_or(usize::MAX).min(header.windows.len()));
    inputs.reference = Some(StoredReference {
        path: path.into(),
        described: Reference::ReferenceFile {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            model: header.model,
            model_sha256: header.model_sha256,
            top_k: header.top_k,
            program: header.program,
        },
    });
    Ok(())
}

/// compare --reference: there is no original whose speed candidates could be held against, so outputs alone are compared.
pub(super) fn against_reference(reference: PathBuf, args: CompareArgs) -> Result<Exit> {
    let CompareArgs { original, quantized, reference: _, output, gate, measure } = args;
    let MeasureArgs { speed: _, precision, full: _, execution, no_quality: _, quality, task, recommendation, engine } =
        measure;
    run(QualityCommand {
        models: std::iter::once(original).chain(quantized).collect(),
        logits: None,
        reference: Some(reference),
        save_logits: None,
        output,
        gate,
        execution,
        quality,
        task,
        quick: precision.quick,
        confidence: precision.confidence,
        recommendation,
        engine,
    })
}
