//! Processes as /proc shows them, and waiting for what they do.

use std::{
    fs,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Bench;

/// The workers of a process that hold models or are about to.
pub(crate) fn workers(parent: u32) -> Vec<u32> {
    children(parent).into_iter().filter(|&pid| is_called(pid, "serve")).collect()
}

/// Whether this is a word of its command line.
pub(crate) fn is_called(pid: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().split('\0').any(|word| word == name)
}

/// What a process has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|&pid| stat(pid).is_some_and(|s| s.parent == parent)).collect()
}

/// A worker of a run, stopped where it is, so that it can't be over before something is done to it. Goes on when this is dropped.
pub(crate) struct Held {
    pub(crate) pid: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        // What was killed meanwhile goes nowhere.
        let _ = signalled(self.pid, Signal::CONT);
    }
}

/// A worker that has been computing for some tenths of a second, held as soon as there is one.
pub(crate) fn busy_worker(parent: u32) -> Held {
    held(parent, "a worker computes", is_busy, || false).expect("the run is long")
}

/// A run of which a worker that computes is held. This process may be stopped until the run is over: then it is made again.
pub(crate) fn with_busy_worker(make: impl Fn() -> Bench) -> (Bench, Child, Held) {
    held_in("a worker computes", make, is_busy, |_| false)
}

/// A run of which such a child is held. Where it has come so far that there is none any more, it is ended and made again.
pub(crate) fn held_in(
    what: &str,
    make: impl Fn() -> Bench,
    is_so: impl Fn(u32) -> bool,
    is_over: impl Fn(&Bench) -> bool,
) -> (Bench, Child, Held) {
    for _ in 0..5 {
        let bench = make();
        let mut child = bench.spawn();
        if let Some(held) = held(child.id(), what, &is_so, || is_over(&bench)) {
            return (bench, child, held);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("five runs were over before it came: {what}")
}

fn is_busy(pid: u32) -> bool {
    is_called(pid, "serve") && ticks(pid).is_some_and(|ticks| ticks > 30)
}

/// A child of which this is so, held as soon as there is one; `None` when the run is over.
pub(crate) fn held(parent: u32, what: &str, is_so: impl Fn(u32) -> bool, is_over: impl Fn() -> bool) -> Option<Held> {
    let mut found = None;
    wait_until(what, || {
        found = children(parent).into_iter().filter(|&pid| is_so(pid)).find_map(|pid| {
            let held = signalled(pid, Signal::STOP).then_some(Held { pid })?;
            // It may have ended between the two looks.
            let stops = || stat(pid).is_none_or(|s| ["T", "Z", "X"].contains(&&*s.state));
            wait_until("it is stopped", stops);
            stat(pid).is_some_and(|s| s.state == "T" && s.parent == parent).then_some(held)
        });
        found.is_some() || !is_alive(parent) || is_over()
    });
    found
}

/// Hundredths of a second that a process has computed; `None` when it is gone.
pub(crate) fn ticks(pid: u32) -> Option<u64> {
    stat(pid).filter(|s| s.state != "Z" && s.state != "X").map(|s| s.ticks)
}

/// Whether it is there and can still do something.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|s| s.state != "Z" && s.state != "X")
}

pub(crate) fn send(pid: u32, signal: Signal) {
    assert!(signalled(pid, signal), "process {pid} is gone");
}

/// Whether it was there to be told.
fn signalled(pid: u32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).is_ok()
}

/// Waits for what comes on any machine; only what never comes is longer in coming than this.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_mins(10), "it never came: {what}");
        thread::sleep(Duration::from_millis(20));
    }
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
