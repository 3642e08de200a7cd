//! Whether the parts of a record fit each other.

use super::{Decision, Quality, Run, TaskItem, Tasks};

/// Rounds are counted from 1 where people read them: numbers past any run's stay away from the largest there is.
const MOST_ROUNDS: u32 = 1 << 24;

/// A record sent by someone is untrusted: every index it holds is checked once, here. The error names the index, and what there is
/// instead.
pub(super) fn check(run: &Run) -> Result<(), String> {
    if run.subjects.is_empty() {
        return Err("it has no models".into());
    }
    let rounds = run.rounds.iter().map(|round| round.index).chain(run.resumed.iter().map(|resumed| resumed.from_round));
    let decisions = run.adaptation.iter().flat_map(|adaptation| &adaptation.decisions);
    let dropped = decisions.filter_map(|decision| match decision {
        Decision::Dropped { from_round, .. } => Some(*from_round),
        Decision::OneAfterTheOther { .. } | Decision::OneClientAServer | Decision::Told(_) => None,
    });
    if let Some(round) = rounds.chain(dropped).find(|&round| round >= MOST_ROUNDS) {
        return Err(format!("it names round {round}: there are at most {MOST_ROUNDS}"));
    }
    if let Some(probe) = run.probes.iter().find(|probe| probe.model >= run.subjects.len()) {
        return Err(format!("a probe names model {} of {}", probe.model, run.subjects.len()));
    }
    for visit in run.rounds.iter().flat_map(|round| &round.visits) {
        if visit.model >= run.subjects.len() {
            return Err(format!("a visit names model {} of {}", visit.model, run.subjects.len()));
        }
        let warmup = visit.warmup.iter().flat_map(|w| &w.samples);
        let mut workloads = visit
            .samples
            .iter()
            .chain(warmup)
            .chain(visit.retried.iter().flat_map(|r| &r.samples))
            .map(|s| s.workload)
            .chain(visit.generations.iter().map(|g| g.workload))
            .chain(visit.skipped.iter().map(|s| s.workload))
            .chain(visit.memory.iter().flat_map(|m| &m.series.marks).filter_map(|(_, what)| what.workload()));
        if let Some(workload) = workloads.find(|&w| w >= run.plan.workloads.len()) {
            return Err(format!("a sample names workload {workload} of {}", run.plan.workloads.len()));
        }
    }
    run.quality.as_ref().map_or(Ok(()), |quality| check_quality(quality, run.subjects.len()))?;
    run.tasks.as_ref().map_or(Ok(()), |tasks| check_tasks(tasks, run.subjects.len()))
}

fn check_tasks(tasks: &Tasks, models: usize) -> Result<(), String> {
    for plan in &tasks.plans {
        let wrong = |item: &&TaskItem| {
            item.answer >= item.choices || item.group.is_some_and(|group| usize::from(group) >= plan.groups.len())
        };
        if let Some(item) = plan.items.iter().find(wrong) {
            return Err(format!(
                "a task names answer {} of {}, or a group that is not there",
                item.answer, item.choices
            ));
        }
    }
    for result in &tasks.results {
        if result.subject >= models {
            return Err(format!("a task names model {} of {models}", result.subject));
        }
        if result.tasks.len() > tasks.plans.len() {
            return Err(format!("a model answered {} of {} tasks", result.tasks.len(), tasks.plans.len()));
        }
        for (plan, scores) in tasks.plans.iter().zip(&result.tasks) {
            if scores.choices_nats.len() > plan.items.len() {
                return Err(format!("a model answered {} of {} items", scores.choices_nats.len(), plan.items.len()));
            }
            let wrong =
                |(item, nats): (&TaskItem, &Vec<f32>)| !nats.is_empty() && nats.len() != usize::from(item.choices);
            if plan.items.iter().zip(&scores.choices_nats).any(wrong) {
                return Err("a model weighed other choices than an item has".into());
            }
        }
    }
    Ok(())
}

fn check_quality(quality: &Quality, models: usize) -> Result<(), String> {
    let named = quality.workers.iter().flat_map(|w| &w.candidates).chain(quality.results.iter().map(|r| &r.candidate));
    if let Some(model) = named.copied().find(|&m| m >= models) {
        return Err(format!("a comparison names model {model} of {models}"));
    }
    for result in quality.results.iter().flat_map(|r| &r.texts) {
        let Some(text) = quality.texts.get(result.text) else {
            return Err(format!("a comparison names text {} of {}", result.text, quality.texts.len()));
        };
        if let Some(window) = result.windows.iter().find(|w| w.window >= text.n_windows) {
            return Err(format!("a comparison names window {} of {}", window.window, text.n_windows));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Adaptation, Arrangement, Mark, Resumed, read_run};

    /// What is said of the fixture's run after it was changed.
    fn said(change: impl FnOnce(&mut Run)) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = read_run(&path).expect("the fixture fits itself");
        change(&mut run);
        check(&run).expect_err("it was spoiled")
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let models = said(|run| run.subjects.clear());
        assert_eq!(models, "it has no models");
        let visit = said(|run| run.rounds[0].visits[0].model = 70);
        assert!(visit.starts_with("a visit names model 70 of "), "{visit}");
        let sample = said(|run| run.rounds[0].visits[0].samples[0].workload = 70);
        assert!(sample.starts_with("a sample names workload 70 of "), "{sample}");
        let mark = said(|run| {
            let memory = run.rounds[0].visits[0].memory.as_mut().expect("it has memory");
            memory.series.marks.push((0, Mark::WarmUp(70)));
        });
        assert_eq!(mark, sample);
    }

    /// Found by fuzzing: one more than the last number there is was asked for, to count from 1.
    #[test]
    fn rounds_that_no_run_has_are_refused() {
        let round = said(|run| run.rounds[0].index = u32::MAX);
        assert_eq!(round, "it names round 4294967295: there are at most 16777216");
        let resumed = Resumed { from_round: u32::MAX, at_utc: String::new() };
        assert_eq!(said(|run| run.resumed.push(resumed)), round);
        let adaptation = Adaptation {
            arrangement: Arrangement::Alternating,
            samples_per_round: Vec::new(),
            decisions: vec![Decision::Dropped {
                subject: 1,
                name: String::new(),
                from_round: u32::MAX,
                because: crate::record::DropReason::Dominated { by: String::new() },
            }],
        };
        assert_eq!(said(|run| run.adaptation = Some(adaptation)), round);
    }
}
