//! What a warning is, and the kinds there are.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::record::Run;

/// A warning in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Warning {
    /// Which one; its name is stable for scripts.
    pub kind: WarningKind,
    /// The model it concerns, by name; `None` for the run as a whole.
    pub model: Option<String>,
    /// What was seen, with figures, in whole sentences.
    pub evidence: String,
    /// What to do about it, in whole sentences.
    pub remedy: String,
}

/// The warnings there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// The program or llama.cpp was compiled without optimization.
    DebugBuild,
    /// The CPU has instructions that llama.cpp was not compiled to use.
    CpuFeaturesUnused,
    /// Threads share CPUs.
    MoreThreadsThanCpus,
    /// Variables of the environment make idle threads spin, bind threads to CPUs, or leave fewer of them than asked for.
    OpenmpEnvironment,
    /// Other processes or the hypervisor took CPU time.
    BusyMachine,
    /// Memory came back from swap, or was waited for.
    Swapping,
    /// The CPU got slower or hot.
    Throttling,
    /// The original's speed has a trend over the rounds.
    Drift,
    /// The first sample of a visit is slower than those after it.
    WarmupTooShort,
    /// Rounds that lie far from the others.
    Outliers,
    /// Timings scatter too far for the differences that were asked for.
    TooNoisy,
    /// llama.cpp's timings and ours are not the same.
    ClocksDisagree,
    /// Some loads came from storage and others from memory.
    CacheMixed,
    /// Tokens are not the same tokens.
    TokenizersDiffer,
    /// Prompts of one model went through its chat template and those of another did not, or not in the same way.
    PromptFormsDiffer,
    /// A model has a chat template that could not be applied.
    ChatTemplateUnused,
    /// A peak came close to what there was.
    MemoryNearFull,
    /// A device's free memory fell otherwise than llama.cpp's account of it says.
    DeviceMemoryDisagrees,
    /// A worker was lost and its visit made again.
    Retried,
    /// Made from a file that was itself quantized.
    Requantized,
    /// The tensors hold another type than the file states.
    TypeContradicted,
    /// Rows do not fill the blocks of the type, so that llama.cpp stored them in another.
    RowsDoNotFill,
    /// What the candidates are held against is itself quantized.
    OriginalQuantized,
    /// A candidate is larger than the original.
    LargerThanOriginal,
    /// llama.cpp itself warned.
    LlamaCppWarned,
}

impl WarningKind {
    /// Its stable name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DebugBuild => "debug_build",
            Self::CpuFeaturesUnused => "cpu_features_unused",
            Self::MoreThreadsThanCpus => "more_threads_than_cpus",
            Self::OpenmpEnvironment => "openmp_environment",
            Self::BusyMachine => "busy_machine",
            Self::Swapping => "swapping",
            Self::Throttling => "throttling",
            Self::Drift => "drift",
            Self::WarmupTooShort => "warmup_too_short",
            Self::Outliers => "outliers",
            Self::TooNoisy => "too_noisy",
            Self::ClocksDisagree => "clocks_disagree",
            Self::CacheMixed => "cache_mixed",
            Self::TokenizersDiffer => "tokenizers_differ",
            Self::PromptFormsDiffer => "prompt_forms_differ",
            Self::ChatTemplateUnused => "chat_template_unused",
            Self::MemoryNearFull => "memory_near_full",
            Self::DeviceMemoryDisagrees => "device_memory_disagrees",
            Self::Retried => "retried",
            Self::Requantized => "requantized",
            Self::TypeContradicted => "type_contradicted",
            Self::RowsDoNotFill => "rows_do_not_fill",
            Self::OriginalQuantized => "original_quantized",
            Self::LargerThanOriginal => "larger_than_original",
            Self::LlamaCppWarned => "llama_cpp_warned",
        }
    }
}

/// Of the run as a whole.
pub(super) fn of_run(kind: WarningKind, evidence: String, remedy: &str) -> Warning {
    Warning { kind, model: None, evidence, remedy: remedy.into() }
}

pub(super) fn of_model(kind: WarningKind, model: &str, evidence: String, remedy: &str) -> Warning {
    Warning { kind, model: Some(model.into()), evidence, remedy: remedy.into() }
}

/// The original, or what stands first.
pub(super) fn original(run: &Run) -> usize {
    run.original().unwrap_or(0)
}

/// A share of one as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
