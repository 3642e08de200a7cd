//! Numbers of tensor types that llama.cpp does not read: withdrawn ones with what came after them, and those of other programs.

/// Number, name, and what to use in its place.
const WITHDRAWN: [(u32, &str, &str); 8] = [
    (4, "Q4_2", "Q4_0"),
    (5, "Q4_3", "Q4_1"),
    (31, "Q4_0_4_4", "Q4_0"),
    (32, "Q4_0_4_8", "Q4_0"),
    (33, "Q4_0_8_8", "Q4_0"),
    (36, "IQ4_NL_4_4", "IQ4_NL"),
    (37, "IQ4_NL_4_8", "IQ4_NL"),
    (38, "IQ4_NL_8_8", "IQ4_NL"),
];

/// Number and name of the types that `ik_llama.cpp` has beside llama.cpp's.
const IK: [(u32, &str); 56] = [
    (97, "Q8_0_X4"),
    (98, "Q8_1_X4"),
    (99, "Q8_2_X4"),
    (133, "Q6_0"),
    (134, "IQ1_BN"),
    (135, "IQ2_BN"),
    (136, "Q8_K64"),
    (137, "IQ2_K"),
    (138, "IQ3_K"),
    (139, "IQ4_K"),
    (140, "IQ5_K"),
    (141, "IQ6_K"),
    (144, "IQ4_KS"),
    (145, "IQ2_KS"),
    (146, "IQ4_KSS"),
    (147, "Q8_K16"),
    (148, "Q8_K32"),
    (149, "Q8_KR8"),
    (150, "Q8_K128"),
    (151, "Q8_KV"),
    (152, "IQ5_KS"),
    (153, "IQ2_KT"),
    (154, "IQ3_KT"),
    (155, "IQ4_KT"),
    (156, "IQ3_KS"),
    (157, "IQ2_KL"),
    (158, "IQ1_KT"),
    (202, "Q4_0_R8"),
    (206, "Q5_0_R4"),
    (208, "Q8_0_R8"),
    (210, "Q2_K_R4"),
    (211, "Q3_K_R4"),
    (212, "Q4_K_R4"),
    (213, "Q5_K_R4"),
    (214, "Q6_K_R4"),
    (216, "IQ2_XXS_R4"),
    (217, "IQ2_XS_R4"),
    (218, "IQ3_XXS_R4"),
    (219, "IQ1_S_R4"),
    (220, "IQ4_NL_R4"),
    (221, "IQ3_S_R4"),
    (222, "IQ2_S_R4"),
    (223, "IQ4_XS_R8"),
    (229, "IQ1_M_R4"),
    (230, "BF16_R16"),
    (233, "Q6_0_R4"),
    (335, "IQ2_BN_R4"),
    (337, "IQ2_K_R4"),
    (338, "IQ3_K_R4"),
    (339, "IQ4_K_R4"),
    (340, "IQ5_K_R4"),
    (344, "IQ4_KS_R4"),
    (352, "IQ5_KS_R4"),
    (397, "Q8_K_R16"),
    (398, "Q8_KV_R8"),
    (399, "Q8_K_R8"),
];

/// What a tensor type's number means that llama.cpp does not know, and what to do about it.
pub(super) fn describe(id: u32) -> String {
    if let Some((_, name, successor)) = WITHDRAWN.iter().find(|row| row.0 == id) {
        return format!(
            "type {name} ({id}), which llama.cpp has withdrawn: quantize the original again, as {successor}"
        );
    }
    if let Some((_, name)) = IK.iter().find(|row| row.0 == id) {
        return format!(
            "type {name} ({id}) of ik_llama.cpp, which llama.cpp does not read: take a quantization made for llama.cpp"
        );
    }
    format!(
        "the unknown or removed type {id}: another program made it, or a newer llama.cpp than the one here; \
         take another quantization of the model"
    )
}

#[cfg(test)]
mod tests {
    use super::super::types::GgmlType;
    use super::*;

    #[test]
    fn a_strange_type_is_named_and_has_a_way_out() {
        for (id, words) in [
            (31, "Q4_0_4_4 (31), which llama.cpp has withdrawn: quantize the original again, as Q4_0"),
            (139, "IQ4_K (139) of ik_llama.cpp"),
            (156, "IQ3_KS (156) of ik_llama.cpp"),
            (99_999, "unknown or removed type 99999: "),
        ] {
            let said = describe(id);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn no_number_is_both_known_and_strange() {
        for (id, name) in WITHDRAWN.iter().map(|row| (row.0, row.1)).chain(IK) {
            assert_eq!(GgmlType::from_id(id), None, "{name}");
        }
    }
}
