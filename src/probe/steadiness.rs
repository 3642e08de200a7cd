//! How steadily this machine calculates: the calculation of the calibration, timed again and again on as many threads as generate.
//!
//! Whatever scatters here scatters in a measurement too, and no model is to blame: neighbours, interrupts, a frequency that wanders.

use std::{
    sync::{Barrier, Mutex, PoisonError},
    thread,
};

use super::{calibration::Calculation, clock::Clock};
use crate::stats::{self, Moments};

/// Calculations of each thread in one: together some ten milliseconds, as long as a few tokens.
const REPEATED: usize = 4;

/// How long it took, from the first thread's start to the last one's end: one number of nanoseconds for each of `times`.
/// The first of all is made for nothing, which wakes the threads.
pub(crate) fn calculation_ns(clock: &dyn Clock, n_threads: u32, times: usize) -> Vec<u64> {
    let threads = n_threads.max(1);
    let barrier = Barrier::new(threads as usize);
    let spans = Mutex::new(vec![(u64::MAX, 0_u64); times + 1]);
    let calculate = || {
        let calculation = Calculation::new();
        for time in 0..=times {
            barrier.wait();
            let begin_ns = clock.now_ns();
            (0..REPEATED).for_each(|_| calculation.calculate());
            let end_ns = clock.now_ns();
            let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
            spans[time] = (spans[time].0.min(begin_ns), spans[time].1.max(end_ns));
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(calculate);
        }
    });
    let spans = spans.into_inner().unwrap_or_else(PoisonError::into_inner);
    spans.into_iter().skip(1).map(|(begin, end)| end.saturating_sub(begin)).collect()
}

/// What the times of equal work say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scatter {
    pub(crate) times: usize,
    pub(crate) median_ns: f64,
    /// Standard deviation of ln of the time: for small ones, a share of the time.
    pub(crate) deviation: f64,
    /// By which share the slowest took longer than the median.
    pub(crate) slowest: f64,
}

impl Scatter {
    /// `None` of fewer than two times, or when the clock did not move.
    pub(crate) fn of(times_ns: &[u64]) -> Option<Self> {
        let times: Vec<f64> = times_ns.iter().map(|&ns| ns as f64).collect();
        let median_ns = stats::median(&times).ok().filter(|_| times.iter().all(|&ns| ns > 0.0))?;
        let mut logs = Moments::default();
        for ns in &times {
            logs.add(ns.ln());
        }
        let slowest = times.iter().copied().fold(0.0, f64::max) / median_ns - 1.0;
        Some(Self { times: times.len(), median_ns, deviation: logs.variance()?.sqrt(), slowest })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::probe::Monotonic;

    #[test]
    fn scatter_of_known_times() {
        let scatter = Scatter::of(&[100, 100, 100, 150]).unwrap();
        assert_eq!((scatter.times, scatter.median_ns, scatter.slowest), (4, 100.0, 0.5));
        // ln 1.5 is apart from three zeros: √(3/16 · ln² · 4/3) = ln 1.5 / 2.
        assert!((scatter.deviation - 1.5_f64.ln() / 2.0).abs() < 1e-12, "{scatter:?}");
        assert_eq!(Scatter::of(&[7, 7, 7]).map(|s| (s.deviation, s.slowest)), Some((0.0, 0.0)));
        assert_eq!((Scatter::of(&[]), Scatter::of(&[5]), Scatter::of(&[5, 0])), (None, None, None));
    }

    #[test]
    fn every_time_is_of_all_the_work() {
        let times = calculation_ns(&Monotonic::start(), 2, 3);
        assert_eq!(times.len(), 3);
        // Two million steps that wait for each other, at a thousand million a second and more.
        assert!(times.iter().all(|&ns| ns > 1_000_000), "{times:?}");
    }
}
