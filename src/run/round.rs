//! One round: an invocation of every model, one after the other or all side by side with their samples alternating.

use super::{
    bench::Bench,
    invocation::{Finished, Invocation, PrecededBy, Task},
    schedule::{order, prompts_in},
    time_planning::samples_per_round,
    workload::synthetic,
};
use crate::{
    event::{Event, Observer},
    record::{Arrangement, PromptText, Round, Run, WorkloadKind},
};

/// A prompt that is asked in this round.
struct Asked<'a> {
    workload: usize,
    id: &'a str,
    prompt: &'a PromptText,
}

/// Makes a round. A model that failed or was dropped before is not invoked again.
pub(super) fn make(bench: &Bench<'_>, run: &Run, index: u32, observer: &mut dyn Observer) -> Round {
    let models: Vec<usize> = order(run.subjects.len(), index, bench.plan.seed)
        .into_iter()
        .filter(|&model| run.is_measured(model, index))
        .collect();
    observer.on(Event::Round { index });
    let mut round = Round { index, calibration_ns: None, visits: Vec::new() };
    let before_ns = bench.judge.calibrate();
    let mut retries = Vec::new();
    let arrangement = run.adaptation.as_ref().map_or(bench.plan.protocol.arrangement, |adapted| adapted.arrangement);
    // Alone in a group is sequential; all in one group is alternating.
    let group_size = match arrangement {
        Arrangement::Sequential => 1,
        Arrangement::Alternating => models.len().max(1),
    };
    for group in models.chunks(group_size) {
        if bench.stops() {
            break;
        }
        let mut invocations: Vec<Invocation<'_>> =
            group.iter().map(|&model| Invocation::begin(bench, task(bench, run, model))).collect();
        measure(bench, run, index, &mut invocations, observer);
        for invocation in invocations {
            let Finished { visit, is_transient } = invocation.close();
            let visits = if is_transient { &mut retries } else { &mut round.visits };
            visits.push(visit);
        }
        if lost_a_server(&round) {
            return round;
        }
    }
    // Once, and when the others are done: what ended it may have passed by then.
    for first in retries {
        if bench.stops() {
            round.visits.push(first);
            continue;
        }
        let mut invocation = Invocation::retry(bench, task(bench, run, first.model), first);
        measure(bench, run, index, std::slice::from_mut(&mut invocation), observer);
        round.visits.push(invocation.close().visit);
    }
    round.calibration_ns = before_ns.zip(bench.judge.calibrate()).map(|(before, after)| [before, after]);
    observer.on(Event::RoundDone);
    round
}

/// Whether a model could not be measured since a server was not there: nor could any other be.
pub(super) fn lost_a_server(round: &Round) -> bool {
    round.visits.iter().any(|visit| visit.outcome.is_server_lost())
}

pub(super) fn task<'a>(bench: &'a Bench<'_>, run: &'a Run, model: usize) -> Task<'a> {
    let subject = &run.subjects[model];
    let file_bytes = subject.model.facts.as_ref().map_or(0, |f| f.file_bytes);
    Task { model, name: &subject.name, path: &bench.files[model], settings: &subject.settings, file_bytes }
}

/// Measures a group: each block of its samples in every worker before the next, forwards and backwards in turn.
fn measure(bench: &Bench<'_>, run: &Run, round: u32, invocations: &mut [Invocation<'_>], observer: &mut dyn Observer) {
    for invocation in invocations.iter_mut() {
        invocation.open(observer);
    }
    let workers: Vec<u32> = invocations.iter().filter_map(Invocation::pid).collect();
    for invocation in invocations.iter_mut() {
        invocation.watch(&workers);
    }
    let alternates = invocations.len() > 1;
    let preceded_by = if alternates { PrecededBy::AnotherWorker } else { PrecededBy::OwnWork };
    for work in synthetic(bench.plan) {
        let blocks = match &run.time_plan {
            Some(plan) if plan.one_block => vec![work.block_of(round)],
            _ if alternates => work.blocks(),
            _ => vec![work.whole()],
        };
        let samples = samples_per_round(run, work.workload);
        if let ([block], 1) = (&blocks[..], samples) {
            // Its only turn: warmed up just before, it need not be woken again.
            for invocation in invocations.iter_mut() {
                invocation.prepare(work, observer);
                invocation.sample(work, 0, *block, PrecededBy::OwnWork, observer);
            }
            continue;
        }
        for invocation in invocations.iter_mut() {
            invocation.prepare(work, observer);
        }
        let mut turn = 0;
        for number in 0..samples {
            for &block in &blocks {
                in_turn(invocations, turn, |invocation| invocation.sample(work, number, block, preceded_by, observer));
                turn += 1;
            }
        }
    }
    let asked = asked(bench, run, round);
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

fn asked<'a>(bench: &'a Bench<'_>, run: &Run, round: u32) -> Vec<Asked<'a>> {
    if run.time_plan.as_ref().is_some_and(|plan| !plan.prompts) {
        return Vec::new();
    }
    let ask = |workload: usize| match &bench.plan.workloads[workload] {
        w if let WorkloadKind::Prompt(prompt) = &w.kind => Some(Asked { workload, id: &w.id, prompt }),
        _ => None,
    };
    prompts_in(bench.plan, round).into_iter().filter_map(ask).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        collections::BTreeMap,
        rc::Rc,
    };

    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        probe::Virtual,
        protocol::Request,
        record::{Arrangement, Outcome, Run, Stage, Visit, journal::Entry},
        run::{
            Channel, Connection, Launcher, LogTail, Timeout, WorkerExit,
            testing::{measure, plan, run_of_rates},
        },
        testing::run::{SimulatedLauncher, connect},
    };

    /// How a worker ends: told the file it holds, which attempt at this file it is, and the call.
    type Fate = dyn Fn(&str, u32, &Request) -> Option<WorkerExit>;

    /// Scripted workers, some of which end.
    struct Flaky {
        inner: SimulatedLauncher,
        fate: Rc<Fate>,
        /// Fails so many launches first.
        unstarted: Cell<u32>,
        loads: Rc<RefCell<BTreeMap<String, u32>>>,
    }

    struct FlakyChannel {
        inner: Box<dyn Channel>,
        fate: Rc<Fate>,
        loads: Rc<RefCell<BTreeMap<String, u32>>>,
        file: String,
    }

    impl Launcher for Flaky {
        fn launch(&self) -> Result<Connection, WorkerExit> {
            if let Some(left) = self.unstarted.get().checked_sub(1) {
                self.unstarted.set(left);
                let source = std::io::ErrorKind::WouldBlock.into();
                return Err(WorkerExit::NotStarted { program: "flaky".into(), source });
            }
            let (fate, loads) = (Rc::clone(&self.fate), Rc::clone(&self.loads));
            Ok(connect(Box::new(FlakyChannel { inner: self.inner.channel(), fate, loads, file: String::new() })))
        }
    }

    impl Channel for FlakyChannel {
        fn send(&mut self, request: &Request) -> Result<(), WorkerExit> {
            if let Request::Load(load) = request {
                self.file = load.path.display().to_string();
                *self.loads.borrow_mut().entry(self.file.clone()).or_default() += 1;
            }
            let attempt = self.loads.borrow()[&self.file];
            (self.fate)(&self.file, attempt, request).map_or_else(|| self.inner.send(request), Err)
        }

        fn receive(&mut self, timeout: Timeout) -> Result<String, WorkerExit> {
            self.inner.receive(timeout)
        }

        fn pid(&self) -> Option<u32> {
            None
        }

        fn log(&self) -> String {
            String::new()
        }
    }

    /// Two rounds of two models on workers with this fate; also how often each file was loaded.
    fn measured(
        arrangement: Arrangement,
        unstarted: u32,
        fate: impl Fn(&str, u32, &Request) -> Option<WorkerExit> + 'static,
    ) -> (Run, BTreeMap<String, u32>) {
        let script = |ns| ModelScript {
            load_ns: 1000,
            prefill_ns_per_token: ns,
            decode_ns_per_token: ns,
            answer: "yes".into(),
            logit_noise: 0.0,
            fail: None,
        };
        let models = [("a", 1000), ("b", 500)].map(|(name, ns)| (name.to_owned(), script(ns)));
        let clock = Virtual::default();
        let engine = ScriptedEngine::on_clock(Script { models: models.into(), noise: None }, clock.clone());
        let loads = Rc::default();
        let launcher = Flaky {
            inner: SimulatedLauncher::new(engine),
            fate: Rc::new(fate),
            unstarted: Cell::new(unstarted),
            loads: Rc::clone(&loads),
        };
        let mut plan = plan();
        (plan.protocol.min_rounds, plan.protocol.max_rounds, plan.protocol.inner_samples) = (2, 2, 3);
        plan.protocol.arrangement = arrangement;
        let mut run = run_of_rates(&[], &[]);
        run.plan = plan;
        let mut nothing = |_: &Run, _: &Entry| Ok::<(), std::convert::Infallible>(());
        measure(&launcher, clock, ["a", "b"], &mut run, &mut nothing).expect("nothing is saved");
        let loads = loads.borrow().clone();
        (run, loads)
    }

    fn killed() -> WorkerExit {
        WorkerExit::Killed { signal: 9, meaning: "by a test", log: LogTail::default() }
    }

    fn visits(run: &Run, model: usize) -> Vec<&Visit> {
        run.rounds.iter().flat_map(|r| &r.visits).filter(|v| v.model == model).collect()
    }

    fn failed_at(outcome: &Outcome) -> Option<Stage> {
        match outcome {
            Outcome::Done => None,
            Outcome::Failed { stage, .. } => Some(*stage),
        }
    }

    #[test]
    fn a_killed_worker_gets_a_second_attempt_and_nothing_of_the_first_is_lost() {
        for arrangement in [Arrangement::Sequential, Arrangement::Alternating] {
            // In the first round, after the first look, at the second sample: one was taken, beside those of the warm-up.
            let second = plan().seed ^ 1;
            let fate = move |file: &str, attempt, request: &Request| {
                let asked = matches!(request, Request::Prefill(call) if call.seed == second);
                (file == "b" && attempt == 2 && asked).then(killed)
            };
            let (run, loads) = measured(arrangement, 0, fate);
            let of_b = visits(&run, 1);
            assert_eq!(of_b.len(), 2, "{arrangement:?}: an attempt is no visit");
            assert_eq!(run.rounds[0].visits.last().map(|v| v.model), Some(1), "the second attempt comes last");
            let retried = of_b[0].retried.as_ref().expect("the first attempt is in the record");
            assert_eq!((retried.stage, retried.samples.len()), (Stage::Prefill, 1));
            assert!(retried.reason.contains("signal 9 (by a test)"), "{}", retried.reason);
            assert!(retried.duration_ns > 0);
            assert!(of_b.iter().all(|v| v.outcome == Outcome::Done && v.samples.len() == 3));
            assert!(of_b[1].retried.is_none() && visits(&run, 0).iter().all(|v| v.retried.is_none()));
            assert_eq!((loads["a"], loads["b"]), (3, 4), "a look, two rounds, an attempt");
        }
    }

    #[test]
    fn there_is_no_third_attempt_and_no_further_visit() {
        let (run, loads) = measured(Arrangement::Alternating, 0, |file, _, request| {
            (file == "b" && matches!(request, Request::Load(_))).then(killed)
        });
        assert_eq!((visits(&run, 1).len(), loads["b"]), (0, 2), "both attempts were those of the first look");
        let Outcome::Failed { stage, reason } = &run.probes[1].outcome else { panic!("{:?}", run.probes[1]) };
        assert_eq!(*stage, Stage::Load);
        assert!(reason.contains("a first attempt: "), "{reason}");
        assert_eq!(failed_at(&run.subjects[1].outcome), Some(Stage::Load));
        assert_eq!((visits(&run, 0).len(), loads["a"]), (2, 3), "the other is measured to the end");
    }

    #[test]
    fn what_would_end_the_same_way_is_not_tried_again() {
        let (run, loads) = measured(Arrangement::Alternating, 0, |file, _, request| {
            let aborted = || WorkerExit::Aborted { log: LogTail::default() };
            (file == "b" && matches!(request, Request::Load(_))).then(aborted)
        });
        assert_eq!(loads["b"], 1);
        assert!(run.probes[1].retried.is_none());
        assert_eq!(failed_at(&run.subjects[1].outcome), Some(Stage::Load));
    }

    #[test]
    fn a_process_that_could_not_be_started_is_started_later() {
        let (run, _) = measured(Arrangement::Sequential, 1, |_, _, _| None);
        let all: Vec<&Visit> = run.rounds.iter().flat_map(|r| &r.visits).collect();
        assert!(all.iter().all(|v| v.outcome == Outcome::Done && v.samples.len() == 3));
        let retried: Vec<bool> = run.probes.iter().map(|probe| probe.retried.is_some()).collect();
        assert_eq!(retried, [true, false]);
    }
}
