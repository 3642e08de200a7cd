//! Options with a few values, and what each means in a plan.

use clap::ValueEnum;

use crate::record;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ArrangementArg {
    /// One model after the other, each alone in memory
    Sequential,
    /// All loaded at once, their samples alternating; falls back to sequential when they do not fit
    Alternating,
}

impl ArrangementArg {
    /// The winner of the experiment in benches/design.rs; METHODOLOGY.md has its table.
    pub(super) const DEFAULT: Self = Self::Alternating;
}

impl From<ArrangementArg> for record::Arrangement {
    fn from(arg: ArrangementArg) -> Self {
        match arg {
            ArrangementArg::Sequential => Self::Sequential,
            ArrangementArg::Alternating => Self::Alternating,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WorkersArg {
    /// One round
    Fresh,
    /// The whole run
    Resident,
    /// One round, until loading is seen to take longer than measuring
    Auto,
}

impl From<WorkersArg> for record::Workers {
    fn from(arg: WorkersArg) -> Self {
        match arg {
            WorkersArg::Fresh => Self::Fresh,
            WorkersArg::Resident => Self::Resident,
            WorkersArg::Auto => Self::Auto,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DeviceArg {
    Auto,
    Cpu,
    Cuda,
    #[value(alias = "mps")]
    Metal,
    Vulkan,
}

impl From<DeviceArg> for record::Device {
    fn from(arg: DeviceArg) -> Self {
        match arg {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Cpu => Self::Cpu,
            DeviceArg::Cuda => Self::Cuda,
            DeviceArg::Metal => Self::Metal,
            DeviceArg::Vulkan => Self::Vulkan,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum CacheTypeArg {
    F16,
    Bf16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q4_0")]
    Q4_0,
    #[value(name = "q4_1")]
    Q4_1,
    #[value(name = "q5_0")]
    Q5_0,
    #[value(name = "q5_1")]
    Q5_1,
    Iq4Nl,
}

impl From<CacheTypeArg> for record::CacheType {
    fn from(arg: CacheTypeArg) -> Self {
        match arg {
            CacheTypeArg::F16 => Self::F16,
            CacheTypeArg::Bf16 => Self::Bf16,
            CacheTypeArg::Q8_0 => Self::Q8_0,
            CacheTypeArg::Q4_0 => Self::Q4_0,
            CacheTypeArg::Q4_1 => Self::Q4_1,
            CacheTypeArg::Q5_0 => Self::Q5_0,
            CacheTypeArg::Q5_1 => Self::Q5_1,
            CacheTypeArg::Iq4Nl => Self::Iq4Nl,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FlashArg {
    #[value(alias = "-1")]
    Auto,
    #[value(alias = "1")]
    On,
    #[value(alias = "0")]
    Off,
}

impl From<FlashArg> for record::FlashAttention {
    fn from(arg: FlashArg) -> Self {
        match arg {
            FlashArg::Auto => Self::Auto,
            FlashArg::On => Self::On,
            FlashArg::Off => Self::Off,
        }
    }
}
