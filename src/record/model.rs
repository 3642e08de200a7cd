//! What a model file is, from its header and its bytes, without loading it.

use std::fmt;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{recipe::QuantizeRecipe, visit::Outcome};
use crate::settings::Settings;

/// What is compared: a file with settings. The same file with other settings is another subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Subject {
    /// Short name, unique in the run, for tables and charts.
    pub name: String,
    /// Original or candidate.
    pub role: Role,
    /// The file.
    #[serde(flatten)]
    pub model: Model,
    /// llama.cpp's settings it is run with.
    pub settings: Settings,
    /// `Done`, or why nothing could be measured of it at all.
    pub outcome: Outcome,
}

impl Subject {
    /// Whether it is the same file with the same settings, but for the types of its KV cache.
    pub(crate) fn differs_in_cache_types_alone(&self, other: &Self) -> bool {
        let Settings { type_k, type_v, .. } = other.settings;
        self.model.is_same_file(&other.model)
            && self.settings != other.settings
            && Settings { type_k, type_v, ..self.settings.clone() } == other.settings
    }
}

/// A model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Model {
    /// File name without its folder.
    pub file: String,
    /// The facts of its header, when it could be read.
    pub facts: Option<ModelFacts>,
}

impl Model {
    /// Its SHA-256, when it was computed.
    pub(crate) fn sha256(&self) -> Option<&str> {
        self.facts.as_ref()?.sha256.as_deref()
    }

    /// Whether it is the same file, by its bytes where both were hashed.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        match self.sha256().zip(other.sha256()) {
            Some((own, other)) => own == other,
            None => self.file == other.file,
        }
    }

    /// Whether both were hashed, to the same.
    pub(crate) fn holds_the_bytes_of(&self, other: &Self) -> bool {
        self.sha256().zip(other.sha256()).is_some_and(|(own, other)| own == other)
    }
}

/// What a subject is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the others are compared with.
    Original,
    /// A quantized checkpoint.
    Candidate,
}

/// Facts of a GGUF file (all its parts together).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ModelFacts {
    /// Size of the file, or of all parts.
    pub file_bytes: u64,
    /// SHA-256 of the file; of several parts, the hash of the concatenated parts' hex hashes, one a line.
    pub sha256: Option<String>,
    /// Number of parts.
    pub parts: u32,
    /// Quantization by llama.cpp's name (`Q4_K_M`): as stated, or by the tensors where they contradict the statement or none is made; "unknown" when no
    /// name fits.
    pub quant: String,
    /// What is stated about the quantization, where the tensors contradict it: `F16 by its file type; 31 % of its bytes are MXFP4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<String>,
    /// Whether no matrix is quantized; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_precision: Option<bool>,
    /// Matrices whose rows do not fill the blocks of its type, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_fallback: Option<RowFallback>,
    /// Real bits per weight: bytes of all tensors x 8 / parameters.
    pub bits_per_weight: f64,
    /// Parameters.
    pub n_params: u64,
    /// Bytes of all tensors that run.
    pub weights_bytes: u64,
    /// Bytes of layers for speculative decoding, which are not loaded and in no other figure.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unused_bytes: u64,
    /// Architecture (`llama`, `qwen2`).
    pub architecture: String,
    /// `general.name`, when given.
    pub title: Option<String>,
    /// Context length it was trained for.
    pub n_ctx_train: Option<u32>,
    /// Layers.
    pub n_layer: Option<u32>,
    /// Embedding width.
    pub n_embd: Option<u32>,
    /// Experts in a layer, of which a token uses some; `None` without experts, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_expert: Option<u32>,
    /// Tensors by class and type, for the quant mix.
    pub tensors: Vec<TensorGroup>,
    /// The tokenizer.
    pub tokenizer: TokenizerFacts,
    /// Why it can't be asked for its next token; `None` of a model that can, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_next_token: Option<NoNextToken>,
    /// Whether it carries a chat template (an instruct model).
    pub chat_template: bool,
    /// Where its importance matrix came from, when one was used (file or data set name, chunks).
    pub imatrix: Option<String>,
    /// Expected KV cache for the plan's largest context, from the header; `None` when the architecture is not a plain attention one.
    pub expected_kv_bytes: Option<u64>,
    /// Weights that llama.cpp is expected to hold a second time, laid out anew for this CPU; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_repacked_bytes: Option<u64>,
    /// What this run made it from, when it did.
    pub made_from: Option<MadeFrom>,
    /// How this run made it, where more than a type was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<QuantizeRecipe>,
}

/// What a model gives that is no next token: it can be loaded and read, and neither generates nor has a divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoNextToken {
    /// A vector for a text.
    Embedding,
    /// A score of how well a text answers a question.
    Reranking,
    /// What a decoder that is not there would read.
    Encoder,
    /// What its own decoder reads, which needs an encoded text.
    EncoderDecoder,
    /// A whole text, by taking away noise.
    Diffusion,
    /// Whatever a model gives whose tokens see those after them.
    NonCausal,
}

impl NoNextToken {
    /// What the model is, and why it can't be asked.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Embedding => "an embedding model, which gives a vector for a text and no next token",
            Self::Reranking => "a reranking model, which gives a score for a text and no next token",
            Self::Encoder => "an encoder alone, which gives vectors for a text and no next token",
            Self::EncoderDecoder => {
                "an encoder-decoder model, whose decoder needs an encoded text: its encoder alone is measured here"
            }
            Self::Diffusion => "a diffusion language model, which is not autoregressive and gives no next token",
            Self::NonCausal => "a model with non-causal attention, which is not autoregressive and gives no next token",
        }
    }

    /// Whether llama.cpp must be asked for embeddings, since nothing else comes out.
    #[must_use]
    pub fn gives_embeddings(self) -> bool {
        match self {
            Self::Embedding | Self::Reranking | Self::Encoder | Self::EncoderDecoder => true,
            Self::Diffusion | Self::NonCausal => false,
        }
    }
}

/// Matrices that llama.cpp stores in another type than the file's, since their rows do not fill its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RowFallback {
    /// How many.
    pub matrices: u64,
    /// Of how many.
    pub of: u64,
    /// Elements in a row of the first of them.
    pub row: u64,
    /// Elements in a block.
    pub block: u64,
}

impl fmt::Display for RowFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matrices, of, row, block } = self;
        write!(
            f,
            "rows of {row} do not fill blocks of {block}: llama.cpp stores {matrices} of {of} matrices in another, mostly larger type"
        )
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// What a file was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MadeFrom {
    /// Quantized from a full-precision file.
    Quantized {
        /// That file's type, by llama.cpp's name.
        from: String,
    },
    /// Quantized from a file that was itself quantized: its quality is not that of a file made from full precision.
    Requantized {
        /// That file's type, by llama.cpp's name.
        from: String,
    },
    /// In other words, in a record of format 1.
    Told(String),
}

impl fmt::Display for MadeFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantized { from } => write!(f, "{QUANTIZED}{from}"),
            Self::Requantized { from } => write!(f, "{REQUANTIZED}{from}"),
            Self::Told(words) => f.write_str(words),
        }
    }
}

const QUANTIZED: &str = "quantized here from ";
const REQUANTIZED: &str = "requantized here from ";

impl MadeFrom {
    /// From the sentence that format 1 has in its place.
    pub(super) fn told(words: &str) -> Self {
        let after = |start| words.strip_prefix(start).map(String::from);
        let quantized = after(QUANTIZED).map(|from| Self::Quantized { from });
        quantized
            .or_else(|| after(REQUANTIZED).map(|from| Self::Requantized { from }))
            .unwrap_or_else(|| Self::Told(words.into()))
    }
}

/// Tensors of one class stored in one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TensorGroup {
    /// Layer class: `token_embd`, `attn_q`, `ffn_down`, `norm`, ...
    pub class: String,
    /// ggml type: `Q4_K`, `F16`.
    pub ggml_type: String,
    /// Number of tensors.
    pub count: u32,
    /// Parameters in them.
    pub n_params: u64,
    /// Bytes they take.
    pub bytes: u64,
}

/// Identity of a tokenizer: models whose fingerprints differ are not compared token by token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TokenizerFacts {
    /// `tokenizer.ggml.model`.
    pub model: String,
    /// `tokenizer.ggml.pre`, when given.
    pub pre: Option<String>,
    /// Size of the vocabulary.
    pub n_vocab: u32,
    /// SHA-256 over tokens, merges and special ids.
    pub fingerprint: String,
    /// Whether a BOS token is put before a text.
    pub add_bos: Option<bool>,
}
