//! Making quantized files of an original, by llama.cpp's own quantizer, under its type names and with its options.

use std::{
    ffi::CString,
    path::{Path, PathBuf},
};

use llama_cpp_sys_2 as sys;
use thiserror::Error;

use super::ffi::{self, KeyValue};

/// A quantization that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuantType {
    /// llama-quantize's name.
    pub name: &'static str,
    ftype: sys::llama_ftype,
}

/// What a type takes besides the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Without an importance matrix llama.cpp does not make it.
    Imatrix,
}

use Needs::{Imatrix, Nothing};

/// llama-quantize's types. `Q3_K`, `Q4_K`, `Q5_K` mean their M mix, as there.
const TYPES: [(&str, sys::llama_ftype, Needs); 35] = [
    ("F32", sys::LLAMA_FTYPE_ALL_F32, Nothing),
    ("F16", sys::LLAMA_FTYPE_MOSTLY_F16, Nothing),
    ("BF16", sys::LLAMA_FTYPE_MOSTLY_BF16, Nothing),
    ("Q8_0", sys::LLAMA_FTYPE_MOSTLY_Q8_0, Nothing),
    ("Q6_K", sys::LLAMA_FTYPE_MOSTLY_Q6_K, Nothing),
    ("Q5_K_M", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M, Nothing),
    ("Q5_K_S", sys::LLAMA_FTYPE_MOSTLY_Q5_K_S, Nothing),
    ("Q5_K", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M, Nothing),
    ("Q5_1", sys::LLAMA_FTYPE_MOSTLY_Q5_1, Nothing),
    ("Q5_0", sys::LLAMA_FTYPE_MOSTLY_Q5_0, Nothing),
    ("Q4_K_M", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M, Nothing),
    ("Q4_K_S", sys::LLAMA_FTYPE_MOSTLY_Q4_K_S, Nothing),
    ("Q4_K", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M, Nothing),
    ("Q4_1", sys::LLAMA_FTYPE_MOSTLY_Q4_1, Nothing),
    ("Q4_0", sys::LLAMA_FTYPE_MOSTLY_Q4_0, Nothing),
    ("IQ4_NL", sys::LLAMA_FTYPE_MOSTLY_IQ4_NL, Nothing),
    ("IQ4_XS", sys::LLAMA_FTYPE_MOSTLY_IQ4_XS, Nothing),
    ("Q3_K_L", sys::LLAMA_FTYPE_MOSTLY_Q3_K_L, Nothing),
    ("Q3_K_M", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M, Nothing),
    ("Q3_K_S", sys::LLAMA_FTYPE_MOSTLY_Q3_K_S, Nothing),
    ("Q3_K", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M, Nothing),
    ("IQ3_M", sys::LLAMA_FTYPE_MOSTLY_IQ3_M, Nothing),
    ("IQ3_S", sys::LLAMA_FTYPE_MOSTLY_IQ3_S, Nothing),
    ("IQ3_XS", sys::LLAMA_FTYPE_MOSTLY_IQ3_XS, Imatrix),
    ("IQ3_XXS", sys::LLAMA_FTYPE_MOSTLY_IQ3_XXS, Imatrix),
    ("Q2_K", sys::LLAMA_FTYPE_MOSTLY_Q2_K, Nothing),
    ("Q2_K_S", sys::LLAMA_FTYPE_MOSTLY_Q2_K_S, Imatrix),
    ("IQ2_M", sys::LLAMA_FTYPE_MOSTLY_IQ2_M, Imatrix),
    ("IQ2_S", sys::LLAMA_FTYPE_MOSTLY_IQ2_S, Imatrix),
    ("IQ2_XS", sys::LLAMA_FTYPE_MOSTLY_IQ2_XS, Imatrix),
    ("IQ2_XXS", sys::LLAMA_FTYPE_MOSTLY_IQ2_XXS, Imatrix),
    ("TQ2_0", sys::LLAMA_FTYPE_MOSTLY_TQ2_0, Nothing),
    ("TQ1_0", sys::LLAMA_FTYPE_MOSTLY_TQ1_0, Nothing),
    ("IQ1_M", sys::LLAMA_FTYPE_MOSTLY_IQ1_M, Imatrix),
    ("IQ1_S", sys::LLAMA_FTYPE_MOSTLY_IQ1_S, Imatrix),
];

impl QuantType {
    /// Finds a type by name, in any case.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|(n, ..)| n.eq_ignore_ascii_case(name)).map(|&(name, ftype, _)| Self { name, ftype })
    }

    /// Whether llama.cpp makes it with an importance matrix only.
    pub(crate) fn needs_imatrix(self) -> bool {
        TYPES.iter().any(|&(name, _, needs)| name == self.name && needs == Imatrix)
    }

    /// The names of all, or of those that need no importance matrix, for help and errors.
    pub(crate) fn names(with_imatrix: bool) -> Vec<&'static str> {
        TYPES.iter().filter(|(.., needs)| with_imatrix || *needs == Nothing).map(|(name, ..)| *name).collect()
    }
}

/// Why a file could not be quantized.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum QuantizeError {
    /// llama.cpp takes UTF-8 paths without NUL only.
    #[error("{path} is not a path llama.cpp can open", path = path.display())]
    Path { path: PathBuf },
    #[error("{text:?} holds a NUL, which llama.cpp can't take")]
    Nul { text: String },
    /// llama.cpp refused; why is in its log.
    #[error("llama.cpp could not make {to} of {from}", from = from.display())]
    Refused { from: PathBuf, to: &'static str },
}

/// What is really done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The file is made.
    File,
    /// Nothing is written; how large the file would be stands in llama.cpp's log.
    OnlySize,
}

/// How to quantize: llama-quantize's options. Types of tensors are ggml's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuantizeOptions<'a> {
    pub(crate) to: QuantType,
    pub(crate) n_threads: u32,
    /// Lets an already quantized file be the source.
    pub(crate) allow_requantize: bool,
    pub(crate) effect: Effect,
    /// All tensors to the type, none to a larger one.
    pub(crate) pure: bool,
    /// As many parts as the source has; the output is then what their names begin with.
    pub(crate) keep_split: bool,
    pub(crate) output_tensor_type: Option<u32>,
    pub(crate) token_embedding_type: Option<u32>,
    /// Patterns of tensor names and their types; the first that matches counts.
    pub(crate) tensor_types: &'a [(String, u32)],
    pub(crate) imatrix: Option<ImatrixData<'a>>,
}

/// An importance matrix, and what is written about it into what is made with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImatrixData<'a> {
    /// Its file, as it was typed.
    pub(crate) file: &'a str,
    pub(crate) dataset: Option<&'a str>,
    pub(crate) chunks: Option<u32>,
    /// By tensor.
    pub(crate) entries: &'a [(&'a str, &'a [f32])],
}

/// Quantizes `input` to `output`.
pub(crate) fn quantize(input: &Path, output: &Path, options: &QuantizeOptions<'_>) -> Result<(), QuantizeError> {
    let &QuantizeOptions {
        to,
        n_threads,
        allow_requantize,
        effect,
        pure,
        keep_split,
        output_tensor_type,
        token_embedding_type,
        tensor_types,
        imatrix,
    } = options;
    let path = |path: &Path| ffi::c_path(path).ok_or_else(|| QuantizeError::Path { path: path.into() });
    let text = |text: &str| CString::new(text).map_err(|_| QuantizeError::Nul { text: text.into() });
    let rule = |(pattern, ty): &(String, u32)| Ok((text(pattern)?, number(*ty)));
    let (mut entries, mut keys) = (Vec::new(), Vec::new());
    if let Some(ImatrixData { file, dataset, chunks, entries: given }) = imatrix {
        entries = given.iter().map(|(name, values)| Ok((text(name)?, *values))).collect::<Result<_, _>>()?;
        let n_entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        // In llama-quantize's order.
        keys.push((c"quantize.imatrix.file", KeyValue::Text(file)));
        keys.extend(dataset.map(|dataset| (c"quantize.imatrix.dataset", KeyValue::Text(dataset))));
        keys.push((c"quantize.imatrix.entries_count", KeyValue::Number(n_entries)));
        keys.extend(chunks.map(|chunks| (c"quantize.imatrix.chunks_count", KeyValue::Number(chunks))));
    }
    let params = ffi::QuantizeParams {
        ftype: to.ftype,
        n_threads: i32::try_from(n_threads).unwrap_or(i32::MAX),
        allow_requantize,
        only_size: effect == Effect::OnlySize,
        pure,
        keep_split,
        output_tensor_type: output_tensor_type.map(number),
        token_embedding_type: token_embedding_type.map(number),
        tensor_types: tensor_types.iter().map(rule).collect::<Result<_, _>>()?,
        imatrix: entries,
        keys,
    };
    if ffi::quantize(&path(input)?, &path(output)?, &params) {
        Ok(())
    } else {
        Err(QuantizeError::Refused { from: input.into(), to: to.name })
    }
}

/// The bindings' type of ggml's numbers differs by system.
#[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion, reason = "not where it is another type")]
fn number(ty: u32) -> sys::ggml_type {
    sys::ggml_type::try_from(ty).unwrap_or(sys::GGML_TYPE_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(QuantType::by_name("q4_k_m").map(|t| t.name), Some("Q4_K_M"));
        assert_eq!(QuantType::by_name("Q4_K").map(|t| t.ftype), QuantType::by_name("Q4_K_M").map(|t| t.ftype));
        assert_eq!(QuantType::by_name("Q9"), None);
    }

    #[test]
    fn types_that_need_an_importance_matrix_are_told_apart() {
        let needs = |name| QuantType::by_name(name).map(QuantType::needs_imatrix);
        assert_eq!(
            ["IQ2_XXS", "Q2_K_S", "Q2_K", "IQ4_XS"].map(needs),
            [Some(true), Some(true), Some(false), Some(false)]
        );
        assert_eq!((QuantType::names(true).len(), QuantType::names(false).len()), (35, 26));
    }
}
