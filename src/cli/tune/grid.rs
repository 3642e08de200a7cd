//! The settings that are tuned, in the order of what they are worth: for each the values that may be better here, the simplest first, or why
//! there are none.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    record::{CacheType, FlashAttention, Goal, Machine, ModelFacts, Settings},
    settings::{
        FLASH_ATTENTION, N_CPU_MOE, N_GPU_LAYERS, N_THREADS, N_THREADS_BATCH, N_UBATCH, Setting, TYPE_K, TYPE_V,
    },
};

/// A setting that is tuned, or several that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tuned {
    /// -ncmoe
    #[value(name = "ncmoe")]
    CpuExperts,
    /// -ngl
    #[value(name = "ngl")]
    Layers,
    /// -t and -tb
    #[value(name = "threads")]
    Threads,
    /// -fa
    #[value(name = "fa")]
    FlashAttention,
    /// -ub
    #[value(name = "ubatch")]
    PhysicalBatch,
    /// -ctk and -ctv
    #[value(name = "kv")]
    CacheTypes,
}

/// What decides whether a setting can matter.
pub(super) struct Circumstances<'a> {
    pub(super) machine: &'a Machine,
    pub(super) facts: Option<&'a ModelFacts>,
    pub(super) goal: Goal,
    /// Tokens of the prompt.
    pub(super) n_prompt: u32,
    /// Whether somebody is short of memory.
    pub(super) has_memory_limit: bool,
}

impl Circumstances<'_> {
    /// Whether a device computes for these settings, or would if it were given layers.
    fn has_device(&self, settings: &Settings) -> bool {
        self.machine.lends_device_to(&Settings { n_gpu_layers: -1, ..settings.clone() })
    }

    /// Whether the CPU computes nothing of a model.
    fn all_on_device(&self, settings: &Settings) -> bool {
        let layers = self.facts.and_then(|facts| facts.n_layer);
        let all = settings.n_gpu_layers < 0
            || layers.is_some_and(|n| settings.n_gpu_layers > i32::try_from(n).unwrap_or(i32::MAX));
        self.machine.lends_device_to(settings) && all && settings.n_cpu_moe == 0
    }
}

impl Tuned {
    /// Those in their order: what lies where decides most, and what the cache holds least.
    pub(super) const ALL: [Self; 6] =
        [Self::CpuExperts, Self::Layers, Self::Threads, Self::FlashAttention, Self::PhysicalBatch, Self::CacheTypes];

    pub(super) fn settings(self) -> &'static [Setting] {
        match self {
            Self::CpuExperts => &[N_CPU_MOE],
            Self::Layers => &[N_GPU_LAYERS],
            Self::Threads => &[N_THREADS, N_THREADS_BATCH],
            Self::FlashAttention => &[FLASH_ATTENTION],
            Self::PhysicalBatch => &[N_UBATCH],
            Self::CacheTypes => &[TYPE_K, TYPE_V],
        }
    }

    /// Its flags: `-ctk -ctv`.
    pub(super) fn flags(self) -> String {
        self.settings().iter().map(Setting::flag).collect::<Vec<_>>().join(" ")
    }

    /// Its value as it is typed: `-ctk q8_0 -ctv q8_0`. Threads for prompts are named where they are others than for generation.
    pub(super) fn typed(self, settings: &Settings) -> String {
        let own = self.settings();
        let named =
            if self == Self::Threads && settings.n_threads == settings.n_threads_batch { &own[..1] } else { own };
        let one = |setting: &Setting| {
            let value = settings.value(setting).map(|value| value.typed()).unwrap_or_default();
            format!("{} {value}", setting.flag())
        };
        named.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Other settings with this one's value from `source`.
    pub(super) fn put(self, into: &Settings, source: &Settings) -> Settings {
        let mut put = into.clone();
        match self {
            Self::CpuExperts => put.n_cpu_moe = source.n_cpu_moe,
            Self::Layers => put.n_gpu_layers = source.n_gpu_layers,
            Self::Threads => (put.n_threads, put.n_threads_batch) = (source.n_threads, source.n_threads_batch),
            Self::FlashAttention => put.flash_attention = source.flash_attention,
            Self::PhysicalBatch => (put.n_batch, put.n_ubatch) = (source.n_batch, source.n_ubatch),
            Self::CacheTypes => (put.type_k, put.type_v) = (source.type_k, source.type_v),
        }
        put
    }

    /// The speeds that it can change, of those that are asked for. Threads are chosen for prompts and for generation apart.
    pub(super) fn goals(self, goal: Goal) -> Vec<Goal> {
        match (self, goal) {
            (Self::PhysicalBatch, Goal::Request) => vec![Goal::Pp],
            (Self::Threads, Goal::Request) => vec![Goal::Tg, Goal::Pp],
            (_, goal) => vec![goal],
        }
    }

    /// What may be better than `base` here, the simplest first; else why nothing may.
    pub(super) fn candidates(self, base: &Settings, at: &Circumstances<'_>) -> Result<Vec<Settings>, String> {
        let is_usual = self.put(&Settings::defaults(base.n_threads), base) == Settings::defaults(base.n_threads);
        if !is_usual && self != Self::Threads {
            return Err(format!("{} was given", self.typed(base)));
        }
        let device = at.has_device(base);
        let n_layer = at.facts.and_then(|facts| facts.n_layer).unwrap_or(0);
        let all: Vec<Settings> = match self {
            Self::CpuExperts | Self::Layers if !device => {
                return Err("no device computes here but the CPU".into());
            }
            Self::CpuExperts if at.facts.and_then(|facts| facts.n_expert).unwrap_or(0) == 0 => {
                return Err("the model is no mixture of experts".into());
            }
            Self::CpuExperts => {
                let with = |n_cpu_moe: u32| Settings { n_cpu_moe, ..base.clone() };
                [n_layer / 4, n_layer / 2, n_layer].into_iter().filter(|n| *n > 0).map(with).collect()
            }
            Self::Layers => {
                let with = |n: u32| Settings { n_gpu_layers: i32::try_from(n).unwrap_or(i32::MAX), ..base.clone() };
                [n_layer * 3 / 4, n_layer / 2, 0].into_iter().map(with).collect()
            }
            Self::Threads if at.all_on_device(base) => {
                return Err("the device computes all of it".into());
            }
            Self::Threads => threads(base.n_threads, at.machine)
                .into_iter()
                .map(|n| Settings { n_threads: n, n_threads_batch: n, ..base.clone() })
                .collect(),
            Self::FlashAttention if is_quantized(base.type_v) => {
                return Err("a quantized V cache needs it".into());
            }
            // What auto comes to is one of the two, and on wherever the device computes it.
            Self::FlashAttention => vec![Settings { flash_attention: FlashAttention::Off, ..base.clone() }],
            Self::PhysicalBatch if at.goal == Goal::Tg => {
                return Err("it matters for prompts alone".into());
            }
            Self::PhysicalBatch => batches(base, at.n_prompt),
            Self::CacheTypes => {
                let with = |ty: CacheType| {
                    let type_v = if base.flash_attention == FlashAttention::Off { base.type_v } else { ty };
                    Settings { type_k: ty, type_v, ..base.clone() }
                };
                let types: &[CacheType] =
                    if at.has_memory_limit { &[CacheType::Q8_0, CacheType::Q4_0] } else { &[CacheType::Q8_0] };
                types.iter().map(|&ty| with(ty)).collect()
            }
        };
        let mut different: Vec<Settings> = Vec::new();
        for settings in all {
            if settings != *base && !different.contains(&settings) {
                different.push(settings);
            }
        }
        if different.is_empty() { Err(self.nothing_else(at)) } else { Ok(different) }
    }

    fn nothing_else(self, at: &Circumstances<'_>) -> String {
        match self {
            Self::PhysicalBatch => format!("a prompt of {} tokens is evaluated in one batch anyway", at.n_prompt),
            Self::Threads => "there is one CPU".into(),
            Self::CpuExperts | Self::Layers | Self::FlashAttention | Self::CacheTypes => {
                "there is no other value".into()
            }
        }
    }
}

pub(super) fn is_quantized(ty: CacheType) -> bool {
    crate::gguf::GgmlType::from(ty).block().0 > 1
}

/// Every CPU, one core left to others, and fewer where generation waits for the memory anyway.
fn threads(base: u32, machine: &Machine) -> Vec<u32> {
    let all = machine.allowed_cpus.max(1);
    let fewer = [base.saturating_sub(1), base * 3 / 4, base / 2];
    let mut found: Vec<u32> = Vec::new();
    for n in std::iter::once(all).chain(fewer) {
        if n > 0 && n != base && !found.contains(&n) {
            found.push(n);
        }
    }
    found
}

/// Physical batches that cut a prompt of so many tokens otherwise than the base does.
fn batches(base: &Settings, n_prompt: u32) -> Vec<Settings> {
    let cut = |ub: u32| ub.min(n_prompt);
    [256, 128, 1024, 2048]
        .into_iter()
        .filter(|&ub| cut(ub) != cut(base.n_ubatch))
        .map(|n_ubatch: u32| Settings { n_ubatch, n_batch: base.n_batch.max(n_ubatch), ..base.clone() })
        .fold(Vec::new(), |mut kept: Vec<Settings>, settings| {
            if kept.iter().all(|known| cut(known.n_ubatch) != cut(settings.n_ubatch)) {
                kept.push(settings);
            }
            kept
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Device, DeviceInfo, DeviceKind, read_run};

    fn machine(cpus: u32, with_device: bool) -> Machine {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut machine = read_run(&path).expect("the fixture is a record").machine;
        machine.allowed_cpus = cpus;
        machine.devices.retain(|device| !device.kind.is_gpu());
        if with_device {
            machine.devices.push(DeviceInfo {
                name: "CUDA0".into(),
                description: "a GPU".into(),
                backend: "CUDA".into(),
                kind: DeviceKind::Gpu,
                memory_total_bytes: 1 << 34,
                memory_free_bytes: 1 << 34,
                pci_id: None,
            });
        }
        machine
    }

    fn tried(
        tuned: Tuned,
        base: &Settings,
        machine: &Machine,
        goal: Goal,
        n_prompt: u32,
    ) -> Result<Vec<String>, String> {
        let at = Circumstances { machine, facts: None, goal, n_prompt, has_memory_limit: false };
        tuned.candidates(base, &at).map(|all| all.iter().map(|settings| tuned.typed(settings)).collect())
    }

    #[test]
    fn what_can_not_matter_is_not_tried_and_says_why() {
        let (cpu, base) = (machine(8, false), Settings::defaults(4));
        let said = |tuned, base: &Settings, goal, n| tried(tuned, base, &cpu, goal, n).expect_err("nothing is tried");
        assert!(said(Tuned::Layers, &base, Goal::Request, 512).contains("no device"));
        assert!(said(Tuned::PhysicalBatch, &base, Goal::Tg, 512).contains("prompts alone"));
        assert!(said(Tuned::PhysicalBatch, &base, Goal::Pp, 64).contains("one batch"));
        let given = Settings { flash_attention: FlashAttention::Off, ..base.clone() };
        assert_eq!(said(Tuned::FlashAttention, &given, Goal::Request, 512), "-fa off was given");
        let gpu = machine(8, true);
        assert!(tried(Tuned::Threads, &base, &gpu, Goal::Request, 512).is_err(), "the device computes");
        assert!(tried(Tuned::CpuExperts, &base, &gpu, Goal::Request, 512).is_err(), "no experts");
        let on_cpu = Settings { device: Device::Cpu, ..base };
        assert!(tried(Tuned::Layers, &on_cpu, &gpu, Goal::Request, 512).is_err());
    }

    #[test]
    fn values_are_those_that_differ_in_effect() {
        let base = Settings::defaults(4);
        let of = |tuned, n| tried(tuned, &base, &machine(8, false), Goal::Request, n).expect("there are some");
        assert_eq!(of(Tuned::Threads, 512), ["-t 8", "-t 3", "-t 2"]);
        assert_eq!(of(Tuned::PhysicalBatch, 512), ["-ub 256", "-ub 128"]);
        assert_eq!(of(Tuned::PhysicalBatch, 1000), ["-ub 256", "-ub 128", "-ub 1024"]);
        assert_eq!(of(Tuned::CacheTypes, 512), ["-ctk q8_0 -ctv q8_0"]);
        assert_eq!(of(Tuned::FlashAttention, 512), ["-fa off"]);
    }

    #[test]
    fn threads_are_named_apart_where_they_differ() {
        let both = Settings { n_threads: 2, n_threads_batch: 4, ..Settings::defaults(4) };
        assert_eq!(Tuned::Threads.typed(&both), "-t 2 -tb 4");
        assert_eq!(Tuned::Threads.put(&Settings::defaults(4), &both), both);
        assert_eq!(Tuned::Threads.goals(Goal::Request), [Goal::Tg, Goal::Pp]);
    }
}
