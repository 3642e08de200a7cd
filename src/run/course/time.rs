//! Whether the least rounds fit the time that is aimed at.

use crate::{
    record::{Outcome, Phase, Run, Sample, WorkloadKind},
    run::{
        Bench,
        course::newest,
        schedule::{Asking, prompts_in},
        stopping,
        visit::synthetic,
    },
};

/// What rounds take, as the newest mirrored pair did, and what there is. All for a round, of all models.
pub(super) struct Time {
    /// Until the run is to be over, outputs compared; less than 0 when that has passed.
    pub(super) left_ns: f64,
    /// To the least.
    pub(super) rounds_left: u32,
    /// Loading, warming up, closing.
    once_ns: f64,
    /// The samples of the synthetic workloads.
    pub(super) samples_ns: f64,
    /// The prompts to come, as planned.
    pub(super) planned_ns: f64,
    /// As few as have an interval.
    fewest_ns: f64,
    /// And the longest no more often than they were asked.
    longest_once_ns: f64,
}

impl Time {
    /// `None` without a time to keep.
    pub(super) fn of(bench: &Bench<'_>, run: &Run, done: u32) -> Option<Self> {
        let protocol = &bench.plan.protocol;
        let left_ns = stopping::left_ns(run, run.elapsed_ns())? - stopping::quality_ns(run);
        let pair = &run.rounds[run.rounds.len().saturating_sub(2)..];
        let synthetic: Vec<usize> = synthetic(bench.plan).map(|work| work.workload).collect();
        let taking = |is_synthetic: bool| -> f64 {
            let samples = pair.iter().flat_map(|r| &r.visits).flat_map(|v| &v.samples);
            let of_kind = samples.filter(|s| synthetic.contains(&s.workload) == is_synthetic);
            of_kind.map(|s| s.wall_ns as f64).sum::<f64>() / 2.0
        };
        let (samples_ns, prompts_ns) = (taking(true), taking(false));
        let to_come = |asking| -> f64 {
            let rounds = done..protocol.min_rounds;
            rounds.flat_map(|round| prompts_in(bench.plan, round, asking)).map(|prompt| prompt_ns(run, prompt)).sum()
        };
        Some(Self {
            left_ns,
            rounds_left: protocol.min_rounds.saturating_sub(done),
            once_ns: (stopping::pair_ns(run) / 2.0 - samples_ns - prompts_ns).max(0.0),
            samples_ns,
            planned_ns: to_come(Asking::AsPlanned),
            fewest_ns: to_come(Asking::Fewest),
            longest_once_ns: to_come(Asking::LongestOnce),
        })
    }

    /// To the least rounds, when the samples of a round take so long.
    pub(super) fn needed_ns(&self, asking: Asking, samples_ns: f64) -> f64 {
        let prompts_ns = match asking {
            Asking::AsPlanned => self.planned_ns,
            Asking::Fewest => self.fewest_ns,
            Asking::LongestOnce => self.longest_once_ns,
        };
        f64::from(self.rounds_left) * (self.once_ns + samples_ns) + prompts_ns
    }
}

/// What a prompt takes of all models, as those of its category did.
fn prompt_ns(run: &Run, prompt: usize) -> f64 {
    let workloads = &run.plan.workloads;
    let category = |workload: usize| match &workloads[workload].kind {
        WorkloadKind::Prompt(prompt) => Some(&prompt.category),
        _ => None,
    };
    let of_category = |s: &&Sample| category(s.workload) == category(prompt);
    let samples = || newest(run).flat_map(|v| &v.samples).filter(of_category);
    let taken_ns: f64 = samples().map(|s| s.wall_ns as f64).sum();
    // A model's answer begins with one evaluation.
    let asked = samples().filter(|s| s.phase == Phase::Prefill).count().max(1) as f64;
    let models = run.subjects.iter().filter(|m| m.outcome == Outcome::Done).count() as f64;
    taken_ns / asked * models
}
