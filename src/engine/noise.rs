//! The machine a script runs on: how its speed wanders with time, differs from process to process and from sample to sample.

use serde::{Deserialize, Serialize};

use crate::stats::SplitMix64;

/// How unsteady the scripted machine is. Sizes are standard deviations of ln time unless said otherwise; 0 is steady.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Seed of all of it.
    pub seed: u64,
    /// Steady drift of ln time an hour: 0.1 = a tenth slower after an hour.
    pub drift_per_hour: f64,
    /// Wandering of the machine: an autoregressive process of this size.
    pub wander: f64,
    /// Time in which the wandering forgets, seconds.
    pub wander_s: f64,
    /// Difference between processes of the same program.
    pub process: f64,
    /// How much slower each second process is, in ln time: the effect of coming second.
    pub second_place: f64,
    /// Difference between samples of a process.
    pub sample: f64,
    /// Share of samples that are delayed.
    pub delayed_share: f64,
    /// Mean delay of those, as a share of their time; delays are exponential.
    pub delay: f64,
}

/// The machine at work.
#[derive(Debug)]
pub(super) struct Machine {
    noise: Noise,
    rng: SplitMix64,
    processes: u64,
    at_ns: u64,
    wandered: f64,
}

impl Machine {
    pub(super) fn new(noise: Noise) -> Self {
        let mut rng = SplitMix64::new(noise.seed);
        let wandered = noise.wander * normal(&mut rng);
        Self { noise, rng, processes: 0, at_ns: 0, wandered }
    }

    /// The factor by which a new process is slower than the mean one.
    pub(super) fn start_process(&mut self) -> f64 {
        let second = if self.processes % 2 == 1 { self.noise.second_place } else { 0.0 };
        self.processes += 1;
        (second + self.noise.process * normal(&mut self.rng)).exp()
    }

    /// The factor by which a piece of work begun now is slowed by the machine.
    pub(super) fn slowness_at(&mut self, now_ns: u64) -> f64 {
        let seconds = now_ns.saturating_sub(self.at_ns) as f64 / 1e9;
        self.at_ns = now_ns;
        let kept = (-seconds / self.noise.wander_s.max(1e-9)).exp();
        let fresh = self.noise.wander * (1.0 - kept * kept).sqrt();
        self.wandered = kept * self.wandered + fresh * normal(&mut self.rng);
        let drift = self.noise.drift_per_hour * now_ns as f64 / 3.6e12;
        let mut log = drift + self.wandered + self.noise.sample * normal(&mut self.rng);
        if uniform(&mut self.rng) < self.noise.delayed_share {
            log += (1.0 - self.noise.delay * uniform(&mut self.rng).ln()).ln();
        }
        log.exp()
    }
}

/// Standard normal (Box & Muller 1958).
fn normal(rng: &mut SplitMix64) -> f64 {
    let (radius, angle) = ((-2.0 * uniform(rng).ln()).sqrt(), std::f64::consts::TAU * uniform(rng));
    radius * angle.cos()
}

/// Above 0 and at most 1.
fn uniform(rng: &mut SplitMix64) -> f64 {
    const STEPS: usize = 1 << 30;
    (rng.below(STEPS) + 1) as f64 / STEPS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady() -> Noise {
        Noise {
            seed: 7,
            drift_per_hour: 0.0,
            wander: 0.0,
            wander_s: 60.0,
            process: 0.0,
            second_place: 0.0,
            sample: 0.0,
            delayed_share: 0.0,
            delay: 0.0,
        }
    }

    fn spread(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn each_part_has_its_size() {
        let mut machine = Machine::new(Noise { sample: 0.02, ..steady() });
        let logs: Vec<f64> = (0..20_000).map(|_| machine.slowness_at(0).ln()).collect();
        let (mean, sigma) = spread(&logs);
        assert!(mean.abs() < 5e-4 && (sigma - 0.02).abs() < 5e-4, "{mean} {sigma}");

        let mut machine = Machine::new(Noise { second_place: 0.03, ..steady() });
        let places: Vec<f64> = (0..4).map(|_| machine.start_process().ln()).collect();
        assert!(places.iter().zip([0.0, 0.03, 0.0, 0.03]).all(|(a, b)| (a - b).abs() < 1e-12));

        let mut machine = Machine::new(Noise { drift_per_hour: 0.1, ..steady() });
        assert!((machine.slowness_at(3_600_000_000_000).ln() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_wandering_remembers() {
        let mut machine = Machine::new(Noise { wander: 0.05, wander_s: 10.0, ..steady() });
        let logs: Vec<f64> = (0..50_000_u64).map(|i| machine.slowness_at(i * 1_000_000_000).ln()).collect();
        let (_, sigma) = spread(&logs);
        assert!((sigma - 0.05).abs() < 0.005, "{sigma}");
        let lag1 = logs.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / logs.iter().map(|x| x * x).sum::<f64>();
        assert!((lag1 - (-0.1_f64).exp()).abs() < 0.01, "{lag1}");
    }

    #[test]
    fn delays_only_slow_down() {
        let mut machine = Machine::new(Noise { delayed_share: 0.5, delay: 0.1, ..steady() });
        let slow: Vec<f64> = (0..10_000).map(|_| machine.slowness_at(0)).collect();
        assert!(slow.iter().all(|&s| s >= 1.0));
        assert!((spread(&slow).0 - 1.05).abs() < 0.005);
    }
}
