//! --dry-run: the plan, the memory it needs by model, and an estimate of the time. Measures nothing.

use std::fmt::Write;

use anyhow::Result;

use super::{exit::Exit, machine::Here, print, subjects::Subject};
use crate::{
    engine::QuantType,
    gguf,
    record::{
        Arrangement, Budget, InnerPolicy, ModelFacts, Outcome, Plan, PromptText, Protocol, QualityPlan, Role, Workers,
        WorkloadKind,
    },
    report::format,
    run,
};

/// Assumed for the estimate alone: memory bandwidth a generation reaches, in bytes a second.
const ASSUMED_BANDWIDTH: f64 = 12e9;
/// Assumed for the estimate alone: arithmetic a prompt evaluation reaches on one CPU, in operations a second.
const ASSUMED_OPERATIONS_PER_CPU: f64 = 4e10;
/// Assumed characters of a token.
const ASSUMED_CHARS_PER_TOKEN: f64 = 4.2;
/// Starting a worker and ending it.
const ASSUMED_VISIT_S: f64 = 0.3;

/// Prints the plan for these models, and for the `types` that would be made of the first.
pub(super) fn show(subjects: &[Subject], plan: &Plan, here: &Here, types: &[QuantType]) -> Result<Exit> {
    let mut text = String::new();
    let protocol = &plan.protocol;
    let (prompts, synthetic): (Vec<_>, Vec<_>) =
        plan.workloads.iter().partition(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
    let ids = synthetic.iter().map(|w| w.id.as_str()).collect::<Vec<_>>().join(", ");
    writeln!(text, "Plan")?;
    writeln!(
        text,
        "  workloads  {}; {} prompts, {} of them in each of the first {} rounds",
        if ids.is_empty() { "none" } else { &ids },
        prompts.len(),
        run::prompts_in(plan, 0).len(),
        protocol.prompt_rounds
    )?;
    writeln!(text, "  rounds     {}", rounds_words(protocol))?;
    writeln!(text, "  a round    {}", round_words(protocol))?;
    writeln!(
        text,
        "  llama.cpp  {} threads ({} for prompts), batch {}/{}, seed {}",
        plan.engine.n_threads, plan.engine.n_threads_batch, plan.engine.n_batch, plan.engine.n_ubatch, plan.seed
    )?;
    if let Some(quality) = &plan.quality {
        writeln!(text, "  quality    {}", quality_words(quality, subjects, plan, here, types))?;
    }
    writeln!(text, "\nModels")?;
    let mut seconds = Estimate::default();
    for subject in subjects {
        let model = &subject.model;
        match (&model.facts, &model.outcome) {
            _ if subject.pending.is_some() => {
                writeln!(text, "  {}  {}", model.name, subject.pending.as_deref().unwrap_or_default())?;
            }
            (_, Outcome::Failed { reason, .. }) => writeln!(text, "  {}  can't be measured: {reason}", model.name)?,
            (Some(facts), Outcome::Done) => {
                let kv = gguf::Model::read(&subject.path).ok().and_then(|m| {
                    m.facts()
                        .shape
                        .kv_cache_bytes(
                            plan.largest_synthetic_context(facts.n_ctx_train),
                            plan.engine.type_k.into(),
                            plan.engine.type_v.into(),
                        )
                        .ok()
                });
                let total = facts.weights_bytes + kv.unwrap_or(0);
                writeln!(
                    text,
                    "  {}  {}, {:.2} bits per weight: weights {} + KV cache {} = {} of {} available",
                    model.name,
                    facts.quant,
                    facts.bits_per_weight,
                    size(facts.weights_bytes),
                    kv.map_or_else(|| "unknown".into(), size),
                    size(total),
                    size(here.machine.available_bytes)
                )?;
                for (id, n_ctx) in too_deep(plan, facts) {
                    writeln!(text, "    {id} needs a context of {n_ctx}, which it was not trained for: not measured")?;
                }
                // What would be made of it is smaller and no slower than it.
                let models = (1 + types.len()) as f64;
                seconds.a_round += visit_seconds(plan, facts, kv.unwrap_or(0)) * models;
                seconds.once += quality_seconds(plan, facts.n_params) * models;
            }
            (None, Outcome::Done) => {}
        }
    }
    if !types.is_empty() {
        writeln!(text, "  to be made of it: {}", types.iter().map(|t| t.name).collect::<Vec<_>>().join(", "))?;
    }
    if subjects.iter().any(|s| s.pending.is_some()) {
        writeln!(text, "\nTime: not known before every model is here")?;
    } else {
        writeln!(text, "\nTime: {}", time_words(protocol, seconds))?;
    }
    print(&text)
}

/// Work at a depth that the model's training does not allow, and the context it needs.
fn too_deep<'a>(plan: &'a Plan, facts: &ModelFacts) -> Vec<(&'a str, u32)> {
    let deep = plan.workloads.iter().filter(|w| w.kind.is_too_deep(facts.n_ctx_train));
    deep.filter_map(|w| Some((w.id.as_str(), w.kind.n_ctx()?))).collect()
}

fn rounds_words(protocol: &Protocol) -> String {
    let Protocol { min_rounds, max_rounds, .. } = protocol;
    if min_rounds == max_rounds {
        return format!("{max_rounds}, order mirrored in every second one");
    }
    let budget = match (protocol.budget_s, protocol.budget) {
        (None, _) => String::new(),
        (Some(s), Budget::Aim) => format!(", or about {} are spent", duration(s as f64)),
        (Some(s), Budget::Limit) => format!(", or the next pair would not end within {}", duration(s as f64)),
    };
    format!(
        "{min_rounds} to {max_rounds}, order mirrored in every second one, until every speed ratio is known to ±{:.1} %{budget}",
        protocol.precision * 100.0
    )
}

fn round_words(protocol: &Protocol) -> String {
    let arrangement = match protocol.arrangement {
        Arrangement::Sequential => "one model after the other",
        Arrangement::Alternating => "all models loaded side by side, their samples alternating",
    };
    let workers = match protocol.workers {
        Workers::Fresh => "fresh workers",
        Workers::Resident => "workers kept for the whole run",
        Workers::Auto => "fresh workers, kept when loading turns out to take longer than measuring",
    };
    let samples = match protocol.inner {
        InnerPolicy::Fixed => format!("{} sample(s) of each workload", protocol.inner_samples),
        InnerPolicy::Pilot => {
            format!("{} samples of each workload, then as many as the first rounds find best", protocol.inner_samples)
        }
    };
    format!("{arrangement}; {workers}; {samples}")
}

/// From the least rounds to the most, or to what is to be spent.
fn time_words(protocol: &Protocol, seconds: Estimate) -> String {
    let most = f64::from(protocol.max_rounds) * seconds.a_round + seconds.once;
    let least = f64::from(protocol.min_rounds) * seconds.a_round + seconds.once;
    let most = protocol.budget_s.map_or(most, |budget| most.min(budget as f64));
    let span = match protocol.budget {
        Budget::Limit => format!("at most {}", duration(most)),
        Budget::Aim if most > 1.2 * least => format!("{} to {}", duration(least), duration(most)),
        Budget::Aim => format!("roughly {}", duration(least)),
    };
    format!("{span} (a round {}; from the sizes and assumed speeds, nothing was measured)", duration(seconds.a_round))
}

/// Assumed times.
#[derive(Clone, Copy, Default)]
struct Estimate {
    a_round: f64,
    once: f64,
}

/// How outputs are compared, and who shares a pass of the original.
fn quality_words(quality: &QualityPlan, subjects: &[Subject], plan: &Plan, here: &Here, types: &[QuantType]) -> String {
    let needs = |s: &Subject| run::quality::needed_bytes(&s.model, &s.path, &plan.engine, quality.n_ctx);
    let (originals, candidates): (Vec<&Subject>, _) = subjects.iter().partition(|s| s.model.role == Role::Original);
    // A file of log-probabilities in its place has no facts.
    let original_bytes = originals.first().filter(|s| s.model.facts.is_some()).map(|s| needs(s));
    // What would be made of the original is no larger than it.
    let made = types.iter().filter_map(|_| original_bytes);
    let demand = run::quality::Demand {
        original_bytes,
        candidates_bytes: candidates.into_iter().map(needs).chain(made).collect(),
        cache_bytes: run::quality::cache_bytes(quality),
        available_bytes: run::quality::available_bytes(&here.machine, &plan.engine),
    };
    run::quality::describe(run::quality::sharing(quality, &demand), quality)
}

/// Time of comparing one model's output, when the text is as long as the limit.
fn quality_seconds(plan: &Plan, n_params: u64) -> f64 {
    let Some(quality) = &plan.quality else { return 0.0 };
    let text_bytes: u64 = quality.texts.iter().filter_map(|text| text.bytes).sum();
    let tokens = text_bytes as f64 / ASSUMED_CHARS_PER_TOKEN;
    let most = quality.max_windows.map_or(f64::INFINITY, |most| most as f64 * f64::from(quality.n_ctx));
    tokens.min(most) * 2.0 * n_params as f64 / (ASSUMED_OPERATIONS_PER_CPU * f64::from(plan.engine.n_threads_batch))
}

/// Time of a visit to a model whose KV cache takes `kv_bytes` in the plan's largest context.
fn visit_seconds(plan: &Plan, facts: &ModelFacts, kv_bytes: u64) -> f64 {
    let operations_per_s = ASSUMED_OPERATIONS_PER_CPU * f64::from(plan.engine.n_threads_batch);
    let prefill = 2.0 * facts.n_params as f64 / operations_per_s;
    let decode = facts.weights_bytes as f64 / ASSUMED_BANDWIDTH;
    // Each token of a prompt is held against those before it, twice: scores, and what they weigh.
    let width = f64::from(facts.n_layer.unwrap_or(0)) * f64::from(facts.n_embd.unwrap_or(0));
    let attend = 4.0 * width / operations_per_s;
    let prefill_after =
        |n: u32, depth: u32| f64::from(n) * (prefill + attend * (f64::from(depth) + f64::from(n) / 2.0));
    let cached =
        kv_bytes as f64 / f64::from(plan.largest_synthetic_context(facts.n_ctx_train).max(1)) / ASSUMED_BANDWIDTH;
    let repeats = f64::from(plan.protocol.inner_samples + 1);
    let prompt =
        |p: &PromptText| p.text.len() as f64 / ASSUMED_CHARS_PER_TOKEN * prefill + f64::from(p.max_new_tokens) * decode;
    let asked = run::prompts_in(plan, 0);
    let seconds = plan.workloads.iter().enumerate().map(|(index, w)| match &w.kind {
        kind if kind.is_too_deep(facts.n_ctx_train) => 0.0,
        // The tokens before are evaluated once for each context, and read again with each token generated.
        WorkloadKind::Pp { n_tokens, n_depth } => {
            prefill_after(*n_depth, 0) + prefill_after(*n_tokens, *n_depth) * repeats
        }
        WorkloadKind::Tg { n_tokens, n_depth } => {
            prefill_after(*n_depth, 0) + f64::from(*n_tokens) * (decode + cached * f64::from(*n_depth)) * repeats
        }
        WorkloadKind::PpTogether { n_tokens, n_seq } => f64::from(n_tokens * n_seq) * prefill * repeats,
        // Up to some sequences, reading the weights once for all of them is what takes the time.
        WorkloadKind::TgTogether { n_tokens, n_depth, n_seq } => {
            (f64::from(*n_tokens) * decode + f64::from(n_depth * n_seq) * prefill) * repeats
        }
        WorkloadKind::Prompt(p) if asked.contains(&index) => prompt(p),
        WorkloadKind::Prompt(_) => 0.0,
    });
    seconds.sum::<f64>() + ASSUMED_VISIT_S
}

/// A size in the unit a person would choose.
pub(super) fn size(bytes: u64) -> String {
    format::bytes(bytes as f64)
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
