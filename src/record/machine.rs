//! What the run was made on: the machine, and its state from visit to visit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine, read once before the first round. What could not be read is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Host name is left out on purpose: records are published.
    pub os: String,
    /// Kernel version.
    pub kernel: Option<String>,
    /// CPU model as the kernel names it.
    pub cpu: String,
    /// Instruction sets of the CPU that matter to llama.cpp (avx2, avx512f, `avx512_vnni`, neon, ...), sorted.
    pub cpu_features: Vec<String>,
    /// Physical cores, when known.
    pub physical_cores: Option<u32>,
    /// Logical CPUs of the machine.
    pub logical_cpus: u32,
    /// CPUs this process may use: affinity and cgroup quota included.
    pub allowed_cpus: u32,
    /// Installed memory.
    pub ram_bytes: u64,
    /// The cgroup's memory limit, when there is one below the installed memory.
    pub memory_limit_bytes: Option<u64>,
    /// Memory that could be used without swapping, at the start.
    pub available_bytes: u64,
    /// Frequency governor, when readable.
    pub governor: Option<String>,
    /// On battery, when known.
    pub on_battery: Option<bool>,
    /// Devices llama.cpp can compute on, CPU included.
    pub devices: Vec<DeviceInfo>,
}

/// A device llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceInfo {
    /// ggml's name (CPU, CUDA0, Metal, Vulkan0).
    pub name: String,
    /// What it is.
    pub description: String,
    /// "cpu", "gpu", "igpu" or "accelerator".
    pub kind: String,
    /// ggml backend (CPU, CUDA, Metal, Vulkan).
    pub backend: String,
    /// Total memory.
    pub memory_total_bytes: u64,
    /// Free memory at the start.
    pub memory_free_bytes: u64,
}

/// What the machine was doing around one visit: evidence for drift, throttling and company. `None` = not readable here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Load average over a minute, at the start of the visit.
    pub load_average_1m: Option<f64>,
    /// Mean frequency of the allowed CPUs, at the end of the visit.
    pub cpu_mhz: Option<f64>,
    /// Hottest sensor of the CPU package, at the end of the visit.
    pub cpu_celsius: Option<f64>,
    /// Share of the machine's CPU time that other processes used during the visit, 0 to 1.
    pub other_cpu_share: Option<f64>,
    /// Share of CPU time the hypervisor kept back during the visit, 0 to 1.
    pub steal_share: Option<f64>,
    /// Bytes swapped in by the machine during the visit.
    pub swap_in_bytes: Option<u64>,
    /// Involuntary context switches of the worker.
    pub involuntary_switches: Option<u64>,
    /// Share of the visit in which some task waited for memory (PSI), 0 to 1.
    pub memory_pressure: Option<f64>,
}
