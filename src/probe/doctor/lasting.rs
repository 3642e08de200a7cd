//! What is so for the whole run: cores, memory, governor, power, virtual machine.

use super::{Check, Level, good, not_good};
use crate::{probe::host::Host, record::Machine, units::GIB};

/// Share of the usable memory that should be free, and the least.
const MEMORY_FREE: (f64, f64) = (0.25, 0.1);

/// CPUs this process may use.
pub(super) fn cores(machine: &Machine) -> Check {
    const NAME: &str = "cores";
    let (allowed, logical) = (machine.allowed_cpus, machine.logical_cpus);
    let physical = machine.physical_cores.map_or_else(String::new, |cores| format!(", {cores} physical cores"));
    if allowed < logical {
        let remedy = format!(
            "lift the CPU set or quota (taskset, cgroup, container) if the numbers are to be the machine's; \
             threads default to {allowed}"
        );
        return not_good(NAME, Level::Warning, format!("{allowed} of {logical} CPUs may be used{physical}"), remedy);
    }
    good(NAME, format!("all {logical} CPUs may be used{physical}"))
}

/// Memory free to hold a model.
pub(super) fn memory(machine: &Machine) -> Check {
    const NAME: &str = "memory";
    let usable = machine.memory_limit_bytes.unwrap_or(machine.ram_bytes);
    if usable == 0 {
        return not_good(NAME, Level::Unknown, "not readable", "see to it that the models fit in free memory");
    }
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / GIB);
    let limit = machine.memory_limit_bytes.map_or_else(String::new, |limit| format!(", limited to {}", gib(limit)));
    let finding = format!("{} of {} available{limit}", gib(machine.available_bytes), gib(machine.ram_bytes));
    let free = machine.available_bytes as f64 / usable as f64;
    let level = match free {
        free if free < MEMORY_FREE.1 => Level::Bad,
        free if free < MEMORY_FREE.0 => Level::Warning,
        _ => return good(NAME, finding),
    };
    not_good(
        NAME,
        level,
        finding,
        "close what holds memory, or raise the container's limit: a model that swaps is not measured",
    )
}

/// The frequency governor.
pub(super) fn governor(machine: &Machine) -> Check {
    const NAME: &str = "governor";
    match machine.governor.as_deref() {
        Some("performance") => good(NAME, "performance"),
        Some(other) => {
            not_good(NAME, Level::Warning, other, "sudo cpupower frequency-set -g performance, until the run is over")
        }
        None => not_good(NAME, Level::Unknown, "not readable here", "set the host to its performance mode if you can"),
    }
}

/// Mains or battery.
pub(super) fn power(machine: &Machine) -> Check {
    const NAME: &str = "power";
    match machine.on_battery {
        Some(false) => good(NAME, "mains"),
        Some(true) => not_good(NAME, Level::Warning, "battery", "plug it in: on battery the CPU is slowed"),
        None => not_good(NAME, Level::Unknown, "no battery or mains reported", "on a laptop, plug it in"),
    }
}

/// What stands between the program and the metal.
pub(super) fn host(host: &Host) -> Check {
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
