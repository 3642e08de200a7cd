//! The real engine: llama.cpp through llama-cpp-2.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    ffi::CString,
    num::NonZeroU32,
    ops::Range,
    path::Path,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use llama_cpp_2::{
    EmbeddingsError, LlamaBackendDevice, LlamaBackendDeviceType, LlamaContextLoadError,
    context::params::{KvCacheType, LlamaContextParams},
    list_llama_ggml_backend_devices,
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaChatMessage, LlamaModel},
    sampling::LlamaSampler,
    token::LlamaToken,
    vocab::LlamaVocab,
};

use super::{
    BatchToken, BranchToken, Engine, Error, Loaded, Model, PromptTokens, Session, chat_template,
    ffi::{self, BufferType, Fit, ModelParams, NotServed, OwningContext},
    placement,
};
use crate::{
    probe::{
        Clock,
        energy::EnergyMeter,
        rpc::{self, RpcError},
    },
    record::{CacheType, Device, DeviceInfo, DeviceKind, FlashAttention, PromptForm, Sampling, Settings, Timing},
    settings::{LazyMode, LoadMode, Repack, SplitMode, TensorOverride},
};

/// llama.cpp, started once for the life of the process.
pub struct LlamaEngine {
    backend: Arc<LlamaBackend>,
    clock: Arc<dyn Clock>,
    /// The RPC servers whose devices ggml knows.
    servers: Mutex<BTreeSet<String>>,
    /// What is read beside the clock, when something counts energy.
    energy: Option<Arc<EnergyMeter>>,
}

impl LlamaEngine {
    /// Starts llama.cpp; it writes its log to stderr.
    ///
    /// # Errors
    /// When it was started before in this process.
    pub fn start(clock: Arc<dyn Clock>) -> Result<Self, Error> {
        #[cfg(feature = "portable")]
        super::libraries::load();
        let backend = LlamaBackend::init().map_err(|e| Error::Start { reason: e.to_string() })?;
        Ok(Self { backend: Arc::new(backend), clock, servers: Mutex::default(), energy: None })
    }

    /// Reads these counters around whatever is timed.
    pub(crate) fn with_energy(self, meter: EnergyMeter) -> Self {
        Self { energy: (!meter.is_empty()).then(|| Arc::new(meter)), ..self }
    }

    /// Makes the devices of RPC servers known, each once. They are greeted first: ggml aborts where one does not answer.
    pub(crate) fn add_servers(&self, endpoints: &[String]) -> Result<(), RpcError> {
        let mut known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for endpoint in endpoints {
            if known.contains(endpoint) {
                continue;
            }
            rpc::greet(endpoint, rpc::PATIENCE)?;
            let name = CString::new(endpoint.as_str());
            let name = name.map_err(|_| RpcError::NotAnEndpoint { endpoint: endpoint.clone() })?;
            ffi::add_rpc_server(&name).ok_or(RpcError::NotBuiltIn)?;
            known.insert(endpoint.clone());
        }
        Ok(())
    }

    /// Serves devices to others over RPC, by llama.cpp's own server, until the process is ended.
    ///
    /// # Errors
    /// When it can't.
    pub(crate) fn serve_rpc(endpoint: &str, n_threads: u32, devices: &[String]) -> Result<Infallible, Error> {
        let failed = |reason: String| Error::Start { reason };
        let c = |text: &str| CString::new(text).map_err(|error| failed(error.to_string()));
        let names = devices.iter().map(|name| c(name)).collect::<Result<Vec<_>, _>>()?;
        Err(match ffi::serve_rpc(&c(endpoint)?, n_threads as usize, &names) {
            NotServed::NotBuiltIn => RpcError::NotBuiltIn.into(),
            NotServed::NoDevice(wanted) => {
                let found: Vec<String> = Self::devices().into_iter().map(|device| device.name).collect();
                Error::NoDevice { wanted, found: found.join(", ") }
            }
            NotServed::Ended => {
                failed(format!("the RPC server could not listen at {endpoint}; what it printed says why"))
            }
        })
    }

    /// The devices it can compute on, CPU included.
    pub(crate) fn devices() -> Vec<DeviceInfo> {
        #[cfg(feature = "portable")]
        super::libraries::load();
        list_llama_ggml_backend_devices().into_iter().map(describe).collect()
    }

    /// What llama.cpp says it was compiled to use (`AVX2 = 1 | ...`).
    pub(crate) fn system_info() -> String {
        ffi::system_info()
    }
}

fn describe(device: LlamaBackendDevice) -> DeviceInfo {
    let kind = match device.device_type {
        LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
        LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
        LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
        LlamaBackendDeviceType::Accelerator => DeviceKind::Accelerator,
        LlamaBackendDeviceType::Unknown => DeviceKind::Unknown,
    };
    DeviceInfo {
        name: device.name,
        description: device.description,
        kind,
        backend: device.backend,
        memory_total_bytes: device.memory_total as u64,
        memory_free_bytes: device.memory_free as u64,
        pci_id: ffi::device_pci_id(device.index),
    }
}

impl Engine for LlamaEngine {
    fn load(&self, path: &Path, settings: &Settings) -> Result<Box<dyn Model>, Error> {
        self.add_servers(&settings.rpc)?;
        let n_ctx = settings.fit_min_ctx;
        placement::apply(settings)?;
        let params = model_params(settings, n_ctx)?;
        // That nothing came back is no reason: llama.cpp has it in its log.
        let refused = |reason: &str| Error::Load { reason: reason.into() };
        let c_path = ffi::c_path(path).ok_or_else(|| refused("its path holds what C can't read"))?;
        let start = self.clock.now_ns();
        let model = ffi::load_model(&c_path, &params).ok_or_else(|| refused(""))?;
        let model_ns = self.clock.now_ns() - start;
        Ok(Box::new(LoadedModel {
            model: Rc::new(model),
            backend: Arc::clone(&self.backend),
            clock: Arc::clone(&self.clock),
            settings: settings.clone(),
            model_ns,
            energy: self.energy.clone(),
        }))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

/// Where a setting is not a word of llama.cpp's own.
fn model_params(settings: &Settings, n_ctx: u32) -> Result<ModelParams, Error> {
    // A setting belongs here, to the context or to the process: whichever names a new one nowhere does not compile.
    let Settings {
        device,
        n_gpu_layers,
        split_mode,
        main_gpu,
        tensor_split,
        no_op_offload: _,
        fit_target,
        fit_min_ctx,
        n_threads: _,
        n_threads_batch: _,
        cpu_mask: _,
        priority: _,
        numa: _,
        n_batch,
        n_ubatch,
        embeddings: _,
        type_k: _,
        type_v: _,
        no_kv_offload,
        flash_attention: _,
        n_cpu_moe,
        tensor_overrides,
        load_mode,
        lazy_mode,
        no_host,
        repack,
        rpc,
    } = settings;
    let fit = (*fit_target > 0 || *fit_min_ctx > 0).then(|| Fit {
        margin_bytes: (*fit_target as usize).saturating_mul(1 << 20),
        n_ctx: n_ctx.max(*fit_min_ctx),
        n_ctx_min: *fit_min_ctx,
        n_batch: *n_batch,
        n_ubatch: *n_ubatch,
        offload_kqv: !no_kv_offload,
    });
    Ok(ModelParams {
        devices: devices(device, rpc)?,
        overrides: overrides(tensor_overrides, *n_cpu_moe)?,
        n_gpu_layers: *n_gpu_layers,
        split_mode: match split_mode {
            SplitMode::None => llama_cpp_sys_2::LLAMA_SPLIT_MODE_NONE,
            SplitMode::Layer => llama_cpp_sys_2::LLAMA_SPLIT_MODE_LAYER,
            SplitMode::Row => llama_cpp_sys_2::LLAMA_SPLIT_MODE_ROW,
            SplitMode::Tensor => llama_cpp_sys_2::LLAMA_SPLIT_MODE_TENSOR,
        },
        main_gpu: *main_gpu,
        tensor_split: tensor_split.clone(),
        load_mode: match load_mode {
            LoadMode::Auto => llama_cpp_sys_2::LLAMA_LOAD_MODE_AUTO,
            LoadMode::None => llama_cpp_sys_2::LLAMA_LOAD_MODE_NONE,
            LoadMode::Mmap => llama_cpp_sys_2::LLAMA_LOAD_MODE_MMAP,
            LoadMode::Mlock => llama_cpp_sys_2::LLAMA_LOAD_MODE_MLOCK,
            LoadMode::MmapMlock => llama_cpp_sys_2::LLAMA_LOAD_MODE_MMAP_MLOCK,
            LoadMode::Dio => llama_cpp_sys_2::LLAMA_LOAD_MODE_DIRECT_IO,
        },
        lazy_mode: match lazy_mode {
            LazyMode::Off => llama_cpp_sys_2::LLAMA_LAZY_MODE_OFF,
            LazyMode::Auto => llama_cpp_sys_2::LLAMA_LAZY_MODE_AUTO,
            LazyMode::On => llama_cpp_sys_2::LLAMA_LAZY_MODE_ON,
        },
        no_host: *no_host,
        repack: *repack == Repack::On,
        fit,
    })
}

/// Indices of the devices to use; an empty list means none but the CPU, which is always there, and `None` llama.cpp's own choice.
fn devices(device: &Device, rpc: &[String]) -> Result<Option<Vec<usize>>, Error> {
    let all = list_llama_ggml_backend_devices();
    let missing = |wanted: &str| {
        let found = all.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::NoDevice { wanted: wanted.into(), found }
    };
    let is_cpu = |d: &LlamaBackendDevice| matches!(d.device_type, LlamaBackendDeviceType::Cpu);
    match device {
        Device::Auto => Ok(None),
        Device::Cpu if !rpc.is_empty() => {
            Err(Error::Load { reason: "--device cpu uses no server of --rpc: leave one of them out".into() })
        }
        Device::Cpu => Ok(Some(Vec::new())),
        Device::Named(names) => {
            let index = |name: &String| {
                let found = all.iter().find(|d| d.name.eq_ignore_ascii_case(name) && !is_cpu(d));
                found.map(|d| d.index).ok_or_else(|| missing(name))
            };
            names.iter().map(index).collect::<Result<Vec<_>, _>>().map(Some)
        }
        Device::Cuda | Device::Metal | Device::Vulkan | Device::Rocm => {
            let backend = device.backend().unwrap_or_default();
            let of = |d: &&LlamaBackendDevice| d.backend.eq_ignore_ascii_case(backend) || d.name.starts_with(backend);
            let chosen: Vec<usize> = all.iter().filter(of).map(|d| d.index).collect();
            if chosen.is_empty() {
                return Err(missing(backend));
            }
            // As llama.cpp orders them by itself: those of servers come first.
            let of_servers = all.iter().filter(|d| d.backend == "RPC" && !rpc.is_empty()).map(|d| d.index);
            Ok(Some(of_servers.chain(chosen).collect()))
        }
    }
}

/// Names of a layer's experts, as llama.cpp's own tools look for them; the safe layer's pattern leaves fused ones on the GPU.
fn experts_of(layer: u32) -> String {
    format!(r"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps")
}

/// Where tensors lie that are not to lie where they would: what was asked for, then experts.
fn overrides(asked: &[TensorOverride], n_cpu_moe: u32) -> Result<Vec<(CString, BufferType)>, Error> {
    let known = BufferType::all();
    let own = |TensorOverride { pattern, buffer }: &TensorOverride| {
        let Some((_, found)) = known.iter().find(|(name, _)| name == buffer) else {
            let found = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::NoBuffer { wanted: buffer.clone(), found });
        };
        Ok((pattern.clone(), *found))
    };
    let experts = (0..n_cpu_moe).map(|layer| Ok((experts_of(layer), BufferType::cpu())));
    let c = |named: Result<(String, BufferType), Error>| {
        let (pattern, buffer) = named?;
        let pattern = CString::new(pattern).map_err(|e| Error::Load { reason: e.to_string() })?;
        Ok((pattern, buffer))
    };
    asked.iter().map(own).chain(experts).map(c).collect()
}

fn context_params(settings: &Settings, n_ctx: u32) -> LlamaContextParams {
    let Settings {
        device: _,
        n_gpu_layers: _,
        split_mode: _,
        main_gpu: _,
        tensor_split: _,
        no_op_offload,
        fit_target: _,
        fit_min_ctx: _,
        n_threads,
        n_threads_batch,
        cpu_mask: _,
        priority: _,
        numa: _,
        n_batch,
        n_ubatch,
        embeddings,
        type_k,
        type_v,
        no_kv_offload,
        flash_attention,
        n_cpu_moe: _,
        tensor_overrides: _,
        load_mode: _,
        lazy_mode: _,
        no_host: _,
        repack: _,
        rpc: _,
    } = settings;
    let threads = |n: &u32| i32::try_from(*n).unwrap_or(i32::MAX);
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(n_ctx))
        .with_n_batch(*n_batch)
        .with_n_ubatch(*n_ubatch)
        .with_n_threads(threads(n_threads))
        .with_n_threads_batch(threads(n_threads_batch))
        .with_type_k(cache_type(*type_k))
        .with_type_v(cache_type(*type_v))
        .with_flash_attention_policy(match flash_attention {
            FlashAttention::Auto => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_AUTO,
            FlashAttention::On => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            FlashAttention::Off => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        })
        .with_offload_kqv(!no_kv_offload)
        .with_op_offload(!no_op_offload)
        .with_embeddings(*embeddings)
        // As llama-bench: the sliding window's cache only as large as the window.
        .with_swa_full(false)
        // The default leaves every native timing at zero.
        .with_no_perf(false)
}

fn cache_type(t: CacheType) -> KvCacheType {
    match t {
        CacheType::F32 => KvCacheType::F32,
        CacheType::F16 => KvCacheType::F16,
        CacheType::Bf16 => KvCacheType::BF16,
        CacheType::Q8_0 => KvCacheType::Q8_0,
        CacheType::Q4_0 => KvCacheType::Q4_0,
        CacheType::Q4_1 => KvCacheType::Q4_1,
        CacheType::Q5_0 => KvCacheType::Q5_0,
        CacheType::Q5_1 => KvCacheType::Q5_1,
        CacheType::Iq4Nl => KvCacheType::IQ4_NL,
    }
}

fn sampler(sampling: &Sampling, seed: u64) -> LlamaSampler {
    match *sampling {
        Sampling::Greedy => LlamaSampler::greedy(),
        Sampling::TopP { temperature, top_p } => {
            let seed = u32::try_from(seed & u64::from(u32::MAX)).expect("masked to 32 bits");
            LlamaSampler::chain_simple([
                LlamaSampler::top_p(top_p, 1),
                LlamaSampler::temp(temperature),
                LlamaSampler::dist(seed),
            ])
        }
    }
}

struct LoadedModel {
    model: Rc<LlamaModel>,
    backend: Arc<LlamaBackend>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    model_ns: u64,
    energy: Option<Arc<EnergyMeter>>,
}

impl LoadedModel {
    fn context(&self, params: LlamaContextParams, n_ctx: u32) -> Result<Box<dyn Session>, Error> {
        let context = OwningContext::new(&self.model, &self.backend, params)
            .map_err(|LlamaContextLoadError::NullReturn| Error::Context { n_ctx, reason: String::new() })?;
        Ok(Box::new(LlamaSession {
            context,
            clock: Arc::clone(&self.clock),
            energy: self.energy.clone(),
            n_batch: self.settings.n_batch.max(1) as usize,
            encodes: ffi::has_encoder(&self.model),
            embeds: self.settings.embeddings,
            sampler: LlamaSampler::greedy(),
            n_past: 0,
            n_rows: 0,
        }))
    }
}

impl LoadedModel {
    /// A prompt as its template puts it: rendered, or else in the form that llama.cpp knows it by, or else as it stands.
    fn put(&self, text: &str) -> (String, PromptForm) {
        let Ok(template) = self.model.chat_template(None) else {
            return (text.into(), PromptForm::Plain { reason: None });
        };
        let rendered = match template.to_str() {
            Ok(source) => {
                let vocab = self.model.vocab();
                chat_template::render(source, text, &written(&vocab, vocab.bos()), &written(&vocab, vocab.eos()))
            }
            Err(error) => Err(error.to_string()),
        };
        let reason = match rendered {
            Ok(shown) => return (shown, PromptForm::Rendered),
            Err(reason) => reason,
        };
        let matched = LlamaChatMessage::new("user".into(), text.into())
            .ok()
            .and_then(|message| self.model.apply_chat_template(&template, &[message], true).ok());
        match matched {
            Some(shown) => (shown, PromptForm::Matched { reason }),
            None => (text.into(), PromptForm::Plain { reason: Some(reason) }),
        }
    }
}

/// How a special token is written; empty where the vocabulary has none, for which -1 stands.
fn written(vocab: &LlamaVocab<'_>, token: LlamaToken) -> String {
    let bytes = if token.0 < 0 { Vec::new() } else { vocab.token_to_piece(token, true, None) };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The tokens of a prompt that is to be answered: its template's BOS beside the tokenizer's is one too many, and what comes after an EOS
/// is no answer.
fn open_ended(mut tokens: Vec<i32>, bos: Option<i32>, eos: i32) -> Vec<i32> {
    if let (Some(bos), [first, second, ..]) = (bos, tokens.as_slice())
        && (*first, *second) == (bos, bos)
    {
        tokens.remove(0);
    }
    while tokens.len() > 1 && tokens.last() == Some(&eos) {
        tokens.pop();
    }
    tokens
}

impl Model for LoadedModel {
    fn facts(&self) -> Loaded {
        let vocab = self.model.vocab();
        Loaded {
            model_ns: self.model_ns,
            n_vocab: u32::try_from(vocab.n_tokens()).unwrap_or(0),
            n_ctx_train: self.model.n_ctx_train(),
            bos: vocab.should_add_bos().then(|| vocab.bos().0),
        }
    }

    fn description(&self) -> Option<String> {
        ffi::description(&self.model)
    }

    fn open(&self, n_ctx: u32) -> Result<Box<dyn Session>, Error> {
        self.context(context_params(&self.settings, n_ctx), n_ctx)
    }

    fn open_sequences(&self, n_seq: u32, n_ctx: u32, n_tokens: u32) -> Result<Box<dyn Session>, Error> {
        // llama.cpp makes each sequence's part a multiple of this, and warns where the whole did not ask for that.
        const PART: u32 = 256;
        let n_ctx = n_seq.saturating_mul(n_ctx.next_multiple_of(PART));
        let params = context_params(&self.settings, n_ctx)
            .with_n_seq_max(n_seq)
            .with_kv_unified(false)
            // llama.cpp's buffers are as large as its batches may be.
            .with_n_batch(n_tokens)
            .with_n_ubatch(n_tokens);
        self.context(params, n_ctx)
    }

    fn open_branches(&self, n_seq: u32, n_ctx: u32) -> Result<Box<dyn Session>, Error> {
        // One cache for all: a token that sequences have in common is there once.
        let params = context_params(&self.settings, n_ctx).with_n_seq_max(n_seq).with_kv_unified(true);
        self.context(params, n_ctx)
    }

    fn tokenize_prompt(&self, text: &str) -> PromptTokens {
        let vocab = self.model.vocab();
        let (shown, form) = self.put(text);
        // A template brings its own special tokens; in plain text nothing is special.
        let tokens = vocab.tokenize(shown.as_bytes(), true, form.is_templated());
        let bos = vocab.should_add_bos().then(|| vocab.bos().0);
        PromptTokens { tokens: open_ended(tokens.iter().map(|t| t.0).collect(), bos, vocab.eos().0), form }
    }

    fn tokenize_text(&self, text: &str) -> Vec<i32> {
        self.model.vocab().tokenize(text.as_bytes(), true, false).iter().map(|t| t.0).collect()
    }

    fn detokenize(&self, tokens: &[i32]) -> String {
        let bytes = self.model.vocab().detokenize(&ids(tokens), false, true);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ends_generation(&self, token: i32) -> bool {
        self.model.vocab().is_eog(LlamaToken(token))
    }
}

struct LlamaSession {
    context: OwningContext,
    clock: Arc<dyn Clock>,
    energy: Option<Arc<EnergyMeter>>,
    n_batch: usize,
    /// A text is read by an encoder.
    encodes: bool,
    /// Embeddings are asked for.
    embeds: bool,
    sampler: LlamaSampler,
    /// Tokens in the cache of one sequence.
    n_past: i32,
    /// Rows of logits the last batch of several sequences gave.
    n_rows: usize,
}

impl LlamaSession {
    /// Evaluates tokens of one sequence; the last one's logits can be read afterwards.
    fn append(&mut self, tokens: &[LlamaToken]) -> Result<(), Error> {
        let reason = |reason: String| Error::Decode { n_tokens: tokens.len(), reason };
        let mut batch = LlamaBatch::get_one(tokens).map_err(|e| reason(e.to_string()))?;
        if self.encodes {
            self.context.encode(&mut batch).map_err(|e| reason(e.to_string()))?;
        } else {
            self.context.decode(&mut batch).map_err(|e| reason(e.to_string()))?;
        }
        self.n_past += i32::try_from(tokens.len()).unwrap_or(i32::MAX);
        Ok(())
    }

    /// Evaluates tokens of at most so many sequences each: id, position, sequences, and whether the logits are wanted.
    fn evaluate_in_sequences(
        &mut self,
        most: usize,
        tokens: impl ExactSizeIterator<Item = (i32, u32, Range<u32>, bool)>,
    ) -> Result<(), Error> {
        let n_tokens = tokens.len();
        let reason = |reason: String| Error::Decode { n_tokens, reason };
        let mut batch = LlamaBatch::new(n_tokens, i32::try_from(most).unwrap_or(i32::MAX));
        let mut n_rows = 0;
        for (id, position, sequences, wanted) in tokens {
            let position = i32::try_from(position).map_err(|e| reason(e.to_string()))?;
            let sequences: Result<Vec<i32>, _> = sequences.map(i32::try_from).collect();
            let sequences = sequences.map_err(|e| reason(e.to_string()))?;
            batch.add(LlamaToken(id), position, &sequences, wanted).map_err(|e| reason(e.to_string()))?;
            n_rows += usize::from(wanted);
        }
        self.n_rows = 0;
        self.context.decode(&mut batch).map_err(|e| reason(e.to_string()))?;
        self.n_rows = n_rows;
        Ok(())
    }

    /// Runs `work` between two readings of both clocks.
    fn timed(&mut self, n_tokens: usize, work: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<Timing, Error> {
        self.context.reset_timings();
        // A token alone is shorter than a counter's steps, and reading them would stand between the tokens of an answer.
        let meter = self.energy.clone().filter(|_| n_tokens > 1);
        let before = meter.as_ref().map(|meter| meter.now(&*self.clock));
        let start = self.clock.now_ns();
        work(self)?;
        let wall_ns = self.clock.now_ns() - start;
        let energy_uj = meter.zip(before).and_then(|(meter, before)| meter.used_uj(&before, &*self.clock));
        let native = self.context.timings();
        // The one-token tail of a prompt is booked as generation: only the sum is always right.
        let native_ms = native.t_p_eval_ms() + native.t_eval_ms();
        Ok(Timing {
            n_tokens: u32::try_from(n_tokens).unwrap_or(u32::MAX),
            wall_ns,
            native_ns: (native_ms > 0.0).then(|| ns_of_ms(native_ms)),
            energy_uj,
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time of far under 2^53 ns")]
fn ns_of_ms(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

fn ids(tokens: &[i32]) -> Vec<LlamaToken> {
    tokens.iter().map(|&t| LlamaToken(t)).collect()
}

impl Session for LlamaSession {
    fn n_ctx(&self) -> u32 {
        self.context.n_ctx()
    }

    fn clear(&mut self) {
        self.context.clear_kv_cache();
        self.n_past = 0;
    }

    fn keep_first(&mut self, n_tokens: u32) -> bool {
        let Ok(kept) = i32::try_from(n_tokens) else { return false };
        let model = self.context.model();
        // A recurrent state mixes all tokens. A sliding window that has moved on lost some that the first ones would need again.
        let all_there = !model.is_recurrent() && !model.is_hybrid() && self.context.kv_cache_seq_pos_min(0) == 0;
        let can = all_there && self.n_past >= kept;
        let cut = can && self.context.clear_kv_cache_seq(Some(0), Some(n_tokens), None).unwrap_or(false);
        self.n_past = if cut { kept } else { self.n_past };
        cut
    }

    fn prefill(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        let ids = ids(tokens);
        self.timed(ids.len(), |s| {
            for chunk in ids.chunks(s.n_batch) {
                s.append(chunk)?;
            }
            s.context.synchronize();
            Ok(())
        })
    }

    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        let ids = ids(tokens);
        self.timed(ids.len(), |s| {
            for id in ids.chunks(1) {
                s.append(id)?;
                s.context.synchronize();
            }
            Ok(())
        })
    }

    fn last_logits(&mut self) -> Result<&[f32], Error> {
        if self.n_past == 0 { Err(Error::NoTokens) } else { Ok(self.context.get_logits_ith(-1)) }
    }

    fn last_output(&mut self) -> Result<&[f32], Error> {
        if !self.embeds || self.n_past == 0 {
            return self.last_logits();
        }
        // One of the whole text where the model pools, else one of each token.
        let reason = |e: EmbeddingsError| Error::Decode { n_tokens: 1, reason: e.to_string() };
        self.context.embeddings_seq_ith(0).or_else(|_| self.context.embeddings_ith(-1)).map_err(reason)
    }

    fn start_sampling(&mut self, sampling: &Sampling, seed: u64) {
        self.sampler = sampler(sampling, seed);
    }

    fn sample(&mut self) -> i32 {
        self.sampler.sample(&self.context, -1).0
    }

    fn evaluate(&mut self, tokens: &[BatchToken]) -> Result<(), Error> {
        let own = |t: &BatchToken| (t.id, t.position, t.sequence..t.sequence + 1, t.wanted);
        self.evaluate_in_sequences(1, tokens.iter().map(own))
    }

    fn evaluate_branches(&mut self, tokens: &[BranchToken]) -> Result<(), Error> {
        let most = tokens.iter().map(|t| t.sequences.len()).max().unwrap_or(1);
        self.evaluate_in_sequences(most, tokens.iter().map(|t| (t.id, t.position, t.sequences.clone(), t.wanted)))
    }

    fn time_batches(&mut self, batches: &[Vec<BatchToken>]) -> Result<Timing, Error> {
        let n_tokens = batches.iter().map(Vec::len).sum();
        self.timed(n_tokens, |s| {
            for batch in batches {
                s.evaluate(batch)?;
                s.context.synchronize();
            }
            Ok(())
        })
    }

    fn batch_logits(&self) -> &[f32] {
        if self.n_rows > 0 { ffi::all_logits(&self.context, self.n_rows) } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::open_ended;

    #[test]
    fn one_bos_begins_a_prompt_and_no_eos_ends_it() {
        let (bos, eos) = (1, 2);
        assert_eq!(open_ended(vec![1, 1, 7, 8], Some(bos), eos), [1, 7, 8], "the template's beside the tokenizer's");
        assert_eq!(
            open_ended(vec![1, 1, 7], None, eos),
            [1, 1, 7],
            "where the tokenizer adds none they are the template's"
        );
        assert_eq!(open_ended(vec![1, 7, 2, 8], Some(bos), eos), [1, 7, 2, 8]);
        assert_eq!(open_ended(vec![1, 7, 2, 2], Some(bos), eos), [1, 7]);
        assert_eq!(open_ended(vec![2], Some(bos), eos), [2], "something must be evaluated");
    }
}
