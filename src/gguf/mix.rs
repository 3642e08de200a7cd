//! Which tensor types a file mixes, in which part of the model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::header::Tensor;
use super::kind::layer_of;
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

/// What a layer's tensors take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LayerBytes {
    /// All of them.
    pub bytes: u64,
    /// Those of its experts, which llama.cpp's `-ncmoe` leaves to the CPU.
    pub expert_bytes: u64,
}

/// Whether a tensor holds experts, by llama.cpp's naming.
fn is_of_experts(name: &str) -> bool {
    let kinds = ["up_", "down_", "gate_up_", "gate_"];
    let kind = name.split_once(".ffn_").and_then(|(_, kind)| kinds.iter().find_map(|of| kind.strip_prefix(of)));
    kind.is_some_and(|rest| rest.starts_with("exps") || rest.starts_with("chexps"))
}

/// What each layer takes, in their order.
pub(super) fn layers<'a>(tensors: impl Iterator<Item = &'a Tensor>, n_layer: u64) -> Vec<LayerBytes> {
    // More layers than tensors are there in no file, whatever its header says.
    const MOST: u64 = 1 << 16;
    let mut layers = vec![LayerBytes::default(); usize::try_from(n_layer.min(MOST)).unwrap_or(0)];
    for tensor in tensors {
        let layer = layer_of(&tensor.name).and_then(|layer| usize::try_from(layer).ok());
        let Some(own) = layer.and_then(|layer| layers.get_mut(layer)) else { continue };
        own.bytes = own.bytes.saturating_add(tensor.bytes);
        if is_of_experts(&tensor.name) {
            own.expert_bytes = own.expert_bytes.saturating_add(tensor.bytes);
        }
    }
    layers
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
    fn experts_are_those_that_ncmoe_names() {
        for name in ["blk.3.ffn_up_exps.weight", "blk.3.ffn_gate_up_exps.weight", "blk.3.ffn_down_chexps.weight"] {
            assert!(is_of_experts(name), "{name}");
        }
        for name in
            ["blk.3.ffn_up_shexp.weight", "blk.3.ffn_gate_inp.weight", "blk.3.attn_q.weight", "blk.3.ffn_up.weight"]
        {
            assert!(!is_of_experts(name), "{name}");
        }
    }

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
