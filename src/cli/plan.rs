//! From what was typed to what it means: the plan.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{args::MeasureArgs, quality::Wanted};
use crate::{
    prompts::{self, Prompt},
    record::{EngineConfig, Plan, PromptText, Protocol, Workload, WorkloadKind},
};

/// Rounds when nothing is said: enough for up to 25 verdicts at 95 % together (an interval alone needs 6).
const ROUNDS: u32 = 10;
/// Rounds of a quick look: one mirrored pair.
const QUICK_ROUNDS: u32 = 2;
/// Rounds in which the prompts are asked: one mirrored pair.
const PROMPT_ROUNDS: u32 = 2;
/// Untimed work before the first sample of a visit.
const WARMUP_MS: u64 = 300;

/// The plan of a measurement; `inner` is the number of samples in a round when nothing is said.
pub(super) fn plan(args: &MeasureArgs, allowed_cpus: u32, inner: u32, quality: &Wanted) -> Result<Plan> {
    let mut workloads = Vec::new();
    workloads.extend(lengths(&args.pp).map(|n| synthetic("pp", n, WorkloadKind::Pp { n_tokens: n })));
    workloads.extend(lengths(&args.tg).map(|n| synthetic("tg", n, WorkloadKind::Tg { n_tokens: n })));
    workloads.extend(args.generation.together(&args.pp, &args.tg));
    for prompt in args.generation.some_of(prompts_of(args.prompts.as_deref())?) {
        let text =
            PromptText { category: prompt.category, text: prompt.text, max_new_tokens: args.max_new_tokens.max(1) };
        workloads.push(Workload { id: prompt.name, kind: WorkloadKind::Prompt(text) });
    }
    if workloads.is_empty() && quality.plan.is_none() {
        bail!("nothing to measure: --pp, --tg and --prompts are all none, and --no-quality was given");
    }
    let n_threads = args.threads.unwrap_or(allowed_cpus);
    let rounds = match args.rounds {
        // Only output is compared.
        _ if workloads.is_empty() => 0,
        _ if args.quick => QUICK_ROUNDS,
        typed => typed.unwrap_or(ROUNDS),
    };
    Ok(Plan {
        workloads,
        engine: EngineConfig {
            device: args.device.into(),
            n_gpu_layers: args.n_gpu_layers,
            n_threads,
            n_threads_batch: args.threads_batch.unwrap_or(n_threads),
            n_batch: args.batch_size,
            n_ubatch: args.ubatch_size.min(args.batch_size),
            type_k: args.cache_type_k.into(),
            type_v: args.cache_type_v.into(),
            flash_attention: args.flash_attn.into(),
        },
        protocol: Protocol {
            min_rounds: rounds,
            max_rounds: rounds,
            inner_samples: args.inner.unwrap_or(inner),
            prompt_rounds: PROMPT_ROUNDS.min(rounds),
            warmup_ms: WARMUP_MS,
            precision: 0.01,
            confidence: 0.95,
            equivalence: 0.01,
            budget_s: None,
            quick: args.quick,
        },
        sampling: args.generation.sampling(),
        seed: args.seed,
        quality: quality.plan.clone(),
    })
}

/// Lengths without the zeros that mean none and without repetitions.
fn lengths(typed: &[u32]) -> impl Iterator<Item = u32> {
    let mut seen: Vec<u32> = Vec::new();
    for &n in typed {
        if n > 0 && !seen.contains(&n) {
            seen.push(n);
        }
    }
    seen.into_iter()
}

fn synthetic(prefix: &str, n: u32, kind: WorkloadKind) -> Workload {
    Workload { id: format!("{prefix}{n}"), kind }
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

/// The longest context any synthetic workload of the plan needs.
pub(super) fn largest_synthetic_context(plan: &Plan) -> u32 {
    let lengths = plan.workloads.iter().filter_map(|w| match w.kind {
        WorkloadKind::Pp { n_tokens } | WorkloadKind::Tg { n_tokens } => Some(n_tokens),
        WorkloadKind::PpTogether { n_tokens, n_seq } => Some(n_tokens * n_seq),
        WorkloadKind::TgTogether { n_tokens, n_depth, n_seq } => Some((n_tokens + n_depth) * n_seq),
        WorkloadKind::Prompt(_) => None,
    });
    lengths.max().unwrap_or(0)
}
