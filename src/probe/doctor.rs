//! Can numbers from here be trusted: the machine, the build and the moment judged, each with a remedy. Reads nothing itself.

use serde::Serialize;

use super::{
    energy::EnergyAtRest, machine::Host, nvml::GpuState, readings::Readable, steadiness::Scatter,
    threads::DefaultThreads,
};
use crate::{
    record::{Build, Conditions, Machine},
    thresholds::{self, AtRest},
    units::{NS_PER_MS, in_gib},
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub name: &'static str,
    pub level: Level,
    pub finding: String,
    /// What to do about it; there is one whenever the level is not good.
    pub remedy: Option<String>,
}

/// How a thing stands, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// No reason to doubt the numbers.
    Good,
    /// This system does not say.
    Unknown,
    /// Numbers will scatter or drift more than they need to.
    Warning,
    /// Numbers will be wrong for this machine.
    Bad,
}

/// What is true only at the moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LiveState {
    /// A [`super::Watch`] over a second or so in which nothing of ours ran.
    pub conditions: Conditions,
    /// From [`super::clock::resolution_ns`].
    pub timer_ns: Option<u64>,
    /// From [`super::host()`].
    pub host: Host,
    /// From [`super::default_threads`].
    pub threads: Option<DefaultThreads>,
    /// Of [`super::calculation_ns`].
    pub scatter: Option<Scatter>,
    /// Of an [`super::EnergyMeter`] over the same second.
    pub energy: EnergyAtRest,
    /// As NVIDIA's driver sees them; none where there is none.
    pub gpus: Vec<GpuState>,
    /// From [`super::readings::readable`].
    pub readings: Readable,
}

/// Every check, in the order to read them: what makes numbers wrong first, what makes them noisy after.
pub(crate) fn checks(machine: &Machine, build: &Build, live: &LiveState) -> Vec<Check> {
    let mut checks = vec![
        instructions(machine, build),
        profile(build),
        devices(machine, build),
        cores(machine, live.threads),
        memory(machine),
        swap(&live.conditions),
        governor(machine),
        power(machine),
        load(machine, &live.conditions),
        foreign_cpu_share(&live.conditions),
        steal(&live.conditions),
        temperature(&live.conditions),
        steadiness(live.scatter),
        clock_step(live.timer_ns),
        energy(&live.energy),
        host(&live.host),
        readings(&live.readings),
    ];
    checks.extend(live.gpus.iter().map(|gpu| gpu_state(machine, gpu)));
    checks
}

pub(crate) fn worst(checks: &[Check]) -> Level {
    checks.iter().map(|check| check.level).max().unwrap_or(Level::Unknown)
}

fn good(name: &'static str, finding: impl Into<String>) -> Check {
    Check { name, level: Level::Good, finding: finding.into(), remedy: None }
}

fn not_good(name: &'static str, level: Level, finding: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { name, level, finding: finding.into(), remedy: Some(remedy.into()) }
}

/// A value that should be small, or that could not be read.
fn small(
    name: &'static str,
    value: Option<f64>,
    AtRest { warning, bad }: AtRest,
    finding: impl Fn(f64) -> String,
    remedy: &str,
) -> Check {
    match value {
        None => not_good(name, Level::Unknown, "not readable here", remedy),
        Some(value) if value > bad => not_good(name, Level::Bad, finding(value), remedy),
        Some(value) if value > warning => not_good(name, Level::Warning, finding(value), remedy),
        Some(value) => good(name, finding(value)),
    }
}

// Checks of the build: whether this binary was made for this machine.

/// Instruction sets the CPU has and llama.cpp was not compiled for.
fn instructions(machine: &Machine, build: &Build) -> Check {
    const NAME: &str = "CPU instructions";
    let Some(missing) = build.unused_instructions(&machine.cpu_features) else {
        let finding = "llama.cpp does not say what it was compiled for";
        return not_good(NAME, Level::Unknown, finding, "build on this machine with `make`");
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

fn profile(build: &Build) -> Check {
    const NAME: &str = "build profile";
    if build.is_debug() {
        return not_good(NAME, Level::Bad, "this is a debug build", "build with `cargo build --release`");
    }
    good(NAME, build.profile.clone())
}

/// Devices that were built in against those that are there.
fn devices(machine: &Machine, build: &Build) -> Check {
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

/// What of the table in docs/platforms.md is to be had.
fn readings(Readable { read, not_told_here, absent, amiss }: &Readable) -> Check {
    const NAME: &str = "readings";
    let of = read + not_told_here.len() + absent.len() + amiss.len();
    let named = |head: &str, list: &[&str]| {
        if list.is_empty() { String::new() } else { format!("; {head}: {}", list.join(", ")) }
    };
    let finding = format!(
        "{read} of {of} are to be had{}{}",
        named("not on this machine", absent),
        named("not told by this system", not_told_here)
    );
    if amiss.is_empty() {
        return good(NAME, finding);
    }
    let remedy = "let this process read /proc and /sys: a sandbox or a mount option keeps them from it";
    not_good(NAME, Level::Warning, format!("{finding}{}", named("missing, though this system tells it", amiss)), remedy)
}

// Checks of the configuration: what is so for the whole run.

fn cores(machine: &Machine, threads: Option<DefaultThreads>) -> Check {
    const NAME: &str = "cores";
    let (allowed, logical) = (machine.allowed_cpus, machine.logical_cpus);
    let physical = machine.physical_cores.map_or_else(String::new, |cores| format!(", {cores} physical cores"));
    let default = threads.map_or_else(String::new, |DefaultThreads { n_threads, reason }| {
        format!("; threads default to {n_threads}: {reason}")
    });
    if allowed < logical {
        let finding = format!("{allowed} of {logical} CPUs may be used{physical}{default}");
        let remedy = "lift the CPU set or quota (taskset, cgroup, container) if the numbers are to be the machine's";
        return not_good(NAME, Level::Warning, finding, remedy);
    }
    good(NAME, format!("all {logical} CPUs may be used{physical}{default}"))
}

fn memory(machine: &Machine) -> Check {
    const NAME: &str = "memory";
    let usable = machine.memory_limit_bytes.unwrap_or(machine.ram_bytes);
    if usable == 0 {
        return not_good(NAME, Level::Unknown, "not readable", "see to it that the models fit in free memory");
    }
    let gib = |bytes: u64| format!("{:.1} GiB", in_gib(bytes));
    let limit = machine.memory_limit_bytes.map_or_else(String::new, |limit| format!(", limited to {}", gib(limit)));
    let finding = format!("{} of {} available{limit}", gib(machine.available_bytes), gib(machine.ram_bytes));
    let free = machine.available_bytes as f64 / usable as f64;
    let level = match free {
        free if free < thresholds::FREE_MEMORY.bad => Level::Bad,
        free if free < thresholds::FREE_MEMORY.warning => Level::Warning,
        _ => return good(NAME, finding),
    };
    not_good(
        NAME,
        level,
        finding,
        "close what holds memory, or raise the container's limit: a model that swaps is not measured",
    )
}

fn governor(machine: &Machine) -> Check {
    const NAME: &str = "governor";
    match machine.governor.as_deref() {
        Some("performance") => good(NAME, "performance"),
        Some(other) => {
            not_good(NAME, Level::Warning, other, "sudo cpupower frequency-set -g performance, until the run is over")
        }
        None => not_good(NAME, Level::Unknown, "not readable here", "set the host to its performance mode if you can"),
    }
}

fn power(machine: &Machine) -> Check {
    const NAME: &str = "power";
    match machine.on_battery {
        Some(false) => good(NAME, "mains"),
        Some(true) => not_good(NAME, Level::Warning, "battery", "plug it in: on battery the CPU is slowed"),
        None => not_good(NAME, Level::Unknown, "no battery or mains reported", "on a laptop, plug it in"),
    }
}

fn host(host: &Host) -> Check {
    const NAME: &str = "host";
    let container = host.container.as_ref().map(|kind| format!("container ({kind})"));
    match (&host.virtual_machine, container) {
        (Some(vm), container) => {
            let inside = container.map_or_else(String::new, |container| format!(", {container}"));
            let remedy = "neighbours may take time and frequency is not readable: trust ratios over absolute numbers";
            not_good(NAME, Level::Warning, format!("virtual machine ({vm}){inside}"), remedy)
        }
        (None, Some(container)) => good(NAME, container),
        (None, None) => good(NAME, "no sign of a virtual machine or a container"),
    }
}

// Live checks: what is so at the moment.

fn load(machine: &Machine, conditions: &Conditions) -> Check {
    let cpus = f64::from(machine.logical_cpus.max(1));
    let finding = |per_cpu: f64| format!("load average {:.2} on {cpus} CPUs", per_cpu * cpus);
    let remedy = "end what else runs, then wait a minute for the average to sink";
    small("load", conditions.load_average_1m.map(|load| load / cpus), thresholds::LOAD_PER_CPU.at_rest, finding, remedy)
}

fn foreign_cpu_share(conditions: &Conditions) -> Check {
    let finding = |share: f64| format!("other processes use {:.1} % of the CPU time", share * 100.0);
    small(
        "other processes",
        conditions.other_cpu_share,
        thresholds::OTHER_CPU_SHARE.at_rest,
        finding,
        "see which with top, and end or stop them",
    )
}

fn steal(conditions: &Conditions) -> Check {
    let finding = |share: f64| format!("the hypervisor keeps {:.1} % of the CPU time", share * 100.0);
    let remedy = "use a machine with CPUs of its own, or more rounds";
    small("steal time", conditions.steal_share, thresholds::STEAL_SHARE.at_rest, finding, remedy)
}

/// Swapping now, or tasks waiting for memory.
fn swap(conditions: &Conditions) -> Check {
    const NAME: &str = "swapping";
    const REMEDY: &str = "free memory before measuring: a swapped page is read at the speed of the disk";
    match (conditions.swap_in_bytes, conditions.memory_pressure) {
        (Some(bytes), _) if bytes > 0 => {
            not_good(NAME, Level::Bad, format!("{} KiB swapped in within the moment of looking", bytes / 1024), REMEDY)
        }
        (None, None) => not_good(NAME, Level::Unknown, "not readable here", REMEDY),
        (_, Some(share)) => {
            let finding = |share: f64| format!("tasks waited for memory {:.1} % of the time", share * 100.0);
            small(NAME, Some(share), thresholds::MEMORY_PRESSURE.at_rest, finding, REMEDY)
        }
        (Some(_), None) => good(NAME, "nothing swapped in"),
    }
}

fn temperature(conditions: &Conditions) -> Check {
    let finding = |celsius: f64| format!("{celsius:.0} °C");
    let remedy = "let it cool and clear the vents: a hot CPU is slowed; drift in the results shows it";
    small("temperature", conditions.cpu_celsius, thresholds::CPU_CELSIUS.at_rest, finding, remedy)
}

fn steadiness(scatter: Option<Scatter>) -> Check {
    const NAME: &str = "steadiness";
    const REMEDY: &str = "end what else runs, or expect a run to need more rounds";
    let Some(Scatter { times, median_ns, deviation, slowest }) = scatter else {
        return not_good(NAME, Level::Unknown, "the clock is too coarse to tell", REMEDY);
    };
    let finding = |deviation: f64| {
        let (median_ms, [deviation, slowest]) = (median_ns / NS_PER_MS, [deviation, slowest].map(|s| s * 100.0));
        format!(
            "{times} equal calculations of {median_ms:.1} ms scatter by {deviation:.1} % (standard deviation), the slowest took \
             {slowest:.1} % longer"
        )
    };
    small(NAME, Some(deviation), thresholds::CALCULATION_SCATTER, finding, REMEDY)
}

fn clock_step(timer_ns: Option<u64>) -> Check {
    let finding = |ns: f64| format!("steps of {ns} ns");
    let remedy = "on Linux see /sys/devices/system/clocksource: tsc is the fine one";
    small("clock", timer_ns.map(|ns| ns as f64), thresholds::CLOCK_STEP_NS, finding, remedy)
}

/// Which counters of energy can be read, and what they say of a machine at rest.
fn energy(EnergyAtRest { used, absent }: &EnergyAtRest) -> Check {
    const NAME: &str = "energy";
    let watts: Vec<String> = used
        .iter()
        .filter(|used| !used.domain.is_part_of_another())
        .filter_map(|used| Some(format!("{} {:.1} W", used.domain, used.watts()?)))
        .collect();
    let absent: Vec<String> = absent.iter().map(ToString::to_string).collect();
    let absent = absent.join("; ");
    if watts.is_empty() {
        let finding = if absent.is_empty() { "not counted here".to_owned() } else { absent };
        let remedy = "where energy matters, measure outside a virtual machine and let this user read the counters";
        return not_good(NAME, Level::Unknown, finding, remedy);
    }
    let beside = if absent.is_empty() { String::new() } else { format!("; not counted: {absent}") };
    good(NAME, format!("at rest {}{beside}", watts.join(", ")))
}

/// A GPU's clocks and what holds them down, under the name that llama.cpp gives it.
fn gpu_state(machine: &Machine, gpu: &GpuState) -> Check {
    const NAME: &str = "GPU state";
    let GpuState { pci_id, watts, power_limit_watts, graphics_mhz, memory_mhz, celsius, slowed_by, processes } = gpu;
    let device = machine.devices.iter().find(|device| device.pci_id.as_deref() == Some(pci_id));
    let name = device.map_or(pci_id, |device| &device.name);
    let power = watts.map(|watts| match power_limit_watts {
        Some(limit) => format!("{watts:.0} of {limit:.0} W"),
        None => format!("{watts:.0} W"),
    });
    let clocks = graphics_mhz.map(|mhz| match memory_mhz {
        Some(memory) => format!("{mhz} MHz, its memory {memory} MHz"),
        None => format!("{mhz} MHz"),
    });
    let held = processes.as_ref().filter(|processes| !processes.is_empty()).map(|processes| {
        let bytes: Option<u64> = processes.iter().map(|(_, bytes)| *bytes).sum();
        let bytes = bytes.map_or_else(String::new, |bytes| format!(" and hold {:.1} GiB", in_gib(bytes)));
        format!("{} process(es) compute on it{bytes}", processes.len())
    });
    let parts = [power, clocks, celsius.map(|celsius| format!("{celsius} °C")), held];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    let said = if said.is_empty() { "its driver says nothing of it".to_owned() } else { said.join(", ") };
    match slowed_by.as_deref() {
        Some(reasons) if !reasons.is_empty() => not_good(
            NAME,
            Level::Warning,
            format!("{name}: {said}; slowed by {}", reasons.join(" and ")),
            "let it cool, end what else computes on it, or raise its power limit",
        ),
        Some(_) => good(NAME, format!("{name}: {said}; nothing slows it")),
        None => good(NAME, format!("{name}: {said}")),
    }
}

#[cfg(test)]
mod tests;
