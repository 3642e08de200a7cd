//! What is read of a machine and its processes, from where, and on which systems it is not to be had: one table, for `doctor` and the docs.

use std::{fs, path::Path};

use sysinfo::System;

use super::{
    cgroup, conditions, cpus,
    energy::{EnergyDomain, Unreadable},
    kernel,
    machine::{host, on_battery},
    memory::own_memory,
    meters::energy_meter,
    nvml::Gpus,
};

/// A system, as far as it decides what can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Linux,
    /// Without /proc and /sys, as some sandboxes are.
    BareLinux,
    MacOs,
    Windows,
}

impl Platform {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Linux, Self::BareLinux, Self::MacOs, Self::Windows];

    /// The one that this is; `None` of those that the table does not know.
    fn here() -> Option<Self> {
        match std::env::consts::OS {
            "linux" if Path::new("/proc/self/status").exists() => Some(Self::Linux),
            "linux" => Some(Self::BareLinux),
            "macos" => Some(Self::MacOs),
            "windows" => Some(Self::Windows),
            _ => None,
        }
    }
}

/// Something that is read, with its source on each platform; `None` where there is none.
pub(crate) struct Reading {
    pub(crate) what: &'static str,
    /// In the order of [`Platform`].
    sources: [Option<&'static str>; 4],
    /// Whether every machine of such a platform has it. What hardware or a hypervisor may lack is not everywhere.
    always: bool,
    is_here: fn() -> bool,
}

const SYSINFO: Option<&str> = Some("sysinfo");

/// What only Linux tells.
const fn linux(what: &'static str, source: &'static str, always: bool, is_here: fn() -> bool) -> Reading {
    Reading { what, sources: [Some(source), None, None, None], always, is_here }
}

const READINGS: &[Reading] = &[
    Reading {
        what: "installed and available memory",
        sources: [Some("/proc/meminfo"), None, SYSINFO, SYSINFO],
        always: true,
        is_here: || super::machine::available_bytes() > 0,
    },
    linux("memory limit of a control group", "cgroup v1, v2", false, || cgroup::memory_limit().is_some()),
    Reading {
        what: "resident memory of a worker",
        sources: [Some("/proc/PID/statm"), None, SYSINFO, SYSINFO],
        always: true,
        is_here: || own_memory().is_some(),
    },
    linux("its anonymous and file-backed parts", "/proc/PID/statm", true, || {
        own_memory().is_some_and(|reading| reading.memory.anon_bytes.is_some())
    }),
    linux("its exact peak", "/proc/PID/status", true, || super::own_peak().is_some()),
    linux("bytes that a load had from storage", "/proc/self/io", true, || kernel::storage_read_bytes().is_some()),
    linux("CPU time of other processes", "/proc/stat", true, || kernel::cpu_ticks().is_some()),
    linux("CPU time that a hypervisor kept", "/proc/stat", true, || kernel::cpu_ticks().is_some()),
    linux("context switches of a worker", "/proc/PID/task", true, || {
        kernel::involuntary_switches(std::process::id()).is_some()
    }),
    linux("memory back from swap", "/proc/vmstat", true, || kernel::swapped_in_bytes().is_some()),
    linux("waiting for memory", "/proc/pressure/memory", false, || kernel::memory_stall_us().is_some()),
    linux("kills for want of memory", "/proc/vmstat, cgroup", true, || kernel::oom_kills().is_some()),
    Reading {
        what: "load average",
        sources: [Some("/proc/loadavg"), None, SYSINFO, SYSINFO],
        always: true,
        is_here: || System::load_average().is_ok(),
    },
    Reading {
        what: "physical cores",
        sources: [Some("/sys/devices/system/cpu"), None, SYSINFO, SYSINFO],
        always: true,
        is_here: || cpus::physical_cores().is_some(),
    },
    Reading {
        what: "CPUs that this process is bound to",
        sources: [Some("sched_getaffinity"), Some("sched_getaffinity"), None, None],
        always: true,
        is_here: || !cpus::bound_to().is_empty(),
    },
    Reading {
        what: "instruction sets of the CPU",
        sources: [Some("std::arch"); 4],
        always: true,
        is_here: || !cpus::features().is_empty(),
    },
    linux("CPU frequency", "/sys, cpufreq", false, || cpus::mhz().is_some()),
    linux("frequency governor", "/sys, cpufreq", false, || cpus::governor().is_some()),
    Reading {
        what: "CPU temperature",
        sources: [Some("/sys/class/hwmon"), None, SYSINFO, SYSINFO],
        always: false,
        is_here: || conditions::celsius().is_some(),
    },
    linux("mains or battery", "/sys/class/power_supply", false, || {
        on_battery(Path::new("/sys/class/power_supply")).is_some()
    }),
    linux("hypervisor and container", "/proc/cpuinfo, /sys/class/dmi", true, || {
        host() != super::machine::Host::default() || fs::read_to_string("/proc/cpuinfo").is_ok()
    }),
    Reading {
        what: "energy of the CPU",
        sources: [Some("/sys/class/powercap"), None, Some("macmon, with GPU and memory"), None],
        always: false,
        is_here: || counts(|domain| matches!(domain, EnergyDomain::Package { .. } | EnergyDomain::Chip)),
    },
    linux("energy of AMD's and Intel's GPUs", "/sys/class/hwmon", false, || {
        counts(|domain| matches!(domain, EnergyDomain::Gpu { .. }))
    }),
    Reading {
        what: "state and energy of NVIDIA GPUs",
        sources: [Some("NVML"), Some("NVML"), None, Some("NVML")],
        always: false,
        is_here: || Gpus::load().is_ok(),
    },
];

/// Whether energy of such a kind is counted here, NVIDIA's cards left out.
fn counts(is_meant: impl Fn(&EnergyDomain) -> bool) -> bool {
    energy_meter(&Err(Unreadable::Absent(String::new()))).domains().any(is_meant)
}

/// What of the table was read on this machine, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Readable {
    pub(crate) read: usize,
    /// What this platform does not tell.
    pub(crate) not_told_here: Vec<&'static str>,
    /// What this platform tells, and this machine does not.
    pub(crate) absent: Vec<&'static str>,
    /// What every machine of this platform should tell.
    pub(crate) amiss: Vec<&'static str>,
}

/// Reads everything once.
pub(crate) fn readable() -> Readable {
    let mut found = Readable::default();
    for reading in READINGS {
        let told = Platform::here().is_none_or(|platform| reading.sources[platform as usize].is_some());
        match (told, (reading.is_here)()) {
            (_, true) => found.read += 1,
            (true, false) if reading.always => found.amiss.push(reading.what),
            (true, false) => found.absent.push(reading.what),
            (false, false) => found.not_told_here.push(reading.what),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as docs/platforms.md has it.
    fn table() -> String {
        let heads = Platform::ALL.map(|platform| match platform {
            Platform::Linux => "Linux",
            Platform::BareLinux => "Linux without /proc and /sys",
            Platform::MacOs => "macOS",
            Platform::Windows => "Windows",
        });
        let line = |cells: [&str; 4], what: &str| format!("| {what} | {} |\n", cells.join(" | "));
        let rows = READINGS.iter().map(|reading| {
            let hedge = if reading.always { "" } else { " \\*" };
            line(reading.sources.map(|source| source.unwrap_or("n/a")), &format!("{}{hedge}", reading.what))
        });
        line(heads, "what is read") + "|---|---|---|---|---|\n" + &rows.collect::<String>()
    }

    #[test]
    fn the_docs_have_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/platforms.md");
        let text = fs::read_to_string(path).expect("docs/platforms.md is there");
        assert!(text.contains(&table()), "docs/platforms.md has another table than this:\n{}", table());
    }

    #[test]
    fn this_machine_tells_what_its_platform_should_and_nothing_else() {
        let platform = Platform::here().expect("a platform of the table");
        for reading in READINGS {
            let (told, here) = (reading.sources[platform as usize].is_some(), (reading.is_here)());
            assert!(told || !here, "{} is read where the table says it is not", reading.what);
            assert!(here || !(told && reading.always), "{} is not read where every machine tells it", reading.what);
        }
    }

    #[test]
    fn what_was_not_read_is_named_once() {
        let Readable { read, not_told_here, absent, amiss } = readable();
        assert_eq!(read + not_told_here.len() + absent.len() + amiss.len(), READINGS.len());
        assert_eq!(amiss, [""; 0]);
    }
}
