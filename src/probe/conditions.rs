//! What the machine does around one visit: counters read before and after, and what they say of the time between.

use sysinfo::{Components, System};

use super::{
    cpus,
    kernel::{self, CpuTicks},
};
use crate::record::Conditions;

#[derive(Debug, Clone)]
pub(crate) struct Watch {
    began_ns: u64,
    load_average_1m: Option<f64>,
    before: Counters,
}

impl Watch {
    /// Begins before a visit. `workers` are processes of ours already running, whose work is not that of others.
    pub(crate) fn start(now_ns: u64, workers: &[u32]) -> Self {
        let load_average_1m = System::load_average().ok().map(|load| load.one);
        Self { began_ns: now_ns, load_average_1m, before: Counters::read(workers) }
    }

    /// Ends after a visit. Call it while the worker still runs: a process that is gone has no context switches to count.
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
        let ticks = |pid: u32| kernel::process_ticks(pid).map(|ticks| ticks.own + ticks.reaped);
        // A worker that was waited for has become part of our own reaped time, so nothing is lost or counted twice.
        let workers_ticks: u64 = workers.iter().filter_map(|&pid| ticks(pid)).sum();
        Self {
            cpu: kernel::cpu_ticks(),
            our_ticks: ticks(std::process::id()).map(|own| own + workers_ticks),
            swapped_in_bytes: kernel::swapped_in_bytes(),
            // Of no worker there is nothing to say, which is not 0.
            involuntary_switches: workers
                .iter()
                .map(|&pid| kernel::involuntary_switches(pid))
                .reduce(|a, b| Some(a? + b?))
                .flatten(),
            memory_stall_us: kernel::memory_stall_us(),
        }
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

pub(super) fn celsius() -> Option<f64> {
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
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_between() {
        let before = Counters {
            cpu: Some(CpuTicks { busy: 100, steal: 10, total: 1000 }),
            our_ticks: Some(50),
            swapped_in_bytes: Some(4096),
            involuntary_switches: None,
            memory_stall_us: Some(1_000_000),
        };
        let after = Counters {
            cpu: Some(CpuTicks { busy: 200, steal: 20, total: 1200 }),
            our_ticks: Some(110),
            swapped_in_bytes: Some(12_288),
            involuntary_switches: Some(7),
            memory_stall_us: Some(1_500_000),
        };
        let seen = between(&before, &after, 2_000_000_000);
        assert_eq!(seen.other_cpu_share, Some(0.2));
        assert_eq!(seen.steal_share, Some(0.05));
        assert_eq!(seen.swap_in_bytes, Some(8192));
        assert_eq!(seen.involuntary_switches, Some(7));
        assert_eq!(seen.memory_pressure, Some(0.25));
        let more = Counters { our_ticks: Some(10_000), ..after };
        assert_eq!(between(&before, &more, 1).other_cpu_share, Some(0.0));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let some = Counters { cpu: Some(CpuTicks { busy: 1, steal: 0, total: 9 }), ..Counters::default() };
        assert_eq!(between(&Counters::default(), &some, 1), Conditions::default());
        // No tick passed: no share can be told.
        assert_eq!(between(&some, &some, 1).steal_share, None);
    }

    #[test]
    fn only_sensors_of_the_cpu_count() {
        let sensors =
            [("nvme Composite", 71.0), ("coretemp Package id 0", 55.0), ("coretemp Core 1", 58.0), ("acpitz", 90.0)];
        assert_eq!(hottest(sensors.into_iter()), Some(58.0));
        assert_eq!(hottest([("k10temp Tctl", 0.0), ("k10temp Tccd1", f32::NAN)].into_iter()), None);
        assert_eq!(hottest(std::iter::empty()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "the worker here is a child of the test")]
    fn a_busy_worker_is_ours_and_a_busy_stranger_is_not() {
        use crate::probe::clock::{Clock, Monotonic};
        let busy = || std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let clock = Monotonic::start();
        let mut worker = busy();
        let pids = [worker.id()];
        // Until it computed for a third of a second, however little of the machine it gets.
        let ticks = || crate::probe::kernel::process_ticks(pids[0]).unwrap().own;
        let run = |workers: &[u32]| {
            let watch = Watch::start(clock.now_ns(), workers);
            let before = ticks();
            while ticks() < before + 30 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            watch.end(clock.now_ns(), workers)
        };
        let as_worker = run(&pids);
        let as_stranger = run(&[]);
        worker.kill().unwrap();
        worker.wait().unwrap();
        // Other tests and the rest of the machine go on meanwhile, so only what must hold is asked.
        let share = |conditions: &Conditions| conditions.other_cpu_share.unwrap();
        assert!((0.0..=1.0).contains(&share(&as_worker)) && share(&as_stranger) > 0.0);
        assert!((0.0..=1.0).contains(&as_worker.steal_share.unwrap()));
        assert!(as_worker.load_average_1m.unwrap() >= 0.0);
        assert!(as_worker.involuntary_switches.is_some());
        assert_eq!(as_stranger.involuntary_switches, None);
    }
}
