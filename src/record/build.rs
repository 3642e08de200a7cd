//! What the program is: versions and the options llama.cpp was really compiled with.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identity of the measuring program. Two records compare fairly only when these agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Build {
    /// gguf-bench's version.
    pub version: String,
    /// Git revision, or "unknown".
    pub git_revision: String,
    /// Target triple.
    pub target: String,
    /// Cargo profile ("release" or "debug").
    pub profile: String,
    /// Cargo features that were on: cuda, metal, vulkan, rocm.
    pub features: Vec<String>,
    /// Version of the crate llama-cpp-2.
    pub llama_cpp_2: String,
    /// Version of the crate llama-cpp-sys-2, which carries llama.cpp.
    pub llama_cpp_sys_2: String,
    /// Version of ggml.
    pub ggml: String,
    /// The `CMake` options llama.cpp was configured with, by name (`GGML_NATIVE` -> "ON").
    pub options: BTreeMap<String, String>,
    /// What llama.cpp says of itself at run time (`llama_print_system_info`).
    pub system_info: String,
}

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

impl Build {
    /// What llama.cpp says it was compiled to use: the names that are 1 in `CPU : AVX = 1 | AVX2 = 1 | ...`.
    #[must_use]
    pub fn compiled_to_use(&self) -> BTreeSet<&str> {
        let fields = self.system_info.split('|').filter_map(|field| field.split_once('='));
        fields
            .filter(|(_, value)| value.trim() == "1")
            .map(|(name, _)| name.rsplit(':').next().unwrap_or(name).trim())
            .collect()
    }

    /// Which of a CPU's instruction sets llama.cpp was not compiled for; `None` when it does not say.
    #[must_use]
    pub fn unused_instructions(&self, cpu_features: &[String]) -> Option<Vec<&'static str>> {
        let on_cpu = INSTRUCTIONS.iter().filter(|(feature, ..)| cpu_features.iter().any(|f| f == feature));
        let option = |name: &str| self.options.get(name).is_some_and(|value| is_on(value));
        let compiled = self.compiled_to_use();
        // `OPENMP = 1` alone does not tell whether instructions were named at all.
        let told =
            compiled.iter().any(|name| *name == "SSE3" || INSTRUCTIONS.iter().any(|(_, known, _)| known == name));
        if told {
            // What was really compiled, whatever was asked for.
            Some(on_cpu.filter(|(_, name, _)| !compiled.contains(name)).map(|(feature, ..)| *feature).collect())
        } else if self.options.is_empty() || option("GGML_NATIVE") {
            None
        } else {
            let off = |name: Option<&str>| name.is_some_and(|name| !option(name));
            Some(on_cpu.filter(|(.., name)| off(*name)).map(|(feature, ..)| *feature).collect())
        }
    }

    /// Whether the program or llama.cpp was compiled without optimization.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        let cmake = self.options.get("CMAKE_BUILD_TYPE");
        self.profile == "debug" || cmake.is_some_and(|kind| kind.eq_ignore_ascii_case("debug"))
    }
}

fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES")
}
