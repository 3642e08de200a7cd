//! What each setting is called: by people, on command lines, by llama-bench, in a report.

use std::{borrow::Cow, fmt};

use clap::ValueEnum;

/// What a setting is called: by people, on command lines and by llama-bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// In words.
    pub name: &'static str,
    /// llama.cpp's flag behind two dashes.
    pub long: &'static str,
    /// llama.cpp's flag of one letter.
    pub letter: Option<char>,
    /// llama.cpp's flag of several letters behind one dash; clap, which reads those as letters, knows it behind two.
    pub word: Option<&'static str>,
    /// llama-bench's column, where it has one.
    pub column: Option<&'static str>,
    /// Row of the report's parameters, shared by settings that belong together.
    pub row: &'static str,
    /// How its value is put there.
    pub phrase: Phrase,
    /// Whether that row has it when it is llama-bench's own value.
    pub told: Told,
    /// Whether figures of unequal values are of other work, so that a comparison of builds, machines or days means nothing.
    pub forbids_comparison: bool,
}

/// When a report names a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Always,
    /// Where it is not what llama-bench does when nothing is said.
    WhenChanged,
}

/// A setting's value in a row of the report's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phrase {
    /// Alone: the row names the setting.
    Alone,
    /// After these words.
    After(&'static str),
    /// Before these words.
    Before(&'static str),
}

impl Setting {
    /// The shortest of its flags, which is the one that people know it by.
    pub(crate) fn flag(&self) -> String {
        match (self.letter, self.word) {
            (Some(letter), _) => format!("-{letter}"),
            (None, Some(word)) => format!("-{word}"),
            (None, None) => format!("--{}", self.long),
        }
    }

    /// The same without dashes, for a subject's name.
    pub(crate) fn short(&self) -> String {
        self.flag().trim_start_matches('-').to_owned()
    }

    /// Its value as a row of the report's parameters has it.
    pub(crate) fn phrase(&self, value: &Value) -> String {
        match self.phrase {
            Phrase::Alone => value.to_string(),
            Phrase::After(words) => format!("{words} {value} ({})", self.flag()),
            Phrase::Before(words) => format!("{value} {words} ({})", self.flag()),
        }
    }
}

/// A setting's value, which people and llama-bench may write differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Word(Cow<'static, str>),
    Whole(i64),
    Truth(bool),
    /// A word to people, a number to llama-bench.
    Coded {
        word: String,
        code: i64,
    },
}

impl Value {
    /// The name by which one of several is chosen on the command line.
    pub(super) fn choice(value: &impl ValueEnum) -> Self {
        Self::Word(name(value).into())
    }

    /// As it is typed after its flag.
    pub(crate) fn typed(&self) -> String {
        match self {
            Self::Truth(yes) => u8::from(*yes).to_string(),
            Self::Word(_) | Self::Whole(_) | Self::Coded { .. } => self.to_string(),
        }
    }
}

pub(super) fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// As people read it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Whole(n) => write!(f, "{n}"),
            Self::Truth(yes) => f.write_str(if *yes { "on" } else { "off" }),
            Self::Coded { word, .. } => f.write_str(word),
        }
    }
}

/// A setting that is told where it was changed; it forbids a comparison, since other conditions are other figures.
const fn changed(
    name: &'static str,
    (long, letter, word): (&'static str, Option<char>, Option<&'static str>),
    column: Option<&'static str>,
    (row, phrase): (&'static str, Phrase),
) -> Setting {
    Setting { name, long, letter, word, column, row, phrase, told: Told::WhenChanged, forbids_comparison: true }
}

/// One that is told always.
const fn always(
    name: &'static str,
    flags: (&'static str, Option<char>, Option<&'static str>),
    column: Option<&'static str>,
    row: (&'static str, Phrase),
) -> Setting {
    Setting { told: Told::Always, ..changed(name, flags, column, row) }
}

use Phrase::{After, Alone, Before};

pub(crate) const DEVICE: Setting = always("device", ("device", None, Some("dev")), Some("devices"), ("Device", Alone));
pub(crate) const N_GPU_LAYERS: Setting = always(
    "layers on the device",
    ("n-gpu-layers", None, Some("ngl")),
    Some("n_gpu_layers"),
    ("Device", Before("layers")),
);
pub(crate) const SPLIT_MODE: Setting =
    changed("split over devices", ("split-mode", None, Some("sm")), Some("split_mode"), ("Device", After("split by")));
pub(crate) const MAIN_GPU: Setting =
    changed("main device", ("main-gpu", None, Some("mg")), Some("main_gpu"), ("Device", After("main device")));
pub(crate) const TENSOR_SPLIT: Setting = changed(
    "share of each device",
    ("tensor-split", None, Some("ts")),
    Some("tensor_split"),
    ("Device", After("shares")),
);
pub(crate) const NO_OP_OFFLOAD: Setting = changed(
    "no offload of operations",
    ("no-op-offload", None, Some("nopo")),
    Some("no_op_offload"),
    ("Device", After("no offload of operations")),
);
pub(crate) const FIT_TARGET: Setting = changed(
    "margin to fit to, in MiB",
    ("fit-target", None, Some("fitt")),
    Some("fit_target"),
    ("Device", After("fitted with a margin in MiB of")),
);
pub(crate) const FIT_MIN_CTX: Setting = changed(
    "context to fit to",
    ("fit-ctx", None, Some("fitc")),
    Some("fit_min_ctx"),
    ("Device", After("fitted for a context of")),
);
pub(crate) const N_THREADS: Setting = always(
    "threads for generation",
    ("threads", Some('t'), None),
    Some("n_threads"),
    ("Threads", Before("for generation")),
);
// llama-bench has one number of threads.
pub(crate) const N_THREADS_BATCH: Setting =
    always("threads for prompts", ("threads-batch", None, Some("tb")), None, ("Threads", Before("for prompts")));
pub(crate) const CPU_MASK: Setting =
    changed("CPUs", ("cpu-mask", Some('C'), None), Some("cpu_mask"), ("Threads", After("on CPUs")));
// Without columns in llama-bench.
pub(crate) const PRIORITY: Setting =
    changed("priority", ("prio", None, None), None, ("Threads", After("with priority")));
pub(crate) const NUMA: Setting =
    changed("memory nodes", ("numa", None, None), None, ("Threads", After("over memory nodes")));
pub(crate) const N_BATCH: Setting =
    always("logical batch", ("batch-size", Some('b'), None), Some("n_batch"), ("Batch", Before("logical")));
pub(crate) const N_UBATCH: Setting =
    always("physical batch", ("ubatch-size", None, Some("ub")), Some("n_ubatch"), ("Batch", Before("physical")));
pub(crate) const EMBEDDINGS: Setting = changed(
    "embeddings",
    ("embeddings", None, Some("embd")),
    Some("embeddings"),
    ("Batch", After("embeddings of every token")),
);
pub(crate) const TYPE_K: Setting =
    always("K cache", ("cache-type-k", None, Some("ctk")), Some("type_k"), ("KV cache", After("K")));
pub(crate) const TYPE_V: Setting =
    always("V cache", ("cache-type-v", None, Some("ctv")), Some("type_v"), ("KV cache", After("V")));
pub(crate) const NO_KV_OFFLOAD: Setting = changed(
    "KV cache kept in the machine's memory",
    ("no-kv-offload", None, Some("nkvo")),
    Some("no_kv_offload"),
    ("KV cache", After("kept in the machine's memory")),
);
pub(crate) const FLASH_ATTENTION: Setting =
    always("flash attention", ("flash-attn", None, Some("fa")), Some("flash_attn"), ("Flash attention", Alone));
pub(crate) const N_CPU_MOE: Setting = changed(
    "layers whose experts stay on the CPU",
    ("n-cpu-moe", None, Some("ncmoe")),
    Some("n_cpu_moe"),
    ("Weights", Before("layers with their experts on the CPU")),
);
pub(crate) const TENSOR_OVERRIDES: Setting = changed(
    "tensors in other buffers",
    ("override-tensor", None, Some("ot")),
    Some("tensor_buft_overrides"),
    ("Weights", After("in other buffers")),
);
pub(crate) const LOAD_MODE: Setting =
    changed("load mode", ("load-mode", None, Some("lm")), Some("load_mode"), ("Weights", After("loaded by")));
pub(crate) const LAZY_MODE: Setting =
    changed("lazy mode", ("lazy-mode", None, Some("lzm")), Some("lazy_mode"), ("Weights", After("read lazily:")));
pub(crate) const NO_HOST: Setting = changed(
    "no host buffer",
    ("no-host", None, None),
    Some("no_host"),
    ("Weights", After("without the device's host buffer")),
);
pub(crate) const REPACK: Setting =
    changed("repacking", ("repack", None, None), Some("repack"), ("Weights", After("repacked for the CPU")));
// llama-bench tells of them in its list of backends alone.
pub(crate) const RPC: Setting = changed("RPC servers", ("rpc", None, Some("rpc")), None, ("RPC servers", Alone));
