//! The one place that reads the clock: monotonic for every duration, wall time for labels only.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// A clock that never goes back.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the clock's own start.
    fn now_ns(&self) -> u64;
}

/// The system's monotonic clock, counted from when it was made. Copies share that start.
///
/// Setting the time of day does not move it. On Linux (`CLOCK_MONOTONIC`) and macOS (`CLOCK_UPTIME_RAW`) it stands still while the
/// machine sleeps, so that a suspended laptop adds nothing to a sample; Windows' counter may go on.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    origin: Instant,
}

impl Monotonic {
    /// A clock that begins at 0 now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for Monotonic {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A monotonic clock that goes on where an earlier one was left. Copies share its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Continued {
    before_ns: u64,
    since: Monotonic,
}

impl Continued {
    /// A clock that shows `before_ns` now.
    pub(crate) fn after(before_ns: u64) -> Self {
        Self { before_ns, since: Monotonic::start() }
    }
}

impl Clock for Continued {
    fn now_ns(&self) -> u64 {
        self.before_ns.saturating_add(self.since.now_ns())
    }
}

/// A clock that moves only when told to, for the scripted engine and tests. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Virtual {
    now_ns: Arc<AtomicU64>,
}

impl Virtual {
    pub fn advance(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::SeqCst);
    }

    /// Sets the clock; an earlier time than it shows is ignored, for a clock never goes back.
    pub fn set(&self, now_ns: u64) {
        self.now_ns.fetch_max(now_ns, Ordering::SeqCst);
    }
}

impl Clock for Virtual {
    fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::SeqCst)
    }
}

/// The smallest step the clock was seen to make, in nanoseconds; `None` when it did not move.
pub(crate) fn resolution_ns(clock: &dyn Clock) -> Option<u64> {
    let mut last = clock.now_ns();
    let mut smallest = None;
    for _ in 0..10_000 {
        let now = clock.now_ns();
        if now > last {
            smallest = Some(smallest.map_or(now - last, |s: u64| s.min(now - last)));
        }
        last = now;
    }
    smallest
}

/// A moment of wall time, to the second. A label: nothing is computed from it. Displays as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UtcTime(jiff::Timestamp);

impl UtcTime {
    /// For names of folders, where some systems forbid colons: `2026-11-23T05-20-11Z`.
    pub(crate) fn compact(self) -> String {
        self.to_string().replace(':', "-")
    }

    /// As the benchmarking guide writes it in names of files: `20261123_052011`.
    pub(crate) fn stamp(self) -> String {
        self.to_string().replace(['-', ':', 'Z'], "").replace('T', "_")
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock, and the only label it makes")]
pub(crate) fn utc_now() -> UtcTime {
    UtcTime(jiff::Timestamp::now())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_moves_and_copies_agree() {
        let clock = Monotonic::start();
        let copy = clock;
        let (a, b, c) = (clock.now_ns(), copy.now_ns(), clock.now_ns());
        assert!(a <= b && b <= c);
        let step = resolution_ns(&clock).unwrap();
        assert!((1..1_000_000).contains(&step), "{step} ns");
    }

    #[test]
    fn the_virtual_clock_is_shared_and_never_goes_back() {
        let clock = Virtual::default();
        let other = clock.clone();
        clock.advance(5);
        other.advance(2);
        assert_eq!(clock.now_ns(), 7);
        other.set(3);
        assert_eq!(clock.now_ns(), 7);
        other.set(9);
        assert_eq!(clock.now_ns(), 9);
        assert_eq!(resolution_ns(&clock), None);
    }

    #[test]
    fn wall_time_is_written_two_ways() {
        let time = UtcTime("2026-11-23T05:20:11.987Z".parse().unwrap());
        assert_eq!(time.to_string(), "2026-11-23T05:20:11Z");
        assert_eq!(time.compact(), "2026-11-23T05-20-11Z");
        assert_eq!(time.stamp(), "20261123_052011");
        assert!(utc_now().to_string().as_str() > "2026");
    }
}
