//! Warnings: what a reader should know before trusting the numbers, with evidence and a remedy.

use serde::Serialize;

use super::{ModelAnalysis, visits};
use crate::{
    record::{Model, Role, Run, Skipped},
    stats,
};

/// A warning in plain words. `kind` is stable for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable name: `clocks_disagree`, `cpu_features_unused`, `debug_build`, `busy_machine`, ...
    pub kind: String,
    /// The model it concerns, by name; `None` for the run as a whole.
    pub model: Option<String>,
    /// What was seen, with figures.
    pub evidence: String,
    /// What to do about it.
    pub remedy: String,
}

/// Native and wall clocks must agree this well.
const CLOCKS_AGREE: f64 = 0.01;
/// Other processes using more of the machine than this spoil timings.
const BUSY_SHARE: f64 = 0.10;
/// Time kept back by the hypervisor beyond this spoils timings.
const STEAL_SHARE: f64 = 0.02;
/// A peak beyond this share of what was available is close to failing.
const MEMORY_NEAR_FULL: f64 = 0.9;

/// Everything that should be said, the run as a whole first.
pub(super) fn find(run: &Run, models: &[ModelAnalysis]) -> Vec<Warning> {
    let mut found = Vec::new();
    found.extend(debug_build(run));
    found.extend(not_native(run));
    found.extend(threads(run));
    found.extend(busy(run));
    found.extend(tokenizers(run));
    for (index, model) in models.iter().enumerate() {
        found.extend(clocks(run, index));
        found.extend(too_long(run, index));
        found.extend(memory_near_full(run, model));
        found.extend(requantized(run, index));
    }
    found
}

fn warning(kind: &str, model: Option<&str>, evidence: String, remedy: &str) -> Warning {
    Warning { kind: kind.into(), model: model.map(Into::into), evidence, remedy: remedy.into() }
}

/// A prompt that was not asked is a row here, never a hole.
fn too_long(run: &Run, model: usize) -> Vec<Warning> {
    let skipped = visits(run, model).next().map(|v| &v.skipped[..]).unwrap_or_default();
    let of = |s: &Skipped| {
        let evidence = format!(
            "the prompt {} has {} tokens and needs a context of {} with its answer; the model was trained for {}, so it was not asked",
            run.plan.workloads[s.workload].id, s.n_prompt, s.n_ctx_needed, s.n_ctx_train
        );
        warning("prompt_too_long", Some(&run.models[model].name), evidence, "shorten it, or lower --max-new-tokens")
    };
    skipped.iter().map(of).collect()
}

fn debug_build(run: &Run) -> Option<Warning> {
    (run.build.profile != "release").then(|| {
        let evidence = format!("this gguf-bench was built with the profile {}", run.build.profile);
        warning("debug_build", None, evidence, "build with `make`, which uses the release profile")
    })
}

/// What the CPU has and llama.cpp was not compiled to use: (CPU feature, llama.cpp's name for it).
const FEATURES: [(&str, &str); 6] = [
    ("avx2", "AVX2"),
    ("fma", "FMA"),
    ("f16c", "F16C"),
    ("avx512f", "AVX512"),
    ("avx512_vnni", "AVX512_VNNI"),
    ("avx512_bf16", "AVX512_BF16"),
];

fn not_native(run: &Run) -> Option<Warning> {
    let used = |name: &str| run.build.system_info.contains(&format!(" {name} = 1"));
    let unused: Vec<&str> = FEATURES
        .iter()
        .filter(|(cpu, llama)| run.machine.cpu_features.iter().any(|f| f == cpu) && !used(llama))
        .map(|(_, llama)| *llama)
        .collect();
    (!unused.is_empty() && !run.build.system_info.is_empty()).then(|| {
        let evidence = format!("the CPU has {}, which this build of llama.cpp does not use", unused.join(", "));
        warning("cpu_features_unused", None, evidence, "build with `make`, which compiles llama.cpp for this CPU")
    })
}

fn threads(run: &Run) -> Option<Warning> {
    let most = run.plan.engine.n_threads.max(run.plan.engine.n_threads_batch);
    (most > run.machine.allowed_cpus).then(|| {
        let evidence = format!("{most} threads share the {} CPUs this process may use", run.machine.allowed_cpus);
        warning("more_threads_than_cpus", None, evidence, "leave out -t and -tb, or give the process more CPUs")
    })
}

fn busy(run: &Run) -> Option<Warning> {
    let conditions = || run.rounds.iter().flat_map(|r| &r.visits).map(|v| &v.conditions);
    let others: Vec<f64> = conditions().filter_map(|c| c.other_cpu_share).collect();
    let steal: Vec<f64> = conditions().filter_map(|c| c.steal_share).collect();
    let (others, steal) = (stats::median(&others).unwrap_or(0.0), stats::median(&steal).unwrap_or(0.0));
    (others > BUSY_SHARE || steal > STEAL_SHARE).then(|| {
        let evidence = format!(
            "other processes used {:.0} % of the machine's CPU time and the hypervisor kept back {:.1} % (medians over \
             visits)",
            others * 100.0,
            steal * 100.0
        );
        warning(
            "busy_machine",
            None,
            evidence,
            "ratios are protected by pairing, absolute numbers are not: repeat on an idle machine",
        )
    })
}

fn tokenizers(run: &Run) -> Option<Warning> {
    let fingerprint = |m: &Model| m.facts.as_ref().map(|f| f.tokenizer.fingerprint.clone());
    let original = run.models.iter().find(|m| m.role == Role::Original)?;
    let other = run.models.iter().find(|m| fingerprint(m).zip(fingerprint(original)).is_some_and(|(a, b)| a != b))?;
    let evidence = format!("{} and {} have different tokenizers", other.name, original.name);
    Some(warning(
        "tokenizers_differ",
        Some(&other.name),
        evidence,
        "compare checkpoints of one model: speeds per token are of different tokens",
    ))
}

fn clocks(run: &Run, model: usize) -> Option<Warning> {
    let samples = visits(run, model).flat_map(|v| &v.samples);
    let apart: Vec<f64> =
        samples.filter_map(|s| Some((s.native_ns? as f64 / s.wall_ns.max(1) as f64 - 1.0).abs())).collect();
    let apart = stats::median(&apart).ok().filter(|&apart| apart > CLOCKS_AGREE)?;
    let evidence = format!("llama.cpp's timings and ours differ by {:.1} % (median over samples)", apart * 100.0);
    Some(warning(
        "clocks_disagree",
        Some(&run.models[model].name),
        evidence,
        "look at the samples' wall_ns and native_ns; very short samples are measured badly, raise --pp and --tg",
    ))
}

fn memory_near_full(run: &Run, model: &ModelAnalysis) -> Option<Warning> {
    let peak = model.memory.as_ref()?.peak_bytes;
    let share = peak / run.machine.available_bytes.max(1) as f64;
    (share > MEMORY_NEAR_FULL).then(|| {
        let evidence = format!("its peak was {:.0} % of the memory that was available", share * 100.0);
        warning(
            "memory_near_full",
            Some(&model.name),
            evidence,
            "close other programs, or choose a smaller context or quantization",
        )
    })
}

fn requantized(run: &Run, model: usize) -> Option<Warning> {
    let made_from = run.models[model].facts.as_ref()?.made_from.as_ref()?;
    made_from.contains("requantized").then(|| {
        let evidence =
            format!("it was {made_from}: its quality is not that of a file made from the full-precision model");
        warning(
            "requantized",
            Some(&run.models[model].name),
            evidence,
            "use a full-precision original where one exists",
        )
    })
}
