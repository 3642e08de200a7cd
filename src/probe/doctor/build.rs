//! Whether this binary was built for this machine.

use std::collections::BTreeSet;

use super::{Check, Level, good, not_good};
use crate::record::{Build, Machine};

/// A CPU's feature, ggml's name for it in its system info, and the `CMake` option that switches it on, where there is one.
const INSTRUCTIONS: [(&str, &str, Option<&str>); 16] = [
    ("avx", "AVX", Some("GGML_AVX")),
    ("avx2", "AVX2", Some("GGML_AVX2")),
    ("fma", "FMA", Some("GGML_FMA")),
    ("f16c", "F16C", Some("GGML_F16C")),
    ("bmi2", "BMI2", Some("GGML_BMI2")),
    ("avx_vnni", "AVX_VNNI", Some("GGML_AVX_VNNI")),
    ("avx512f", "AVX512", Some("GGML_AVX512")),
    ("avx512vbmi", "AVX512_VBMI", Some("GGML_AVX512_VBMI")),
    ("avx512_vnni", "AVX512_VNNI", Some("GGML_AVX512_VNNI")),
    ("avx512_bf16", "AVX512_BF16", Some("GGML_AVX512_BF16")),
    ("amx_int8", "AMX_INT8", Some("GGML_AMX_INT8")),
    ("neon", "NEON", None),
    ("dotprod", "DOTPROD", None),
    ("i8mm", "MATMUL_INT8", None),
    ("fp16", "FP16_VA", None),
    ("sve", "SVE", None),
];

/// Instruction sets the CPU has and llama.cpp was not compiled for.
pub(super) fn instructions(machine: &Machine, build: &Build) -> Check {
    const NAME: &str = "CPU instructions";
    let on_cpu = INSTRUCTIONS.iter().filter(|(feature, ..)| machine.cpu_features.iter().any(|f| f == feature));
    let option = |name: &str| build.options.get(name).is_some_and(|value| is_on(value));
    let compiled = compiled_for(&build.system_info);
    let missing: Vec<&str> = if !compiled.is_empty() {
        // What was really compiled, whatever was asked for.
        on_cpu.filter(|(_, name, _)| !compiled.contains(name)).map(|(feature, ..)| *feature).collect()
    } else if build.options.is_empty() || option("GGML_NATIVE") {
        let finding = "llama.cpp does not say what it was compiled for";
        return not_good(NAME, Level::Unknown, finding, "build on this machine with `make`");
    } else {
        on_cpu.filter(|(.., name)| name.is_some_and(|name| !option(name))).map(|(feature, ..)| *feature).collect()
    };
    if machine.cpu_features.is_empty() {
        let finding = "the CPU's instruction sets are not readable";
        return not_good(NAME, Level::Unknown, finding, "build on the machine that measures, with target-cpu=native");
    }
    if missing.is_empty() {
        return good(NAME, format!("llama.cpp uses all of this CPU's: {}", machine.cpu_features.join(", ")));
    }
    not_good(
        NAME,
        Level::Bad,
        format!("this CPU has {}, llama.cpp was built without", missing.join(", ")),
        "build on this machine with RUSTFLAGS=\"-C target-cpu=native\", which `make` does",
    )
}

fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES")
}

/// Names that are 1 in `CPU : AVX = 1 | AVX2 = 1 | ...`.
fn compiled_for(system_info: &str) -> BTreeSet<&str> {
    let fields = system_info.split('|').filter_map(|field| field.split_once('='));
    fields
        .filter(|(_, value)| value.trim() == "1")
        .map(|(name, _)| name.rsplit(':').next().unwrap_or(name).trim())
        .filter(|name| INSTRUCTIONS.iter().any(|(_, known, _)| known == name) || *name == "SSE3")
        .collect()
}

/// A debug build times itself.
pub(super) fn profile(build: &Build) -> Check {
    const NAME: &str = "build profile";
    let cmake = build.options.get("CMAKE_BUILD_TYPE").map(String::as_str);
    let debug = build.profile == "debug" || cmake.is_some_and(|kind| kind.eq_ignore_ascii_case("debug"));
    if debug {
        return not_good(NAME, Level::Bad, "this is a debug build", "build with `cargo build --release`");
    }
    good(NAME, build.profile.clone())
}

/// Devices that were built in against those that are there.
pub(super) fn devices(machine: &Machine, build: &Build) -> Check {
    const NAME: &str = "devices";
    let is_of = |feature: &str, backend: &str| {
        let names: &[&str] = match feature {
            "metal" => &["metal", "mtl"],
            "rocm" => &["rocm", "hip"],
            other => &[other],
        };
        names.iter().any(|name| backend.eq_ignore_ascii_case(name))
    };
    let absent: Vec<&str> = build
        .features
        .iter()
        .filter(|feature| matches!(feature.as_str(), "cuda" | "metal" | "vulkan" | "rocm"))
        .filter(|feature| !machine.devices.iter().any(|device| is_of(feature, &device.backend)))
        .map(String::as_str)
        .collect();
    let found: Vec<String> = machine.devices.iter().map(|d| format!("{} ({})", d.name, d.description)).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    if !absent.is_empty() {
        let finding = format!("built with {}, but no such device is there; found: {found}", absent.join(", "));
        let remedy = "check the device's driver (nvidia-smi, vulkaninfo, rocminfo) and that this user may open it";
        return not_good(NAME, Level::Warning, finding, remedy);
    }
    if machine.devices.is_empty() {
        let finding = "llama.cpp names no device to compute on";
        return not_good(NAME, Level::Bad, finding, "build again with `make`: not even the CPU backend is there");
    }
    good(NAME, found)
}
