//! What one worker measured: a round is a list of visits, a visit one fresh process holding one model.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{machine::Conditions, prompt_form::PromptForm};

/// One pass over the models, each in a process of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Round {
    /// Number, from 0. Round 2j+1 visits the models in the reverse order of round 2j.
    pub index: u32,
    /// Time of a fixed calculation just before it and just after it, nanoseconds: how fast the machine itself was. Absent in older
    /// records and where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_ns: Option<[u64; 2]>,
    /// The visits, in the order they were made.
    pub visits: Vec<Visit>,
}

impl Round {
    /// From the start of its first visit to the end of its last.
    pub(crate) fn duration_ns(&self) -> u64 {
        let begin = self.visits.iter().map(|v| v.started_ns).min().unwrap_or(0);
        let end = self.visits.iter().map(|v| v.started_ns.saturating_add(v.duration_ns)).max().unwrap_or(0);
        end.saturating_sub(begin)
    }

    /// Whether a prompt was answered in it.
    #[must_use]
    pub fn asks_prompts(&self) -> bool {
        self.visits.iter().any(|visit| !visit.generations.is_empty())
    }
}

/// One model in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Visit {
    /// Index into the run's models.
    pub model: usize,
    /// Since the run began.
    pub started_ns: u64,
    /// How long the whole visit took, process start to exit.
    pub duration_ns: u64,
    /// Whether it went through; what was measured before a failure stays in the lists below.
    pub outcome: Outcome,
    /// The load.
    pub load: Option<Load>,
    /// Memory of the worker.
    pub memory: Option<Memory>,
    /// llama.cpp's own account of its buffers, after the last context was made.
    pub buffers: Vec<Buffer>,
    /// Untimed work before the first sample, discarded from every result.
    pub warmup: Option<Warmup>,
    /// Every timing, in time order.
    pub samples: Vec<Sample>,
    /// Every answer to a prompt.
    pub generations: Vec<Generation>,
    /// Prompts that were not asked, and work at a depth that was not done, since they do not fit the context the model was trained for.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The machine around this visit.
    pub conditions: Conditions,
    /// The first attempt, when its worker was lost and this is the second; absent otherwise, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
}

/// An attempt at a visit that was made again, since what ended its worker may pass: a kill from outside, silence, a failed start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Retried {
    /// What was being done.
    pub stage: Stage,
    /// What became of the worker.
    pub reason: String,
    /// How long the attempt lasted.
    pub duration_ns: u64,
    /// What it measured until then: in no result, since the second attempt measured the same.
    pub samples: Vec<Sample>,
}

/// A prompt that was not asked, or work at a depth that was not done: it is longer than the model allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Skipped {
    /// Index into the plan's workloads.
    pub workload: usize,
    /// Tokens of the prompt, template and BOS included; of work at a depth all but the generated ones.
    pub n_prompt: u32,
    /// Tokens of the prompt and the longest answer, or of the depth and the work.
    pub n_ctx_needed: u32,
    /// Tokens of context the model was trained for.
    pub n_ctx_train: u32,
}

/// A failed measurement is a finding: it says where and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It went through.
    Done,
    /// It did not.
    Failed {
        /// What was being done.
        stage: Stage,
        /// Why it failed, and what to do.
        reason: String,
    },
}

/// What was being done when something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Finding and reading the file's header.
    Inspect,
    /// Making the file by quantizing the original.
    Quantize,
    /// Starting the worker process.
    Launch,
    /// Loading the model.
    Load,
    /// Making a context.
    Context,
    /// Untimed work before the samples.
    Warmup,
    /// Evaluating a prompt.
    Prefill,
    /// Generating.
    Decode,
    /// Comparing outputs.
    Quality,
    /// Reaching a server of llama.cpp's RPC: it was not there, or went away.
    Server,
}

impl Outcome {
    /// Whether a server of llama.cpp's RPC was not there: nothing is wrong with the model, which can be measured when it is back.
    pub(crate) fn is_server_lost(&self) -> bool {
        matches!(self, Self::Failed { stage: Stage::Server, .. })
    }
}

/// Which part of a model's work a sample timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Prompt evaluation.
    Prefill,
    /// Generation, one token at a time.
    Decode,
}

/// One timing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Sample {
    /// Index into the plan's workloads.
    pub workload: usize,
    /// What was timed.
    pub phase: Phase,
    /// Which repetition inside the visit, from 0.
    pub inner: u32,
    /// Tokens evaluated.
    pub n_tokens: u32,
    /// Our monotonic clock around the calls, synchronized at the end.
    pub wall_ns: u64,
    /// llama.cpp's own timing of the same tokens (`t_p_eval_ms` or `t_eval_ms`).
    pub native_ns: Option<u64>,
    /// Since the run began.
    pub at_ns: u64,
    /// What all counters of energy counted meanwhile, microjoules, whoever caused it; absent where nothing counts, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_uj: Option<u64>,
}

/// How long an evaluation took, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Timing {
    /// Tokens evaluated.
    pub n_tokens: u32,
    /// Our monotonic clock.
    pub wall_ns: u64,
    /// llama.cpp's own account, when it kept one.
    pub native_ns: Option<u64>,
    /// What all counters of energy counted meanwhile, microjoules; absent where nothing counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_uj: Option<u64>,
}

/// The load of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Load {
    /// Loading the model, nothing else.
    pub model_ns: u64,
    /// Making the first context.
    pub context_ns: u64,
    /// Bytes of the file, all parts.
    pub file_bytes: u64,
    /// Bytes that had to come from storage meanwhile, when the kernel says.
    pub storage_read_bytes: Option<u64>,
    /// Whether the page cache held the file.
    pub cache: CacheState,
    /// What llama.cpp calls the model: `llama 8B Q4_K - Medium`; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// State of the page cache when a load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CacheState {
    /// Under 1 % of the file, or under 1 MiB, came from storage.
    Warm,
    /// More came from storage.
    Cold,
    /// This system does not say.
    Unknown,
}

/// Memory of one worker, read from outside while it worked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Memory {
    /// Before the load.
    pub initial: MemoryReading,
    /// After model and first context were there.
    pub after_load: MemoryReading,
    /// Exact peak of resident memory from the kernel (`VmHWM`), when it says.
    pub peak_rss_bytes: Option<u64>,
    /// The same when the first prompt was about to be asked; `None` in rounds without prompts and where nobody says.
    #[serde(default)]
    pub peak_before_prompts_bytes: Option<u64>,
    /// CPU time the sampling cost the parent.
    pub sampling_cost_ns: Option<u64>,
    /// The readings, in time order.
    pub series: MemorySeries,
    /// Devices other than the CPU.
    pub devices: Vec<DeviceMemory>,
}

/// Resident memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MemoryReading {
    /// All of it.
    pub rss_bytes: u64,
    /// Anonymous: heap, KV cache, compute buffers, repacked weights.
    pub anon_bytes: Option<u64>,
    /// File-backed: weights by mmap, the program itself.
    pub file_bytes: Option<u64>,
}

/// Readings in columns: the same index is the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MemorySeries {
    /// Since the visit began, in milliseconds.
    pub at_ms: Vec<u32>,
    /// Resident memory, KiB.
    pub rss_kib: Vec<u64>,
    /// Anonymous part, KiB; empty when not readable.
    pub anon_kib: Vec<u64>,
    /// Moments at which the worker began something new: (milliseconds, what).
    pub marks: Vec<(u32, Mark)>,
}

/// What a worker began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Loading the model.
    Load,
    /// Nothing yet: the model and its first context were there.
    Loaded,
    /// Untimed work before a workload, an index into the plan's.
    WarmUp(usize),
    /// A sample or an answer of a workload, an index into the plan's.
    Workload(usize),
    /// In other words, in a record of format 1.
    Told(String),
}

impl Mark {
    /// Index into the plan's workloads, when it concerns one.
    pub(crate) fn workload(&self) -> Option<usize> {
        match *self {
            Self::WarmUp(workload) | Self::Workload(workload) => Some(workload),
            Self::Load | Self::Loaded | Self::Told(_) => None,
        }
    }
}

/// Memory of a device, as the drop of its free memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DeviceMemory {
    /// ggml's name.
    pub name: String,
    /// Free before the load.
    pub free_before_bytes: u64,
    /// Free at the end of the visit, everything allocated.
    pub free_after_bytes: u64,
    /// Total.
    pub total_bytes: u64,
}

/// One of llama.cpp's buffer types and what lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Buffer {
    /// ggml's name of the buffer type (`CPU_Mapped`, `CPU_REPACK`, `CUDA0`).
    pub name: String,
    /// Whether it lies in host memory.
    pub host: bool,
    /// Weights.
    pub weights_bytes: u64,
    /// KV cache and other state of the context.
    pub context_bytes: u64,
    /// Compute buffers.
    pub compute_bytes: u64,
}

impl Buffer {
    /// Whether it holds weights laid out anew for the CPU, by the names of ggml's buffer types for that.
    pub(crate) fn is_repacked(&self) -> bool {
        self.name == "AMX"
            || ["CPU_REPACK", "CPU_KLEIDIAI", "CPU_AARCH64"].iter().any(|name| self.name.starts_with(name))
    }
}

/// Untimed work before the first sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Warmup {
    /// How long it went on.
    pub duration_ns: u64,
    /// The discarded timings.
    pub samples: Vec<Sample>,
}

/// An answer to a prompt. Its times are also in the visit's samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Generation {
    /// Index into the plan's workloads.
    pub workload: usize,
    /// Tokens of the prompt, chat template and BOS included.
    pub n_prompt: u32,
    /// Whether the model's chat template was applied.
    pub templated: bool,
    /// How the prompt became what the model saw; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_form: Option<PromptForm>,
    /// The answer's tokens.
    pub tokens: Vec<i32>,
    /// The answer, decoded; invalid UTF-8 replaced.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// From the start of the evaluation to the first token chosen.
    pub ttft_ns: u64,
    /// From each token to the next.
    pub inter_token_ns: Vec<u64>,
    /// By how much each token's logit lay above the second best, in nats; empty in older records.
    #[serde(default)]
    pub margins_nats: Vec<f32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    EndOfGeneration,
    /// It reached the most tokens allowed.
    Length,
}
