//! Processes as /proc shows them, and waiting for what they do.

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process};

/// The workers of a process that hold models or are about to.
pub(crate) fn workers(parent: u32) -> Vec<u32> {
    let of = |pid: &u32| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        stat(*pid).is_some_and(|s| s.parent == parent) && words.split('\0').any(|word| word == "serve")
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(of).collect()
}

/// A worker that has been computing for some tenths of a second, once there is one.
pub(crate) fn busy_worker(parent: u32) -> u32 {
    let busy = || workers(parent).into_iter().find(|&pid| stat(pid).is_some_and(|s| s.ticks > 30));
    wait_until("a worker computes", || busy().is_some());
    busy().unwrap_or_else(|| busy_worker(parent))
}

/// Whether it is there and can still do something.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|s| s.state != "Z" && s.state != "X")
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Waits, and says how long it took.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) -> Duration {
    let start = SystemTime::now();
    while !done() {
        assert!(start.elapsed().unwrap() < Duration::from_mins(2), "it never came: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    start.elapsed().unwrap()
}

struct Stat {
    state: String,
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Stat { state: fields[0].into(), parent: fields.get(1)?.parse().ok()?, ticks })
}
