//! How fast the machine itself is at a moment: a fixed calculation, timed.

use std::hint::black_box;

use super::Clock;
use crate::stats;

/// Repetitions, of which the median counts: one of them may be interrupted.
const REPETITIONS: usize = 5;
/// Steps of arithmetic in one, each waiting for the one before: about 2 ms.
const STEPS: u32 = 500_000;
/// Numbers read in one, more than a second-level cache holds: about 1 ms.
const NUMBERS: usize = 1 << 20;

/// Time of the calculation: arithmetic, then memory, on one thread.
pub(crate) fn calibration_ns(clock: &dyn Clock) -> u64 {
    let calculation = Calculation::new();
    let once = || {
        let start_ns = clock.now_ns();
        calculation.calculate();
        (clock.now_ns() - start_ns) as f64
    };
    once();
    let times: Vec<f64> = (0..REPETITIONS).map(|_| once()).collect();
    crate::units::whole_ns(stats::median(&times).unwrap_or(0.0))
}

/// The calculation, with the memory it reads.
pub(super) struct Calculation {
    numbers: Vec<u64>,
}

impl Calculation {
    pub(super) fn new() -> Self {
        Self { numbers: vec![1; NUMBERS] }
    }

    pub(super) fn calculate(&self) {
        let mut x = 1.0_f64;
        for _ in 0..STEPS {
            x = black_box(x).mul_add(1.000_000_1, 1e-9);
        }
        black_box(x);
        black_box(self.numbers.iter().copied().fold(0_u64, u64::wrapping_add));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Monotonic;

    #[test]
    fn it_takes_some_time_but_not_long() {
        let ns = calibration_ns(&Monotonic::start());
        // Seconds on the slowest and busiest machine, and a reading of a clock is none of them.
        assert!((50_000..60_000_000_000).contains(&ns), "{ns}");
    }
}
