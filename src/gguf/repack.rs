//! Which weights llama.cpp lays out anew for this CPU. It holds them a second time then: in the mapped file and in a buffer of its own.
//!
//! As llama.cpp 0.6 decides (`ggml-cpu/repack.cpp`, `ggml-cpu/amx`), except for RISC-V, where it depends on the width of vectors. Whether it did so is in its own account, as `CPU_REPACK` or `AMX`.

use std::collections::BTreeSet;

use super::types::GgmlType;
use crate::record::{Device, Machine, Settings, TensorGroup};

/// Instructions by llama.cpp's names, all of which a CPU needs, and the types that are laid out anew then.
const RULES: [(&[&str], &[GgmlType]); 6] = {
    use GgmlType::{IQ4_NL, IQ4_XS, MXFP4, Q1_0, Q2_K, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K, Q8_0};
    [
        (&["AMX_INT8"], &[Q4_0, Q4_1, Q8_0, Q4_K, Q5_K, Q6_K, IQ4_XS]),
        (&["REPACK", "AVX2"], &[Q4_0, Q4_K, IQ4_NL, MXFP4]),
        (&["REPACK", "AVX512"], &[Q2_K]),
        (&["REPACK", "NEON", "DOTPROD"], &[Q1_0, Q4_0, Q4_K, Q5_K, Q6_K, IQ4_NL, MXFP4, Q8_0]),
        (&["REPACK", "NEON", "MATMUL_INT8"], &[Q1_0, Q4_0, Q4_K, Q5_K, Q6_K, Q8_0]),
        (&["REPACK", "VXE"], &[Q4_0]),
    ]
};

/// The embedding is looked up by rows, which needs the file's own layout; it is multiplied with where no matrix of its own gives the
/// output, and is loaded once more for that.
const EMBEDDING: &str = "token_embd";
const OUTPUT: &str = "output";
/// Looked up as well, or not loaded at all.
const NOT_MULTIPLIED: [&str; 2] = ["per_layer_token_embd", "nextn"];

/// Bytes that a subject is expected to hold a second time. `instructions`: what llama.cpp says it was compiled to use.
pub(crate) fn repacked_bytes(
    tensors: &[TensorGroup],
    settings: &Settings,
    machine: &Machine,
    instructions: &BTreeSet<&str>,
) -> u64 {
    // Beside a GPU the CPU's weights lie in a buffer that the GPU can read, in the file's own layout.
    let beside_gpu = settings.device != Device::Cpu && machine.devices.iter().any(|device| device.kind.is_gpu());
    if beside_gpu {
        return 0;
    }
    let is_repacked = |name: &str| {
        let applies = |(needed, _): &&(&[&str], &[GgmlType])| needed.iter().all(|one| instructions.contains(one));
        RULES.iter().filter(applies).any(|(_, types)| types.iter().any(|ty| ty.to_string() == name))
    };
    let is_tied = tensors.iter().all(|group| group.class != OUTPUT);
    let multiplied = |group: &&TensorGroup| match group.class.as_str() {
        EMBEDDING => is_tied,
        class => !NOT_MULTIPLIED.contains(&class),
    };
    let repacked = tensors.iter().filter(multiplied).filter(|group| is_repacked(&group.ggml_type));
    repacked.map(|group| group.bytes).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DeviceInfo, DeviceKind, read_run};

    fn group(class: &str, ggml_type: &str, bytes: u64) -> TensorGroup {
        TensorGroup { class: class.into(), ggml_type: ggml_type.into(), count: 1, n_params: 1, bytes }
    }

    fn repacked(tensors: &[TensorGroup], instructions: &[&str]) -> u64 {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let machine = Machine { devices: Vec::new(), ..run.machine.clone() };
        repacked_bytes(tensors, run.base_settings(), &machine, &instructions.iter().copied().collect())
    }

    #[test]
    fn types_are_laid_out_anew_where_the_cpu_has_kernels_for_it() {
        let all = ["Q2_K", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "F16"];
        let on = |instructions: &[&str]| {
            let of = |ty: &&&str| repacked(&[group("ffn_up", ty, 1)], instructions) == 1;
            all.iter().filter(of).copied().collect::<Vec<_>>()
        };
        assert_eq!(on(&["REPACK", "AVX2"]), ["Q4_0", "Q4_K", "IQ4_NL"]);
        assert_eq!(on(&["REPACK", "AVX2", "AVX512"]), ["Q2_K", "Q4_0", "Q4_K", "IQ4_NL"]);
        assert_eq!(on(&["REPACK", "NEON", "DOTPROD"]), ["Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL"]);
        assert_eq!(on(&["AVX2", "AVX512"]), [""; 0], "compiled without repacking");
        assert_eq!(on(&["AMX_INT8"]), ["Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0"]);
    }

    #[test]
    fn an_embedding_counts_where_it_is_the_output_as_well() {
        let avx2 = ["REPACK", "AVX2"];
        let own = [group("token_embd", "Q4_0", 10), group("output", "Q4_0", 7), group("norm", "F32", 1)];
        assert_eq!(repacked(&own, &avx2), 7);
        assert_eq!(repacked(&own[..1], &avx2), 10);
    }

    #[test]
    fn beside_a_gpu_nothing_is_laid_out_anew() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let gpu = DeviceInfo {
            name: "CUDA0".into(),
            description: String::new(),
            kind: DeviceKind::Gpu,
            backend: "CUDA".into(),
            memory_total_bytes: 1,
            memory_free_bytes: 1,
            pci_id: None,
        };
        let machine = Machine { devices: vec![gpu], ..run.machine.clone() };
        let of = |device| {
            let settings = Settings { device, n_gpu_layers: 0, ..run.base_settings().clone() };
            let instructions = ["REPACK", "AVX2"].into_iter().collect();
            repacked_bytes(&[group("ffn_up", "Q4_0", 5)], &settings, &machine, &instructions)
        };
        assert_eq!([of(Device::Auto), of(Device::Cpu)], [0, 5]);
    }
}
