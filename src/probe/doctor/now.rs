//! What is so at the moment: load, company, swap, temperature, and how fine the clock is.

use super::{Check, Level, good, level_of, not_good};
use crate::record::{Conditions, Machine};

/// Load average per CPU.
const LOAD: (f64, f64) = (0.25, 1.0);
/// Share of CPU time other processes use.
const COMPANY: (f64, f64) = (0.02, 0.1);
/// Share of CPU time the hypervisor keeps.
const STEAL: (f64, f64) = (0.01, 0.05);
/// Share of time some task waits for memory.
const PRESSURE: (f64, f64) = (0.01, 0.1);
/// Degrees Celsius at rest.
const CELSIUS: (f64, f64) = (75.0, 90.0);
/// Step of the clock, nanoseconds.
const TIMER_NS: (f64, f64) = (1_000.0, 100_000.0);

/// A value that should be small, or that could not be read.
fn small(
    name: &'static str,
    value: Option<f64>,
    (warning, bad): (f64, f64),
    finding: impl Fn(f64) -> String,
    remedy: &str,
) -> Check {
    let Some(value) = value else { return not_good(name, Level::Unknown, "not readable here", remedy) };
    match level_of(value, warning, bad) {
        Level::Good => good(name, finding(value)),
        level => not_good(name, level, finding(value), remedy),
    }
}

/// Load average against the machine's CPUs.
pub(super) fn load(machine: &Machine, conditions: &Conditions) -> Check {
    let cpus = f64::from(machine.logical_cpus.max(1));
    let finding = |per_cpu: f64| format!("load average {:.2} on {cpus} CPUs", per_cpu * cpus);
    let remedy = "end what else runs, then wait a minute for the average to sink";
    small("load", conditions.load_average_1m.map(|load| load / cpus), LOAD, finding, remedy)
}

/// CPU time of other processes.
pub(super) fn company(conditions: &Conditions) -> Check {
    let finding = |share: f64| format!("other processes use {:.1} % of the CPU time", share * 100.0);
    small("other processes", conditions.other_cpu_share, COMPANY, finding, "see which with top, and end or stop them")
}

/// CPU time the hypervisor keeps back.
pub(super) fn steal(conditions: &Conditions) -> Check {
    let finding = |share: f64| format!("the hypervisor keeps {:.1} % of the CPU time", share * 100.0);
    let remedy = "use a machine with CPUs of its own, or more rounds";
    small("steal time", conditions.steal_share, STEAL, finding, remedy)
}

/// Swapping now, or tasks waiting for memory.
pub(super) fn swap(conditions: &Conditions) -> Check {
    const NAME: &str = "swapping";
    const REMEDY: &str = "free memory before measuring: a swapped page is read at the speed of the disk";
    match (conditions.swap_in_bytes, conditions.memory_pressure) {
        (Some(bytes), _) if bytes > 0 => {
            not_good(NAME, Level::Bad, format!("{} KiB swapped in within the moment of looking", bytes / 1024), REMEDY)
        }
        (None, None) => not_good(NAME, Level::Unknown, "not readable here", REMEDY),
        (_, Some(share)) => {
            let finding = |share: f64| format!("tasks waited for memory {:.1} % of the time", share * 100.0);
            small(NAME, Some(share), PRESSURE, finding, REMEDY)
        }
        (Some(_), None) => good(NAME, "nothing swapped in"),
    }
}

/// The CPU's temperature before any work.
pub(super) fn temperature(conditions: &Conditions) -> Check {
    let finding = |celsius: f64| format!("{celsius:.0} °C");
    let remedy = "let it cool and clear the vents: a hot CPU is slowed; drift in the results shows it";
    small("temperature", conditions.cpu_celsius, CELSIUS, finding, remedy)
}

/// The smallest step of the clock.
pub(super) fn timer(timer_ns: Option<u64>) -> Check {
    let finding = |ns: f64| format!("steps of {ns} ns");
    let remedy = "on Linux see /sys/devices/system/clocksource: tsc is the fine one";
    small("clock", timer_ns.map(|ns| ns as f64), TIMER_NS, finding, remedy)
}
