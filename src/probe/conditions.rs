//! What the machine does around one visit: counters read before and after, and what they say of the time between.

use std::fs;

use sysinfo::{Components, System};

use super::{
    cpus,
    process::{Stat, Status},
};
use crate::record::Conditions;

/// A visit being watched.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    began_ns: u64,
    load_average_1m: Option<f64>,
    before: Counters,
}

impl Watch {
    /// Begins before a visit. `workers` are processes of ours already running, whose work is not company.
    #[must_use]
    pub(crate) fn start(now_ns: u64, workers: &[u32]) -> Self {
        let load_average_1m = System::load_average().ok().map(|load| load.one);
        Self { began_ns: now_ns, load_average_1m, before: Counters::read(workers) }
    }

    /// Ends after a visit. Call it while the worker still runs: a process that is gone has no context switches to count.
    #[must_use]
    pub(crate) fn end(self, now_ns: u64, workers: &[u32]) -> Conditions {
        let after = Counters::read(workers);
        Conditions {
            load_average_1m: self.load_average_1m,
            cpu_mhz: cpus::mhz(),
            cpu_celsius: celsius(),
            ..between(&self.before, &after, now_ns.saturating_sub(self.began_ns))
        }
    }
}

/// Counters that only grow, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counters {
    cpu: Option<CpuTicks>,
    our_ticks: Option<u64>,
    swapped_in_bytes: Option<u64>,
    involuntary_switches: Option<u64>,
    memory_stall_us: Option<u64>,
}

impl Counters {
    fn read(workers: &[u32]) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let ticks = |process: &str| read(&format!("/proc/{process}/stat")).and_then(|text| Stat::parse(&text));
        // A worker that was waited for has become part of our own reaped time, so nothing is lost or counted twice.
        let workers_ticks: u64 = workers.iter().filter_map(|pid| ticks(&pid.to_string())).map(all_ticks).sum();
        Self {
            cpu: read("/proc/stat").and_then(|text| CpuTicks::parse(&text)),
            our_ticks: ticks("self").map(|own| all_ticks(own) + workers_ticks),
            swapped_in_bytes: read("/proc/vmstat")
                .and_then(|text| pages_swapped_in(&text))
                .and_then(|pages| pages.checked_mul(page_size()?)),
            // Of no worker there is nothing to say, which is not 0.
            involuntary_switches: workers
                .iter()
                .map(|&pid| involuntary_switches(pid))
                .reduce(|a, b| Some(a? + b?))
                .flatten(),
            memory_stall_us: read("/proc/pressure/memory").and_then(|text| stall_us(&text)),
        }
    }
}

fn all_ticks(stat: Stat) -> u64 {
    stat.own_ticks + stat.reaped_ticks
}

/// The first line of /proc/stat, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CpuTicks {
    busy: u64,
    steal: u64,
    total: u64,
}

impl CpuTicks {
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        // Guest time, after these eight, is in user time already.
        let &[user, nice, system, idle, iowait, irq, softirq, steal, ..] = &ticks[..] else { return None };
        let busy = user + nice + system + irq + softirq;
        Some(Self { busy, steal, total: busy + idle + iowait + steal })
    }
}

/// What happened between two readings `elapsed_ns` apart.
fn between(before: &Counters, after: &Counters, elapsed_ns: u64) -> Conditions {
    let grown = |then: Option<u64>, now: Option<u64>| now?.checked_sub(then?);
    let cpu = before.cpu.zip(after.cpu).filter(|(then, now)| now.total > then.total);
    let share = |part: u64, (then, now): (CpuTicks, CpuTicks)| part as f64 / (now.total - then.total) as f64;
    let ours = grown(before.our_ticks, after.our_ticks);
    Conditions {
        // The two accounts are kept apart and rounded to ticks: ours may come out a little above the machine's.
        other_cpu_share: cpu
            .zip(ours)
            .map(|((then, now), ours)| share(now.busy.saturating_sub(then.busy).saturating_sub(ours), (then, now))),
        steal_share: cpu.map(|(then, now)| share(now.steal.saturating_sub(then.steal), (then, now))),
        swap_in_bytes: grown(before.swapped_in_bytes, after.swapped_in_bytes),
        // A worker begun after the first reading had none then.
        involuntary_switches: after
            .involuntary_switches
            .and_then(|now| now.checked_sub(before.involuntary_switches.unwrap_or(0))),
        memory_pressure: grown(before.memory_stall_us, after.memory_stall_us)
            .filter(|_| elapsed_ns > 0)
            .map(|us| (us as f64 * 1000.0 / elapsed_ns as f64).min(1.0)),
        ..Conditions::default()
    }
}

/// Involuntary context switches of a process's living threads; `None` when it has ended.
fn involuntary_switches(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let of_thread = |thread: fs::DirEntry| {
        let status = Status::parse(&fs::read_to_string(thread.path().join("status")).ok()?);
        // A zombie's status has no memory lines, and its other threads are gone from the count.
        status.rss_bytes.and(status.involuntary_switches)
    };
    threads.map(|thread| of_thread(thread.ok()?)).sum()
}

fn pages_swapped_in(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("pswpin "))?.trim().parse().ok()
}

/// Microseconds in which some task waited for memory, from the text of /proc/pressure/memory.
fn stall_us(pressure: &str) -> Option<u64> {
    let line = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

#[cfg(target_os = "linux")]
fn page_size() -> Option<u64> {
    u64::try_from(rustix::param::page_size()).ok()
}

#[cfg(not(target_os = "linux"))]
fn page_size() -> Option<u64> {
    None
}

fn celsius() -> Option<f64> {
    let components = Components::new_with_refreshed_list().ok()?;
    hottest(components.iter().filter_map(|c| Some((c.label(), c.temperature()?))))
}

/// The hottest sensor that belongs to the CPU, by the names drivers give.
fn hottest<'a>(sensors: impl Iterator<Item = (&'a str, f32)>) -> Option<f64> {
    const CPU: [&str; 8] = ["coretemp", "k10temp", "zenpower", "cpu", "package id", "tctl", "tdie", "soc"];
    sensors
        .filter(|(label, celsius)| {
            let label = label.to_ascii_lowercase();
            CPU.iter().any(|name| label.contains(name)) && (1.0..150.0).contains(celsius)
        })
        .map(|(_, celsius)| f64::from(celsius))
        .reduce(f64::max)
}

#[cfg(test)]
mod tests;
