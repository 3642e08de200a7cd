//! Values of settings that are more than a number: each by llama-bench's name, in the record as on the command line.

use std::fmt;

use clap::ValueEnum;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where to compute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Whatever llama.cpp prefers here.
    #[default]
    Auto,
    /// The CPU alone: llama-bench's `none`.
    Cpu,
    /// NVIDIA.
    Cuda,
    /// Apple.
    Metal,
    /// Vulkan.
    Vulkan,
    /// AMD.
    Rocm,
    /// These devices, by ggml's names and in this order.
    Named(Vec<String>),
}

impl Device {
    /// A word for a kind of device, or names of devices with `/` between them, as llama-bench has them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.trim() {
            "auto" => Self::Auto,
            "cpu" | "none" => Self::Cpu,
            "cuda" => Self::Cuda,
            "metal" | "mps" => Self::Metal,
            "vulkan" => Self::Vulkan,
            "rocm" => Self::Rocm,
            names => {
                let names: Vec<String> = names.split('/').map(|name| name.trim().to_owned()).collect();
                if let Some(wrong) = names.iter().find(|name| !is_device_name(name)) {
                    return Err(format!(
                        "{wrong:?} is no device: write auto, cpu, cuda, metal, vulkan, rocm, or names like CUDA0/CUDA1 (--list-devices)"
                    ));
                }
                Self::Named(names)
            }
        })
    }

    /// What ggml calls the backend that a kind of device belongs to.
    pub(crate) fn backend(&self) -> Option<&'static str> {
        match self {
            Self::Auto | Self::Cpu | Self::Named(_) => None,
            Self::Cuda => Some("CUDA"),
            Self::Metal => Some("Metal"),
            Self::Vulkan => Some("Vulkan"),
            Self::Rocm => Some("ROCm"),
        }
    }
}

/// ggml's names are a backend's name and a number; the CPU is always there and takes no part in a list.
fn is_device_name(name: &str) -> bool {
    name.chars().any(|c| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:[]".contains(c))
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda => f.write_str("cuda"),
            Self::Metal => f.write_str("metal"),
            Self::Vulkan => f.write_str("vulkan"),
            Self::Rocm => f.write_str("rocm"),
            Self::Named(names) => f.write_str(&names.join("/")),
        }
    }
}

/// Element types of the KV cache: llama-bench's, and the one that rounds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum CacheType {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Iq4Nl,
}

impl CacheType {
    /// As llama.cpp's options write it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Flash attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides.
    #[value(alias = "-1")]
    Auto,
    /// Always.
    #[value(aliases = ["1", "true"])]
    On,
    /// Never.
    #[value(aliases = ["0", "false"])]
    Off,
}

impl FlashAttention {
    /// llama-bench's number for it.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Auto => -1,
            Self::Off => 0,
            Self::On => 1,
        }
    }
}

/// How a model is split over several devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SplitMode {
    /// Not at all: one device has it.
    None,
    /// By layers.
    #[default]
    Layer,
    /// By rows of each matrix.
    Row,
    /// By parts of each tensor, computed side by side.
    Tensor,
}

/// How weights come into memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// llama.cpp decides.
    #[default]
    Auto,
    /// They are read.
    None,
    /// The file is mapped.
    Mmap,
    /// They are read, and kept from being swapped.
    Mlock,
    /// The file is mapped, and kept in memory.
    #[serde(rename = "mmap+mlock")]
    #[value(name = "mmap+mlock")]
    MmapMlock,
    /// They are read past the page cache.
    Dio,
}

/// Whether rows of tensors that are marked for it are read when they are needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LazyMode {
    /// Always.
    On,
    /// Where such tensors are large.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Where threads and pages go on a machine with several memory nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Numa {
    /// Wherever the system puts them.
    #[default]
    Off,
    /// Evenly over all nodes.
    Distribute,
    /// On the node that the process started on.
    Isolate,
    /// As numactl said.
    Numactl,
}

/// Tensors that lie in another buffer than they would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TensorOverride {
    /// A regular expression found anywhere in their names; the first override that fits counts.
    pub pattern: String,
    /// The buffer's type by ggml's name: `CPU`, `CUDA0`.
    pub buffer: String,
}

impl TensorOverride {
    /// `pattern=buffer;pattern=buffer`, or `none`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        if text.trim() == "none" {
            return Ok(Vec::new());
        }
        let one = |part: &str| match part.rsplit_once('=') {
            Some((pattern, buffer)) if !pattern.is_empty() && !buffer.is_empty() => {
                Ok(Self { pattern: pattern.into(), buffer: buffer.into() })
            }
            _ => Err(format!("{part:?} is no override: write a pattern of tensor names, = and a buffer: exps=CPU")),
        };
        text.split(';').filter(|part| !part.is_empty()).map(one).collect()
    }

    pub(crate) fn list(overrides: &[Self]) -> String {
        if overrides.is_empty() {
            return "none".into();
        }
        overrides.iter().map(|o| format!("{}={}", o.pattern, o.buffer)).collect::<Vec<_>>().join(";")
    }
}

/// CPUs as bits of a hexadecimal number, the last one CPU 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(transparent)]
pub struct CpuMask(String);

impl Default for CpuMask {
    fn default() -> Self {
        Self("0x0".into())
    }
}

impl CpuMask {
    /// As many digits as llama.cpp knows CPUs for.
    const MOST_DIGITS: usize = 128;

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let is_hex = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
        if !is_hex || digits.len() > Self::MOST_DIGITS {
            return Err(format!("{text:?} is no mask of CPUs: write a hexadecimal number, 0xf for the first four"));
        }
        Ok(Self(text.into()))
    }

    /// Numbers of the CPUs; none where it leaves the choice to the system.
    pub(crate) fn cpus(&self) -> Vec<usize> {
        let digits = self.0.strip_prefix("0x").unwrap_or(&self.0);
        let bits = |(place, digit): (usize, char)| {
            let value = digit.to_digit(16).unwrap_or(0);
            (0..4).filter(move |bit| value & (1 << bit) != 0).map(move |bit| place * 4 + bit)
        };
        digits.chars().rev().enumerate().flat_map(bits).collect()
    }
}

impl fmt::Display for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_a_kind_or_names() {
        assert_eq!(Device::parse("none"), Ok(Device::Cpu));
        assert_eq!(Device::parse("mps"), Ok(Device::Metal));
        assert_eq!(Device::parse("CUDA0/CUDA1"), Ok(Device::Named(vec!["CUDA0".into(), "CUDA1".into()])));
        for wrong in ["", "gpu", "CPU", "CUDA0/", "CUDA0,1 x"] {
            assert!(Device::parse(wrong).is_err(), "{wrong}");
        }
        for text in ["auto", "cpu", "cuda", "metal", "vulkan", "rocm", "RPC0/RPC1"] {
            assert_eq!(Device::parse(text).map(|device| device.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_mask_is_read_from_its_end() {
        let cpus = |text: &str| CpuMask::parse(text).map(|mask| mask.cpus());
        assert_eq!(cpus("0x0"), Ok(vec![]));
        assert_eq!(cpus("0x3"), Ok(vec![0, 1]));
        assert_eq!(cpus("A1"), Ok(vec![0, 5, 7]));
        for wrong in ["", "0x", "xyz", "0x3 ", &"f".repeat(129)] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn overrides_are_a_pattern_and_a_buffer() {
        let list = TensorOverride::parse_list("blk\\.1=CPU;a=b=CUDA0").expect("two");
        assert_eq!(TensorOverride::list(&list), "blk\\.1=CPU;a=b=CUDA0");
        assert_eq!(list[1].pattern, "a=b");
        assert_eq!(TensorOverride::parse_list("none"), Ok(Vec::new()));
        assert!(TensorOverride::parse_list("exps").is_err() && TensorOverride::parse_list("=CPU").is_err());
    }
}
