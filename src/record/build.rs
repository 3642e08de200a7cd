//! What the program is: versions and the options llama.cpp was really compiled with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Identity of the measuring program. Two records compare fairly only when these agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
