//! One visit: a worker loads one model, warms up, is timed at what it is told, and ends. Whoever arranges a round decides when.

mod fit;
mod work;

pub(super) use work::{Synthetic, synthetic};

use std::{path::Path, sync::Arc};

use super::{
    Bench,
    launcher::Worker,
    protocol::{Answered, Reply, Request},
    warmup::Steadiness,
};
use crate::{
    engine::{self, Timing},
    event::{Event, Observer},
    probe::{self, Sampler, Watch, sampler::DEFAULT_INTERVAL},
    record::{
        Conditions, DeviceMemory, FinishReason, Generation, Load, Memory, MemoryReading, Outcome, Phase, PromptText,
        Sample, Stage, Visit, Warmup,
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

/// Why a visit goes no further.
enum Stop {
    Failed(Stage, String),
    Interrupted,
}

/// Where a visit stands. After a failure or an interruption everything asked of it is skipped; what was measured stays.
enum State {
    Ready,
    Interrupted,
    Failed,
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
            n_ctx_train,
        }
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
            Err(lost) => return self.stop(Stop::Failed(Stage::Launch, lost.to_string())),
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
        if let (Some(worker), false) = (&self.worker, matches!(self.state, State::Failed)) {
            self.visit.buffers = engine::buffers(&worker.log());
            if let Some(watch) = self.watch.take() {
                self.visit.conditions = watch.end(self.bench.clock.now_ns(), workers);
            }
        }
    }

    /// Ends the visit and the worker.
    pub(super) fn close(mut self) -> Visit {
        // Also a visit cut short by the person has a peak worth keeping.
        if let (Some(worker), false) = (&mut self.worker, matches!(self.state, State::Failed)) {
            match worker.ask(&Request::Close) {
                Ok(closed) => self.memory(closed),
                Err(lost) => self.stop(Stop::Failed(Stage::Decode, lost.to_string())),
            }
        }
        self.visit.duration_ns = self.bench.clock.now_ns() - self.visit.started_ns;
        self.visit
    }

    /// Ends the visit and hands the worker on, unless it failed.
    pub(super) fn keep(mut self) -> (Visit, Option<Resident>) {
        self.visit.duration_ns = self.bench.clock.now_ns() - self.visit.started_ns;
        let alive = !matches!(self.state, State::Failed);
        (self.visit, self.worker.filter(|_| alive).map(|worker| Resident(worker, self.n_ctx_train)))
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
            Stop::Failed(stage, reason) => {
                self.state = State::Failed;
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
        let request = Request::Load { path: self.task.path.into(), config: self.bench.plan.engine.clone() };
        let Reply::Loaded { model_ns, storage_read_bytes, n_ctx_train, .. } = self.ask(Stage::Load, &request)? else {
            return Err(unexpected(Stage::Load));
        };
        self.n_ctx_train = n_ctx_train;
        let file_bytes = self.task.file_bytes;
        let cache = probe::cache_state(storage_read_bytes, file_bytes);
        self.visit.load = Some(Load { model_ns, context_ns: 0, file_bytes, storage_read_bytes, cache });
        // The first context shows what a user waits for before anything can be evaluated.
        let context_ns = self.context(work::first_context(self.bench.plan))?;
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

    fn evaluate(&mut self, work: Synthetic<'_>, seed: u64) -> Result<Timing, Stop> {
        let stage = if work.phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        match self.ask(stage, &work.request(seed))? {
            Reply::Timed(timing) => Ok(timing),
            _ => Err(unexpected(stage)),
        }
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

    fn context(&mut self, n_ctx: u32) -> Result<u64, Stop> {
        match self.ask(Stage::Context, &Request::Context { n_ctx })? {
            Reply::Context { context_ns } => Ok(context_ns),
            _ => Err(unexpected(Stage::Context)),
        }
    }

    fn memory(&mut self, closed: Reply) {
        let Reply::Closed { peak_rss_bytes, devices_free_bytes } = closed else { return };
        let (Some(sampler), Some(after_load)) = (self.sampler.take(), self.after_load) else { return };
        let seen = sampler.stop();
        let devices = self.bench.devices.iter().filter(|d| d.kind != "cpu").filter_map(|d| {
            let (_, free) = devices_free_bytes.iter().find(|(name, _)| *name == d.name)?;
            Some(DeviceMemory {
                name: d.name.clone(),
                free_before_bytes: d.memory_free_bytes,
                free_after_bytes: *free,
                total_bytes: d.memory_total_bytes,
            })
        });
        self.visit.memory = Some(Memory {
            initial: self.initial,
            after_load,
            peak_rss_bytes: peak_rss_bytes.max(seen.peak_rss_bytes),
            sampling_cost_ns: seen.cost_ns,
            series: seen.series,
            devices: devices.collect(),
        });
    }

    fn ask(&mut self, stage: Stage, request: &Request) -> Result<Reply, Stop> {
        if self.bench.interrupted() {
            return Err(Stop::Interrupted);
        }
        let worker = self.worker.as_mut().expect("nothing is attempted without a worker");
        // While it waits its memory stands still, and another worker may be timed.
        self.sampler.iter().for_each(Sampler::work);
        let answer = worker.ask(request);
        self.sampler.iter().for_each(Sampler::rest);
        match answer {
            Ok(Reply::Failed { stage, reason }) => {
                let words = engine::last_words(&worker.log(), 2);
                let said = if words.is_empty() { String::new() } else { format!("; llama.cpp: {}", words.join(" | ")) };
                Err(Stop::Failed(stage, format!("{reason}{said}")))
            }
            Ok(reply) => Ok(reply),
            Err(lost) => Err(Stop::Failed(stage, lost.to_string())),
        }
    }

    /// The same ids for every model and round; others for every workload and repetition, so that nothing can be cached.
    fn seed(&self, workload: usize, inner: u32) -> u64 {
        self.bench.plan.seed ^ ((workload as u64) << 32) ^ u64::from(inner)
    }

    /// Tells the display and the memory series what begins; returns the memory at that moment.
    fn step(&self, observer: &mut dyn Observer, what: &str, phase: Option<Phase>) -> MemoryReading {
        observer.on(Event::Step { model: self.task.name, what, phase });
        self.mark(what)
    }

    fn mark(&self, what: &str) -> MemoryReading {
        self.sampler.as_ref().and_then(|s| s.mark(what)).unwrap_or_default()
    }
}

fn sample(workload: usize, phase: Phase, inner: u32, timing: Timing, at_ns: u64) -> Sample {
    Sample {
        workload,
        phase,
        inner,
        n_tokens: timing.n_tokens,
        wall_ns: timing.wall_ns,
        native_ns: timing.native_ns,
        at_ns,
    }
}

fn unexpected(stage: Stage) -> Stop {
    Stop::Failed(stage, "the worker answered another question".into())
}
