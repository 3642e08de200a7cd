//! Options that are llama.cpp's, under llama-bench's names, which may each have several values: every combination is a subject's settings.

use std::ffi::OsString;

use anyhow::{Result, bail};
use clap::Args;

use super::values::{Several, one_of, range, truth};
use crate::{
    probe::{
        DefaultThreads,
        rpc::{self, RpcError},
    },
    settings::{
        self, CacheType, CpuMask, Device, FlashAttention, LazyMode, LoadMode, Numa, Repack, Setting, Settings,
        SplitMode, TensorOverride, ThreadsReason,
    },
};

/// By this the guide's commands give the option another word.
pub(crate) const BATCH_SIZE: &str = "batch_size";

/// Flags of several letters behind one dash that are no settings.
const OTHER_WORDS: [&str; 2] = ["pg", "npl"];

/// Flags of work that take lists, as they are typed after their dashes.
const WORK: [&str; 9] = ["p", "pp", "n-prompt", "n", "tg", "n-gen", "d", "depth", "n-depth"];

/// More subjects than this are a typing error, or days of work.
const MOST_COMBINATIONS: usize = 256;

#[derive(Debug, Args)]
#[command(next_help_heading = "llama.cpp (lists like 1,2,4 and ranges like 8-32*2 make a subject of each combination)")]
pub(crate) struct EngineArgs {
    /// Where to compute: auto, cpu (none), cuda, metal (mps), vulkan, rocm, or names like CUDA0/CUDA1
    #[arg(
        long = settings::DEVICE.long,
        visible_alias = settings::DEVICE.word,
        value_delimiter = ',',
        value_parser = Device::parse,
        default_value = "auto",
        value_name = "DEVICE,..."
    )]
    pub(crate) device: Vec<Device>,
    /// Print the devices that llama.cpp finds, and end
    // It is acted on before anything else is read.
    #[arg(long = LIST_DEVICES)]
    list_devices: bool,
    /// Layers on the device (-1 = all)
    #[arg(
        long = settings::N_GPU_LAYERS.long,
        visible_alias = settings::N_GPU_LAYERS.word,
        value_delimiter = ',',
        value_parser = range::<i32>(-1, 10_000),
        default_value = "-1",
        allow_hyphen_values = true,
        value_name = "N,..."
    )]
    n_gpu_layers: Vec<Several<i32>>,
    /// Layers, from the first one on, whose experts stay on the CPU
    #[arg(
        long = settings::N_CPU_MOE.long,
        visible_alias = settings::N_CPU_MOE.word,
        value_delimiter = ',',
        value_parser = range::<u32>(0, 10_000),
        default_value = "0",
        value_name = "N,..."
    )]
    n_cpu_moe: Vec<Several<u32>>,
    /// How a model is split over several devices
    #[arg(
        long = settings::SPLIT_MODE.long,
        visible_alias = settings::SPLIT_MODE.word,
        value_delimiter = ',',
        value_parser = one_of::<SplitMode>(),
        default_value = "layer",
        value_name = "MODE,..."
    )]
    split_mode: Vec<SplitMode>,
    /// The one device of --split-mode none
    #[arg(
        long = settings::MAIN_GPU.long,
        visible_alias = settings::MAIN_GPU.word,
        value_delimiter = ',',
        value_parser = range::<i32>(0, 15),
        default_value = "0",
        value_name = "N,..."
    )]
    main_gpu: Vec<Several<i32>>,
    /// Share of each device: 3/1 [default: by their free memory]
    #[arg(
        long = settings::TENSOR_SPLIT.long,
        visible_alias = settings::TENSOR_SPLIT.word,
        value_delimiter = ',',
        value_parser = shares,
        default_value = "0",
        hide_default_value = true,
        value_name = "A/B,..."
    )]
    tensor_split: Vec<Several<f32>>,
    /// Tensors by a pattern of their names into a buffer: exps=CPU;attn=CUDA1 [default: none]
    #[arg(
        long = settings::TENSOR_OVERRIDES.long,
        visible_alias = settings::TENSOR_OVERRIDES.word,
        value_delimiter = ',',
        value_parser = overrides,
        default_value = "none",
        hide_default_value = true,
        value_name = "PATTERN=BUFFER;..."
    )]
    override_tensor: Vec<Several<TensorOverride>>,
    /// Products of weights in the machine's memory stay on the CPU
    #[arg(
        long = settings::NO_OP_OFFLOAD.long,
        visible_alias = settings::NO_OP_OFFLOAD.word,
        value_delimiter = ',',
        value_parser = truth,
        default_value = "0",
        value_name = "0|1,..."
    )]
    no_op_offload: Vec<bool>,
    /// Do without the device's host buffer
    #[arg(
        long = settings::NO_HOST.long,
        value_delimiter = ',',
        value_parser = truth,
        default_value = "0",
        value_name = "0|1,..."
    )]
    no_host: Vec<bool>,
    /// Fit layers to the devices' free memory, less so many MiB; --n-gpu-layers, --tensor-split, --override-tensor and
    /// --n-cpu-moe then count for nothing [default: off]
    #[arg(
        long = settings::FIT_TARGET.long,
        visible_alias = settings::FIT_TARGET.word,
        value_delimiter = ',',
        value_parser = range::<u32>(0, 1 << 24),
        default_value = "0",
        hide_default_value = true,
        value_name = "MiB,..."
    )]
    fit_target: Vec<Several<u32>>,
    /// The context to fit to [default: what the model was trained for, or less where that does not fit]
    #[arg(
        long = settings::FIT_MIN_CTX.long,
        visible_alias = settings::FIT_MIN_CTX.word,
        value_delimiter = ',',
        value_parser = range::<u32>(0, 1 << 24),
        default_value = "0",
        hide_default_value = true,
        value_name = "N,..."
    )]
    fit_ctx: Vec<Several<u32>>,
    /// Threads for generation [default: one a physical core, or a performance core of a hybrid CPU, as in llama-bench; unlike there, no
    /// more than the CPUs this process is bound to or a quota of CPU time allow, since threads that share a CPU stall each other]
    #[arg(
        short = settings::N_THREADS.letter,
        long = settings::N_THREADS.long,
        value_delimiter = ',',
        value_parser = range::<u32>(1, 512),
        value_name = "N,..."
    )]
    pub(crate) threads: Vec<Several<u32>>,
    /// Threads for prompt processing [default: as --threads]
    #[arg(
        long = settings::N_THREADS_BATCH.long,
        visible_alias = settings::N_THREADS_BATCH.word,
        value_delimiter = ',',
        value_parser = range::<u32>(1, 512),
        value_name = "N,..."
    )]
    threads_batch: Vec<Several<u32>>,
    /// The CPUs that threads run on, as a hexadecimal mask: 0xf is the first four [default: the system's choice]
    #[arg(
        short = settings::CPU_MASK.letter,
        long = settings::CPU_MASK.long,
        value_delimiter = ',',
        value_parser = CpuMask::parse,
        default_value = "0x0",
        hide_default_value = true,
        value_name = "HEX,..."
    )]
    cpu_mask: Vec<CpuMask>,
    /// One CPU of the mask for each thread: not in this program
    #[arg(long, value_parser = not_strict, value_name = "0")]
    cpu_strict: Option<bool>,
    /// How long idle threads spin: without effect in this program
    #[arg(long, value_parser = no_polling, value_name = "50")]
    poll: Option<u32>,
    /// Priority: -1 low, 0 normal, 1 medium, 2 high, 3 realtime; more than 0 is for administrators
    #[arg(
        long = settings::PRIORITY.long,
        value_delimiter = ',',
        value_parser = range::<i32>(-1, 3),
        default_value = "0",
        allow_hyphen_values = true,
        value_name = "N,..."
    )]
    prio: Vec<Several<i32>>,
    /// Where threads and pages go on a machine with several memory nodes
    #[arg(
        long = settings::NUMA.long,
        value_delimiter = ',',
        value_parser = one_of::<Numa>(),
        default_value = "off",
        value_name = "HOW,..."
    )]
    numa: Vec<Numa>,
    /// Logical batch size
    #[arg(
        id = BATCH_SIZE,
        short = settings::N_BATCH.letter,
        long = settings::N_BATCH.long,
        value_delimiter = ',',
        value_parser = range::<u32>(1, 1 << 24),
        default_value = "2048",
        value_name = "N,..."
    )]
    pub(crate) batch_size: Vec<Several<u32>>,
    /// Physical batch size
    #[arg(
        long = settings::N_UBATCH.long,
        visible_alias = settings::N_UBATCH.word,
        value_delimiter = ',',
        value_parser = range::<u32>(1, 1 << 24),
        default_value = "512",
        value_name = "N,..."
    )]
    ubatch_size: Vec<Several<u32>>,
    /// Give every token's embedding
    #[arg(
        long = settings::EMBEDDINGS.long,
        visible_alias = settings::EMBEDDINGS.word,
        value_delimiter = ',',
        value_parser = truth,
        default_value = "0",
        value_name = "0|1,..."
    )]
    embeddings: Vec<bool>,
    /// Type of the K cache
    #[arg(
        long = settings::TYPE_K.long,
        visible_alias = settings::TYPE_K.word,
        value_delimiter = ',',
        value_parser = one_of::<CacheType>(),
        default_value = "f16",
        value_name = "TYPE,..."
    )]
    cache_type_k: Vec<CacheType>,
    /// Type of the V cache
    #[arg(
        long = settings::TYPE_V.long,
        visible_alias = settings::TYPE_V.word,
        value_delimiter = ',',
        value_parser = one_of::<CacheType>(),
        default_value = "f16",
        value_name = "TYPE,..."
    )]
    cache_type_v: Vec<CacheType>,
    /// Keep the KV cache in the machine's memory
    #[arg(
        long = settings::NO_KV_OFFLOAD.long,
        visible_alias = settings::NO_KV_OFFLOAD.word,
        value_delimiter = ',',
        value_parser = truth,
        default_value = "0",
        value_name = "0|1,..."
    )]
    no_kv_offload: Vec<bool>,
    /// Flash attention
    #[arg(
        long = settings::FLASH_ATTENTION.long,
        visible_alias = settings::FLASH_ATTENTION.word,
        value_delimiter = ',',
        value_parser = one_of::<FlashAttention>(),
        default_value = "auto",
        allow_negative_numbers = true,
        value_name = "MODE,..."
    )]
    flash_attn: Vec<FlashAttention>,
    /// How weights come into memory
    #[arg(
        long = settings::LOAD_MODE.long,
        visible_alias = settings::LOAD_MODE.word,
        value_delimiter = ',',
        value_parser = one_of::<LoadMode>(),
        default_value = "auto",
        value_name = "MODE,..."
    )]
    load_mode: Vec<LoadMode>,
    /// Read rows of tensors that are marked for it when they are needed
    #[arg(
        long = settings::LAZY_MODE.long,
        visible_alias = settings::LAZY_MODE.word,
        value_delimiter = ',',
        value_parser = one_of::<LazyMode>(),
        default_value = "auto",
        value_name = "MODE,..."
    )]
    lazy_mode: Vec<LazyMode>,
    /// Give weights on the CPU the layout that is fastest there
    #[arg(
        long = settings::REPACK.long,
        value_delimiter = ',',
        value_parser = truth,
        default_value = "1",
        value_name = "0|1,..."
    )]
    repack: Vec<bool>,
    /// Which combination the others are compared with: "fa=on,t=4" [default: the first]
    #[arg(long, value_name = "FLAG=VALUE,...")]
    base: Option<String>,
    /// Compute on the devices of these servers as well (`gguf-bench rpc-server` on each machine), as llama-bench's -rpc
    #[arg(long = settings::RPC.long, value_delimiter = ',', value_parser = rpc_server, value_name = "HOST:PORT,...")]
    rpc: Vec<String>,
}

/// What no server needs as an empty list.
const NO_SERVER: &str = "none";

fn rpc_server(text: &str) -> Result<String, RpcError> {
    if text == NO_SERVER { Ok(text.into()) } else { rpc::endpoint(text).map(|_| text.into()) }
}

/// llama-bench's flag that ends the program.
pub(crate) const LIST_DEVICES: &str = "list-devices";

/// `3/1` or `3;1`: a share for each device.
fn shares(text: &str) -> Result<Several<f32>, String> {
    let one = |part: &str| match part.trim().parse::<f32>() {
        Ok(share) if share.is_finite() && share >= 0.0 => Ok(share),
        _ => Err(format!("{part:?} is no share of a device: write 3/1")),
    };
    let mut all: Vec<f32> = text.split(['/', ';']).map(one).collect::<Result<_, _>>()?;
    if all.len() > 16 {
        return Err("llama.cpp knows 16 devices at most".into());
    }
    while all.last() == Some(&0.0) {
        all.pop();
    }
    Ok(Several(all))
}

fn overrides(text: &str) -> Result<Several<TensorOverride>, String> {
    TensorOverride::parse_list(text).map(Several)
}

/// Placing each thread takes llama.cpp's own pool of threads, which a build with OpenMP does not run.
fn not_strict(text: &str) -> Result<bool, String> {
    if truth(text)? {
        return Err(
            "threads are OpenMP's here, and it places them: start this program under taskset, with OMP_PROC_BIND=true"
                .into(),
        );
    }
    Ok(false)
}

/// The same pool is what spins. llama-bench takes any value in a build with OpenMP, and it changes nothing.
fn no_polling(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(50) => Ok(50),
        Ok(0..=100) => Err("it has no effect here: threads are OpenMP's, which wait as OMP_WAIT_POLICY says".into()),
        _ => Err(format!("{text:?} is no number from 0 to 100")),
    }
}

/// Settings for a subject, and what tells it from the others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    pub(crate) settings: Settings,
    /// What varies and its value: `ctk q8_0`.
    pub(crate) varied: Vec<String>,
}

impl Variant {
    /// What it is called beside a file: `ctk q8_0 · fa on`; `None` where nothing varies.
    pub(crate) fn name(&self) -> Option<String> {
        (!self.varied.is_empty()).then(|| self.varied.join(SEPARATOR))
    }
}

/// Between the parts of a subject's name.
pub(crate) const SEPARATOR: &str = " · ";

/// Every combination of what was typed, the base first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variants {
    all: Vec<Variant>,
    /// Why they have the threads that they have.
    pub(crate) threads: ThreadsReason,
}

impl Variants {
    /// One alone.
    pub(crate) fn of(settings: Settings, threads: ThreadsReason) -> Self {
        Self { all: vec![Variant { settings, varied: Vec::new() }], threads }
    }

    /// Whoever has them has one at least.
    pub(crate) fn base(&self) -> &Settings {
        &self.all[0].settings
    }

    pub(crate) fn all(&self) -> &[Variant] {
        &self.all
    }

    /// The only one, for a command that measures no others.
    pub(crate) fn only(&self) -> Result<&Settings> {
        match &self.all[..] {
            [one] => Ok(&one.settings),
            all => bail!("this command takes one value of each setting: here are {} combinations", all.len()),
        }
    }

    /// Multiplies what is there by the values of a setting.
    fn cross<T>(self, setting: &Setting, values: &[T], set: impl Fn(&mut Settings, &T)) -> Result<Self> {
        let mut all = Vec::new();
        for variant in &self.all {
            for value in values {
                let mut own = variant.clone();
                set(&mut own.settings, value);
                if values.len() > 1 {
                    let value = own.settings.value(setting).map(|value| value.to_string()).unwrap_or_default();
                    own.varied.push(format!("{} {value}", setting.short()));
                }
                all.push(own);
            }
        }
        if all.len() > MOST_COMBINATIONS {
            bail!("more than {MOST_COMBINATIONS} combinations of settings: give fewer values");
        }
        Ok(Self { all, ..self })
    }

    /// The first one with all these parts comes first.
    fn with_base(mut self, typed: &str) -> Result<Self> {
        let part = |part: &str| part.trim().trim_start_matches('-').replacen('=', " ", 1);
        let wanted: Vec<String> = typed.split([',', '·']).map(part).filter(|part| !part.is_empty()).collect();
        let has_all = |variant: &Variant| wanted.iter().all(|part| variant.varied.contains(part));
        let Some(at) = self.all.iter().position(has_all) else {
            let known: Vec<String> = self.all.iter().filter_map(Variant::name).collect();
            let known = if known.is_empty() { "nothing varies".to_owned() } else { known.join("; ") };
            bail!("--base {typed}: there is no such combination ({known})");
        };
        let base = self.all.remove(at);
        self.all.insert(0, base);
        Ok(self)
    }
}

impl EngineArgs {
    /// The servers, each once.
    pub(crate) fn rpc_servers(&self) -> Vec<String> {
        once(self.rpc.iter().filter(|server| *server != NO_SERVER).cloned().collect())
    }

    /// Every combination, and why they have the threads that they have.
    pub(crate) fn into_variants(self, default: DefaultThreads) -> Result<Variants> {
        let rpc = self.rpc_servers();
        let Self {
            device,
            list_devices: _,
            n_gpu_layers,
            n_cpu_moe,
            split_mode,
            main_gpu,
            tensor_split,
            override_tensor,
            no_op_offload,
            no_host,
            fit_target,
            fit_ctx,
            threads,
            threads_batch,
            cpu_mask,
            cpu_strict: _,
            poll: _,
            prio,
            numa,
            batch_size,
            ubatch_size,
            embeddings,
            cache_type_k,
            cache_type_v,
            no_kv_offload,
            flash_attn,
            load_mode,
            lazy_mode,
            repack,
            base,
            rpc: _,
        } = self;
        let asked = !threads.is_empty();
        let threads = if asked { Several::all(&threads) } else { vec![default.n_threads] };
        let reason = if asked { ThreadsReason::Asked } else { default.reason };
        // Where nothing is typed for prompts, they have as many as generation has.
        let prompts = Several::all(&threads_batch);
        let follow = prompts.is_empty();
        let base_settings = Settings { rpc, ..Settings::defaults(default.n_threads) };
        let mut all = Variants { all: vec![Variant { settings: base_settings, varied: Vec::new() }], threads: reason }
            .cross(&settings::DEVICE, &once(device), |s, value| s.device.clone_from(value))?
            .cross(&settings::N_GPU_LAYERS, &Several::all(&n_gpu_layers), |s, value| s.n_gpu_layers = *value)?
            .cross(&settings::N_CPU_MOE, &Several::all(&n_cpu_moe), |s, value| s.n_cpu_moe = *value)?
            .cross(&settings::SPLIT_MODE, &once(split_mode), |s, value| s.split_mode = *value)?
            .cross(&settings::MAIN_GPU, &Several::all(&main_gpu), |s, value| s.main_gpu = *value)?
            .cross(&settings::TENSOR_SPLIT, &once(tensor_split), |s, value| s.tensor_split.clone_from(&value.0))?
            .cross(&settings::TENSOR_OVERRIDES, &once(override_tensor), |s, value| {
                s.tensor_overrides.clone_from(&value.0);
            })?
            .cross(&settings::NO_OP_OFFLOAD, &once(no_op_offload), |s, value| s.no_op_offload = *value)?
            .cross(&settings::NO_HOST, &once(no_host), |s, value| s.no_host = *value)?
            .cross(&settings::FIT_TARGET, &Several::all(&fit_target), |s, value| s.fit_target = *value)?
            .cross(&settings::FIT_MIN_CTX, &Several::all(&fit_ctx), |s, value| s.fit_min_ctx = *value)?
            .cross(&settings::N_THREADS, &threads, |s, value| {
                s.n_threads = *value;
                if follow {
                    s.n_threads_batch = *value;
                }
            })?;
        if !follow {
            all = all.cross(&settings::N_THREADS_BATCH, &prompts, |s, value| s.n_threads_batch = *value)?;
        }
        let all = all
            .cross(&settings::CPU_MASK, &once(cpu_mask), |s, value| s.cpu_mask.clone_from(value))?
            .cross(&settings::PRIORITY, &Several::all(&prio), |s, value| s.priority = *value)?
            .cross(&settings::NUMA, &once(numa), |s, value| s.numa = *value)?
            .cross(&settings::N_BATCH, &Several::all(&batch_size), |s, value| s.n_batch = *value)?
            // llama.cpp evaluates no more at a time than it is given.
            .cross(&settings::N_UBATCH, &Several::all(&ubatch_size), |s, value| s.n_ubatch = (*value).min(s.n_batch))?
            .cross(&settings::EMBEDDINGS, &once(embeddings), |s, value| s.embeddings = *value)?
            .cross(&settings::TYPE_K, &once(cache_type_k), |s, value| s.type_k = *value)?
            .cross(&settings::TYPE_V, &once(cache_type_v), |s, value| s.type_v = *value)?
            .cross(&settings::NO_KV_OFFLOAD, &once(no_kv_offload), |s, value| s.no_kv_offload = *value)?
            .cross(&settings::FLASH_ATTENTION, &once(flash_attn), |s, value| s.flash_attention = *value)?
            .cross(&settings::LOAD_MODE, &once(load_mode), |s, value| s.load_mode = *value)?
            .cross(&settings::LAZY_MODE, &once(lazy_mode), |s, value| s.lazy_mode = *value)?
            .cross(&settings::REPACK, &once(repack), |s, value| {
                s.repack = if *value { Repack::On } else { Repack::Off };
            })?;
        let all = Variants { all: different(all.all), ..all };
        base.map_or(Ok(all.clone()), |typed| all.with_base(&typed))
    }
}

/// Values without repetitions.
fn once<T: PartialEq>(typed: Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for value in typed {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Combinations that come to the same are one: a physical batch is never larger than the logical one.
fn different(all: Vec<Variant>) -> Vec<Variant> {
    let mut kept: Vec<Variant> = Vec::new();
    for variant in all {
        if kept.iter().all(|known| known.settings != variant.settings) {
            kept.push(variant);
        }
    }
    kept
}

/// llama.cpp's flags may have several letters behind one dash; clap wants two dashes. llama-bench also takes `_` for `-` in long ones.
pub(crate) fn llama_spelling(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let table = Settings::defaults(1).table();
    let is_word =
        |flag: &str| table.iter().any(|(setting, _)| setting.word == Some(flag)) || OTHER_WORDS.contains(&flag);
    let is_long = |flag: &str| table.iter().any(|(setting, _)| setting.long == flag);
    let takes_list = |flag: &str| {
        let name = flag.trim_start_matches('-').replace('_', "-");
        let is_setting = |setting: &Setting| {
            setting.word == Some(&*name)
                || setting.long == name
                || setting.letter.is_some_and(|letter| *name == *letter.to_string())
        };
        flag.starts_with('-') && (WORK.contains(&&*name) || table.iter().any(|(setting, _)| is_setting(setting)))
    };
    let mut after_list = false;
    args.map(|arg| {
        // llama-bench takes a comma after the last value as well.
        let text = arg.to_string_lossy();
        let is_value = std::mem::replace(&mut after_list, takes_list(&text)) && !text.starts_with("--");
        let has_value = text.split_once('=').is_some_and(|(flag, _)| takes_list(flag));
        let arg = match text.strip_suffix(',') {
            Some(values) if (is_value || has_value) && !values.is_empty() => OsString::from(values),
            _ => arg,
        };
        let text = arg.to_string_lossy();
        let flag = text.split('=').next().unwrap_or_default();
        if flag.strip_prefix('-').is_some_and(is_word) {
            return OsString::from(format!("-{text}"));
        }
        let dashed = flag.strip_prefix("--").map(|long| long.replace('_', "-"));
        match dashed.filter(|long| is_long(long)) {
            Some(long) => OsString::from(format!("--{long}{}", &text[flag.len()..])),
            None => arg,
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::settings::Value;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        engine: EngineArgs,
    }

    /// On a machine of seven cores.
    const SEVEN: DefaultThreads = DefaultThreads { n_threads: 7, reason: ThreadsReason::PhysicalCores };

    fn variants(words: &[&str]) -> Result<Variants> {
        let line = std::iter::once(&"x").chain(words).map(OsString::from);
        Typed::try_parse_from(llama_spelling(line))?.engine.into_variants(SEVEN)
    }

    fn typed(line: &str) -> Result<Settings> {
        variants(&line.split_whitespace().collect::<Vec<_>>()).and_then(|all| all.only().cloned())
    }

    fn names(line: &str) -> Vec<String> {
        let all = variants(&line.split_whitespace().collect::<Vec<_>>()).expect("options");
        all.all().iter().map(|variant| variant.name().unwrap_or_default()).collect()
    }

    #[test]
    fn threads_are_the_machines_unless_asked_for() {
        let reason = |words: &[&str]| variants(words).expect("options").threads;
        assert_eq!(reason(&["-tb", "3"]), ThreadsReason::PhysicalCores);
        // Even where they are as many.
        assert_eq!(reason(&["-t", "7"]), ThreadsReason::Asked);
    }

    #[test]
    fn nothing_typed_is_what_llama_bench_does() {
        assert_eq!(typed("").expect("no option is needed"), Settings::defaults(7));
    }

    #[test]
    fn every_setting_has_its_option_under_each_of_its_flags() {
        for (setting, value) in Settings::defaults(7).table() {
            for flag in [format!("--{}", setting.long), setting.flag(), format!("--{}", setting.long.replace('-', "_"))]
            {
                let value = match &value {
                    // As people type it; the report and llama-bench's rows have two decimals.
                    Value::Word(word) if *word == "0.00" => "0".to_owned(),
                    value => value.typed(),
                };
                assert_eq!(typed(&format!("{flag}={value}")).expect("a flag"), Settings::defaults(7), "{flag}");
            }
        }
    }

    #[test]
    fn llama_flags_are_understood() {
        type Change = fn(&mut Settings);
        let usual = Settings::defaults(7);
        let cases: [(&str, Change); 29] = [
            ("-rpc a:1,b:2,a:1", |s| s.rpc = vec!["a:1".into(), "b:2".into()]),
            ("-ngl 0", |s| s.n_gpu_layers = 0),
            ("-ncmoe 3", |s| s.n_cpu_moe = 3),
            ("-sm row", |s| s.split_mode = SplitMode::Row),
            ("-mg 1", |s| s.main_gpu = 1),
            ("-ts 3/1", |s| s.tensor_split = vec![3.0, 1.0]),
            ("-ts 3;1;0", |s| s.tensor_split = vec![3.0, 1.0]),
            ("-ot exps=CPU", |s| {
                s.tensor_overrides = vec![TensorOverride { pattern: "exps".into(), buffer: "CPU".into() }];
            }),
            ("-nopo 1", |s| s.no_op_offload = true),
            ("--no-host 1", |s| s.no_host = true),
            ("-fitt 1024", |s| s.fit_target = 1024),
            ("-fitc 4096", |s| s.fit_min_ctx = 4096),
            ("-t 2 -tb 3", |s| (s.n_threads, s.n_threads_batch) = (2, 3)),
            ("-t 2", |s| (s.n_threads, s.n_threads_batch) = (2, 2)),
            ("-C 0x3", |s| s.cpu_mask = CpuMask::parse("0x3").expect("a mask")),
            ("--prio -1", |s| s.priority = -1),
            ("--numa distribute", |s| s.numa = Numa::Distribute),
            ("-b 64", |s| (s.n_batch, s.n_ubatch) = (64, 64)),
            ("-ub=64", |s| s.n_ubatch = 64),
            ("-embd 1", |s| s.embeddings = true),
            ("-ctk=q8_0", |s| s.type_k = CacheType::Q8_0),
            ("-ctv f32", |s| s.type_v = CacheType::F32),
            ("-nkvo 1", |s| s.no_kv_offload = true),
            ("-fa 1", |s| s.flash_attention = FlashAttention::On),
            ("-fa -1", |s| s.flash_attention = FlashAttention::Auto),
            ("-dev CUDA0/CUDA1", |s| s.device = Device::Named(vec!["CUDA0".into(), "CUDA1".into()])),
            ("-lm mmap+mlock", |s| s.load_mode = LoadMode::MmapMlock),
            ("-lzm on", |s| s.lazy_mode = LazyMode::On),
            ("--repack 0", |s| s.repack = Repack::Off),
        ];
        for (line, change) in cases {
            let mut expected = usual.clone();
            change(&mut expected);
            assert_eq!(typed(line).expect(line), expected, "{line}");
        }
        for device in ["rocm", "mps", "none"] {
            assert!(typed(&format!("--device {device}")).is_ok(), "{device}");
        }
    }

    #[test]
    fn what_can_not_be_is_refused_with_what_would_be_right() {
        let said = |line: &str| format!("{:#}", typed(line).expect_err(line));
        assert!(said("--poll 0").contains("OMP_WAIT_POLICY") && typed("--poll 50").is_ok());
        assert!(said("--cpu-strict 1").contains("OMP_PROC_BIND") && typed("--cpu-strict 0").is_ok());
        assert!(said("-ngl -2").contains("between -1"));
        for wrong in
            ["-ncmoe -1", "-sm all", "-ts a", "-C xyz", "-fa 2", "-ot exps", "-t 0", "--numa mirror", "-dev gpu"]
        {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
        assert!(said("-t 1-300").contains("more than 256"));
        assert!(said("-t 1,2").contains("2 combinations"), "where a command takes one");
    }

    #[test]
    fn lists_and_ranges_are_crossed_and_named_by_what_varies() {
        assert_eq!(names("-fa 1"), [""]);
        assert_eq!(names("-t 2-8*2"), ["t 2", "t 4", "t 8"]);
        assert_eq!(
            names("-ctk f16,q8_0 -fa 0,1 -ctv f16"),
            ["ctk f16 · fa off", "ctk f16 · fa on", "ctk q8_0 · fa off", "ctk q8_0 · fa on"]
        );
        assert_eq!(names("-t 1 -t 2,1"), ["t 1", "t 2"], "a flag may be repeated, a value counts once");
        assert_eq!(names("-b 64 -ub 64,128"), ["ub 64"], "what comes to the same is one");
        assert_eq!(names("-t 1,2, --fa=0,1, -ctk f16,"), names("-t 1,2 -fa 0,1"), "a comma at the end is nothing");
        assert!(variants(&["-t", "1,,2"]).is_err() && variants(&["-t", ","]).is_err(), "as in llama-bench");
        assert_eq!(names("-ngl -1,0 -nopo 0,1")[3], "ngl 0 · nopo on");
    }

    #[test]
    fn the_first_combination_is_the_base_unless_another_is_named() {
        assert_eq!(
            names("-t 1,2 -fa 0,1 --base t=2,fa=on"),
            ["t 2 · fa on", "t 1 · fa off", "t 1 · fa on", "t 2 · fa off"]
        );
        let other = variants(&["-t", "1,2", "--base", "t 2 · fa on"]).expect_err("there is none");
        assert!(other.to_string().contains("t 1; t 2"), "{other}");
    }
}
