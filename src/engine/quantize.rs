//! Making quantized files of an original, by llama.cpp's own quantizer and under its type names.

use std::path::{Path, PathBuf};

use llama_cpp_sys_2 as sys;
use thiserror::Error;

use super::ffi;

/// A quantization that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuantType {
    /// llama-quantize's name.
    pub name: &'static str,
    ftype: sys::llama_ftype,
}

/// Every type that needs no importance matrix. `Q3_K`, `Q4_K`, `Q5_K` mean their M mix, as in llama-quantize.
const TYPES: [(&str, sys::llama_ftype); 26] = [
    ("F32", sys::LLAMA_FTYPE_ALL_F32),
    ("F16", sys::LLAMA_FTYPE_MOSTLY_F16),
    ("BF16", sys::LLAMA_FTYPE_MOSTLY_BF16),
    ("Q8_0", sys::LLAMA_FTYPE_MOSTLY_Q8_0),
    ("Q6_K", sys::LLAMA_FTYPE_MOSTLY_Q6_K),
    ("Q5_K_M", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M),
    ("Q5_K_S", sys::LLAMA_FTYPE_MOSTLY_Q5_K_S),
    ("Q5_K", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M),
    ("Q5_1", sys::LLAMA_FTYPE_MOSTLY_Q5_1),
    ("Q5_0", sys::LLAMA_FTYPE_MOSTLY_Q5_0),
    ("Q4_K_M", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M),
    ("Q4_K_S", sys::LLAMA_FTYPE_MOSTLY_Q4_K_S),
    ("Q4_K", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M),
    ("Q4_1", sys::LLAMA_FTYPE_MOSTLY_Q4_1),
    ("Q4_0", sys::LLAMA_FTYPE_MOSTLY_Q4_0),
    ("IQ4_NL", sys::LLAMA_FTYPE_MOSTLY_IQ4_NL),
    ("IQ4_XS", sys::LLAMA_FTYPE_MOSTLY_IQ4_XS),
    ("Q3_K_L", sys::LLAMA_FTYPE_MOSTLY_Q3_K_L),
    ("Q3_K_M", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M),
    ("Q3_K_S", sys::LLAMA_FTYPE_MOSTLY_Q3_K_S),
    ("Q3_K", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M),
    ("IQ3_M", sys::LLAMA_FTYPE_MOSTLY_IQ3_M),
    ("IQ3_S", sys::LLAMA_FTYPE_MOSTLY_IQ3_S),
    ("Q2_K", sys::LLAMA_FTYPE_MOSTLY_Q2_K),
    ("TQ2_0", sys::LLAMA_FTYPE_MOSTLY_TQ2_0),
    ("TQ1_0", sys::LLAMA_FTYPE_MOSTLY_TQ1_0),
];

impl QuantType {
    /// Finds a type by name, in any case.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|&(name, ftype)| Self { name, ftype })
    }

    /// Types that llama.cpp makes with an importance matrix only.
    pub(crate) const NEED_IMATRIX: [&str; 9] =
        ["IQ3_XXS", "IQ3_XS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "Q2_K_S"];

    /// All names, for help and errors.
    pub(crate) fn names() -> Vec<&'static str> {
        TYPES.iter().map(|(n, _)| *n).collect()
    }
}

/// Why a file could not be quantized.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum QuantizeError {
    /// llama.cpp takes UTF-8 paths without NUL only.
    #[error("{path} is not a path llama.cpp can open", path = path.display())]
    Path { path: PathBuf },
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

/// Quantizes `input` to `output`. `allow_requantize` lets an already quantized file be the source.
pub(crate) fn quantize(
    input: &Path,
    output: &Path,
    to: QuantType,
    n_threads: u32,
    allow_requantize: bool,
    effect: Effect,
) -> Result<(), QuantizeError> {
    let c = |path: &Path| ffi::c_path(path).ok_or_else(|| QuantizeError::Path { path: path.into() });
    let threads = i32::try_from(n_threads).unwrap_or(i32::MAX);
    let only_size = effect == Effect::OnlySize;
    if ffi::quantize(&c(input)?, &c(output)?, to.ftype, threads, allow_requantize, only_size) {
        Ok(())
    } else {
        Err(QuantizeError::Refused { from: input.into(), to: to.name })
    }
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
}
