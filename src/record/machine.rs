//! What the run was made on: the machine, and its state from visit to visit.

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Device, Settings};

/// The machine, read once before the first round. What could not be read is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// The memory limit of the cgroup or of `ulimit -v`, whichever is less, when it is below the installed memory.
    pub memory_limit_bytes: Option<u64>,
    /// Memory that could be used without swapping, at the start.
    pub available_bytes: u64,
    /// Frequency governor, when readable.
    pub governor: Option<String>,
    /// On battery, when known.
    pub on_battery: Option<bool>,
    /// Devices llama.cpp can compute on, CPU included.
    pub devices: Vec<DeviceInfo>,
    /// How fast its memory is read; `None` when that was not measured: no generation on the CPU, no memory free for it, an older record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bandwidth: Option<MemoryBandwidth>,
    /// Variables of the environment that an OpenMP runtime reads (`OMP_*`, `GOMP_*`, `KMP_*`), as far as they were set; `None` in older
    /// records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openmp_variables: Option<BTreeMap<String, String>>,
    /// Servers of llama.cpp's RPC that took part; empty without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rpc_servers: Vec<RpcServer>,
    /// What counts energy here; `None` in older records and where a script was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<EnergySources>,
}

impl Machine {
    /// Whether one of its devices holds weights of a subject with these settings, and so computes for it.
    pub(crate) fn lends_device_to(&self, settings: &Settings) -> bool {
        let any =
            |is: &dyn Fn(&DeviceInfo) -> bool| self.devices.iter().any(|device| device.kind.is_gpu() && is(device));
        settings.n_gpu_layers != 0
            && match &settings.device {
                Device::Cpu => false,
                Device::Auto => any(&|_| true),
                Device::Named(names) => any(&|device| names.contains(&device.name)),
                Device::Cuda | Device::Metal | Device::Vulkan | Device::Rocm => true,
            }
    }

    /// The devices chosen, as llama-bench's column has them: names with `/` between, `auto` or `none`.
    pub(crate) fn device_names(&self, device: &Device) -> String {
        let of_backend = |backend: &str| {
            let is_of = |d: &&DeviceInfo| d.backend.eq_ignore_ascii_case(backend) || d.name.starts_with(backend);
            self.devices.iter().filter(is_of).map(|d| d.name.as_str()).collect::<Vec<_>>().join("/")
        };
        match device {
            Device::Auto => "auto".into(),
            Device::Cpu => "none".into(),
            Device::Named(names) => names.join("/"),
            Device::Cuda | Device::Metal | Device::Vulkan | Device::Rocm => {
                device.backend().map(of_backend).unwrap_or_default()
            }
        }
    }
}

/// What counts energy on a machine, and what it counted while nothing of ours ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EnergySources {
    /// What is counted, each once, in words.
    pub counted: Vec<String>,
    /// Why other things are not, in words.
    pub absent: Vec<String>,
    /// Power of all that is counted before the first round; `None` where nothing is.
    pub idle_watts: Option<f64>,
    /// How long that was watched.
    pub idle_s: f64,
}

/// A server of llama.cpp's RPC, whose devices compute over a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RpcServer {
    /// Where it listens, `host:port`.
    pub endpoint: String,
    /// Version of the protocol that it speaks. The protocol tells nothing of the llama.cpp behind it.
    pub protocol: String,
    /// Version of the protocol that this program speaks.
    pub own_protocol: String,
    /// Its devices, as they are named among this machine's.
    pub devices: Vec<String>,
}

/// How fast memory is read by several threads at once, from a buffer larger than the caches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MemoryBandwidth {
    /// The best pass.
    pub bytes_per_s: f64,
    /// Threads that read: as many as generate.
    pub n_threads: u32,
    /// What they read in a pass, all together.
    pub buffer_bytes: u64,
    /// The last level of cache these threads can have, when the system says.
    pub cache_bytes: Option<u64>,
    /// Passes of which this was the best, the first one not counted.
    pub passes: u32,
}

/// A device llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DeviceInfo {
    /// ggml's name (CPU, CUDA0, Metal, Vulkan0).
    pub name: String,
    /// What it is.
    pub description: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// ggml backend (CPU, CUDA, Metal, Vulkan).
    pub backend: String,
    /// Total memory.
    pub memory_total_bytes: u64,
    /// Free memory at the start.
    pub memory_free_bytes: u64,
    /// Its place on the PCI bus (`0000:01:00.0`), when its backend says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci_id: Option<String>,
}

/// The kinds of devices, as ggml tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The processor itself.
    Cpu,
    /// A GPU with memory of its own.
    Gpu,
    /// A GPU that computes in the machine's memory.
    #[serde(rename = "igpu")]
    IntegratedGpu,
    /// What helps the CPU within its memory (BLAS, AMX).
    Accelerator,
    /// Of a kind that this program does not know.
    #[serde(other)]
    Unknown,
}

impl DeviceKind {
    pub(crate) fn is_cpu(self) -> bool {
        self == Self::Cpu
    }

    /// What llama.cpp offloads layers to.
    pub(crate) fn is_gpu(self) -> bool {
        matches!(self, Self::Gpu | Self::IntegratedGpu)
    }

    /// Whether weights offloaded to it leave the machine's memory.
    pub(crate) fn has_own_memory(self) -> bool {
        self == Self::Gpu
    }
}

/// What the machine was doing around one visit: evidence for drift, throttling and company. `None` = not readable here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
