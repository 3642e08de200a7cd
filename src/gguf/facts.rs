//! What a reader of a report wants to know about a model, drawn from its headers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::header::{Header, Tensor};
use super::kind::{Kind, Layers, layer_of};
use super::metadata::{Metadata, Value};
use super::mix::{self, Class, LayerBytes, MixRow, Totals, by_type, mix};
use super::stated::{Contradiction, judge};
use super::tokenizer::Tokenizer;
use super::types::{FileType, GgmlType};
use crate::record::RowFallback;
use crate::text::printable;

/// Elements in a block of the K-quants: `QK_K`.
const K_BLOCK: u64 = 256;

/// Facts about a model. Strings are as in the file: print them through `text::printable`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    pub gguf_version: u32,
    /// What it is for.
    pub kind: Kind,
    /// The model that an adapter changes, as it names it.
    pub base_model: Option<String>,
    /// `general.name`.
    pub name: Option<String>,
    pub shape: Shape,
    /// Its quantization, as llama.cpp names it.
    pub file_type: Option<FileType>,
    /// What it states about its quantization, where its tensors contradict it.
    pub contradiction: Option<Contradiction>,
    /// Whether no matrix is quantized, whatever is stated.
    pub full_precision: bool,
    /// The tensors that run: how many, parameters, bytes.
    pub weights: Totals,
    /// Those of layers that predict further tokens for speculative decoding, which are not run and not loaded.
    pub unused: Totals,
    /// Bits a parameter really takes, all tensors that run counted; none without tensors.
    pub bits_per_weight: Option<f64>,
    /// All tensors by tensor type.
    pub by_type: BTreeMap<GgmlType, Totals>,
    /// The same by part of the model and tensor type.
    pub mix: Vec<MixRow>,
    /// What each layer takes, in their order.
    #[serde(skip)]
    pub layers: Vec<LayerBytes>,
    /// What K-quants would do to its rows.
    pub k_quants: KQuantFit,
    pub tokenizer: Option<Tokenizer>,
    /// The importance matrix used to quantize it.
    pub imatrix: Option<Imatrix>,
    pub chat_template: Option<ChatTemplate>,
    /// How many files it consists of.
    pub files: u64,
    /// Size of all files, in bytes.
    pub file_bytes: u64,
    /// Where the data starts in the first file, in bytes.
    pub data_offset: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// `general.architecture`.
    pub architecture: Option<String>,
    /// Tokens of context it was trained for.
    pub n_ctx_train: Option<u64>,
    pub n_layer: Option<u64>,
    /// How many of the layers predict further tokens for speculative decoding, and are not run.
    pub n_layer_unused: u64,
    pub n_embd: Option<u64>,
    pub n_head: Option<Heads>,
    /// Heads for keys and values; those of attention where the file states none.
    pub n_head_kv: Option<Heads>,
    /// Elements in a head's key; the width shared among the heads where the file states none.
    pub key_length: Option<u64>,
    /// Elements in a head's value, likewise.
    pub value_length: Option<u64>,
    /// Sliding window of attention, in tokens.
    pub sliding_window: Option<u64>,
    pub n_expert: Option<u64>,
    pub n_expert_used: Option<u64>,
    pub n_vocab: Option<u64>,
}

/// A number of heads, the same in every layer or one a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Heads {
    Same(u64),
    PerLayer(Vec<u64>),
}

/// Whether rows fill the 256-element blocks of K-quants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KQuantFit {
    pub matrices: u64,
    /// Those whose rows are no multiple of 256, for which llama.cpp falls back to another type.
    pub fallback: Totals,
    /// Elements in a row of the first of those.
    pub fallback_row: Option<u64>,
}

/// The importance matrix a file was quantized with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imatrix {
    /// Its file, as whoever quantized named it.
    pub file: Option<String>,
    /// The text it was computed on.
    pub dataset: Option<String>,
    pub entries: Option<u64>,
    /// Chunks of text it was computed on.
    pub chunks: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatTemplate {
    /// The text, up to [`Text::MAX_KEPT`](super::metadata::Text::MAX_KEPT) bytes.
    #[serde(skip)]
    pub text: String,
    pub bytes: u64,
    /// SHA-256 of the whole, in hexadecimal.
    pub sha256: String,
}

impl Facts {
    /// The facts in `headers`, the parts of one model in order: the first, which has the metadata, and the rest.
    #[must_use]
    pub fn of(first: &Header, rest: &[&Header]) -> Self {
        let metadata = &first.metadata;
        let headers = || std::iter::once(first).chain(rest.iter().copied());
        let tensors = || headers().flat_map(|header| &header.tensors);
        let by_type = by_type(tensors());
        let architecture = text(metadata, "general.architecture").unwrap_or_default();
        let layers = Layers::of(&architecture, metadata);
        let class = |tensor: &Tensor| {
            let runs = layers
                .zip(layer_of(&tensor.name))
                .is_none_or(|(layers, layer)| layers.predicting == 0 || layer < layers.run());
            if runs { Class::of(&tensor.name) } else { Class::Nextn }
        };
        let weights = Totals::of(tensors().filter(|tensor| class(tensor) != Class::Nextn));
        let unused = Totals::of(tensors().filter(|tensor| class(tensor) == Class::Nextn));
        let judged = judge(metadata, &tensors());
        let tokenizer = Tokenizer::of(metadata);
        let base_model = ["general.base_model.0.repo_url", "general.base_model.0.name"];
        let shape = Shape::of(metadata, tensors().find(|tensor| tensor.name == "token_embd.weight"));
        let runs = tensors().filter(|tensor| class(tensor) != Class::Nextn);
        Self {
            gguf_version: first.version,
            kind: Kind::of(metadata, &tensors().map(|tensor| tensor.name.as_str())),
            base_model: base_model.iter().find_map(|key| text(metadata, key)),
            name: text(metadata, "general.name"),
            file_type: judged.file_type,
            contradiction: judged.contradiction,
            full_precision: judged.full_precision,
            weights,
            unused,
            bits_per_weight: weights.bits_per_weight(),
            by_type,
            mix: mix(tensors(), class),
            layers: mix::layers(runs, shape.n_layer.unwrap_or(0)),
            shape,
            k_quants: KQuantFit::of(tensors()),
            tokenizer,
            imatrix: Imatrix::of(metadata),
            chat_template: metadata.text("tokenizer.chat_template").map(|template| ChatTemplate {
                text: template.kept.clone(),
                bytes: template.bytes,
                sha256: template.sha256.clone(),
            }),
            files: 1 + rest.len() as u64,
            file_bytes: headers().fold(0, |sum: u64, header| header.file_bytes.saturating_add(sum)),
            data_offset: first.data_offset,
        }
    }
}

impl Facts {
    /// What does not fit the blocks of its own type; `None` where all does, or its type has small blocks.
    pub(crate) fn row_fallback(&self) -> Option<RowFallback> {
        let base = self.file_type.as_ref()?.base();
        let KQuantFit { matrices, fallback, fallback_row } = self.k_quants;
        let row = fallback_row.filter(|_| base.block().0 == K_BLOCK)?;
        Some(RowFallback { matrices: fallback.tensors, of: matrices, row, block: K_BLOCK })
    }

    /// Why it can't generate: it is no model, or one without a next token; `None` of a model that does.
    #[must_use]
    pub fn cannot_generate(&self) -> Option<String> {
        self.refusal().or_else(|| Some(self.kind.no_next_token()?.words().to_owned()))
    }

    /// Why the file can't be measured at all, and what to do about it; `None` of a model.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let reason = self.kind.refusal()?;
        let base = self.base_model.as_ref().filter(|_| self.kind == Kind::Adapter);
        Some(base.map_or_else(|| reason.to_owned(), |base| format!("{reason}; its base model is {}", printable(base))))
    }
}

impl Shape {
    fn of(metadata: &Metadata, token_embd: Option<&Tensor>) -> Self {
        let architecture = text(metadata, "general.architecture");
        let key = |name: &str| format!("{}.{name}", architecture.as_deref().unwrap_or_default());
        let number = |name: &str| metadata.unsigned(&key(name));
        let n_embd = number("embedding_length");
        let n_head = Heads::of(metadata.get(&key("attention.head_count")));
        let n_head_kv = Heads::of(metadata.get(&key("attention.head_count_kv"))).or_else(|| n_head.clone());
        let head_size = n_head.as_ref().and_then(Heads::first).and_then(|heads| n_embd?.checked_div(heads));
        let n_vocab = token_embd
            .and_then(|tensor| tensor.dims.get(1).copied())
            .or_else(|| metadata.array_len("tokenizer.ggml.tokens"))
            .or_else(|| number("vocab_size"));
        Self {
            n_ctx_train: number("context_length"),
            n_layer: number("block_count"),
            n_layer_unused: Layers::of(architecture.as_deref().unwrap_or_default(), metadata)
                .map_or(0, |layers| layers.predicting),
            n_embd,
            n_head,
            n_head_kv,
            key_length: number("attention.key_length").or(head_size),
            value_length: number("attention.value_length").or(head_size),
            sliding_window: number("attention.sliding_window"),
            n_expert: number("expert_count"),
            n_expert_used: number("expert_used_count"),
            n_vocab,
            architecture,
        }
    }
}

impl Heads {
    fn of(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::List(layers) => layers.iter().map(Value::unsigned).collect::<Option<_>>().map(Self::PerLayer),
            value => value.unsigned().map(Self::Same),
        }
    }

    fn first(&self) -> Option<u64> {
        match self {
            Self::Same(heads) => Some(*heads),
            Self::PerLayer(layers) => layers.first().copied(),
        }
    }
}

impl KQuantFit {
    fn of<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Self {
        // llama-quantize leaves vectors, norms and anything not named a weight alone.
        let matrices: Vec<_> =
            tensors.filter(|t| t.dims.len() >= 2 && t.name.ends_with("weight") && !t.name.contains("_norm.")).collect();
        let breaks = || matrices.iter().copied().filter(|tensor| !tensor.row().is_multiple_of(K_BLOCK));
        let (fallback, fallback_row) = (Totals::of(breaks()), breaks().next().map(Tensor::row));
        Self { matrices: matrices.len() as u64, fallback, fallback_row }
    }
}

impl Imatrix {
    fn of(metadata: &Metadata) -> Option<Self> {
        let found = Self {
            file: text(metadata, "quantize.imatrix.file"),
            dataset: text(metadata, "quantize.imatrix.dataset"),
            entries: metadata.unsigned("quantize.imatrix.entries_count"),
            chunks: metadata.unsigned("quantize.imatrix.chunks_count"),
        };
        let empty = Self { file: None, dataset: None, entries: None, chunks: None };
        (found != empty).then_some(found)
    }
}

fn text(metadata: &Metadata, key: &str) -> Option<String> {
    metadata.text(key).map(|text| text.kept.clone())
}
