//! llama.cpp's settings: how a model is run, under llama-bench's names.

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
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Whatever llama.cpp prefers here.
    Auto,
    /// The CPU alone.
    Cpu,
    /// NVIDIA.
    Cuda,
    /// Apple.
    Metal,
    /// Vulkan.
    Vulkan,
}

/// Element types of the KV cache that llama-bench accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

impl CacheType {
    /// Its name as llama-bench takes and prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Iq4Nl => "iq4_nl",
        }
    }
}

/// Flash attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}
