//! The quantization a file says it has: `general.file_type` and its names in llama.cpp (`llama_ftype`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::types::GgmlType;

/// A file type and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileType {
    /// Short name as `llama-quantize` takes it, like `Q4_K_M`.
    pub short: &'static str,
    /// Name as llama.cpp prints it, like `Q4_K - Medium`.
    pub name: &'static str,
    /// Stated by the file, or inferred as llama.cpp infers it.
    pub source: Source,
}

/// Where a file type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The file's metadata.
    Stated,
    /// The type most of its tensors have.
    Guessed,
}

/// Set in the number when the type was guessed by whoever wrote the file.
const GUESSED: u64 = 1024;

/// Number, short name, llama.cpp's name.
const TABLE: [(u64, &str, &str); 36] = [
    (0, "F32", "all F32"),
    (1, "F16", "F16"),
    (2, "Q4_0", "Q4_0"),
    (3, "Q4_1", "Q4_1"),
    (7, "Q8_0", "Q8_0"),
    (8, "Q5_0", "Q5_0"),
    (9, "Q5_1", "Q5_1"),
    (10, "Q2_K", "Q2_K - Medium"),
    (11, "Q3_K_S", "Q3_K - Small"),
    (12, "Q3_K_M", "Q3_K - Medium"),
    (13, "Q3_K_L", "Q3_K - Large"),
    (14, "Q4_K_S", "Q4_K - Small"),
    (15, "Q4_K_M", "Q4_K - Medium"),
    (16, "Q5_K_S", "Q5_K - Small"),
    (17, "Q5_K_M", "Q5_K - Medium"),
    (18, "Q6_K", "Q6_K"),
    (19, "IQ2_XXS", "IQ2_XXS - 2.0625 bpw"),
    (20, "IQ2_XS", "IQ2_XS - 2.3125 bpw"),
    (21, "Q2_K_S", "Q2_K - Small"),
    (22, "IQ3_XS", "IQ3_XS - 3.3 bpw"),
    (23, "IQ3_XXS", "IQ3_XXS - 3.0625 bpw"),
    (24, "IQ1_S", "IQ1_S - 1.5625 bpw"),
    (25, "IQ4_NL", "IQ4_NL - 4.5 bpw"),
    (26, "IQ3_S", "IQ3_S - 3.4375 bpw"),
    (27, "IQ3_M", "IQ3_S mix - 3.66 bpw"),
    (28, "IQ2_S", "IQ2_S - 2.5 bpw"),
    (29, "IQ2_M", "IQ2_M - 2.7 bpw"),
    (30, "IQ4_XS", "IQ4_XS - 4.25 bpw"),
    (31, "IQ1_M", "IQ1_M - 1.75 bpw"),
    (32, "BF16", "BF16"),
    (36, "TQ1_0", "TQ1_0 - 1.69 bpw ternary"),
    (37, "TQ2_0", "TQ2_0 - 2.06 bpw ternary"),
    (38, "MXFP4_MOE", "MXFP4 MoE"),
    (39, "NVFP4", "NVFP4"),
    (40, "Q1_0", "Q1_0"),
    (41, "Q2_0", "Q2_0"),
];

impl FileType {
    /// The file type with llama.cpp's number `id`; none when llama.cpp has no name for it.
    #[must_use]
    pub fn from_id(id: u64) -> Option<Self> {
        let source = if id & GUESSED == 0 { Source::Stated } else { Source::Guessed };
        TABLE.iter().find(|row| row.0 == id & !GUESSED).map(|&(_, short, name)| Self { short, name, source })
    }

    /// What llama.cpp takes a file for that states nothing: named after the type most tensors have.
    #[must_use]
    pub fn guess(tensors_by_type: &BTreeMap<GgmlType, u64>) -> Option<Self> {
        let (&ty, _) = tensors_by_type.iter().rev().max_by_key(|(_, tensors)| **tensors)?;
        let name = ty.to_string();
        let short = match name.as_str() {
            "Q3_K" | "Q4_K" | "Q5_K" => format!("{name}_M"),
            _ => name,
        };
        let row = TABLE.iter().find(|row| row.1 == short)?;
        Some(Self { short: row.1, name: row.2, source: Source::Guessed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_llama_cpps_names() {
        let found = FileType::from_id(15).map(|ty| (ty.short, ty.name, ty.source));
        assert_eq!(found, Some(("Q4_K_M", "Q4_K - Medium", Source::Stated)));
        assert_eq!(FileType::from_id(1024 + 7).map(|ty| (ty.short, ty.source)), Some(("Q8_0", Source::Guessed)));
        for unknown in [5, 6, 33, 34, 35, 42, u64::MAX] {
            assert_eq!(FileType::from_id(unknown), None);
        }
    }

    #[test]
    fn guesses_by_the_commonest_type() {
        let guess = |counts: &[(GgmlType, u64)]| FileType::guess(&counts.iter().copied().collect()).map(|ty| ty.short);
        assert_eq!(guess(&[(GgmlType::F32, 3), (GgmlType::Q4_K, 9), (GgmlType::Q6_K, 2)]), Some("Q4_K_M"));
        assert_eq!(guess(&[(GgmlType::F32, 3), (GgmlType::F16, 3)]), Some("F32"));
        assert_eq!(guess(&[]), None);
    }
}
