//! Conditions from captured counters, and from this machine.

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
    let run = |workers: &[u32]| {
        let watch = Watch::start(clock.now_ns(), workers);
        std::thread::sleep(std::time::Duration::from_millis(500));
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
