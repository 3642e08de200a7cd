//! llama.cpp's settings: how a model is run. Each is described once, in a table that the command line, the reports and comparisons read.

use std::{borrow::Cow, fmt};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// llama.cpp's parameters, under llama-bench's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Where to compute.
    pub device: Device,
    /// `-ngl`: layers on the device; -1 = all.
    pub n_gpu_layers: i32,
    /// `-t`: threads for generation.
    pub n_threads: u32,
    /// `-tb`: threads for prompt processing.
    pub n_threads_batch: u32,
    /// `-b`: logical batch.
    pub n_batch: u32,
    /// `-ub`: physical batch.
    pub n_ubatch: u32,
    /// `-ctk`: type of the K cache.
    pub type_k: CacheType,
    /// `-ctv`: type of the V cache.
    pub type_v: CacheType,
    /// `-fa`: flash attention.
    pub flash_attention: FlashAttention,
    /// `-rpc`: servers on other machines whose devices compute and hold weights, as `host:port`; absent without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rpc: Vec<String>,
}

/// What says how many threads generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThreadsReason {
    /// The person did.
    Asked,
    /// One for each physical core of the machine, as in llama-bench.
    PhysicalCores,
    /// One for each performance core of a hybrid CPU, as in llama-bench.
    PerformanceCores,
    /// One for each core among the CPUs that this process is bound to.
    Affinity,
    /// As many as a quota of CPU time lets run at once.
    Quota,
    /// One for each CPU this process may use: which of them share a core could not be read.
    AllowedCpus,
}

/// As people read it.
impl fmt::Display for ThreadsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "as asked",
            Self::PhysicalCores => "one for each physical core",
            Self::PerformanceCores => "one for each performance core",
            Self::Affinity => "one for each core this process is bound to",
            Self::Quota => "as many as the quota of CPU time lets run at once",
            Self::AllowedCpus => "one for each CPU this process may use",
        })
    }
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Whatever llama.cpp prefers here.
    Auto,
    /// The CPU alone.
    Cpu,
    /// NVIDIA.
    Cuda,
    /// Apple.
    #[value(alias = "mps")]
    Metal,
    /// Vulkan.
    Vulkan,
}

/// Element types of the KV cache that llama-bench accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum CacheType {
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Iq4Nl,
}

/// Flash attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides.
    #[value(alias = "-1")]
    Auto,
    /// Always.
    #[value(alias = "1")]
    On,
    /// Never.
    #[value(alias = "0")]
    Off,
}

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
    /// Whether figures of unequal values are of other work, so that a comparison of builds, machines or days means nothing.
    pub forbids_comparison: bool,
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
    fn choice(value: &impl ValueEnum) -> Self {
        Self::Word(name(value).into())
    }
}

fn name(value: &impl ValueEnum) -> String {
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

pub(crate) const DEVICE: Setting = Setting {
    name: "device",
    long: "device",
    letter: None,
    word: None,
    // llama-bench's `devices` are names of single devices.
    column: None,
    row: "Device",
    phrase: Phrase::Alone,
    forbids_comparison: true,
};
pub(crate) const N_GPU_LAYERS: Setting = Setting {
    name: "layers on the device",
    long: "n-gpu-layers",
    letter: None,
    word: Some("ngl"),
    column: Some("n_gpu_layers"),
    row: "Device",
    phrase: Phrase::Before("layers"),
    forbids_comparison: true,
};
pub(crate) const N_THREADS: Setting = Setting {
    name: "threads for generation",
    long: "threads",
    letter: Some('t'),
    word: None,
    column: Some("n_threads"),
    row: "Threads",
    phrase: Phrase::Before("for generation"),
    forbids_comparison: true,
};
pub(crate) const N_THREADS_BATCH: Setting = Setting {
    name: "threads for prompts",
    long: "threads-batch",
    letter: None,
    word: Some("tb"),
    // llama-bench has one number of threads.
    column: None,
    row: "Threads",
    phrase: Phrase::Before("for prompts"),
    forbids_comparison: true,
};
pub(crate) const N_BATCH: Setting = Setting {
    name: "logical batch",
    long: "batch-size",
    letter: Some('b'),
    word: None,
    column: Some("n_batch"),
    row: "Batch",
    phrase: Phrase::Before("logical"),
    forbids_comparison: true,
};
pub(crate) const N_UBATCH: Setting = Setting {
    name: "physical batch",
    long: "ubatch-size",
    letter: None,
    word: Some("ub"),
    column: Some("n_ubatch"),
    row: "Batch",
    phrase: Phrase::Before("physical"),
    forbids_comparison: true,
};
pub(crate) const TYPE_K: Setting = Setting {
    name: "K cache",
    long: "cache-type-k",
    letter: None,
    word: Some("ctk"),
    column: Some("type_k"),
    row: "KV cache",
    phrase: Phrase::After("K"),
    forbids_comparison: true,
};
pub(crate) const TYPE_V: Setting = Setting {
    name: "V cache",
    long: "cache-type-v",
    letter: None,
    word: Some("ctv"),
    column: Some("type_v"),
    row: "KV cache",
    phrase: Phrase::After("V"),
    forbids_comparison: true,
};
pub(crate) const FLASH_ATTENTION: Setting = Setting {
    name: "flash attention",
    long: "flash-attn",
    letter: None,
    word: Some("fa"),
    column: Some("flash_attn"),
    row: "Flash attention",
    phrase: Phrase::Alone,
    forbids_comparison: true,
};

pub(crate) const RPC: Setting = Setting {
    name: "RPC servers",
    long: "rpc",
    letter: None,
    word: Some("rpc"),
    // llama-bench tells of them in its list of backends alone.
    column: None,
    row: "RPC servers",
    phrase: Phrase::Alone,
    forbids_comparison: true,
};

impl Settings {
    /// What llama-bench does when nothing is said, with so many threads.
    pub(crate) const fn defaults(n_threads: u32) -> Self {
        Self {
            device: Device::Auto,
            n_gpu_layers: -1,
            n_threads,
            n_threads_batch: n_threads,
            n_batch: 2048,
            n_ubatch: 512,
            type_k: CacheType::F16,
            type_v: CacheType::F16,
            flash_attention: FlashAttention::Auto,
            rpc: Vec::new(),
        }
    }

    /// The table: every setting and its value here.
    pub(crate) fn table(&self) -> [(Setting, Value); 10] {
        let Self {
            device,
            n_gpu_layers,
            n_threads,
            n_threads_batch,
            n_batch,
            n_ubatch,
            type_k,
            type_v,
            flash_attention,
            rpc,
        } = self;
        let flash_code = match flash_attention {
            FlashAttention::Auto => -1,
            FlashAttention::Off => 0,
            FlashAttention::On => 1,
        };
        [
            (DEVICE, Value::choice(device)),
            (N_GPU_LAYERS, Value::Whole((*n_gpu_layers).into())),
            (N_THREADS, Value::Whole((*n_threads).into())),
            (N_THREADS_BATCH, Value::Whole((*n_threads_batch).into())),
            (N_BATCH, Value::Whole((*n_batch).into())),
            (N_UBATCH, Value::Whole((*n_ubatch).into())),
            (TYPE_K, Value::choice(type_k)),
            (TYPE_V, Value::choice(type_v)),
            (FLASH_ATTENTION, Value::Coded { word: name(flash_attention), code: flash_code }),
            (RPC, Value::Word(if rpc.is_empty() { "none".into() } else { rpc.join(",").into() })),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named_alike<T: ValueEnum + Serialize>() {
        for value in T::value_variants() {
            assert_eq!(serde_json::to_value(value).expect("a name"), name(value));
        }
    }

    #[test]
    fn the_command_line_and_the_record_have_the_same_names() {
        is_named_alike::<Device>();
        is_named_alike::<CacheType>();
        is_named_alike::<FlashAttention>();
        assert_eq!(name(&CacheType::Iq4Nl), "iq4_nl");
    }

    #[test]
    fn each_setting_has_names_of_its_own() {
        let table = Settings::defaults(1).table();
        for (at, (one, _)) in table.iter().enumerate() {
            for (other, _) in &table[..at] {
                assert!(one.name != other.name && one.flag() != other.flag() && one.long != other.long);
                assert!(one.column.is_none() || one.column != other.column);
            }
        }
    }
}
