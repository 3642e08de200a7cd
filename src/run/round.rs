//! One round: an invocation of every model, one after the other or all side by side with their samples alternating.

use super::{
    bench::Bench,
    course::Decided,
    invocation::{Finished, Invocation, PrecededBy, ResidentWorker, Task},
    schedule::{order, prompts_in},
    workload::synthetic,
};
use crate::{
    event::{Event, Observer},
    record::{Arrangement, Outcome, Plan, PromptText, Round, Run, WorkloadKind},
};

/// Workers kept from round to round, by model.
pub(super) type ResidentWorkers = Vec<Option<ResidentWorker>>;

/// A prompt that is asked in this round.
struct Asked<'a> {
    workload: usize,
    id: &'a str,
    prompt: &'a PromptText,
}

/// Makes a round. A model that failed before is not invoked again: it would fail the same way and cost the others their time.
pub(super) fn make(
    bench: &Bench<'_>,
    run: &Run,
    index: u32,
    decided: &Decided,
    residents: &mut ResidentWorkers,
    observer: &mut dyn Observer,
) -> Round {
    let models: Vec<usize> = order(run.subjects.len(), index, bench.plan.seed)
        .into_iter()
        .filter(|&model| run.subjects[model].outcome == Outcome::Done)
        .collect();
    let steps = steps(bench.plan, index, decided) * u32::try_from(models.len()).unwrap_or(u32::MAX);
    observer.on(Event::Round { index, of: decided.expected_rounds, steps });
    let mut round = Round { index, visits: Vec::new() };
    let mut retries = Vec::new();
    // Alone in a group is sequential; all in one group is alternating.
    let group_size = match decided.arrangement {
        Arrangement::Sequential => 1,
        Arrangement::Alternating => models.len().max(1),
    };
    for group in models.chunks(group_size) {
        if bench.interrupted() {
            break;
        }
        let mut invocations: Vec<Invocation<'_>> = group
            .iter()
            .map(|&model| Invocation::begin(bench, task(bench, run, model), residents[model].take()))
            .collect();
        measure(bench, index, decided, &mut invocations, observer);
        for invocation in invocations {
            let Finished { visit, is_transient, resident } = end(invocation, decided);
            residents[visit.model] = resident;
            let visits = if is_transient { &mut retries } else { &mut round.visits };
            visits.push(visit);
        }
    }
    // Once, and when the others are done: what ended it may have passed by then.
    for first in retries {
        if bench.interrupted() {
            round.visits.push(first);
            continue;
        }
        let mut invocation = Invocation::retry(bench, task(bench, run, first.model), first);
        measure(bench, index, decided, std::slice::from_mut(&mut invocation), observer);
        let Finished { visit, resident, .. } = end(invocation, decided);
        residents[visit.model] = resident;
        round.visits.push(visit);
    }
    observer.on(Event::RoundDone);
    round
}

fn task<'a>(bench: &'a Bench<'_>, run: &'a Run, model: usize) -> Task<'a> {
    let subject = &run.subjects[model];
    let file_bytes = subject.model.facts.as_ref().map_or(0, |f| f.file_bytes);
    Task { model, name: &subject.name, path: &bench.files[model], settings: &subject.settings, file_bytes }
}

fn end(invocation: Invocation<'_>, decided: &Decided) -> Finished {
    if decided.resident { invocation.keep() } else { invocation.close() }
}

/// Measures a group: each of its samples in every worker before the next, forwards and backwards in turn.
fn measure(
    bench: &Bench<'_>,
    round: u32,
    decided: &Decided,
    invocations: &mut [Invocation<'_>],
    observer: &mut dyn Observer,
) {
    for invocation in invocations.iter_mut() {
        invocation.open(observer);
    }
    let workers: Vec<u32> = invocations.iter().filter_map(Invocation::pid).collect();
    for invocation in invocations.iter_mut() {
        invocation.watch(&workers);
    }
    let preceded_by = if invocations.len() > 1 { PrecededBy::AnotherWorker } else { PrecededBy::OwnWork };
    for work in synthetic(bench.plan) {
        for invocation in invocations.iter_mut() {
            invocation.prepare(work, observer);
        }
        for inner in 0..decided.inner(work.workload) {
            in_turn(invocations, inner, |invocation| invocation.sample(work, inner, preceded_by, observer));
        }
    }
    let asked = asked(bench.plan, round, decided);
    if !asked.is_empty() {
        let prompts: Vec<(usize, &PromptText)> = asked.iter().map(|a| (a.workload, a.prompt)).collect();
        for invocation in invocations.iter_mut() {
            invocation.prepare_prompts(&prompts);
        }
        for (turn, Asked { workload, id, prompt }) in (0..).zip(&asked) {
            in_turn(invocations, turn, |invocation| invocation.answer(*workload, id, prompt, observer));
        }
    }
    for invocation in invocations.iter_mut() {
        invocation.account(&workers);
    }
}

/// Forwards in even turns, backwards in odd ones, so that whoever comes second is second to each as often as first.
fn in_turn<'a>(invocations: &mut [Invocation<'a>], turn: u32, mut one: impl FnMut(&mut Invocation<'a>)) {
    if turn.is_multiple_of(2) {
        invocations.iter_mut().for_each(&mut one);
    } else {
        invocations.iter_mut().rev().for_each(&mut one);
    }
}

fn asked<'a>(plan: &'a Plan, round: u32, decided: &Decided) -> Vec<Asked<'a>> {
    let ask = |workload: usize| match &plan.workloads[workload] {
        w if let WorkloadKind::Prompt(prompt) = &w.kind => Some(Asked { workload, id: &w.id, prompt }),
        _ => None,
    };
    prompts_in(plan, round, decided.prompts).into_iter().filter_map(ask).collect()
}

/// Steps of one visit that the progress display counts.
fn steps(plan: &Plan, round: u32, decided: &Decided) -> u32 {
    let prompts = u32::try_from(prompts_in(plan, round, decided.prompts).len()).unwrap_or(u32::MAX);
    // The load and each warm-up are steps of their own.
    1 + synthetic(plan).map(|work| 1 + decided.inner(work.workload)).sum::<u32>() + prompts
}

#[cfg(test)]
mod tests;
