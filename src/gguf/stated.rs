//! What a file states its quantization is, held against its tensors. Where they contradict each other the tensors decide.

use std::collections::BTreeMap;

use serde::Serialize;

use super::header::Tensor;
use super::metadata::Metadata;
use super::types::{FileType, FileTypeSource, GgmlType};

/// A statement that the tensors contradict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contradiction {
    /// The file type that is stated, by its name or number.
    pub stated: String,
    /// The type that most weights have which the statement does not account for.
    pub holds: GgmlType,
    /// Its share of the bytes of all tensors.
    pub percent_of_bytes: f64,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stated, holds, percent_of_bytes } = self;
        write!(f, "{stated} by its file type; {percent_of_bytes:.0} % of its bytes are {holds}")
    }
}

/// A file's quantization, judged.
pub(super) struct Judged {
    /// What it is called: as stated, or by its tensors where those contradict it or nothing is stated.
    pub(super) file_type: Option<FileType>,
    pub(super) contradiction: Option<Contradiction>,
    /// Whether no matrix is quantized.
    pub(super) full_precision: bool,
}

/// Elements in a block of the types that llama.cpp mixes in one file: `QK_K`.
const SUPER_BLOCK: u64 = 256;

/// Whether weights of this type are as they were trained, but for rounding.
fn is_full(ty: GgmlType) -> bool {
    matches!(ty, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 | GgmlType::F64)
}

/// Judges a file by its key `general.file_type` and its tensors.
pub(super) fn judge<'a>(metadata: &Metadata, tensors: &(impl Iterator<Item = &'a Tensor> + Clone)) -> Judged {
    let matrices = || tensors.clone().filter(|tensor| tensor.dims.len() >= 2 && !tensor.name.contains("_norm"));
    let weights: Vec<&Tensor> =
        if matrices().next().is_some() { matrices().collect() } else { tensors.clone().collect() };
    let mut params: BTreeMap<GgmlType, u64> = BTreeMap::new();
    for tensor in &weights {
        let sum = params.entry(tensor.ty).or_default();
        *sum = sum.saturating_add(tensor.params);
    }
    let full_precision = weights.iter().all(|tensor| is_full(tensor.ty));
    let by_tensors = |source| FileType::guess(&params).map(|found| FileType { source, ..found });
    let Some(id) = metadata.unsigned("general.file_type") else {
        return Judged { file_type: by_tensors(FileTypeSource::Guessed), contradiction: None, full_precision };
    };
    let stated = FileType::from_id(id);
    let unaccounted = match stated.as_ref().map(FileType::base) {
        // Nothing is known of what such a file should hold.
        None => most(&params, |_| true),
        Some(base) if is_full(base) && !full_precision => most(&params, |ty| !is_full(ty)),
        Some(base) if params.contains_key(&base) => None,
        Some(base) if !is_full(base) && stands_in(base, &weights) => {
            full_precision.then(|| most(&params, |_| true)).flatten()
        }
        Some(_) => most(&params, |_| true),
    };
    let Some(holds) = unaccounted else { return Judged { file_type: stated, contradiction: None, full_precision } };
    let bytes = |test: &dyn Fn(&Tensor) -> bool| {
        tensors.clone().filter(|tensor| test(tensor)).fold(0_u64, |sum, tensor| sum.saturating_add(tensor.bytes))
    };
    let percent_of_bytes = 100.0 * bytes(&|tensor| tensor.ty == holds) as f64 / bytes(&|_| true).max(1) as f64;
    let stated = stated.map_or_else(|| format!("type number {id}"), |stated| stated.short.to_owned());
    Judged {
        file_type: by_tensors(FileTypeSource::Tensors),
        contradiction: Some(Contradiction { stated, holds, percent_of_bytes }),
        full_precision,
    }
}

/// Whether other types stand in for `base` because rows do not fill its blocks. Those that fill them, if there are any, may all be of
/// the larger types that its mix gives to the most important matrices, but of blocks of the same size.
fn stands_in(base: GgmlType, weights: &[&Tensor]) -> bool {
    let block = base.block().0;
    let (filling, others): (Vec<&Tensor>, Vec<&Tensor>) =
        weights.iter().partition(|tensor| tensor.row().is_multiple_of(block));
    let of_mix = |tensor: &&Tensor| block == SUPER_BLOCK && tensor.ty.block().0 == block;
    !others.is_empty() && (filling.is_empty() || filling.iter().any(of_mix))
}

/// The type that passes the test and has the most weights.
fn most(params: &BTreeMap<GgmlType, u64>, test: impl Fn(GgmlType) -> bool) -> Option<GgmlType> {
    params.iter().filter(|(ty, _)| test(**ty)).max_by_key(|(_, params)| **params).map(|(ty, _)| *ty)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::gguf::Facts;

    fn facts(file_type: Option<u32>, tensors: &[(u64, GgmlType)]) -> Facts {
        let start = Fixture::default().text("general.architecture", "llama");
        let start = file_type.map_or(start.clone(), |id| start.u32("general.file_type", id));
        let file = tensors
            .iter()
            .enumerate()
            .fold(start, |file, (n, &(row, ty))| file.tensor(&format!("blk.{n}.ffn_up.weight"), &[row, 64], ty));
        super::super::tests::facts_of(&file)
    }

    fn said(facts: &Facts) -> (&'static str, Option<String>, bool) {
        let words = facts.contradiction.as_ref().map(ToString::to_string);
        (facts.file_type.as_ref().map_or("unknown", |found| found.short), words, facts.full_precision)
    }

    #[test]
    fn a_statement_that_holds_is_believed() {
        let f16 = [(256, GgmlType::F16), (256, GgmlType::F16)];
        assert_eq!(said(&facts(Some(1), &f16)), ("F16", None, true));
        let mix = [(256, GgmlType::Q4_K), (256, GgmlType::Q6_K), (256, GgmlType::Q6_K)];
        assert_eq!(said(&facts(Some(15), &mix)), ("Q4_K_M", None, false));
        // Rows of 96 fill no block of 256: llama.cpp stores them in other types.
        assert_eq!(said(&facts(Some(15), &[(96, GgmlType::Q5_0)])), ("Q4_K_M", None, false));
        // Q2_K of rows of 576, as SmolLM2 has them: what fills its blocks are the matrices that the mix stores as Q3_K.
        let of_576 = [(576, GgmlType::Q4_0), (576, GgmlType::IQ4_NL), (1536, GgmlType::Q3_K)];
        assert_eq!(said(&facts(Some(10), &of_576)), ("Q2_K", None, false));
    }

    #[test]
    fn rows_that_fill_their_blocks_excuse_nothing() {
        let whole = [(512, GgmlType::Q8_0), (512, GgmlType::Q8_0)];
        assert_eq!(said(&facts(Some(15), &whole)).0, "Q8_0");
        // No mix of Q4_K_M holds Q8_0 where Q4_K would fit.
        assert_eq!(said(&facts(Some(15), &[(576, GgmlType::Q8_0), (1536, GgmlType::Q8_0)])).0, "Q8_0");
        assert_eq!(said(&facts(Some(15), &[(512, GgmlType::Q2_K), (512, GgmlType::Q2_K)])).0, "Q2_K");
    }

    #[test]
    fn quantized_tensors_in_a_file_that_says_f16_are_told_and_decide() {
        let hidden = [(256, GgmlType::F16), (256, GgmlType::MXFP4), (256, GgmlType::MXFP4), (256, GgmlType::MXFP4)];
        let (name, words, full) = said(&facts(Some(1), &hidden));
        assert_eq!((name, full), ("MXFP4_MOE", false));
        assert_eq!(words.as_deref(), Some("F16 by its file type; 44 % of its bytes are MXFP4"));
    }

    #[test]
    fn full_precision_under_any_number_is_full_precision() {
        for id in [7, 15, 38, 43, 99] {
            let (name, words, full) = said(&facts(Some(id), &[(256, GgmlType::F16), (96, GgmlType::F16)]));
            assert_eq!((name, full), ("F16", true), "{id}");
            assert!(words.is_some_and(|words| words.ends_with("100 % of its bytes are F16")), "{id}");
        }
        assert_eq!(said(&facts(Some(1), &[(256, GgmlType::BF16)])).0, "BF16");
    }

    #[test]
    fn nothing_stated_is_guessed_by_weights_and_marked() {
        let start = Fixture::default().text("general.architecture", "mamba");
        let norms =
            (0..9).fold(start, |file, n| file.tensor(&format!("blk.{n}.attn_norm.weight"), &[256], GgmlType::F32));
        let guessed = super::super::tests::facts_of(&norms.tensor("blk.0.ssm_in.weight", &[256, 64], GgmlType::F16));
        let found = guessed.file_type.expect("a guess");
        assert_eq!((found.short, found.source), ("F16", FileTypeSource::Guessed));
    }
}
