//! llama.cpp's settings: how a model is run. Each is described once, in a table that the command line, the reports and comparisons read.

mod commands;
mod setting;
mod values;

pub(crate) use commands::Offload;
pub(crate) use setting::{
    CPU_MASK, DEVICE, EMBEDDINGS, FIT_MIN_CTX, FIT_TARGET, FLASH_ATTENTION, LAZY_MODE, LOAD_MODE, MAIN_GPU, N_BATCH,
    N_CPU_MOE, N_GPU_LAYERS, N_THREADS, N_THREADS_BATCH, N_UBATCH, NO_HOST, NO_KV_OFFLOAD, NO_OP_OFFLOAD, NUMA,
    PRIORITY, REPACK, RPC, SPLIT_MODE, Setting, TENSOR_OVERRIDES, TENSOR_SPLIT, TYPE_K, TYPE_V, Told, Value,
};
pub use values::Device;
pub(crate) use values::{CacheType, CpuMask, FlashAttention, LazyMode, LoadMode, Numa, SplitMode, TensorOverride};

use std::fmt;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use setting::name;

/// llama.cpp's parameters, under llama-bench's names. What is absent has llama-bench's own value.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of llama-bench's, and they are independent")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Settings {
    /// Where to compute: `-dev`.
    pub device: Device,
    /// `-ngl`: layers on the device; -1 = all.
    pub n_gpu_layers: i32,
    /// `-sm`: how a model is split over several devices.
    #[serde(default, skip_serializing_if = "is_default")]
    pub split_mode: SplitMode,
    /// `-mg`: the one device of split mode `none`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub main_gpu: i32,
    /// `-ts`: share of each device; empty = by free memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tensor_split: Vec<f32>,
    /// `-nopo`: products of the machine's weights stay on the CPU.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_op_offload: bool,
    /// `-fitt`: fit layers to the devices' free memory, less so many MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fit_target: u32,
    /// `-fitc`: the least context to fit for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fit_min_ctx: u32,
    /// `-t`: threads for generation.
    pub n_threads: u32,
    /// `-tb`: threads for prompt processing.
    pub n_threads_batch: u32,
    /// `-C`: the CPUs that threads may run on, as hexadecimal bits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_mask: CpuMask,
    /// `--prio`: -1 low, 0 normal, 1 medium, 2 high, 3 realtime.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// `--numa`: where threads and pages go.
    #[serde(default, skip_serializing_if = "is_default")]
    pub numa: Numa,
    /// `-b`: logical batch.
    pub n_batch: u32,
    /// `-ub`: physical batch.
    pub n_ubatch: u32,
    /// `-embd`: every token's embedding is an output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub embeddings: bool,
    /// `-ctk`: type of the K cache.
    pub type_k: CacheType,
    /// `-ctv`: type of the V cache.
    pub type_v: CacheType,
    /// `-nkvo`: the KV cache stays in the machine's memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_kv_offload: bool,
    /// `-fa`: flash attention.
    pub flash_attention: FlashAttention,
    /// `-ncmoe`: layers, from the first one on, whose experts stay on the CPU.
    #[serde(default, skip_serializing_if = "is_default")]
    pub n_cpu_moe: u32,
    /// `-ot`: tensors that lie in another buffer than they would.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tensor_overrides: Vec<TensorOverride>,
    /// `-lm`: how weights come into memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub load_mode: LoadMode,
    /// `-lzm`: rows of tensors that are marked for it are read when needed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lazy_mode: LazyMode,
    /// `--no-host`: the device's host buffer is not used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_host: bool,
    /// `--repack`: weights on the CPU take the layout that is fastest there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repack: Repack,
    /// `-rpc`: servers on other machines whose devices compute and hold weights, as `host:port`; absent without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rpc: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether weights on the CPU take the layout that is fastest there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Repack {
    /// They do, where there is one.
    #[default]
    On,
    /// They lie as in the file.
    Off,
}

/// What says how many threads generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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

/// How many settings there are.
const SETTINGS: usize = 27;

impl Settings {
    /// What llama-bench does when nothing is said, with so many threads.
    #[must_use]
    pub fn defaults(n_threads: u32) -> Self {
        Self {
            device: Device::Auto,
            n_gpu_layers: -1,
            split_mode: SplitMode::default(),
            main_gpu: 0,
            tensor_split: Vec::new(),
            no_op_offload: false,
            fit_target: 0,
            fit_min_ctx: 0,
            n_threads,
            n_threads_batch: n_threads,
            cpu_mask: CpuMask::default(),
            priority: 0,
            numa: Numa::Off,
            n_batch: 2048,
            n_ubatch: 512,
            embeddings: false,
            type_k: CacheType::F16,
            type_v: CacheType::F16,
            no_kv_offload: false,
            flash_attention: FlashAttention::Auto,
            n_cpu_moe: 0,
            tensor_overrides: Vec::new(),
            load_mode: LoadMode::default(),
            lazy_mode: LazyMode::default(),
            no_host: false,
            repack: Repack::On,
            rpc: Vec::new(),
        }
    }

    /// The table: every setting and its value here.
    pub(crate) fn table(&self) -> [(Setting, Value); SETTINGS] {
        let Self {
            device,
            n_gpu_layers,
            split_mode,
            main_gpu,
            tensor_split,
            no_op_offload,
            fit_target,
            fit_min_ctx,
            n_threads,
            n_threads_batch,
            cpu_mask,
            priority,
            numa,
            n_batch,
            n_ubatch,
            embeddings,
            type_k,
            type_v,
            no_kv_offload,
            flash_attention,
            n_cpu_moe,
            tensor_overrides,
            load_mode,
            lazy_mode,
            no_host,
            repack,
            rpc,
        } = self;
        let whole = |n: u32| Value::Whole(n.into());
        let word = |text: String| Value::Word(text.into());
        let on_or_off = |yes: bool| Value::Truth(yes).to_string();
        [
            (DEVICE, word(device.to_string())),
            (N_GPU_LAYERS, Value::Whole((*n_gpu_layers).into())),
            (SPLIT_MODE, Value::choice(split_mode)),
            (MAIN_GPU, Value::Whole((*main_gpu).into())),
            (TENSOR_SPLIT, word(shares(tensor_split))),
            // llama-bench's one truth that is a number there.
            (NO_OP_OFFLOAD, Value::Coded { word: on_or_off(*no_op_offload), code: (*no_op_offload).into() }),
            (FIT_TARGET, whole(*fit_target)),
            (FIT_MIN_CTX, whole(*fit_min_ctx)),
            (N_THREADS, whole(*n_threads)),
            (N_THREADS_BATCH, whole(*n_threads_batch)),
            (CPU_MASK, word(cpu_mask.to_string())),
            (PRIORITY, Value::Whole((*priority).into())),
            (NUMA, Value::choice(numa)),
            (N_BATCH, whole(*n_batch)),
            (N_UBATCH, whole(*n_ubatch)),
            (EMBEDDINGS, Value::Truth(*embeddings)),
            (TYPE_K, Value::choice(type_k)),
            (TYPE_V, Value::choice(type_v)),
            (NO_KV_OFFLOAD, Value::Truth(*no_kv_offload)),
            (FLASH_ATTENTION, Value::Coded { word: name(flash_attention), code: flash_attention.code() }),
            (N_CPU_MOE, whole(*n_cpu_moe)),
            (TENSOR_OVERRIDES, word(TensorOverride::list(tensor_overrides))),
            (LOAD_MODE, Value::choice(load_mode)),
            (LAZY_MODE, Value::choice(lazy_mode)),
            (NO_HOST, Value::Truth(*no_host)),
            (REPACK, Value::Truth(*repack == Repack::On)),
            (RPC, word(if rpc.is_empty() { "none".into() } else { rpc.join(",") })),
        ]
    }

    /// The value of one of them.
    pub(crate) fn value(&self, setting: &Setting) -> Option<Value> {
        self.table().into_iter().find(|(own, _)| own == setting).map(|(_, value)| value)
    }

    /// What a report names of them, with llama-bench's own values left out where nobody asks for those.
    pub(crate) fn told(&self) -> Vec<(Setting, Value)> {
        let usual = Self::defaults(self.n_threads).table();
        let is_told = |((setting, value), (_, usual)): &((Setting, Value), (Setting, Value))| {
            setting.told == Told::Always || value != usual
        };
        self.table().into_iter().zip(usual).filter(is_told).map(|(own, _)| own).collect()
    }
}

/// As llama-bench writes shares, two decimals with `/` between them; without any the share of the first is 0.
fn shares(shares: &[f32]) -> String {
    let shares = if shares.is_empty() { &[0.0][..] } else { shares };
    shares.iter().map(|share| format!("{share:.2}")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn is_named_alike<T: ValueEnum + Serialize>() {
        for value in T::value_variants() {
            assert_eq!(serde_json::to_value(value).expect("a name"), name(value));
        }
    }

    #[test]
    fn the_command_line_and_the_record_have_the_same_names() {
        is_named_alike::<CacheType>();
        is_named_alike::<FlashAttention>();
        is_named_alike::<SplitMode>();
        is_named_alike::<LoadMode>();
        is_named_alike::<LazyMode>();
        is_named_alike::<Numa>();
        assert_eq!(name(&CacheType::Iq4Nl), "iq4_nl");
        assert_eq!(name(&LoadMode::MmapMlock), "mmap+mlock");
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

    #[test]
    fn what_has_llama_benchs_value_is_not_in_a_record_and_is_read_as_it() {
        let settings = Settings::defaults(4);
        let written = serde_json::to_value(&settings).expect("it is written");
        assert_eq!(written.as_object().map(serde_json::Map::len), Some(9));
        assert_eq!(serde_json::from_value::<Settings>(written).expect("it is read"), settings);
        let changed = Settings { repack: Repack::Off, tensor_split: vec![3.0, 1.0], ..settings };
        let written = serde_json::to_string(&changed).expect("it is written");
        assert!(written.contains("\"repack\":\"off\""), "{written}");
        assert_eq!(serde_json::from_str::<Settings>(&written).expect("it is read"), changed);
        let told: Vec<&str> = changed.told().iter().map(|(setting, _)| setting.name).collect();
        assert!(told.contains(&"repacking") && told.contains(&"share of each device") && !told.contains(&"load mode"));
        assert_eq!(changed.value(&TENSOR_SPLIT), Some(Value::Word("3.00/1.00".into())));
    }
}
