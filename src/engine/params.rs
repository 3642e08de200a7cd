//! llama.cpp's context parameters and samplers from the plan's.

use std::num::NonZeroU32;

use llama_cpp_2::{
    context::params::{KvCacheType, LlamaContextParams},
    sampling::LlamaSampler,
};

use crate::record::{CacheType, FlashAttention, Sampling, Settings};

pub(super) fn context_params(config: &Settings, n_ctx: u32) -> LlamaContextParams {
    let threads = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(n_ctx))
        .with_n_batch(config.n_batch)
        .with_n_ubatch(config.n_ubatch)
        .with_n_threads(threads(config.n_threads))
        .with_n_threads_batch(threads(config.n_threads_batch))
        .with_type_k(cache_type(config.type_k))
        .with_type_v(cache_type(config.type_v))
        .with_flash_attention_policy(match config.flash_attention {
            FlashAttention::Auto => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_AUTO,
            FlashAttention::On => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            FlashAttention::Off => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        })
        // As llama-bench: the sliding window's cache only as large as the window.
        .with_swa_full(false)
        // The default leaves every native timing at zero.
        .with_no_perf(false)
}

fn cache_type(t: CacheType) -> KvCacheType {
    match t {
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

pub(super) fn sampler(sampling: &Sampling, seed: u64) -> LlamaSampler {
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
