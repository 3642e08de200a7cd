//! One invocation: a worker loads one model, warms up, is timed at what it is told, and ends. Whoever arranges a round decides when.

use std::{path::Path, sync::Arc};

use super::{
    bench::Bench,
    connection::Connection,
    exit::WorkerExit,
    warmup::WarmUpEnd,
    workload::{Synthetic, Timed, first_context, synthetic},
};
use crate::{
    event::{Event, Observer},
    probe::{self, ProcessMemory, Sampler, Watch, sampler::DEFAULT_INTERVAL},
    protocol::{self, Answer, Answered, Call, Close, Closed, Count, Load, Never, OpenContext, Request},
    record::{
        self, Conditions, DeviceMemory, FinishReason, Generation, Mark, Memory, MemoryReading, Outcome, Phase,
        PromptText, Retried, Sample, Settings, Skipped, Stage, Timing, Visit, Warmup,
    },
};

/// What an invocation is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) model: usize,
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    pub(super) settings: &'a Settings,
    /// Size of all its parts.
    pub(super) file_bytes: u64,
}

/// A worker that outlives its invocation.
pub(super) struct ResidentWorker {
    connection: Connection,
    n_ctx_train: u32,
}

/// Whose work came before a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrecededBy {
    OwnWork,
    AnotherWorker,
}

/// An invocation that is over.
pub(super) struct Finished {
    pub(super) visit: Visit,
    /// Whether it failed in a way that may not come again.
    pub(super) is_transient: bool,
    /// Its worker, when it lives on.
    pub(super) resident: Option<ResidentWorker>,
}

/// After a failure or an interruption everything asked of an invocation is skipped; what was measured stays.
enum State {
    Ready,
    Interrupted,
    Failed { is_transient: bool },
}

/// Why an invocation goes no further.
enum Stop {
    Interrupted,
    Failed { stage: Stage, reason: String, is_transient: bool },
}

impl Stop {
    /// Its worker is no more; `stage` is what it was called for.
    fn exited(stage: Stage, exit: &WorkerExit) -> Self {
        let stage = if let WorkerExit::Reported { stage, .. } = exit { *stage } else { stage };
        Self::Failed { stage, reason: exit.to_string(), is_transient: exit.is_transient() }
    }
}

/// An invocation under way.
pub(super) struct Invocation<'a> {
    bench: &'a Bench<'a>,
    task: Task<'a>,
    worker: Option<Connection>,
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

impl<'a> Invocation<'a> {
    /// Begins, with a fresh worker or the one of an earlier round.
    pub(super) fn begin(bench: &'a Bench<'a>, task: Task<'a>, resident: Option<ResidentWorker>) -> Self {
        let (worker, n_ctx_train) = match resident {
            Some(ResidentWorker { connection, n_ctx_train }) => (Some(connection), n_ctx_train),
            None => (None, 0),
        };
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

    /// The same once more, after one whose worker came to a transient end: what that one measured is kept apart.
    pub(super) fn retry(bench: &'a Bench<'a>, task: Task<'a>, first: Visit) -> Self {
        let mut retry = Self::begin(bench, task, None);
        if let Outcome::Failed { stage, reason } = first.outcome {
            let Visit { duration_ns, samples, .. } = first;
            retry.visit.retried = Some(Retried { stage, reason, duration_ns, samples });
        }
        retry
    }

    /// Its worker's process, when there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.worker.as_ref().and_then(Connection::pid)
    }

    /// Starts the worker, unless it is there already, and loads the model.
    pub(super) fn open(&mut self, observer: &mut dyn Observer) {
        if self.worker.is_some() || self.bench.interrupted() {
            return;
        }
        match self.bench.launcher.launch() {
            Ok(worker) => self.worker = Some(worker),
            Err(exit) => return self.stop(Stop::exited(Stage::Launch, &exit)),
        }
        self.attempt(|v| v.load(observer));
    }

    /// Begins to watch the machine; `workers` are all of the round, whose work is not foreign.
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

    pub(super) fn sample(
        &mut self,
        work: Synthetic<'_>,
        number: u32,
        preceded_by: PrecededBy,
        observer: &mut dyn Observer,
    ) {
        self.attempt_if_it_fits(work, |v| {
            if preceded_by == PrecededBy::AnotherWorker {
                // Its threads sleep and its caches are full of another's weights: let it come to itself, untimed.
                v.evaluate(work.to_wake(), v.seed(work.workload, u32::MAX / 2 - number))?;
            }
            v.step(observer, work.id, Some(work.phase), Mark::Workload(work.workload));
            let at_ns = v.bench.clock.now_ns();
            let timing = v.evaluate(work, v.seed(work.workload, number))?;
            v.visit.samples.push(sample(work.workload, work.phase, number, timing, at_ns));
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
            let counts = v.call(Stage::Prefill, &Count { texts })?;
            let Fitting { n_ctx, skipped } = fit(prompts, &counts, v.n_ctx_train);
            v.visit.skipped.extend(skipped);
            v.context(n_ctx).map(|_| ())
        });
    }

    pub(super) fn answer(&mut self, workload: usize, id: &str, prompt: &PromptText, observer: &mut dyn Observer) {
        if self.visit.skipped.iter().any(|s| s.workload == workload) {
            return observer.on(Event::StepDone);
        }
        self.attempt(|v| {
            v.step(observer, id, None, Mark::Workload(workload));
            let call = Answer {
                text: prompt.text.clone(),
                max_new_tokens: prompt.max_new_tokens,
                sampling: v.bench.plan.sampling.clone(),
                seed: v.bench.plan.seed,
            };
            let at_ns = v.bench.clock.now_ns();
            let answered = v.call(Stage::Decode, &call)?;
            v.answered(workload, answered, at_ns);
            observer.on(Event::StepDone);
            Ok(())
        });
    }

    /// Reads what a worker can say while everything is still allocated: buffers, and the machine since [`Self::watch`].
    pub(super) fn account(&mut self, workers: &[u32]) {
        if let (Some(worker), false) = (&self.worker, self.failed()) {
            self.visit.buffers = protocol::buffers(&worker.log());
            if let Some(watch) = self.watch.take() {
                self.visit.conditions = watch.end(self.bench.clock.now_ns(), workers);
            }
        }
    }

    /// Ends it and the worker.
    pub(super) fn close(mut self) -> Finished {
        // Also one cut short by the person has a peak worth keeping.
        let alive = !self.failed();
        if let Some(worker) = self.worker.as_mut().filter(|_| alive) {
            match worker.call(&Close) {
                Ok(closed) => self.memory(&closed),
                Err(exit) => self.stop(Stop::exited(Stage::Decode, &exit)),
            }
        }
        Finished { resident: None, ..self.keep() }
    }

    /// Ends it and hands the worker on, unless it failed.
    pub(super) fn keep(mut self) -> Finished {
        self.visit.duration_ns = self.bench.clock.now_ns() - self.visit.started_ns;
        let is_transient = matches!(self.state, State::Failed { is_transient: true });
        let connection = if self.failed() { None } else { self.worker };
        let n_ctx_train = self.n_ctx_train;
        let resident = connection.map(|connection| ResidentWorker { connection, n_ctx_train });
        Finished { visit: self.visit, is_transient, resident }
    }

    fn failed(&self) -> bool {
        matches!(self.state, State::Failed { .. })
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
            Stop::Failed { stage, reason, is_transient } => {
                self.state = State::Failed { is_transient };
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
        self.initial = self.step(observer, "load", None, Mark::Load);
        let call = Load { path: self.task.path.into(), settings: self.task.settings.clone() };
        let protocol::Loaded { model_ns, storage_read_bytes, n_ctx_train } = self.call(Stage::Load, &call)?;
        self.n_ctx_train = n_ctx_train;
        let file_bytes = self.task.file_bytes;
        let cache = probe::cache_state(storage_read_bytes, file_bytes);
        self.visit.load = Some(record::Load { model_ns, context_ns: 0, file_bytes, storage_read_bytes, cache });
        // The first context shows what a user waits for before anything can be evaluated.
        let context_ns = self.context(first_context(self.bench.plan, self.task.settings))?;
        if let Some(load) = &mut self.visit.load {
            load.context_ns = context_ns;
        }
        observer.on(Event::StepDone);
        self.after_load = Some(self.mark(Mark::Loaded));
        Ok(())
    }

    fn warm_up(&mut self, work: Synthetic<'_>, observer: &mut dyn Observer) -> Result<(), Stop> {
        self.step(observer, &format!("{} warm-up", work.id), Some(work.phase), Mark::WarmUp(work.workload));
        let share_ns =
            self.bench.plan.protocol.warmup_ms * 1_000_000 / synthetic(self.bench.plan).count().max(1) as u64;
        let repetition = work.for_warmup();
        let mut end = WarmUpEnd::new(share_ns);
        for number in 0.. {
            let at_ns = self.bench.clock.now_ns();
            let timing = self.evaluate(repetition, self.seed(work.workload, u32::MAX - number))?;
            let taken = sample(work.workload, work.phase, number, timing, at_ns);
            let done = end.is_reached_after(taken.wall_ns.max(self.bench.clock.now_ns() - at_ns));
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

    fn answered(&mut self, workload: usize, answered: Answered, at_ns: u64) {
        self.visit.samples.push(sample(workload, Phase::Prefill, 0, answered.prefill, at_ns));
        if let Some(decode) = answered.decode {
            self.visit.samples.push(sample(workload, Phase::Decode, 0, decode, at_ns + answered.ttft_ns));
        }
        self.visit.generations.push(Generation {
            workload,
            n_prompt: answered.n_prompt,
            templated: answered.prompt_form.is_templated(),
            prompt_form: Some(answered.prompt_form),
            tokens: answered.tokens,
            text: answered.text,
            finish: if answered.ended { FinishReason::EndOfGeneration } else { FinishReason::Length },
            ttft_ns: answered.ttft_ns,
            inter_token_ns: answered.inter_token_ns,
            margins_nats: answered.margins_nats,
        });
    }

    fn evaluate(&mut self, work: Synthetic<'_>, seed: u64) -> Result<Timing, Stop> {
        let stage = if work.phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        match work.call(seed) {
            Timed::Prefill(call) => self.call(stage, &call),
            Timed::Decode(call) => self.call(stage, &call),
            Timed::Sequences(call) => self.call(stage, &call),
        }
    }

    fn context(&mut self, n_ctx: u32) -> Result<u64, Stop> {
        self.call(Stage::Context, &OpenContext { n_ctx })
    }

    fn memory(&mut self, Closed { peak_rss_bytes, devices_free_bytes }: &Closed) {
        let (Some(sampler), Some(after_load)) = (self.sampler.take(), self.after_load) else { return };
        let seen = sampler.stop();
        let devices = self.bench.devices.iter().filter(|d| !d.kind.is_cpu()).filter_map(|d| {
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
            peak_rss_bytes: (*peak_rss_bytes).max(seen.peak_rss_bytes),
            peak_before_prompts_bytes: self.peak_before_prompts,
            sampling_cost_ns: seen.cost_ns,
            series: seen.series,
            devices: devices.collect(),
        });
    }

    fn call<C>(&mut self, stage: Stage, call: &C) -> Result<C::Answer, Stop>
    where
        C: Call<Event = Never> + Into<Request>,
    {
        if self.bench.interrupted() {
            return Err(Stop::Interrupted);
        }
        let worker = self.worker.as_mut().expect("nothing is attempted without a worker");
        // While it waits its memory stands still, and another worker may be timed.
        self.sampler.iter().for_each(Sampler::work);
        let answer = worker.call(call);
        self.sampler.iter().for_each(Sampler::rest);
        answer.map_err(|exit| Stop::exited(stage, &exit))
    }

    /// The same ids for every model and round; others for every workload and repetition, so that nothing can be cached.
    fn seed(&self, workload: usize, number: u32) -> u64 {
        self.bench.plan.seed ^ ((workload as u64) << 32) ^ u64::from(number)
    }

    /// Tells the display and the memory series what begins; returns the memory at that moment.
    fn step(&self, observer: &mut dyn Observer, what: &str, phase: Option<Phase>, mark: Mark) -> MemoryReading {
        observer.on(Event::Step { model: self.task.name, what, phase });
        self.mark(mark)
    }

    fn mark(&self, what: Mark) -> MemoryReading {
        self.sampler.as_ref().and_then(|s| s.mark(what)).unwrap_or_default()
    }

    /// Does work, unless it is at a depth that the model was not trained for: that is noted, once, and not done.
    fn attempt_if_it_fits(&mut self, work: Synthetic<'_>, attempt: impl FnOnce(&mut Self) -> Result<(), Stop>) {
        let kind = &self.bench.plan.workloads[work.workload].kind;
        let n_ctx_train = self.n_ctx_train;
        // A model that does not say what it was trained for takes what it gets.
        if !kind.is_too_deep(Some(n_ctx_train).filter(|n| *n > 0)) {
            return self.attempt(attempt);
        }
        let n_ctx_needed = work.n_tokens();
        let n_prompt = if work.phase == Phase::Prefill { Some(n_ctx_needed) } else { kind.depth() };
        let skipped = Skipped { workload: work.workload, n_prompt: n_prompt.unwrap_or(0), n_ctx_needed, n_ctx_train };
        if !self.visit.skipped.contains(&skipped) {
            self.visit.skipped.push(skipped);
        }
    }
}

fn sample(workload: usize, phase: Phase, number: u32, timing: Timing, at_ns: u64) -> Sample {
    Sample {
        workload,
        phase,
        inner: number,
        n_tokens: timing.n_tokens,
        wall_ns: timing.wall_ns,
        native_ns: timing.native_ns,
        at_ns,
    }
}

/// The context for those that fit, and those that do not.
#[derive(Debug)]
struct Fitting {
    n_ctx: u32,
    skipped: Vec<Skipped>,
}

/// The context grows to the longest prompt that the model allows. Prompts come with their workload's index; `counts` are their tokens.
fn fit(prompts: &[(usize, &PromptText)], counts: &[u32], n_ctx_train: u32) -> Fitting {
    let mut fitting = Fitting { n_ctx: 1, skipped: Vec::new() };
    for (&(workload, prompt), &n_prompt) in prompts.iter().zip(counts) {
        let needed = n_prompt.saturating_add(prompt.max_new_tokens);
        // A model that does not say what it was trained for takes what it gets.
        if n_ctx_train == 0 || needed <= n_ctx_train {
            fitting.n_ctx = fitting.n_ctx.max(needed);
        } else {
            fitting.skipped.push(Skipped { workload, n_prompt, n_ctx_needed: needed, n_ctx_train });
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_grows_and_what_is_too_long_is_named() {
        let text = |max_new_tokens| PromptText { category: "c".into(), text: "t".into(), max_new_tokens };
        let (short, long) = (text(10), text(100));
        let fitting = fit(&[(0, &short), (1, &long), (2, &short)], &[50, 950, 990], 1000);
        assert_eq!(fitting.n_ctx, 1000);
        let [skipped] = fitting.skipped.as_slice() else { panic!("one is too long") };
        assert_eq!((skipped.workload, skipped.n_prompt, skipped.n_ctx_needed), (1, 950, 1050));
        assert!(fit(&[(0, &long)], &[u32::MAX], 0).skipped.is_empty());
    }
}
