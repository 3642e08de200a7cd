//! How many bytes a KV cache will take, for the architectures where that follows from the header.

use super::facts::{Heads, Shape};
use super::types::GgmlType;

/// Architectures whose every layer caches keys and values for the whole context (llama.cpp b11434's default memory).
const PLAIN: [&str; 46] = [
    "apertus",
    "arcee",
    "arctic",
    "baichuan",
    "bailingmoe",
    "bloom",
    "chatglm",
    "codeshell",
    "command-r",
    "dbrx",
    "deepseek",
    "dots1",
    "ernie4_5",
    "ernie4_5-moe",
    "exaone",
    "falcon",
    "gemma",
    "glm4",
    "gpt2",
    "gptj",
    "gptneox",
    "granite",
    "granitemoe",
    "hunyuan-dense",
    "hunyuan-moe",
    "internlm2",
    "jais",
    "llama",
    "minicpm",
    "mistral3",
    "mpt",
    "nemotron",
    "olmo",
    "olmoe",
    "orion",
    "phi2",
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "refact",
    "seed_oss",
    "smollm3",
    "stablelm",
    "xverse",
];

/// Architectures that are plain unless the file states a sliding window.
const PLAIN_WITHOUT_WINDOW: [&str; 2] = ["olmo2", "phi3"];

/// llama.cpp rounds contexts up to a multiple of this.
const CONTEXT_STEP: u64 = crate::record::CONTEXT_STEP as u64;

/// Why the size of a KV cache cannot be told from the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvUnknown {
    /// The architecture caches something else, or is not known here.
    #[error("the cache of architecture {architecture} does not follow from the header")]
    Architecture { architecture: String },
    #[error("some layers keep a sliding window of {window} tokens only")]
    SlidingWindow {
        /// The window, in tokens.
        window: u64,
    },
    /// A number is not in the header.
    #[error("the header lacks {what}")]
    Missing { what: &'static str },
    /// The type's blocks do not fit the rows.
    #[error("rows of {row} elements do not fill blocks of {ty}")]
    PartialBlock { row: u64, ty: GgmlType },
    /// The numbers in the header are absurd.
    #[error("the size is too large to exist")]
    Overflow,
}

impl Shape {
    /// Bytes of the KV cache for `n_ctx` tokens, rounded up as llama.cpp rounds them. Where layers differ in their heads, llama.cpp
    /// without flash attention pads values to the widest layer and takes more than this.
    ///
    /// # Errors
    /// When the header does not determine it.
    pub fn kv_cache_bytes(&self, n_ctx: u32, type_k: GgmlType, type_v: GgmlType) -> Result<u64, KvUnknown> {
        self.check_plain()?;
        let n_layer = self.n_layer.ok_or(KvUnknown::Missing { what: "the number of layers" })?;
        // Layers that are not run cache nothing.
        let n_layer = n_layer.saturating_sub(self.n_layer_unused);
        let heads = self.n_head_kv.as_ref().ok_or(KvUnknown::Missing { what: "the number of heads" })?;
        let key_length = self.key_length.ok_or(KvUnknown::Missing { what: "the size of a key" })?;
        let value_length = self.value_length.ok_or(KvUnknown::Missing { what: "the size of a value" })?;
        let tokens = u64::from(n_ctx).next_multiple_of(CONTEXT_STEP);

        let bytes_per_token = |heads: u64| -> Result<u64, KvUnknown> {
            let part = |length: u64, ty: GgmlType| {
                let row = heads.checked_mul(length).ok_or(KvUnknown::Overflow)?;
                if !row.is_multiple_of(ty.block().0) {
                    return Err(KvUnknown::PartialBlock { row, ty });
                }
                ty.bytes(row).ok_or(KvUnknown::Overflow)
            };
            part(key_length, type_k)?.checked_add(part(value_length, type_v)?).ok_or(KvUnknown::Overflow)
        };
        let all_layers = match heads {
            Heads::Same(heads) => bytes_per_token(*heads)?.checked_mul(n_layer),
            Heads::PerLayer(layers) => {
                let mut sum = Some(0_u64);
                for &heads in layers.iter().take(usize::try_from(n_layer).unwrap_or(usize::MAX)) {
                    let layer = bytes_per_token(heads)?;
                    sum = sum.and_then(|sum| sum.checked_add(layer));
                }
                sum
            }
        };
        all_layers.and_then(|bytes| bytes.checked_mul(tokens)).ok_or(KvUnknown::Overflow)
    }

    fn check_plain(&self) -> Result<(), KvUnknown> {
        let architecture = self.architecture.as_deref().ok_or(KvUnknown::Missing { what: "the architecture" })?;
        if PLAIN.contains(&architecture) {
            return Ok(());
        }
        match self.sliding_window {
            Some(window) if PLAIN_WITHOUT_WINDOW.contains(&architecture) => Err(KvUnknown::SlidingWindow { window }),
            None if PLAIN_WITHOUT_WINDOW.contains(&architecture) => Ok(()),
            _ => Err(KvUnknown::Architecture { architecture: crate::text::printable(architecture) }),
        }
    }
}
