//! Tasks: every model alone in a worker of its own, asked the same items in the same order; the original first, and the others no further
//! than it came.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    bench::{Bench, Save, note},
    connection::Connection,
    exit::WorkerExit,
};
use crate::{
    event::{Event, Observer},
    prompts::{Passage, Task},
    protocol::{Alternatives, Choose, Close, Likelihoods, Load, Weighed},
    record::{
        Budget, Outcome, Role, Run, Stage, TaskItem, TaskKind, TaskPlan, TaskResult, TaskScores, TaskStop, TaskWork,
        Tasks, journal::Entry,
    },
    units::whole_ns,
};

/// Passages in a call, and tokens of all of them unless one alone has more: between calls the clock and the person are looked at.
const PASSAGES_A_CALL: usize = 8;
const TOKENS_A_CALL: f64 = 2048.0;

/// The tasks of a run, with their texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskInputs {
    pub(crate) tasks: Vec<Task>,
}

impl TaskInputs {
    /// What every model is asked, for people before anything runs; a line a task.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let of = |task: &Task| {
            let items: usize = task.passages.iter().map(|passage| passage.questions.len()).sum();
            let tokens: f64 = task.passages.iter().map(|passage| tokens(passage).0).sum();
            format!("{}: {items} items, about {tokens:.0} tokens of every model", task.name)
        };
        self.tasks.iter().map(of).collect()
    }

    /// What all of them ask of every model; `None` without any.
    pub(crate) fn work(&self) -> Option<TaskWork> {
        let passages = || self.tasks.iter().flat_map(|task| &task.passages).map(tokens);
        let (all, before) = passages().fold((0.0, 0.0), |(all, before), own| (all + own.0, before + own.1));
        (!self.tasks.is_empty()).then(|| TaskWork { tokens: whole_ns(all), tokens_before: whole_ns(before) })
    }
}

/// Tokens of a passage and its endings, by their characters, and those that come before each of them, all together: endings follow the
/// whole passage.
fn tokens(passage: &Passage) -> (f64, f64) {
    let tokens = |bytes: usize| bytes as f64 / super::costs::CHARS_PER_TOKEN;
    let text = tokens(passage.text.len());
    let endings = passage.questions.iter().flat_map(|question| &question.endings);
    let endings: f64 = endings.map(|ending| tokens(ending.before.len() + ending.text.len())).sum();
    (text + endings, text * (text / 2.0 + endings))
}

/// What tasks are planned to take, until everything was asked.
pub(super) fn kept_ns(run: &Run) -> u64 {
    let planned_ns = run.time_plan.as_ref().map_or(0, |plan| plan.planned.tasks_ns);
    if run.tasks.is_some() && left(run).is_empty() { 0 } else { planned_ns }
}

/// Asks every model that was not asked to the end, and adds what came out to `run`; each is given to `save` before the next begins.
///
/// # Errors
/// What `save` returned; what was answered until then is in `run`.
pub(crate) fn execute<E>(
    bench: &Bench<'_>,
    inputs: &TaskInputs,
    run: &mut Run,
    observer: &mut dyn Observer,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    if inputs.tasks.is_empty() {
        return Ok(());
    }
    announce(inputs, run, save)?;
    let mut left = left(run);
    while !left.is_empty() && !bench.stops() {
        let deadline_ns = deadline_ns(bench, left.len());
        let subject = left.remove(0);
        let mut attempt = Attempt { bench, inputs, run, subject, deadline_ns, observer };
        let result = match attempt.make() {
            // It is asked anew when the run is gone on with.
            Err(WorkerExit::GivenUp) => break,
            Err(exit) if exit.is_transient() && !bench.interrupted() => {
                let told =
                    |again: WorkerExit| (again.stage(Stage::Quality), format!("{again}; a first attempt: {exit}"));
                attempt.make().map_err(told)
            }
            other => other.map_err(|exit| (exit.stage(Stage::Quality), exit.to_string())),
        };
        let result = result.unwrap_or_else(|(stage, reason)| TaskResult {
            subject,
            outcome: Outcome::Failed { stage, reason },
            stopped: None,
            tasks: Vec::new(),
            wall_ns: 0,
        });
        note(run, &Entry::Asked(Box::new(result)), save)?;
        if run.server_lost().is_some() {
            break;
        }
    }
    Ok(())
}

/// Notes what is to be asked.
///
/// # Errors
/// What `save` returned.
pub(crate) fn announce<E>(inputs: &TaskInputs, run: &mut Run, save: &mut Save<'_, E>) -> Result<(), E> {
    if run.tasks.is_some() || inputs.tasks.is_empty() {
        return Ok(());
    }
    let tasks = Tasks { plans: inputs.tasks.iter().map(plan).collect(), results: Vec::new() };
    note(run, &Entry::Tasks(Box::new(tasks)), save)
}

fn plan(task: &Task) -> TaskPlan {
    let Task { name, kind, source, groups, passages } = task;
    let items = passages.iter().flat_map(|passage| &passage.questions).map(|question| TaskItem {
        choices: u16::try_from(question.endings.len()).unwrap_or(u16::MAX),
        answer: question.answer,
        group: question.group,
    });
    TaskPlan { name: name.clone(), kind: *kind, source: source.clone(), groups: groups.clone(), items: items.collect() }
}

/// Those that can be asked and were not to the end, the original first.
fn left(run: &Run) -> Vec<usize> {
    let known = |subject: usize| run.tasks.iter().flat_map(|tasks| &tasks.results).find(|r| r.subject == subject);
    let waits = |subject: &usize| {
        run.subjects[*subject].outcome == Outcome::Done
            && known(*subject).is_none_or(|result| result.stopped == Some(TaskStop::Interrupted))
    };
    let mut left: Vec<usize> = (0..run.subjects.len()).filter(waits).collect();
    left.sort_by_key(|&subject| run.subjects[subject].role != Role::Original);
    left
}

/// When the next of so many models must be done: each gets its share of what is left of a limit. Without one they take what they take.
fn deadline_ns(bench: &Bench<'_>, models: usize) -> Option<u64> {
    let left_ns = bench.left_ns().filter(|_| bench.plan.protocol.budget == Budget::Limit)?;
    Some(bench.now_ns() + whole_ns(left_ns / models.max(1) as f64))
}

/// One worker that is asked everything.
struct Attempt<'a, 'b> {
    bench: &'a Bench<'a>,
    inputs: &'a TaskInputs,
    run: &'b Run,
    subject: usize,
    deadline_ns: Option<u64>,
    observer: &'b mut dyn Observer,
}

impl<'a> Attempt<'a, '_> {
    fn make(&mut self) -> Result<TaskResult, WorkerExit> {
        let passages = self.passages();
        let mut worker = self.bench.launcher.launch()?;
        let path: PathBuf = self.bench.files[self.subject].clone();
        worker.call(&Load { path, settings: self.run.subjects[self.subject].settings.clone() })?;
        let begun_ns = self.bench.now_ns();
        let mut tasks = vec![TaskScores::default(); self.inputs.tasks.len()];
        let stopped = self.ask(&mut worker, &passages, &mut tasks)?;
        let wall_ns = self.bench.now_ns() - begun_ns;
        // Its answers are here, whatever becomes of the worker.
        let _ = worker.call(&Close);
        Ok(TaskResult { subject: self.subject, outcome: Outcome::Done, stopped: Some(stopped), tasks, wall_ns })
    }

    fn ask(
        &mut self,
        worker: &mut Connection,
        passages: &[(usize, &Passage)],
        tasks: &mut [TaskScores],
    ) -> Result<TaskStop, WorkerExit> {
        let model = &self.run.subjects[self.subject].name;
        let mut done = 0;
        let of = passages.len();
        for group in in_calls(passages) {
            self.observer.on(Event::Items { model, done, of });
            if self.bench.interrupted() {
                return Ok(TaskStop::Interrupted);
            }
            if self.deadline_ns.is_some_and(|deadline_ns| self.bench.now_ns() >= deadline_ns) {
                return Ok(TaskStop::TimeSpent);
            }
            let kind = |task: usize| self.inputs.tasks[task].kind;
            let call =
                Choose { passages: group.iter().map(|(task, passage)| alternatives(kind(*task), passage)).collect() };
            for ((task, _), Likelihoods { questions_nats, longest_tokens }) in group.iter().zip(worker.call(&call)?) {
                let scores = &mut tasks[*task];
                scores.choices_nats.extend(questions_nats);
                scores.longest_tokens = scores.longest_tokens.max(longest_tokens);
            }
            done += group.len();
        }
        self.observer.on(Event::Items { model, done, of });
        let all = self.inputs.tasks.iter().map(|task| task.passages.len()).sum::<usize>();
        Ok(if passages.len() < all { TaskStop::OriginalStopped } else { TaskStop::ItemsDone })
    }

    /// What is asked, with the task of each: tasks in turn, so that where time ends each has had as much; of a candidate no more than the
    /// original answered.
    fn passages(&self) -> Vec<(usize, &'a Passage)> {
        let original = self.run.original().filter(|&original| original != self.subject);
        let results = self.run.tasks.iter().flat_map(|tasks| &tasks.results);
        let before =
            original.and_then(|original| results.clone().find(|r| r.subject == original && !r.tasks.is_empty()));
        let most = |task: usize| before.map_or(usize::MAX, |result| result.tasks[task].choices_nats.len());
        let inputs: &'a TaskInputs = self.inputs;
        let longest = inputs.tasks.iter().map(|task| task.passages.len()).max().unwrap_or(0);
        let mut asked = vec![0; inputs.tasks.len()];
        let mut all = Vec::new();
        for at in 0..longest {
            for (index, task) in inputs.tasks.iter().enumerate() {
                let Some(passage) = task.passages.get(at) else { continue };
                asked[index] += passage.questions.len();
                if asked[index] <= most(index) {
                    all.push((index, passage));
                }
            }
        }
        all
    }
}

/// In their order, as many in each call as it may hold.
fn in_calls<'p, 'a>(mut left: &'p [(usize, &'a Passage)]) -> Vec<&'p [(usize, &'a Passage)]> {
    let mut calls = Vec::new();
    while !left.is_empty() {
        let mut sum = 0.0;
        let fits = left.iter().take(PASSAGES_A_CALL).take_while(|(_, passage)| {
            sum += tokens(passage).0;
            sum <= TOKENS_A_CALL
        });
        let (call, rest) = left.split_at(fits.count().max(1));
        calls.push(call);
        left = rest;
    }
    calls
}

fn alternatives(kind: TaskKind, passage: &Passage) -> Alternatives {
    let weighed = match kind {
        TaskKind::HellaSwag | TaskKind::MultipleChoice => Weighed::WhatDiffers,
        TaskKind::Winogrande => Weighed::WhatFollows,
        TaskKind::Recall { .. } => Weighed::Ending,
    };
    let endings = |question: &crate::prompts::Question| {
        question.endings.iter().map(|ending| (ending.before.clone(), ending.text.clone())).collect()
    };
    Alternatives { text: passage.text.clone(), weighed, questions: passage.questions.iter().map(endings).collect() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, atomic::AtomicBool},
    };

    use super::*;
    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        event::Silent,
        probe::Virtual,
        prompts::{Ending, Question},
        record::journal::Entry,
        run::{NoJudge, WithoutOriginal, testing::run_of_rates},
        testing::run::SimulatedLauncher,
    };

    fn inputs(sizes: [usize; 2]) -> TaskInputs {
        let ending = |text: &str| Ending { before: String::new(), text: text.into() };
        let passage = |n: usize| Passage {
            text: format!("{} ", "word ".repeat(n + 1)),
            questions: vec![Question {
                endings: vec![ending("a bb"), ending("ccc dddd eeeee")],
                answer: 1,
                group: None,
            }],
        };
        let task = |(name, n): (&str, usize)| Task {
            name: name.into(),
            kind: TaskKind::HellaSwag,
            source: None,
            groups: Vec::new(),
            passages: (0..n).map(passage).collect(),
        };
        TaskInputs { tasks: ["first", "second"].into_iter().zip(sizes).map(task).collect() }
    }

    /// A run that asks these, on a clock that begins at 0, interrupted after `entries` of its journal.
    fn asked(run: &mut Run, inputs: &TaskInputs, entries: usize) {
        let model = |noise| ModelScript {
            load_ns: 1000,
            prefill_ns_per_token: 1_000_000_000,
            decode_ns_per_token: 1,
            answer: String::new(),
            logit_noise: noise,
            fail: None,
        };
        let models = [("a.gguf".to_owned(), model(0.0)), ("b.gguf".to_owned(), model(4.0))].into_iter().collect();
        let clock = Virtual::default();
        let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(Script { models, noise: None }, clock.clone()));
        let (plan, files, interrupt) =
            (run.plan.clone(), ["a.gguf", "b.gguf"].map(PathBuf::from), AtomicBool::new(false));
        let bench = Bench {
            plan: &plan,
            files: &files,
            launcher: &launcher,
            clock: Arc::new(clock),
            devices: &[],
            interrupt: &interrupt,
            judge: &NoJudge,
            without_original: WithoutOriginal::Ends,
        };
        let mut seen = 0;
        let mut save = |_: &Run, _: &Entry| -> Result<(), Infallible> {
            seen += 1;
            interrupt.store(seen >= entries, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        };
        let Ok(()) = execute(&bench, inputs, run, &mut Silent, &mut save);
    }

    fn answered(run: &Run) -> Vec<(usize, Option<TaskStop>, Vec<usize>)> {
        let of = |r: &TaskResult| (r.subject, r.stopped, r.tasks.iter().map(|t| t.choices_nats.len()).collect());
        run.tasks.as_ref().unwrap().results.iter().map(of).collect()
    }

    #[test]
    fn every_model_answers_the_same_items_and_going_on_changes_nothing() {
        let inputs = inputs([20, 3]);
        let mut whole = run_of_rates(&[], &[]);
        asked(&mut whole, &inputs, 99);
        let done = Some(TaskStop::ItemsDone);
        assert_eq!(answered(&whole), [(0, done, vec![20, 3]), (1, done, vec![20, 3])]);
        let results = &whole.tasks.as_ref().unwrap().results;
        assert!(results[0].tasks.iter().flat_map(|t| &t.choices_nats).all(|nats| nats.len() == 2 && nats[0] < 0.0));
        assert_ne!(results[0].tasks, results[1].tasks, "one is noisy");
        let mut cut = run_of_rates(&[], &[]);
        asked(&mut cut, &inputs, 2);
        assert_eq!(answered(&cut).len(), 1);
        asked(&mut cut, &inputs, 99);
        assert_eq!(cut.tasks, whole.tasks.map(|tasks| Tasks { results: tasks.results, ..tasks }));
    }

    #[test]
    fn a_task_says_before_what_it_asks() {
        // Three passages: 5, 10 and 15 bytes and a blank, each with endings of 4 and 14 bytes.
        assert_eq!(inputs([3, 0]).in_words()[0], "first: 3 items, about 21 tokens of every model");
    }

    #[test]
    fn a_call_is_no_longer_than_a_person_waits() {
        let passage = |bytes: usize| Passage { text: "x".repeat(bytes), questions: Vec::new() };
        let (short, long) = (passage(42), passage(42_000));
        let of = |all: &[&Passage]| {
            let all: Vec<(usize, &Passage)> = all.iter().map(|&passage| (0, passage)).collect();
            in_calls(&all).iter().map(|call| call.len()).collect::<Vec<_>>()
        };
        assert_eq!(of(&[&short; 20]), [8, 8, 4]);
        assert_eq!(of(&[&long, &short, &short, &long]), [1, 2, 1], "one of 10000 tokens has a call of its own");
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn where_the_time_ends_for_the_original_it_ends_for_all() {
        let mut run = run_of_rates(&[], &[]);
        (run.plan.protocol.budget_s, run.plan.protocol.budget) = (Some(150), Budget::Limit);
        asked(&mut run, &inputs([20, 3]), 99);
        let answered = answered(&run);
        let [(0, Some(TaskStop::TimeSpent), first), (1, Some(_), second)] = answered.as_slice() else {
            panic!("{answered:?}")
        };
        assert!(first[0] > 3 && first[0] < 20 && first[1] == 3, "{first:?}: tasks in turn");
        assert!(second.iter().zip(first).all(|(second, first)| second <= first), "{second:?} of {first:?}");
    }
}
