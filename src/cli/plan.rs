//! From what was typed to what it means: the plan.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{args::MeasureArgs, machine::computes_on_device, quality::Wanted, values::Rounds};
use crate::{
    metric::{self, Family, MetricId},
    prompts::{self, Prompt},
    record::{Budget, InnerPolicy, Machine, Plan, PromptText, PromptTurns, Protocol, Settings, Workload, WorkloadKind},
    stats,
};

/// Rounds when nothing is said.
const ROUNDS: Rounds = Rounds { min: 10, max: 40 };
/// Rounds of a quick look: one mirrored pair.
const QUICK_ROUNDS: u32 = 2;
/// Samples of a round of the pilot: the fewest that have a spread.
const PILOT_INNER: u32 = 2;
/// Wall time a model is given when nothing is said: five minutes for an original and a candidate.
const BUDGET_S_PER_MODEL: u64 = 150;
/// Untimed work before the first sample of a visit.
const WARMUP_MS: u64 = 300;

/// What a command knows before it plans.
pub(super) struct Setting {
    /// Models, the original included.
    pub(super) n_models: usize,
    /// Samples of a round of a quick look.
    pub(super) quick_inner: u32,
    /// Wall time to aim at when nothing is said; `None`: by the number of models.
    pub(super) budget_s: Option<u64>,
}

/// The plan of a measurement.
pub(super) fn plan(args: &MeasureArgs, setting: &Setting, quality: &Wanted, machine: &Machine) -> Result<Plan> {
    let mut workloads = Vec::new();
    workloads.extend(args.generation.alone(&args.pp, &args.tg));
    workloads.extend(args.generation.together(&args.pp, &args.tg));
    for prompt in args.generation.some_of(prompts_of(args.prompts.as_deref())?) {
        let text =
            PromptText { category: prompt.category, text: prompt.text, max_new_tokens: args.max_new_tokens.max(1) };
        workloads.push(Workload { id: prompt.name, kind: WorkloadKind::Prompt(text) });
    }
    if workloads.is_empty() && quality.plan.is_none() {
        bail!("nothing to measure: --pp, --tg and --prompts are all none, and --no-quality was given");
    }
    let protocol = protocol(args, setting, &workloads, machine)?;
    Ok(Plan {
        workloads,
        protocol,
        sampling: args.generation.sampling(),
        seed: args.seed,
        quality: quality.plan.clone(),
    })
}

/// llama.cpp's settings of every subject.
pub(super) fn settings(args: &MeasureArgs, allowed_cpus: u32) -> Settings {
    let n_threads = args.threads.unwrap_or(allowed_cpus);
    Settings {
        device: args.device,
        n_gpu_layers: args.n_gpu_layers,
        n_threads,
        n_threads_batch: args.threads_batch.unwrap_or(n_threads),
        n_batch: args.batch_size,
        n_ubatch: args.ubatch_size.min(args.batch_size),
        type_k: args.cache_type_k,
        type_v: args.cache_type_v,
        flash_attention: args.flash_attn,
    }
}

fn protocol(args: &MeasureArgs, setting: &Setting, workloads: &[Workload], machine: &Machine) -> Result<Protocol> {
    let rounds = match args.rounds {
        // Only output is compared.
        _ if workloads.is_empty() => Rounds { min: 0, max: 0 },
        _ if args.quick => Rounds { min: QUICK_ROUNDS, max: QUICK_ROUNDS },
        Some(typed) => typed,
        None => default_rounds(args, setting, workloads, machine)?,
    };
    let (inner_samples, inner) = match args.inner {
        Some(typed) => (typed, InnerPolicy::Fixed),
        None if args.quick => (setting.quick_inner, InnerPolicy::Fixed),
        None => (PILOT_INNER, InnerPolicy::Pilot),
    };
    let aim = || setting.budget_s.unwrap_or(BUDGET_S_PER_MODEL * setting.n_models as u64);
    let (budget_s, budget) = match args.budget {
        Some(typed) => (Some(typed), Budget::Limit),
        // Who names the rounds wants those.
        None if args.quick || args.rounds.is_some() => (None, Budget::Aim),
        None => (Some(aim()), Budget::Aim),
    };
    Ok(Protocol {
        min_rounds: rounds.min,
        max_rounds: rounds.max,
        inner_samples,
        inner,
        arrangement: args.arrangement,
        workers: args.workers,
        prompt_rounds: rounds.min,
        prompt_turns: PromptTurns::InTurn,
        warmup_ms: WARMUP_MS,
        precision: args.precision,
        confidence: args.confidence,
        equivalence: args.equivalence,
        budget_s,
        budget,
        quick: args.quick,
    })
}

/// At least as many as the verdicts on speed, load and memory need to be drawn at all, each at its adjusted confidence.
fn default_rounds(args: &MeasureArgs, setting: &Setting, workloads: &[Workload], machine: &Machine) -> Result<Rounds> {
    let metrics = metric::of_workloads(workloads);
    let on_device = computes_on_device(args.device, args.n_gpu_layers, machine);
    let measured = |id: &&MetricId| on_device || **id != MetricId::DeviceMemory;
    let of = |family| metrics.iter().filter(measured).filter(|id| id.spec().family == family).count();
    let verdicts = setting.n_models.saturating_sub(1).max(1) * of(Family::Primary).max(of(Family::Depth));
    let fewest = stats::fewest_for_effect(1.0 - (1.0 - args.confidence) / verdicts as f64).context("--confidence")?;
    let min = ROUNDS.min.max(u32::try_from(fewest).unwrap_or(u32::MAX).next_multiple_of(2));
    Ok(Rounds { min, max: ROUNDS.max.max(min) })
}

fn prompts_of(typed: Option<&str>) -> Result<Vec<Prompt>> {
    match typed {
        // The suite's prompts are grouped by length; files have categories of their own.
        None => Ok(prompts::suite().into_iter().map(by_length).collect()),
        Some("none") => Ok(Vec::new()),
        Some(path) => prompts::read(Path::new(path)).with_context(|| format!("read the prompts of {path}")),
    }
}

fn by_length(prompt: Prompt) -> Prompt {
    match prompt.length_class() {
        Some(class) => Prompt { category: class.as_str().into(), ..prompt },
        None => prompt,
    }
}
