//! How a run quantized a file, beyond its type: llama-quantize's options.

use std::fmt;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of llama-quantize that a file was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct QuantizeRecipe {
    /// The importance matrix it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imatrix: Option<ImatrixUsed>,
    /// All tensors to the type, none to a larger one: `--pure`.
    #[serde(default)]
    pub pure: bool,
    /// Types of tensors by pattern of their names, of which the first that matches counts: `--tensor-type`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tensor_types: Vec<TensorTypeRule>,
    /// ggml type of the output tensor: `--output-tensor-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tensor_type: Option<String>,
    /// ggml type of the token embeddings: `--token-embedding-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_embedding_type: Option<String>,
    /// In as many parts as the original: `--keep-split`.
    #[serde(default)]
    pub keep_split: bool,
}

/// An importance matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ImatrixUsed {
    /// SHA-256 of its file.
    pub sha256: String,
    /// The text it was computed on, by its file's name, where it says so.
    pub dataset: Option<String>,
    /// Chunks of that text, where it says so.
    pub chunks: Option<u32>,
    /// Tensors it has an entry of.
    pub entries: u32,
}

/// A type for all tensors whose name matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TensorTypeRule {
    /// A regular expression that is looked for anywhere in a tensor's name.
    pub pattern: String,
    /// ggml type: `Q6_K`.
    pub ggml_type: String,
}

impl fmt::Display for TensorTypeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.ggml_type)
    }
}

impl fmt::Display for ImatrixUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sha256, dataset, chunks, entries } = self;
        write!(f, "importance matrix of {}", dataset.as_deref().unwrap_or("an unnamed text"))?;
        if let Some(chunks) = chunks {
            write!(f, ", {chunks} chunks")?;
        }
        write!(f, ", {entries} entries, SHA-256 {sha256}")
    }
}

impl fmt::Display for QuantizeRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imatrix, pure, tensor_types, output_tensor_type, token_embedding_type, keep_split } = self;
        let mut words: Vec<String> = imatrix.iter().map(ToString::to_string).collect();
        words.extend(pure.then(|| "pure".into()));
        words.extend(tensor_types.iter().map(|rule| format!("tensors {rule}")));
        words.extend(output_tensor_type.iter().map(|ty| format!("output tensor {ty}")));
        words.extend(token_embedding_type.iter().map(|ty| format!("token embeddings {ty}")));
        words.extend(keep_split.then(|| "in the original's parts".into()));
        f.write_str(&words.join("; "))
    }
}
