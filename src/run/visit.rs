//! One visit: a worker loads one model, warms up, is timed at what it is told, and ends. Whoever arranges a round decides when.

mod fit;
mod talk;
mod work;

pub(super) use work::{Synthetic, synthetic};

use std::{path::Path, sync::Arc};

use talk::{Stop, sample, unexpected};

use super::{
    Bench,
    launcher::Worker,
    lost::Again,
    protocol::{Answered, Reply, Request},
    warmup::Steadiness,
};
use crate::{
    engine,
    event::{Event, Observer},
    probe::{self, ProcessMemory, Sampler, Watch, sampler::DEFAULT_INTERVAL},
    record::{
        Conditions, FinishReason, Generation, Load, MemoryReading, Outcome, Phase, PromptText, Retried, Settings,
        Stage, Visit, Warmup,
    },
};

/// What a visit is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// Index of the model.
    pub(super) model: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Its file.
    pub(super) path: &'a Path,
    pub(super) settings: &'a Settings,
    /// Size of all its parts.
    pub(super) file_bytes: u64,
}

/// A worker that has a model loaded and outlives the visit, and the context that model was trained for.
pub(super) struct Resident(Box<dyn Worker>, u32);

/// Whose work came before a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// The same worker's.
    Own,
    /// Another worker's.
    Another,
}

/// A visit that is over.
pub(super) struct Over {
    pub(super) visit: Visit,
    /// Whether it failed in a way that may not come again.
    pub(super) again: Again,
    /// Its worker, when it lives on.
    pub(super) resident: Option<Resident>,
}

/// Where a visit stands. After a failure or an interruption everything asked of it is skipped; what was measured stays.
enum State {
    Ready,
    Interrupted,
    Failed(Again),
}

/// A visit under way.
pub(super) struct Visitor<'a> {
    bench: &'a Bench<'a>,
    task: Task<'a>,
    worker: Option<Box<dyn Worker>>,
    visit: Visit,
    state: State,
    sampler: Option<Sampler>,
    watch: Option<Watch>,
    initial: MemoryReading,
    after_load: Option<MemoryReading>,
    peak_before_prompts: Option<u64>,
    /// What the model was trained for; 0 while unknown.
    n_ctx_train: u32,
}

impl<'a> Visitor<'a> {
    /// Begins a visit, with a fresh worker or the one of an earlier round.
    pub(super) fn begin(bench: &'a Bench<'a>, task: Task<'a>, resident: Option<Resident>) -> Self {
        let (worker, n_ctx_train) = resident.map_or((None, 0), |Resident(worker, n_ctx)| (Some(worker), n_ctx));
        let visit = Visit {
            model: task.model,
            started_ns: bench.clock.now_ns(),
            duration_ns: 0,
            outcome: Outcome::Done,
            load: None,
            memory: None,
            buffers: Vec::new(),
            warmup: None,
            samples: Vec::new(),
            generations: Vec::new(),
            skipped: Vec::new(),
            conditions: Conditions::default(),
            retried: None,
        };
        Self {
            bench,
            task,
            worker,
            visit,
            state: State::Ready,
            sampler: None,
            watch: None,
            initial: MemoryReading::default(),
            after_load: None,
            peak_before_prompts: None,
            n_ctx_train,
        }
    }

    /// The same visit once more, after one whose worker was lost: what that one measured is kept apart.
    pub(super) fn again(bench: &'a Bench<'a>, task: Task<'a>, first: Visit) -> Self {
        let mut visitor = Self::begin(bench, task, None);
        if let Outcome::Failed { stage, reason } = first.outcome {
            let Visit { duration_ns, samples, .. } = first;
            visitor.visit.retried = Some(Retried { stage, reason, duration_ns, samples });
        }
        visitor
    }

    /// Its worker's process, when there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.worker.as_ref().and_then(|worker| worker.pid())
    }

    /// Starts the worker, unless it is there already, and loads the model.
    pub(super) fn open(&mut self, observer: &mut dyn Observer) {
        if self.worker.is_some() || self.bench.interrupted() {
            return;
        }
        match self.bench.launcher.launch() {
            Ok(worker) => self.worker = Some(worker),
            Err(lost) => return self.stop(Stop::lost(Stage::Launch, &lost)),
        }
        self.attempt(|v| v.load(observer));
    }

    /// Begins to watch the machine; `workers` are all of the round, whose work is not company.
    pub(super) fn watch(&mut self, workers: &[u32]) {
        if self.pid().is_some() {
            self.watch = Some(Watch::start(self.bench.clock.now_ns(), workers));
        }
    }

    /// Makes the workload's context, as llama-bench does for each, and warms up.
    pub(super) fn prepare(&mut self, work: Synthetic<'_>, observer: &mut dyn Observer) {
        self.attempt_if_it_fits(work, |v| {
            if let Some(n_ctx) = work.n_ctx() {
                v.context(n_ctx)?;
            }
            v.warm_up(work, observer)
        });
    }

    /// Takes one sample.
    pub(super) fn sample(&mut self, work: Synthetic<'_>, inner: u32, before: Before, observer: &mut dyn Observer) {
        self.attempt_if_it_fits(work, |v| {
            if before == Before::Another {
                // Its threads sleep and its caches are full of another's weights: let it come to itself, untimed.
                v.evaluate(work.to_wake(), v.seed(work.workload, u32::MAX / 2 - inner))?;
            }
            v.step(observer, work.id, Some(work.phase));
            let at_ns = v.bench.clock.now_ns();
            let timing = v.evaluate(work, v.seed(work.workload, inner))?;
            v.visit.samples.push(sample(work.workload, work.phase, inner, timing, at_ns));
            observer.on(Event::StepDone);
            Ok(())
        });
    }

    /// Makes a context that holds the longest of the prompts and its answer; those that do not fit the model are noted and not asked.
    pub(super) fn prepare_prompts(&mut self, prompts: &[(usize, &PromptText)]) {
        self.attempt(|v| {
            let memory = v.pid().and_then(|pid| ProcessMemory::open(pid).ok()?.read());
            v.peak_before_prompts = memory.and_then(|memory| memory.peak_bytes);
            let texts = prompts.iter().map(|(_, p)| p.text.clone()).collect();
            let Reply::Counted(counts) = v.ask(Stage::Prefill, &Request::Count { texts })? else {
                return Err(unexpected(Stage::Prefill));
            };
            let fit::Fitting { n_ctx, skipped } = fit::fit(prompts, &counts, v.n_ctx_train);
            v.visit.skipped.extend(skipped);
            v.context(n_ctx).map(|_| ())
        });
    }

    /// Asks a prompt.
    pub(super) fn answer(&mut self, workload: usize, id: &str, prompt: &PromptText, observer: &mut dyn Observer) {
        if self.visit.skipped.iter().any(|s| s.workload == workload) {
            return observer.on(Event::StepDone);
        }
        self.attempt(|v| {
            v.step(observer, id, None);
            let request = Request::Answer {
                text: prompt.text.clone(),
                max_new_tokens: prompt.max_new_tokens,
                sampling: v.bench.plan.sampling.clone(),
                seed: v.bench.plan.seed,
            };
            let at_ns = v.bench.clock.now_ns();
            let Reply::Answered(answer) = v.ask(Stage::Decode, &request)? else {
                return Err(unexpected(Stage::Decode));
            };
            v.answered(workload, *answer, at_ns);
            observer.on(Event::StepDone);
            Ok(())
        });
    }

    /// Reads what a worker can say while everything is still allocated: buffers, and the machine since [`Self::watch`].
    pub(super) fn account(&mut self, workers: &[u32]) {
        if let (Some(worker), false) = (&self.worker, self.failed()) {
            self.visit.buffers = engine::buffers(&worker.log());
            if let Some(watch) = self.watch.take() {
                self.visit.conditions = watch.end(self.bench.clock.now_ns(), workers);
            }
        }
    }

    /// Ends the visit and the worker.
    pub(super) fn close(mut self) -> Over {
        // Also a visit cut short by the person has a peak worth keeping.
        let alive = !self.failed();
        if let Some(worker) = self.worker.as_mut().filter(|_| alive) {
            match worker.ask(&Request::Close) {
                Ok(closed) => self.memory(closed),
                Err(lost) => self.stop(Stop::lost(Stage::Decode, &lost)),
            }
        }
        Over { resident: None, ..self.keep() }
    }

    /// Ends the visit and hands the worker on, unless it failed.
    pub(super) fn keep(mut self) -> Over {
        self.visit.duration_ns = self.bench.clock.now_ns() - self.visit.started_ns;
        let again = match self.state {
            State::Failed(again) => again,
            State::Ready | State::Interrupted => Again::Useless,
        };
        let n_ctx_train = self.n_ctx_train;
        let resident = if self.failed() { None } else { self.worker.map(|worker| Resident(worker, n_ctx_train)) };
        Over { visit: self.visit, again, resident }
    }

    fn failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Stop>) {
        if !matches!(self.state, State::Ready) || self.worker.is_none() {
            return;
        }
        if let Err(stop) = work(self) {
            self.stop(stop);
        }
    }

    fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Interrupted => self.state = State::Interrupted,
            Stop::Failed { stage, reason, again } => {
                self.state = State::Failed(again);
                self.visit.outcome = Outcome::Failed { stage, reason };
            }
        }
    }

    fn load(&mut self, observer: &mut dyn Observer) -> Result<(), Stop> {
        // Without /proc or its like there is no memory to show, and the rest goes on.
        let clock = &self.bench.clock;
        self.sampler = self
            .pid()
            .and_then(|pid| Sampler::start(pid, Arc::clone(clock), self.visit.started_ns, DEFAULT_INTERVAL).ok());
        self.initial = self.step(observer, "load", None);
        let request = Request::Load { path: self.task.path.into(), config: self.task.settings.clone() };
        let Reply::Loaded { model_ns, storage_read_bytes, n_ctx_train, .. } = self.ask(Stage::Load, &request)? else {
            return Err(unexpected(Stage::Load));
        };
        self.n_ctx_train = n_ctx_train;
        let file_bytes = self.task.file_bytes;
        let cache = probe::cache_state(storage_read_bytes, file_bytes);
        self.visit.load = Some(Load { model_ns, context_ns: 0, file_bytes, storage_read_bytes, cache });
        // The first context shows what a user waits for before anything can be evaluated.
        let context_ns = self.context(work::first_context(self.bench.plan, self.task.settings))?;
        if let Some(load) = &mut self.visit.load {
            load.context_ns = context_ns;
        }
        observer.on(Event::StepDone);
        self.after_load = Some(self.mark("loaded"));
        Ok(())
    }

    fn warm_up(&mut self, work: Synthetic<'_>, observer: &mut dyn Observer) -> Result<(), Stop> {
        self.step(observer, &format!("{} warm-up", work.id), Some(work.phase));
        let share_ns =
            self.bench.plan.protocol.warmup_ms * 1_000_000 / synthetic(self.bench.plan).count().max(1) as u64;
        let repetition = work.for_warmup();
        let mut steadiness = Steadiness::new(share_ns);
        for inner in 0.. {
            let at_ns = self.bench.clock.now_ns();
            let timing = self.evaluate(repetition, self.seed(work.workload, u32::MAX - inner))?;
            let taken = sample(work.workload, work.phase, inner, timing, at_ns);
            let done = steadiness.after(taken.wall_ns.max(self.bench.clock.now_ns() - at_ns));
            let warmup = self.visit.warmup.get_or_insert(Warmup { duration_ns: 0, samples: Vec::new() });
            warmup.duration_ns += taken.wall_ns;
            warmup.samples.push(taken);
            if done {
                break;
            }
        }
        observer.on(Event::StepDone);
        Ok(())
    }

    fn answered(&mut self, workload: usize, answer: Answered, at_ns: u64) {
        self.visit.samples.push(sample(workload, Phase::Prefill, 0, answer.prefill, at_ns));
        if let Some(decode) = answer.decode {
            self.visit.samples.push(sample(workload, Phase::Decode, 0, decode, at_ns + answer.ttft_ns));
        }
        self.visit.generations.push(Generation {
            workload,
            n_prompt: answer.n_prompt,
            templated: answer.templated,
            tokens: answer.tokens,
            text: answer.text,
            finish: if answer.ended { FinishReason::EndOfGeneration } else { FinishReason::Length },
            ttft_ns: answer.ttft_ns,
            inter_token_ns: answer.inter_token_ns,
            margins_nats: answer.margins_nats,
        });
    }
}
