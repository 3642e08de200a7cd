//! How often the gate errs: records drawn from machines whose scatter between runs is known, held against a limit by the gate itself.
//! `cargo test --release --lib error_rates -- --nocapture` prints the table of docs/validation.md.

#![expect(clippy::print_stdout, reason = "the table is for people to read")]

use std::path::Path;

use super::diff;
use crate::{
    analysis::gate::{GateVerdict, Limit},
    record::{Outcome, Phase, Run, read_run},
    stats::{self, SplitMix64},
};

/// A machine, by what its runs scatter by.
#[derive(Clone, Copy)]
enum Machine {
    /// Normal: so much from run to run, common to the models of a run, and so much from round to round.
    Normal { between: f64, within: f64 },
    /// As ten runs of a real one did: whole runs are drawn.
    Measured,
}

const LIMIT: &str = "tg128<-3%";
/// The table of docs/validation.md is of 300.
const SIMULATIONS: u32 = 100;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs").join(name)
}

/// Two models, one sample of generation in each of six rounds.
fn record() -> Run {
    let mut run = read_run(&fixture("v1.json")).expect("the fixture is a record");
    run.subjects.truncate(2);
    run.subjects.iter_mut().for_each(|subject| subject.outcome = Outcome::Done);
    run.quality = None;
    run.rounds.truncate(6);
    for round in &mut run.rounds {
        round.visits.retain(|visit| visit.model < 2);
        for visit in &mut round.visits {
            let mut decodes = 0;
            visit.samples.retain(|sample| {
                decodes += u32::from(sample.phase == Phase::Decode);
                sample.phase == Phase::Decode && decodes == 1
            });
            visit.generations.clear();
            visit.memory = None;
            visit.load = None;
        }
    }
    run
}

/// Deviations from the mean over all runs, by run, model and round.
fn measured() -> Vec<[Vec<f64>; 2]> {
    #[derive(serde::Deserialize)]
    struct TenRuns {
        runs: Vec<[Vec<f64>; 2]>,
    }
    let text = std::fs::read_to_string(fixture("ten-runs.json")).expect("the fixture is there");
    let TenRuns { mut runs } = serde_json::from_str(&text).expect("the fixture is JSON");
    for model in 0..2 {
        let all: Vec<f64> = runs.iter().flat_map(|run| run[model].iter().copied()).collect();
        let mean = stats::mean(&all).expect("runs");
        runs.iter_mut().flat_map(|run| &mut run[model]).for_each(|value| *value -= mean);
    }
    runs
}

fn normal(rng: &mut SplitMix64) -> f64 {
    (-2.0 * (1.0 - rng.unit()).ln()).sqrt() * (std::f64::consts::TAU * rng.unit()).cos()
}

struct Simulation {
    record: Run,
    measured: Vec<[Vec<f64>; 2]>,
    limit: Limit,
}

impl Simulation {
    /// A record of a machine, of a build whose speed is `speed` times the first one's.
    fn run(&self, machine: Machine, speed: f64, rng: &mut SplitMix64) -> Run {
        let mut run = self.record.clone();
        let drawn = &self.measured[rng.below(self.measured.len())];
        let mood = normal(rng);
        for (index, round) in run.rounds.iter_mut().enumerate() {
            for visit in &mut round.visits {
                let deviation = match machine {
                    Machine::Normal { between, within } => between * mood + within * normal(rng),
                    Machine::Measured => drawn[visit.model][index],
                };
                let ns = 5e9 / speed / deviation.exp();
                for sample in &mut visit.samples {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
                    let ns = ns as u64;
                    (sample.wall_ns, sample.native_ns) = (ns, Some(ns));
                }
            }
        }
        run
    }

    /// Shares of gates that end in PASS, FAIL and INCONCLUSIVE.
    fn shares(&self, machine: Machine, records: usize, speed: f64, stream: u64) -> [f64; 3] {
        let mut rng = SplitMix64::new(stream);
        let mut counts = [0_u32; 3];
        for _ in 0..SIMULATIONS {
            let old: Vec<Run> = (0..records).map(|_| self.run(machine, 1.0, &mut rng)).collect();
            let new: Vec<Run> = (0..records).map(|_| self.run(machine, speed, &mut rng)).collect();
            let gate =
                diff(&old, &new, std::slice::from_ref(&self.limit)).expect("it can be held").gate.expect("a limit");
            let verdicts = [GateVerdict::Pass, GateVerdict::Fail, GateVerdict::Inconclusive];
            counts[verdicts.iter().position(|own| *own == gate.verdict).expect("one of three")] += 1;
        }
        counts.map(|count| f64::from(count) / f64::from(SIMULATIONS))
    }
}

#[test]
fn error_rates_of_the_gate_between_runs() {
    let simulation =
        Simulation { record: record(), measured: measured(), limit: LIMIT.parse().expect("the limit can be read") };
    let machines = [
        ("1 % between runs, 1 % within", Machine::Normal { between: 0.01, within: 0.01 }),
        ("5 % between runs, 5 % within", Machine::Normal { between: 0.05, within: 0.05 }),
        ("18 % between runs, 5 % within", Machine::Normal { between: 0.18, within: 0.05 }),
        ("ten runs of a busy machine", Machine::Measured),
    ];
    // Three standard errors of a share of 2.5 %.
    let chance = 0.025 + 3.0 * (0.025_f64 * 0.975 / f64::from(SIMULATIONS)).sqrt();
    println!(
        "| machine | records a side | no change: FAIL | PASS | 10 % slower: PASS | FAIL | 30 % slower: PASS | FAIL |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (at, (name, machine)) in (0..).zip(machines) {
        for records in [1, 3, 5, 10] {
            let of = |speed| simulation.shares(machine, records, speed, 90 + at);
            let (same, slower, half) = (of(1.0), of(0.9), of(0.7));
            let cells = [same[1], same[0], slower[0], slower[1], half[0], half[1]];
            let cells = cells.map(|share| format!("{:.1} %", share * 100.0)).join(" | ");
            println!("| {name} | {records} | {cells} |");
            if records > 1 {
                assert!(same[1] <= chance, "{name}, {records} records: {same:?} fail without a change");
                assert!(slower[0] <= chance && half[0] <= chance, "{name}, {records}: {slower:?} {half:?} pass");
            } else if at > 1 {
                // That is why: one record of each side takes the mood of a run for a change.
                assert!(same[1] > 0.15, "{name}: {same:?}");
            }
        }
    }
}
