//! The machine a script runs on: how its speed wanders with time, differs from subject to subject, process to process and sample to
//! sample, and what hits one of them alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::SplitMix64;

/// How unsteady the scripted machine is. Sizes are standard deviations of ln time unless said otherwise; 0 is steady.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Noise {
    /// Seed of all of it.
    pub seed: u64,
    /// Steady drift of ln time an hour: 0.1 = a tenth slower after an hour.
    pub drift_per_hour: f64,
    /// Wandering of the machine, common to all subjects: an autoregressive process of this size.
    pub wander: f64,
    /// Time in which the wandering forgets, seconds.
    pub wander_s: f64,
    /// Wandering of each subject for itself, as where its file lies in memory or which units of the CPU it uses.
    pub own_wander: f64,
    /// Time in which that forgets, seconds. Longer than a round, it makes neighbouring rounds of a ratio alike.
    pub own_wander_s: f64,
    /// Difference between processes of the same program.
    pub process: f64,
    /// Share of processes that a burst hits: another program, for as long as the process lives.
    pub burst_share: f64,
    /// Mean of their ln slowness; bursts are exponential, so they slow down alone.
    pub burst: f64,
    /// How much slower each second process is, in ln time: the effect of coming second.
    pub second_place: f64,
    /// Difference between samples of a process.
    pub sample: f64,
    /// Share of samples that are delayed.
    pub delayed_share: f64,
    /// Mean delay of those, as a share of their time; delays are exponential.
    pub delay: f64,
}

/// An autoregressive process in time, at unit size.
#[derive(Debug, Clone, Copy)]
struct Wander {
    at_ns: u64,
    value: f64,
}

impl Wander {
    fn begin(now_ns: u64, rng: &mut SplitMix64) -> Self {
        Self { at_ns: now_ns, value: normal(rng) }
    }

    /// Its value then, having forgotten with the time `forgets_s`.
    fn at(&mut self, now_ns: u64, forgets_s: f64, rng: &mut SplitMix64) -> f64 {
        let seconds = now_ns.saturating_sub(self.at_ns) as f64 / 1e9;
        let kept = (-seconds / forgets_s.max(1e-9)).exp();
        self.at_ns = now_ns;
        self.value = kept * self.value + (1.0 - kept * kept).sqrt() * normal(rng);
        self.value
    }
}

/// The machine at work.
#[derive(Debug)]
pub(super) struct Machine {
    noise: Noise,
    rng: SplitMix64,
    processes: u64,
    common: Wander,
    own: BTreeMap<String, Wander>,
}

impl Machine {
    pub(super) fn new(noise: Noise) -> Self {
        let mut rng = SplitMix64::new(noise.seed);
        let common = Wander::begin(0, &mut rng);
        Self { noise, rng, processes: 0, common, own: BTreeMap::new() }
    }

    /// The factor by which a new process is slower than the mean one.
    pub(super) fn start_process(&mut self) -> f64 {
        let second = if self.processes % 2 == 1 { self.noise.second_place } else { 0.0 };
        self.processes += 1;
        let mut log = second + self.noise.process * normal(&mut self.rng);
        if uniform(&mut self.rng) < self.noise.burst_share {
            log -= self.noise.burst * uniform(&mut self.rng).ln();
        }
        log.exp()
    }

    /// The factor by which a piece of work of `subject`, begun now, is slowed by the machine.
    pub(super) fn slowness_at(&mut self, now_ns: u64, subject: &str) -> f64 {
        let Self { noise, rng, processes: _, common, own } = self;
        let mut log = noise.drift_per_hour * now_ns as f64 / 3.6e12;
        log += noise.wander * common.at(now_ns, noise.wander_s, rng);
        if noise.own_wander > 0.0 {
            let own = own.entry(subject.to_owned()).or_insert_with(|| Wander::begin(now_ns, rng));
            log += noise.own_wander * own.at(now_ns, noise.own_wander_s, rng);
        }
        log += noise.sample * normal(rng);
        if uniform(rng) < noise.delayed_share {
            log += (1.0 - noise.delay * uniform(rng).ln()).ln();
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
        Noise { seed: 7, ..Noise::default() }
    }

    fn spread(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
        (mean, variance.sqrt())
    }

    fn correlation(pairs: &[(f64, f64)]) -> f64 {
        let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let ((mx, sx), (my, sy)) = (spread(&xs), spread(&ys));
        pairs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (pairs.len() - 1) as f64 / (sx * sy)
    }

    #[test]
    fn each_part_has_its_size() {
        let mut machine = Machine::new(Noise { sample: 0.02, ..steady() });
        let logs: Vec<f64> = (0..20_000).map(|_| machine.slowness_at(0, "a").ln()).collect();
        let (mean, sigma) = spread(&logs);
        assert!(mean.abs() < 5e-4 && (sigma - 0.02).abs() < 5e-4, "{mean} {sigma}");

        let mut machine = Machine::new(Noise { second_place: 0.03, ..steady() });
        let places: Vec<f64> = (0..4).map(|_| machine.start_process().ln()).collect();
        assert!(places.iter().zip([0.0, 0.03, 0.0, 0.03]).all(|(a, b)| (a - b).abs() < 1e-12));

        let mut machine = Machine::new(Noise { drift_per_hour: 0.1, ..steady() });
        assert!((machine.slowness_at(3_600_000_000_000, "a").ln() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_wandering_remembers() {
        let mut machine = Machine::new(Noise { wander: 0.05, wander_s: 10.0, ..steady() });
        let logs: Vec<f64> = (0..50_000_u64).map(|i| machine.slowness_at(i * 1_000_000_000, "a").ln()).collect();
        let (_, sigma) = spread(&logs);
        assert!((sigma - 0.05).abs() < 0.005, "{sigma}");
        let lag1 = logs.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / logs.iter().map(|x| x * x).sum::<f64>();
        assert!((lag1 - (-0.1_f64).exp()).abs() < 0.01, "{lag1}");
    }

    #[test]
    fn what_is_common_moves_all_subjects_and_what_is_own_moves_one() {
        // Every 100 s each of two subjects works once: within a turn the common part has hardly moved.
        let turns = |noise: Noise| -> Vec<(f64, f64)> {
            let mut machine = Machine::new(noise);
            let at = |turn: u64| turn * 100_000_000_000;
            (0..20_000).map(|t| (machine.slowness_at(at(t), "a").ln(), machine.slowness_at(at(t), "b").ln())).collect()
        };
        let common = correlation(&turns(Noise { wander: 0.05, wander_s: 20.0, ..steady() }));
        let own = correlation(&turns(Noise { own_wander: 0.05, own_wander_s: 20.0, ..steady() }));
        let half = Noise { wander: 0.05, wander_s: 20.0, own_wander: 0.05, own_wander_s: 20.0, ..steady() };
        let half = correlation(&turns(half));
        assert!(common > 0.999 && own.abs() < 0.03 && (half - 0.5).abs() < 0.03, "{common} {own} {half}");
    }

    #[test]
    fn own_wandering_makes_neighbouring_rounds_of_a_ratio_alike() {
        let noise = Noise { own_wander: 0.05, own_wander_s: 100.0 / 2.0_f64.ln(), ..steady() };
        let mut machine = Machine::new(noise);
        let mut ratio = |round: u64| {
            let at = round * 100_000_000_000;
            machine.slowness_at(at, "a").ln() - machine.slowness_at(at, "b").ln()
        };
        let d: Vec<f64> = (0..20_000).map(&mut ratio).collect();
        let neighbours: Vec<(f64, f64)> = d.windows(2).map(|w| (w[0], w[1])).collect();
        assert!((correlation(&neighbours) - 0.5).abs() < 0.03, "{}", correlation(&neighbours));
    }

    #[test]
    fn bursts_hit_a_process_for_its_life() {
        let mut machine = Machine::new(Noise { burst_share: 0.25, burst: 0.2, ..steady() });
        let logs: Vec<f64> = (0..20_000).map(|_| machine.start_process().ln()).collect();
        let hit: Vec<f64> = logs.iter().copied().filter(|log| *log > 0.0).collect();
        assert!(logs.iter().all(|log| *log >= 0.0));
        assert!((hit.len() as f64 / 20_000.0 - 0.25).abs() < 0.01 && (spread(&hit).0 - 0.2).abs() < 0.01);
    }

    #[test]
    fn delays_only_slow_down() {
        let mut machine = Machine::new(Noise { delayed_share: 0.5, delay: 0.1, ..steady() });
        let slow: Vec<f64> = (0..10_000).map(|_| machine.slowness_at(0, "a")).collect();
        assert!(slow.iter().all(|&s| s >= 1.0));
        assert!((spread(&slow).0 - 1.05).abs() < 0.005);
    }
}
