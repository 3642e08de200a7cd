//! The real engine: llama.cpp through llama-cpp-2.

use std::path::Path;

use llama_cpp_2::{
    LlamaBackendDevice, LlamaBackendDeviceType,
    context::LlamaContext,
    list_llama_ggml_backend_devices,
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaChatMessage, LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

use super::{
    Answer, Engine, Error, Loaded, PromptTokens, Session, Timing, WindowToken, ffi,
    logits::{are_logits, margin_nats},
    params::{context_params, sampler},
};
use crate::{
    probe::Clock,
    record::{Device, DeviceInfo, Sampling, Settings, Stage},
};

/// llama.cpp, started once for the life of the process.
pub struct LlamaEngine<'c> {
    backend: LlamaBackend,
    clock: &'c dyn Clock,
}

impl<'c> LlamaEngine<'c> {
    /// Starts llama.cpp; it writes its log to stderr.
    ///
    /// # Errors
    /// When it was started before in this process.
    pub fn start(clock: &'c dyn Clock) -> Result<Self, Error> {
        let backend = LlamaBackend::init().map_err(|e| Error::Start { reason: e.to_string() })?;
        Ok(Self { backend, clock })
    }

    /// The devices it can compute on, CPU included.
    #[must_use]
    pub fn devices() -> Vec<DeviceInfo> {
        list_llama_ggml_backend_devices().into_iter().map(describe).collect()
    }

    /// What llama.cpp says it was compiled to use (`AVX2 = 1 | ...`).
    #[must_use]
    pub fn system_info() -> String {
        ffi::system_info()
    }
}

fn describe(device: LlamaBackendDevice) -> DeviceInfo {
    let kind = match device.device_type {
        LlamaBackendDeviceType::Cpu => "cpu",
        LlamaBackendDeviceType::Gpu => "gpu",
        LlamaBackendDeviceType::IntegratedGpu => "igpu",
        LlamaBackendDeviceType::Accelerator => "accelerator",
        LlamaBackendDeviceType::Unknown => "unknown",
    };
    DeviceInfo {
        name: device.name,
        description: device.description,
        kind: kind.into(),
        backend: device.backend,
        memory_total_bytes: device.memory_total as u64,
        memory_free_bytes: device.memory_free as u64,
    }
}

impl Engine for LlamaEngine<'_> {
    fn with_session(
        &self,
        path: &Path,
        config: &Settings,
        body: &mut dyn FnMut(&mut dyn Session, Loaded) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let params = model_params(config)?;
        let start = self.clock.now_ns();
        let model = LlamaModel::load_from_file(&self.backend, path, &params)
            .map_err(|e| Error::Load { reason: e.to_string() })?;
        let model_ns = self.clock.now_ns() - start;
        let vocab = model.vocab();
        let loaded = Loaded {
            model_ns,
            n_vocab: u32::try_from(vocab.n_tokens()).unwrap_or(0),
            n_ctx_train: model.n_ctx_train(),
            bos: vocab.should_add_bos().then(|| vocab.bos().0),
        };
        let mut session = LlamaSession {
            model: &model,
            backend: &self.backend,
            config,
            clock: self.clock,
            context: None,
            n_past: 0,
            n_rows: 0,
        };
        body(&mut session, loaded)
    }
}

fn model_params(config: &Settings) -> Result<LlamaModelParams, Error> {
    let mut params = LlamaModelParams::default();
    if let Ok(layers) = u32::try_from(config.n_gpu_layers) {
        params = params.with_n_gpu_layers(layers);
    }
    let backend = match config.device {
        Device::Auto => return Ok(params),
        Device::Cpu => None,
        Device::Cuda => Some("CUDA"),
        Device::Metal => Some("Metal"),
        Device::Vulkan => Some("Vulkan"),
    };
    let all = list_llama_ggml_backend_devices();
    let chosen: Vec<usize> = all
        .iter()
        .filter(|d| backend.is_some_and(|b| d.backend.eq_ignore_ascii_case(b) || d.name.starts_with(b)))
        .map(|d| d.index)
        .collect();
    if let Some(wanted) = backend
        && chosen.is_empty()
    {
        let found = all.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::NoDevice { wanted: wanted.into(), found });
    }
    // An empty list means no device but the CPU, which is always there.
    params.with_devices(&chosen).map_err(|e| Error::Load { reason: e.to_string() })
}

/// A loaded model with the context last opened.
struct LlamaSession<'m> {
    model: &'m LlamaModel,
    backend: &'m LlamaBackend,
    config: &'m Settings,
    clock: &'m dyn Clock,
    context: Option<LlamaContext<'m>>,
    /// Tokens in the cache.
    n_past: i32,
    /// Rows of logits the last evaluated windows gave.
    n_rows: usize,
}

impl<'m> LlamaSession<'m> {
    fn context(&mut self) -> Result<&mut LlamaContext<'m>, Error> {
        self.context.as_mut().ok_or(Error::NoContext)
    }

    /// Evaluates one batch; the last token's logits can be read afterwards.
    fn evaluate(&mut self, tokens: &[LlamaToken]) -> Result<(), Error> {
        let reason = |reason: String| Error::Decode { n_tokens: tokens.len(), reason };
        let mut batch = LlamaBatch::get_one(tokens).map_err(|e| reason(e.to_string()))?;
        self.context()?.decode(&mut batch).map_err(|e| reason(e.to_string()))?;
        self.n_past += i32::try_from(tokens.len()).unwrap_or(i32::MAX);
        Ok(())
    }

    /// Runs `work` between two readings of both clocks.
    fn timed(&mut self, n_tokens: usize, work: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<Timing, Error> {
        self.context()?.reset_timings();
        let start = self.clock.now_ns();
        work(self)?;
        let wall_ns = self.clock.now_ns() - start;
        let native = self.context()?.timings();
        // The one-token tail of a prompt is booked as generation: only the sum is always right.
        let native_ms = native.t_p_eval_ms() + native.t_eval_ms();
        Ok(Timing {
            n_tokens: u32::try_from(n_tokens).unwrap_or(u32::MAX),
            wall_ns,
            native_ns: (native_ms > 0.0).then(|| ns_of_ms(native_ms)),
        })
    }

    fn prefill_ids(&mut self, ids: &[LlamaToken]) -> Result<(), Error> {
        let n_batch = self.config.n_batch.max(1) as usize;
        for chunk in ids.chunks(n_batch) {
            self.evaluate(chunk)?;
        }
        self.context()?.synchronize();
        Ok(())
    }

    /// The logits after the last token evaluated.
    fn last_logits(&mut self) -> Result<&[f32], Error> {
        if self.n_past == 0 { Err(Error::NoTokens) } else { Ok(self.context()?.get_logits_ith(-1)) }
    }

    /// By how much the best logit leads the second, in nats.
    fn margin(&mut self, stage: Stage) -> Result<f32, Error> {
        let margin = margin_nats(self.last_logits()?);
        margin.ok_or_else(|| self.not_a_number(stage))
    }

    /// Refuses an output that is none. Reads the last row only, outside of what is timed.
    fn check_output(&mut self, stage: Stage) -> Result<(), Error> {
        let fine = are_logits(self.last_logits()?);
        if fine { Ok(()) } else { Err(self.not_a_number(stage)) }
    }

    fn not_a_number(&self, stage: Stage) -> Error {
        Error::NotANumber { stage, n_tokens: usize::try_from(self.n_past).unwrap_or(0) }
    }

    fn time_prefill(&mut self, ids: &[LlamaToken]) -> Result<Timing, Error> {
        self.timed(ids.len(), |s| s.prefill_ids(ids))
    }

    fn time_decode(&mut self, ids: &[LlamaToken]) -> Result<Timing, Error> {
        self.timed(ids.len(), |s| {
            for id in ids.chunks(1) {
                s.evaluate(id)?;
                s.context()?.synchronize();
            }
            Ok(())
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

impl Session for LlamaSession<'_> {
    fn open_context(&mut self, n_ctx: u32) -> Result<u64, Error> {
        self.context = None;
        self.n_past = 0;
        let params = context_params(self.config, n_ctx);
        let start = self.clock.now_ns();
        let context = self
            .model
            .new_context(self.backend, params)
            .map_err(|e| Error::Context { n_ctx, reason: e.to_string() })?;
        let took = self.clock.now_ns() - start;
        self.context = Some(context);
        Ok(took)
    }

    fn clear(&mut self) {
        if let Some(context) = &mut self.context {
            context.clear_kv_cache();
        }
        self.n_past = 0;
    }

    fn keep_first(&mut self, n_tokens: u32) -> bool {
        let (Ok(kept), Some(context)) = (i32::try_from(n_tokens), &mut self.context) else { return false };
        // A recurrent state mixes all tokens. A sliding window that has moved on lost some that the first ones would need again.
        let all_there = !self.model.is_recurrent() && !self.model.is_hybrid() && context.kv_cache_seq_pos_min(0) == 0;
        let can = all_there && self.n_past >= kept;
        let cut = can && context.clear_kv_cache_seq(Some(0), Some(n_tokens), None).unwrap_or(false);
        self.n_past = if cut { kept } else { self.n_past };
        cut
    }

    fn prefill(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        let timing = self.time_prefill(&ids(tokens))?;
        self.check_output(Stage::Prefill).map(|()| timing)
    }

    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        let timing = self.time_decode(&ids(tokens))?;
        self.check_output(Stage::Decode).map(|()| timing)
    }

    fn tokenize_prompt(&self, text: &str) -> Result<PromptTokens, Error> {
        let templated = self.model.chat_template(None).ok().and_then(|template| {
            let message = LlamaChatMessage::new("user".into(), text.into()).ok()?;
            self.model.apply_chat_template(&template, &[message], true).ok()
        });
        let vocab = self.model.vocab();
        // A template brings its own special tokens; in plain text nothing is special.
        let tokens = match &templated {
            Some(rendered) => vocab.tokenize(rendered.as_bytes(), true, true),
            None => vocab.tokenize(text.as_bytes(), true, false),
        };
        Ok(PromptTokens { tokens: tokens.iter().map(|t| t.0).collect(), templated: templated.is_some() })
    }

    fn answer(&mut self, prompt: &[i32], max_new_tokens: u32, sampling: &Sampling, seed: u64) -> Result<Answer, Error> {
        let n_ctx = self.context()?.n_ctx();
        let max_new = max_new_tokens.max(1);
        if prompt.len() + max_new as usize > n_ctx as usize {
            return Err(Error::TooLong { n_prompt: prompt.len(), max_new, n_ctx });
        }
        let mut sampler = sampler(sampling, seed);
        self.clear();
        let start = self.clock.now_ns();
        let prefill = self.time_prefill(&ids(prompt))?;
        let mut margin = self.margin(Stage::Prefill)?;
        let mut next = sampler.sample(self.context()?, -1);
        let ttft_ns = self.clock.now_ns() - start;

        let mut answer = Answer {
            prefill,
            decode: None,
            tokens: Vec::new(),
            text: String::new(),
            ended: false,
            ttft_ns,
            inter_token_ns: Vec::new(),
            margins_nats: Vec::new(),
        };
        let mut decode = Timing { n_tokens: 0, wall_ns: 0, native_ns: Some(0) };
        loop {
            if self.model.vocab().is_eog(next) {
                answer.ended = true;
                break;
            }
            answer.tokens.push(next.0);
            answer.margins_nats.push(margin);
            if answer.tokens.len() >= max_new as usize {
                break;
            }
            let since = self.clock.now_ns();
            let step = self.time_decode(&[next])?;
            decode.n_tokens += 1;
            decode.wall_ns += step.wall_ns;
            decode.native_ns = decode.native_ns.zip(step.native_ns).map(|(a, b)| a + b);
            margin = self.margin(Stage::Decode)?;
            next = sampler.sample(self.context()?, -1);
            answer.inter_token_ns.push(self.clock.now_ns() - since);
        }
        answer.decode = (decode.n_tokens > 0).then_some(decode);
        let bytes = self.model.vocab().detokenize(&ids(&answer.tokens), false, true);
        answer.text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    }

    fn tokenize_text(&self, text: &str) -> Vec<i32> {
        self.model.vocab().tokenize(text.as_bytes(), true, false).iter().map(|t| t.0).collect()
    }

    fn detokenize(&self, tokens: &[i32]) -> String {
        let bytes = self.model.vocab().detokenize(&ids(tokens), false, true);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn open_windows(&mut self, n_seq: u32, n_ctx: u32, n_tokens: u32) -> Result<(), Error> {
        self.context = None;
        self.n_rows = 0;
        let n_ctx = n_seq.saturating_mul(n_ctx);
        let params = context_params(self.config, n_ctx)
            .with_n_seq_max(n_seq)
            .with_kv_unified(false)
            // llama.cpp's buffers are as large as its batches may be.
            .with_n_batch(n_tokens)
            .with_n_ubatch(n_tokens);
        let context = self
            .model
            .new_context(self.backend, params)
            .map_err(|e| Error::Context { n_ctx, reason: e.to_string() })?;
        self.context = Some(context);
        Ok(())
    }

    fn evaluate_windows(&mut self, tokens: &[WindowToken]) -> Result<(), Error> {
        let reason = |reason: String| Error::Decode { n_tokens: tokens.len(), reason };
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for token in tokens {
            let position = i32::try_from(token.position).map_err(|e| reason(e.to_string()))?;
            let sequence = i32::try_from(token.sequence).map_err(|e| reason(e.to_string()))?;
            batch.add(LlamaToken(token.id), position, &[sequence], token.wanted).map_err(|e| reason(e.to_string()))?;
        }
        self.n_rows = 0;
        self.context()?.decode(&mut batch).map_err(|e| reason(e.to_string()))?;
        self.n_rows = tokens.iter().filter(|t| t.wanted).count();
        Ok(())
    }

    fn evaluate_together(&mut self, batches: &[Vec<WindowToken>]) -> Result<Timing, Error> {
        let n_tokens = batches.iter().map(Vec::len).sum();
        let timing = self.timed(n_tokens, |s| {
            for batch in batches {
                s.evaluate_windows(batch)?;
                s.context()?.synchronize();
            }
            Ok(())
        })?;
        if are_logits(self.window_logits()) {
            return Ok(timing);
        }
        // Of prompts only the ends are wanted.
        let decoding = batches.last().is_some_and(|batch| batch.iter().all(|token| token.wanted));
        Err(Error::NotANumber { stage: if decoding { Stage::Decode } else { Stage::Prefill }, n_tokens })
    }

    fn window_logits(&self) -> &[f32] {
        match &self.context {
            Some(context) if self.n_rows > 0 => ffi::all_logits(context, self.n_rows),
            _ => &[],
        }
    }
}
