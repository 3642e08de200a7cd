//! Where the time of a run went: asked, planned and taken, by part.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::series::total;
use crate::record::{Budget, GivenUp, Run, TimeParts, WorkloadKind, round_value};

/// Asked, planned and taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TimeSpent {
    /// Time aimed at or allowed, seconds; `None` where none was.
    pub asked_s: Option<u64>,
    /// Whether it was a limit.
    pub is_limit: bool,
    /// As planned after the probe; `None` where there was none.
    pub planned: Option<TimeParts>,
    /// As it was.
    pub taken: TimeParts,
    /// What was given up for want of time.
    pub given_up: Vec<GivenUp>,
    /// Rounds beside which the machine itself was slower or faster than usual, counted from 0.
    pub spoilt_rounds: Vec<u32>,
    /// Whether they are left out of every figure.
    pub spoilt_left_out: bool,
}

pub(super) fn spent(run: &Run) -> TimeSpent {
    let is_prompt = |workload: usize| matches!(run.plan.workloads[workload].kind, WorkloadKind::Prompt(_));
    let visits = || run.rounds.iter().flat_map(|round| &round.visits);
    let prompts = visits().flat_map(|v| &v.samples).filter(|s| is_prompt(s.workload)).map(|s| s.wall_ns);
    let prompts_ns = total(prompts);
    let rounds_ns = total(run.rounds.iter().map(crate::record::Round::duration_ns));
    let plan = run.time_plan.as_ref();
    TimeSpent {
        asked_s: run.plan.protocol.budget_s,
        is_limit: run.plan.protocol.budget == Budget::Limit,
        planned: plan.map(|plan| plan.planned),
        taken: TimeParts {
            probe_ns: total(run.probes.iter().map(|probe| probe.duration_ns)),
            rounds_ns: rounds_ns.saturating_sub(prompts_ns),
            prompts_ns,
            outputs_ns: total(run.quality.iter().flat_map(|quality| &quality.workers).map(|worker| worker.wall_ns)),
            tasks_ns: total(run.tasks.iter().flat_map(|tasks| &tasks.results).map(|result| result.wall_ns)),
        },
        given_up: plan.map_or_else(Vec::new, |plan| plan.given_up.clone()),
        spoilt_rounds: round_value::spoilt(run).into_iter().collect(),
        spoilt_left_out: !round_value::left_out(run).is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_rounds_and_the_comparison() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = crate::record::read_run(&path).expect("the fixture is a record");
        let spent = spent(&run);
        assert_eq!((spent.planned, spent.taken.probe_ns), (None, 0), "there was no probe in its time");
        let visits: u64 = run.rounds.iter().flat_map(|r| &r.visits).map(|v| v.duration_ns).sum();
        let TimeParts { rounds_ns, prompts_ns, .. } = spent.taken;
        assert!(rounds_ns > 0, "{:?}", spent.taken);
        assert!(rounds_ns + prompts_ns <= visits, "models side by side share the time of a round");
    }
}
