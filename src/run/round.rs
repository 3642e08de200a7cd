//! One round: every model's visit, one after the other or all side by side with their samples alternating.

use super::{
    Bench,
    course::Decided,
    lost::Again,
    schedule::{order, prompts_in},
    visit::{Before, Over, Resident, Task, Visitor, synthetic},
};
use crate::{
    event::{Event, Observer},
    record::{Arrangement, Outcome, Plan, PromptText, Round, Run, WorkloadKind},
};

/// Workers kept from round to round, by model.
pub(super) type Stable = Vec<Option<Resident>>;

/// A prompt that is asked in this round.
struct Asked<'a> {
    workload: usize,
    id: &'a str,
    prompt: &'a PromptText,
}

/// Makes a round. A model that failed before is not visited again: it would fail the same way and cost the others their time.
pub(super) fn make(
    bench: &Bench<'_>,
    run: &Run,
    index: u32,
    decided: &Decided,
    stable: &mut Stable,
    observer: &mut dyn Observer,
) -> Round {
    let models: Vec<usize> = order(run.subjects.len(), index, bench.plan.seed)
        .into_iter()
        .filter(|&model| run.subjects[model].outcome == Outcome::Done)
        .collect();
    let steps = steps(bench.plan, index, decided) * u32::try_from(models.len()).unwrap_or(u32::MAX);
    observer.on(Event::Round { index, of: decided.expected_rounds, steps });
    let mut round = Round { index, visits: Vec::new() };
    let mut lost = Vec::new();
    // Alone in a group is sequential; all in one group is alternating.
    let group_size = match decided.arrangement {
        Arrangement::Sequential => 1,
        Arrangement::Alternating => models.len().max(1),
    };
    for group in models.chunks(group_size) {
        if bench.interrupted() {
            break;
        }
        let mut visitors: Vec<Visitor<'_>> =
            group.iter().map(|&model| Visitor::begin(bench, task(bench, run, model), stable[model].take())).collect();
        together(bench, index, decided, &mut visitors, observer);
        for visitor in visitors {
            let Over { visit, again, resident } = end(visitor, decided);
            stable[visit.model] = resident;
            let visits = if again == Again::MayHelp { &mut lost } else { &mut round.visits };
            visits.push(visit);
        }
    }
    // Once, and when the others are done: what ended it may have passed by then.
    for first in lost {
        if bench.interrupted() {
            round.visits.push(first);
            continue;
        }
        let mut visitor = Visitor::again(bench, task(bench, run, first.model), first);
        together(bench, index, decided, std::slice::from_mut(&mut visitor), observer);
        let Over { visit, resident, .. } = end(visitor, decided);
        stable[visit.model] = resident;
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

fn end(visitor: Visitor<'_>, decided: &Decided) -> Over {
    if decided.resident { visitor.keep() } else { visitor.close() }
}

/// Measures a group: each of its samples in every worker before the next, forwards and backwards in turn.
fn together(
    bench: &Bench<'_>,
    round: u32,
    decided: &Decided,
    visitors: &mut [Visitor<'_>],
    observer: &mut dyn Observer,
) {
    for visitor in visitors.iter_mut() {
        visitor.open(observer);
    }
    let workers: Vec<u32> = visitors.iter().filter_map(Visitor::pid).collect();
    for visitor in visitors.iter_mut() {
        visitor.watch(&workers);
    }
    let before = if visitors.len() > 1 { Before::Another } else { Before::Own };
    for work in synthetic(bench.plan) {
        for visitor in visitors.iter_mut() {
            visitor.prepare(work, observer);
        }
        for inner in 0..decided.inner(work.workload) {
            in_turn(visitors, inner, |visitor| visitor.sample(work, inner, before, observer));
        }
    }
    let asked = asked(bench.plan, round, decided);
    if !asked.is_empty() {
        let prompts: Vec<(usize, &PromptText)> = asked.iter().map(|a| (a.workload, a.prompt)).collect();
        for visitor in visitors.iter_mut() {
            visitor.prepare_prompts(&prompts);
        }
        for (turn, Asked { workload, id, prompt }) in (0..).zip(&asked) {
            in_turn(visitors, turn, |visitor| visitor.answer(*workload, id, prompt, observer));
        }
    }
    for visitor in visitors.iter_mut() {
        visitor.account(&workers);
    }
}

/// Forwards in even turns, backwards in odd ones, so that whoever comes second is second to each as often as first.
fn in_turn<'a>(visitors: &mut [Visitor<'a>], turn: u32, mut one: impl FnMut(&mut Visitor<'a>)) {
    if turn.is_multiple_of(2) {
        visitors.iter_mut().for_each(&mut one);
    } else {
        visitors.iter_mut().rev().for_each(&mut one);
    }
}

fn asked<'a>(plan: &'a Plan, round: u32, decided: &Decided) -> Vec<Asked<'a>> {
    let ask = |workload: usize| match &plan.workloads[workload] {
        w if let WorkloadKind::Prompt(prompt) = &w.kind => Some(Asked { workload, id: &w.id, prompt }),
        _ => None,
    };
    prompts_in(plan, round, decided.asking).into_iter().filter_map(ask).collect()
}

/// Steps of one visit that the progress display counts.
fn steps(plan: &Plan, round: u32, decided: &Decided) -> u32 {
    let prompts = u32::try_from(prompts_in(plan, round, decided.asking).len()).unwrap_or(u32::MAX);
    // The load and each warm-up are steps of their own.
    1 + synthetic(plan).map(|work| 1 + decided.inner(work.workload)).sum::<u32>() + prompts
}

#[cfg(test)]
mod tests;
