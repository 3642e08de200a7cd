//! Which tensor types a file mixes, in which part of the model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::header::Tensor;
use super::types::GgmlType;

/// The part of a model a tensor belongs to. Experts count with their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Token embedding; the output too where the two are tied.
    TokenEmbd,
    Output,
    AttnQ,
    AttnK,
    AttnV,
    /// Query, key and value in one matrix.
    AttnQkv,
    AttnOutput,
    FfnUp,
    FfnGate,
    FfnDown,
    Norm,
    /// An embedding of each token for each layer, of which a token reads one row.
    PerLayerEmbd,
    /// Layers that predict further tokens for speculative decoding, which are not run here.
    Nextn,
    Other,
}

impl Class {
    /// Its name as llama.cpp spells the tensors, and as it is serialized.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenEmbd => "token_embd",
            Self::Output => "output",
            Self::AttnQ => "attn_q",
            Self::AttnK => "attn_k",
            Self::AttnV => "attn_v",
            Self::AttnQkv => "attn_qkv",
            Self::AttnOutput => "attn_output",
            Self::FfnUp => "ffn_up",
            Self::FfnGate => "ffn_gate",
            Self::FfnDown => "ffn_down",
            Self::Norm => "norm",
            Self::PerLayerEmbd => "per_layer_token_embd",
            Self::Nextn => "nextn",
            Self::Other => "other",
        }
    }

    /// The class of the tensor `name`, by llama.cpp's naming.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let part = match stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((_, part)) => part,
            None => stem,
        };
        // An expert's tensors are named like `ffn_up_exps`, `ffn_up_shexp` or, in old files, `ffn_up.3`.
        let is = |kind: &str| {
            part.strip_prefix(kind).is_some_and(|rest| {
                rest.is_empty() || rest == "_exps" || rest == "_shexp" || rest == "_chexps" || rest.starts_with('.')
            })
        };
        match part {
            "token_embd" => Self::TokenEmbd,
            "per_layer_token_embd" => Self::PerLayerEmbd,
            "output" => Self::Output,
            "attn_q" => Self::AttnQ,
            "attn_k" => Self::AttnK,
            "attn_v" => Self::AttnV,
            "attn_qkv" => Self::AttnQkv,
            "attn_output" => Self::AttnOutput,
            _ if part.starts_with("nextn.") => Self::Nextn,
            _ if is("ffn_up") => Self::FfnUp,
            _ if is("ffn_gate") => Self::FfnGate,
            _ if is("ffn_down") => Self::FfnDown,
            _ if part.ends_with("norm") || part.contains("_norm_") => Self::Norm,
            _ => Self::Other,
        }
    }
}

/// Tensors, their elements and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub tensors: u64,
    pub params: u64,
    /// Bytes of their data.
    pub bytes: u64,
}

impl Totals {
    /// Sums over `tensors`; a sum no integer holds stays at its largest.
    pub(super) fn of<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Self {
        let mut totals = Self::default();
        for tensor in tensors {
            totals.add(tensor);
        }
        totals
    }

    fn add(&mut self, tensor: &Tensor) {
        self.tensors += 1;
        self.params = self.params.saturating_add(tensor.params);
        self.bytes = self.bytes.saturating_add(tensor.bytes);
    }

    /// Bits each element really takes; none without elements.
    #[must_use]
    pub fn bits_per_weight(&self) -> Option<f64> {
        (self.params > 0).then(|| 8.0 * self.bytes as f64 / self.params as f64)
    }
}

/// Totals of one class in one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MixRow {
    /// The part of the model.
    pub class: Class,
    #[serde(rename = "type")]
    pub ty: GgmlType,
    #[serde(flatten)]
    pub totals: Totals,
}

/// Totals of `tensors` by class and type.
pub(super) fn mix<'a>(tensors: impl Iterator<Item = &'a Tensor>, class: impl Fn(&Tensor) -> Class) -> Vec<MixRow> {
    let mut rows: BTreeMap<(Class, GgmlType), Totals> = BTreeMap::new();
    for tensor in tensors {
        rows.entry((class(tensor), tensor.ty)).or_default().add(tensor);
    }
    rows.into_iter().map(|((class, ty), totals)| MixRow { class, ty, totals }).collect()
}

/// Totals of `tensors` by type.
pub(super) fn by_type<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> BTreeMap<GgmlType, Totals> {
    let mut rows: BTreeMap<GgmlType, Totals> = BTreeMap::new();
    for tensor in tensors {
        rows.entry(tensor.ty).or_default().add(tensor);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_class() {
        let cases = [
            ("token_embd.weight", Class::TokenEmbd),
            ("output.weight", Class::Output),
            ("output_norm.weight", Class::Norm),
            ("blk.0.attn_q.weight", Class::AttnQ),
            ("blk.11.attn_k.bias", Class::AttnK),
            ("blk.0.attn_q_norm.weight", Class::Norm),
            ("blk.0.attn_qkv.weight", Class::AttnQkv),
            ("blk.0.attn_output.weight", Class::AttnOutput),
            ("blk.0.ffn_up_exps.weight", Class::FfnUp),
            ("blk.0.ffn_gate_inp.weight", Class::Other),
            ("blk.0.ffn_gate.3.weight", Class::FfnGate),
            ("blk.0.ffn_down_shexp.weight", Class::FfnDown),
            ("blk.0.post_ffw_norm.weight", Class::Norm),
            ("per_layer_token_embd.weight", Class::PerLayerEmbd),
            ("per_layer_proj_norm.weight", Class::Norm),
            ("blk.4.nextn.eh_proj.weight", Class::Nextn),
            ("rope_freqs.weight", Class::Other),
            ("", Class::Other),
            ("blk.", Class::Other),
        ];
        for (name, class) in cases {
            assert_eq!(Class::of(name), class, "{name}");
        }
    }
}
