//! ggml's types, of tensors and of files.
//!
//! A tensor type has ggml's number and name, and its block size in elements and bytes as in ggml's `type_traits`. A file type is
//! the quantization a file says it has: `general.file_type` and its names in llama.cpp (`llama_ftype`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::record::CacheType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(non_camel_case_types, reason = "Q4_K and Q4K would be different types to a reader of llama.cpp")]
pub enum GgmlType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
    NVFP4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,
}

use GgmlType::{
    BF16, F16, F32, F64, I8, I16, I32, I64, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_NL, IQ4_XS,
    MXFP4, NVFP4, Q1_0, Q2_0, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Q8_1, Q8_K, TQ1_0, TQ2_0,
};

impl GgmlType {
    /// Every type, in the order of ggml's numbers.
    pub const ALL: [Self; 35] = [
        F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K, IQ2_XXS, IQ2_XS, IQ3_XXS,
        IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, I8, I16, I32, I64, F64, IQ1_M, BF16, TQ1_0, TQ2_0, MXFP4, NVFP4, Q1_0,
        Q2_0,
    ];

    /// The type with ggml's number `id`; none for numbers never given or withdrawn.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&ty| ty as u32 == id)
    }

    /// The type of this name, in any case, that a tensor can be quantized to; llama.cpp quantizes none to the others.
    pub(crate) fn quantizable(name: &str) -> Option<Self> {
        Self::all_quantizable().find(|ty| ty.to_string().eq_ignore_ascii_case(name))
    }

    /// All that tensors can be quantized to.
    pub(crate) fn all_quantizable() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|ty| !matches!(ty, Q8_1 | Q8_K | I8 | I16 | I32 | I64 | F64))
    }

    /// Elements in a block and bytes it takes.
    #[must_use]
    pub fn block(self) -> (u64, u64) {
        match self {
            I8 => (1, 1),
            F16 | BF16 | I16 => (1, 2),
            F32 | I32 => (1, 4),
            I64 | F64 => (1, 8),
            Q4_0 | IQ4_NL => (32, 18),
            Q4_1 => (32, 20),
            Q5_0 => (32, 22),
            Q5_1 => (32, 24),
            Q8_0 => (32, 34),
            Q8_1 => (32, 36),
            MXFP4 => (32, 17),
            NVFP4 => (64, 36),
            Q1_0 => (128, 18),
            Q2_0 => (64, 18),
            Q2_K => (256, 84),
            Q3_K | IQ3_S => (256, 110),
            Q4_K => (256, 144),
            Q5_K => (256, 176),
            Q6_K => (256, 210),
            Q8_K => (256, 292),
            IQ1_S => (256, 50),
            IQ1_M => (256, 56),
            IQ2_XXS | TQ2_0 => (256, 66),
            IQ2_XS => (256, 74),
            IQ2_S => (256, 82),
            IQ3_XXS => (256, 98),
            IQ4_XS => (256, 136),
            TQ1_0 => (256, 54),
        }
    }

    /// Bytes of `elements` elements; none when they do not fill whole blocks or no integer holds the size.
    #[must_use]
    pub fn bytes(self, elements: u64) -> Option<u64> {
        let (block, bytes) = self.block();
        if elements.is_multiple_of(block) { (elements / block).checked_mul(bytes) } else { None }
    }

    #[must_use]
    pub fn bits_per_weight(self) -> f64 {
        let (block, bytes) = self.block();
        8.0 * bytes as f64 / block as f64
    }
}

impl From<CacheType> for GgmlType {
    fn from(cache: CacheType) -> Self {
        match cache {
            CacheType::F32 => Self::F32,
            CacheType::F16 => Self::F16,
            CacheType::Bf16 => Self::BF16,
            CacheType::Q8_0 => Self::Q8_0,
            CacheType::Q4_0 => Self::Q4_0,
            CacheType::Q4_1 => Self::Q4_1,
            CacheType::Q5_0 => Self::Q5_0,
            CacheType::Q5_1 => Self::Q5_1,
            CacheType::Iq4Nl => Self::IQ4_NL,
        }
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for GgmlType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A file type and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileType {
    /// Short name as `llama-quantize` takes it, like `Q4_K_M`.
    pub short: &'static str,
    /// Name as llama.cpp prints it, like `Q4_K - Medium`.
    pub name: &'static str,
    /// Stated by the file, or inferred as llama.cpp infers it.
    pub source: FileTypeSource,
}

/// Where a file type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileTypeSource {
    Stated,
    /// Nothing is stated: the type most of its weights have.
    Guessed,
    /// What is stated is contradicted: the type most of its weights have.
    Tensors,
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
        let source = if id & GUESSED == 0 { FileTypeSource::Stated } else { FileTypeSource::Guessed };
        TABLE.iter().find(|row| row.0 == id & !GUESSED).map(|&(_, short, name)| Self { short, name, source })
    }

    /// The short names of all.
    pub(crate) fn names() -> [&'static str; TABLE.len()] {
        TABLE.map(|(_, short, _)| short)
    }

    /// The type that llama-quantize stores most matrices of such a file in.
    #[must_use]
    pub fn base(&self) -> GgmlType {
        match self.short {
            "Q2_K_S" => Q2_K,
            "IQ3_XS" | "IQ3_M" => IQ3_S,
            "IQ2_S" => IQ2_XS,
            "IQ2_M" => IQ2_S,
            "MXFP4_MOE" => MXFP4,
            short => {
                let of_size = short.strip_suffix("_S").or_else(|| short.strip_suffix("_M"));
                let plain = of_size.or_else(|| short.strip_suffix("_L")).filter(|plain| plain.ends_with("_K"));
                let name = plain.unwrap_or(short);
                GgmlType::ALL.into_iter().find(|ty| ty.to_string() == name).unwrap_or(F32)
            }
        }
    }

    /// What llama.cpp takes a file for that states nothing: named after the type most weights have.
    #[must_use]
    pub fn guess(weights_by_type: &BTreeMap<GgmlType, u64>) -> Option<Self> {
        let (&ty, _) = weights_by_type.iter().rev().max_by_key(|(_, weights)| **weights)?;
        let name = ty.to_string();
        let short = match name.as_str() {
            "Q3_K" | "Q4_K" | "Q5_K" => format!("{name}_M"),
            "MXFP4" => "MXFP4_MOE".into(),
            _ => name,
        };
        let row = TABLE.iter().find(|row| row.1 == short)?;
        Some(Self { short: row.1, name: row.2, source: FileTypeSource::Guessed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_their_type() {
        for ty in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(ty as u32), Some(ty));
        }
        for withdrawn in [4, 5, 31, 32, 33, 36, 37, 38, 43, u32::MAX] {
            assert_eq!(GgmlType::from_id(withdrawn), None);
        }
    }

    #[test]
    fn bits_per_weight_are_the_published_ones() {
        let cases = [
            (Q1_0, 1.125),
            (Q2_0, 2.25),
            (Q4_0, 4.5),
            (Q8_0, 8.5),
            (MXFP4, 4.25),
            (NVFP4, 4.5),
            (TQ1_0, 1.6875),
            (Q2_K, 2.625),
            (Q3_K, 3.4375),
            (Q4_K, 4.5),
            (Q5_K, 5.5),
            (Q6_K, 6.5625),
            (Q8_K, 9.125),
            (IQ1_S, 1.5625),
            (IQ2_XXS, 2.0625),
            (IQ2_S, 2.5625),
            (IQ3_XXS, 3.0625),
            (IQ4_XS, 4.25),
            (BF16, 16.0),
        ];
        for (ty, expected) in cases {
            assert!((ty.bits_per_weight() - expected).abs() < 1e-12, "{ty}");
        }
    }

    #[test]
    fn sizes_are_refused_rather_than_rounded_or_wrapped() {
        assert_eq!(Q4_K.bytes(512), Some(288));
        assert_eq!(Q4_K.bytes(300), None);
        assert_eq!(F64.bytes(u64::MAX), None);
    }

    #[test]
    fn numbers_have_llama_cpps_names() {
        let found = FileType::from_id(15).map(|ty| (ty.short, ty.name, ty.source));
        assert_eq!(found, Some(("Q4_K_M", "Q4_K - Medium", FileTypeSource::Stated)));
        assert_eq!(
            FileType::from_id(1024 + 7).map(|ty| (ty.short, ty.source)),
            Some(("Q8_0", FileTypeSource::Guessed))
        );
        for unknown in [5, 6, 33, 34, 35, 42, u64::MAX] {
            assert_eq!(FileType::from_id(unknown), None);
        }
    }

    #[test]
    fn every_file_type_has_a_type_of_tensors() {
        for (id, short, _) in TABLE {
            let base = FileType::from_id(id).expect("it is in the table").base().to_string();
            assert_eq!(short == "F32", base == "F32", "{short}");
            assert!(
                short.starts_with(&base) || ["IQ3_XS", "IQ3_M", "IQ2_S", "IQ2_M"].contains(&short),
                "{short}: {base}"
            );
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
