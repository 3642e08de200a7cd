//! Workers that end too early: who gets a second attempt, and what the record says of the first.

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
            return Err(WorkerExit::NotStarted(std::io::ErrorKind::WouldBlock.into()));
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
        // In the first round, at the second sample: one was taken, beside those of the warm-up.
        let second = plan().seed ^ 1;
        let fate = move |file: &str, attempt, request: &Request| {
            let asked = matches!(request, Request::Prefill(call) if call.seed == second);
            (file == "b" && attempt == 1 && asked).then(killed)
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
        assert_eq!((loads["a"], loads["b"]), (2, 3));
    }
}

#[test]
fn there_is_no_third_attempt_and_no_further_visit() {
    let (run, loads) = measured(Arrangement::Alternating, 0, |file, _, request| {
        (file == "b" && matches!(request, Request::Load(_))).then(killed)
    });
    let of_b = visits(&run, 1);
    assert_eq!((of_b.len(), loads["b"]), (1, 2));
    assert_eq!(failed_at(&of_b[0].outcome), Some(Stage::Load));
    assert_eq!(of_b[0].retried.as_ref().map(|r| r.stage), Some(Stage::Load));
    assert_eq!(failed_at(&run.subjects[1].outcome), Some(Stage::Load));
    assert_eq!((visits(&run, 0).len(), loads["a"]), (2, 2), "the other is measured to the end");
}

#[test]
fn what_would_end_the_same_way_is_not_tried_again() {
    let (run, loads) = measured(Arrangement::Alternating, 0, |file, _, request| {
        let aborted = || WorkerExit::Aborted { log: LogTail::default() };
        (file == "b" && matches!(request, Request::Load(_))).then(aborted)
    });
    assert_eq!(loads["b"], 1);
    assert!(visits(&run, 1)[0].retried.is_none());
    assert_eq!(failed_at(&run.subjects[1].outcome), Some(Stage::Load));
}

#[test]
fn a_process_that_could_not_be_started_is_started_later() {
    let (run, _) = measured(Arrangement::Sequential, 1, |_, _, _| None);
    let all: Vec<&Visit> = run.rounds.iter().flat_map(|r| &r.visits).collect();
    assert!(all.iter().all(|v| v.outcome == Outcome::Done && v.samples.len() == 3));
    let retried: Vec<Stage> = all.iter().filter_map(|v| Some(v.retried.as_ref()?.stage)).collect();
    assert_eq!(retried, [Stage::Launch]);
}
