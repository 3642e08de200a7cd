//! One invocation: a worker loads one model, warms up, is timed at what it is told, and ends. Whoever arranges a round decides when.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    bench::Bench,
    connection::Connection,
    exit::WorkerExit,
    warmup::{self, WarmUpEnd},
    workload::{Block, Synthetic, Timed, shared_context},
};
use crate::{
    event::{Event, Observer},
    probe::{self, ProcessMemory, Sampler, Watch, sampler::DEFAULT_INTERVAL},
    protocol::{self, Answer, Answered, Call, Close, Closed, Count, Load, Never, OpenContext, Request},
    record::{
        self, Conditions, FinishReason, Generation, Mark, Memory, MemoryReading, Outcome, Phase, Preparation,
        PromptText, Retried, Sample, Settings, Skipped, Stage, Timing, Visit, WarmUpPolicy, Warmup,
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
}

/// After a failure, an interruption or the end of the time everything asked of an invocation is skipped; what was measured stays.
enum State {
    Ready,
    Stopped,
    Failed { is_transient: bool },
}

/// Why an invocation goes no further.
enum Stop {
    /// The person asked to, or the time has passed.
    Asked,
    Failed {
        stage: Stage,
        reason: String,
        is_transient: bool,
    },
}

impl Stop {
    /// Its worker is no more; `stage` is what it was called for.
    fn exited(stage: Stage, exit: &WorkerExit) -> Self {
        if matches!(exit, WorkerExit::GivenUp) {
            return Self::Asked;
        }
        let stage = exit.stage(stage);
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
    /// Tokens of the context that is open; 0 of none, and of one that holds several sequences.
    n_ctx: u32,
    /// The blocks so far of a sample under way.
    begun: Option<Sample>,
}

impl<'a> Invocation<'a> {
    pub(super) fn begin(bench: &'a Bench<'a>, task: Task<'a>) -> Self {
        let visit = Visit {
            model: task.model,
            started_ns: bench.now_ns(),
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
            worker: None,
            visit,
            state: State::Ready,
            sampler: None,
            watch: None,
            initial: MemoryReading::default(),
            after_load: None,
            peak_before_prompts: None,
            n_ctx_train: 0,
            n_ctx: 0,
            begun: None,
        }
    }

    /// The same once more, after one whose worker came to a transient end: what that one measured is kept apart.
    pub(super) fn retry(bench: &'a Bench<'a>, task: Task<'a>, first: Visit) -> Self {
        let mut retry = Self::begin(bench, task);
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

    /// Starts the worker and loads the model.
    pub(super) fn open(&mut self, observer: &mut dyn Observer) {
        if self.bench.stops() {
            self.state = State::Stopped;
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
            self.watch = Some(Watch::start(self.bench.now_ns(), workers));
        }
    }

    /// Warms up for the workload. All work of one sequence shares a context.
    pub(super) fn prepare(&mut self, work: Synthetic<'_>, observer: &mut dyn Observer) {
        self.attempt_if_it_fits(work, |v| {
            if work.n_ctx().is_some() {
                v.reach_context(shared_context(v.bench.plan, v.task.settings, v.trained_for()))?;
            }
            v.warm_up(work, observer)
        });
    }

    /// Takes a block of a sample; the sample counts once its last block is there.
    pub(super) fn sample(
        &mut self,
        work: Synthetic<'_>,
        number: u32,
        block: Block,
        preceded_by: PrecededBy,
        observer: &mut dyn Observer,
    ) {
        self.attempt_if_it_fits(work, |v| {
            let mut n_wake = 0;
            let wakes = v.bench.plan.protocol.preparation.warm_up == WarmUpPolicy::UntilAlike;
            if preceded_by == PrecededBy::AnotherWorker && wakes {
                // Its threads sleep and its caches are full of another's weights: let it come to itself, untimed.
                n_wake = work.wake_tokens();
                if let Some(waking) = work.to_wake() {
                    v.evaluate(waking, waking.whole(), 0, v.seed(work.workload, u32::MAX / 2 - number))?;
                }
            }
            if block.first {
                v.step(observer, work.id, Some(work.phase), Mark::Workload(work.workload));
                v.begun = None;
            }
            let at_ns = v.bench.now_ns();
            let timing = v.evaluate(work, block, n_wake, v.seed(work.workload, number))?;
            let so_far = v.begun.take();
            let sample = joined(so_far, sample(work.workload, work.phase, number, timing, at_ns));
            if block.last {
                v.visit.samples.push(sample);
                observer.on(Event::StepDone);
            } else {
                v.begun = Some(sample);
            }
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
            v.reach_context(n_ctx)
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
            let at_ns = v.bench.now_ns();
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
                self.visit.conditions = watch.end(self.bench.now_ns(), workers);
            }
        }
    }

    /// Ends it and the worker.
    pub(super) fn close(mut self) -> Finished {
        // Also one cut short has a peak worth keeping.
        let alive = !self.failed();
        if let Some(worker) = self.worker.as_mut().filter(|_| alive) {
            match worker.call(&Close) {
                Ok(closed) => self.memory(&closed),
                Err(exit) => self.stop(Stop::exited(Stage::Decode, &exit)),
            }
        }
        self.visit.duration_ns = self.bench.now_ns() - self.visit.started_ns;
        let is_transient = matches!(self.state, State::Failed { is_transient: true });
        Finished { visit: self.visit, is_transient }
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
            Stop::Asked => self.state = State::Stopped,
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
        let protocol::Loaded { model_ns, storage_read_bytes, n_ctx_train, devices_free_bytes: _, description } =
            self.call(Stage::Load, &call)?;
        self.n_ctx_train = n_ctx_train;
        let file_bytes = self.task.file_bytes;
        let cache = probe::cache_state(storage_read_bytes, file_bytes);
        self.visit.load =
            Some(record::Load { model_ns, context_ns: 0, file_bytes, storage_read_bytes, cache, description });
        // It shows what a user waits for before anything can be evaluated.
        let n_ctx = shared_context(self.bench.plan, self.task.settings, self.trained_for());
        let context_ns = self.context(n_ctx)?;
        if let Some(load) = &mut self.visit.load {
            load.context_ns = context_ns;
        }
        observer.on(Event::StepDone);
        self.after_load = Some(self.mark(Mark::Loaded));
        Ok(())
    }

    fn warm_up(&mut self, work: Synthetic<'_>, observer: &mut dyn Observer) -> Result<(), Stop> {
        let Preparation { delay_s, warm_up } = self.bench.plan.protocol.preparation;
        self.rest(delay_s)?;
        if warm_up == WarmUpPolicy::None {
            return Ok(());
        }
        self.step(observer, &format!("{} warm-up", work.id), Some(work.phase), Mark::WarmUp(work.workload));
        let repetition = work.for_warmup();
        let mut end = WarmUpEnd::default();
        for number in 0.. {
            let taken = self.repeat_untimed(repetition, number)?;
            if end.is_reached_after(taken.wall_ns) {
                if work.phase == Phase::Prefill && warmup::is_short(work.n_tokens(), taken.n_tokens, taken.wall_ns) {
                    self.repeat_untimed(work, number + 1)?;
                }
                break;
            }
        }
        observer.on(Event::StepDone);
        Ok(())
    }

    /// Waits, so that what heats up cools down, unless nothing more is to begin.
    fn rest(&self, seconds: u32) -> Result<(), Stop> {
        const STEP: Duration = Duration::from_millis(100);
        for _ in 0..u64::from(seconds) * 10 {
            if self.bench.stops() {
                return Err(Stop::Asked);
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// A repetition that counts in no result.
    fn repeat_untimed(&mut self, work: Synthetic<'_>, number: u32) -> Result<Sample, Stop> {
        let at_ns = self.bench.now_ns();
        let timing = self.evaluate(work, work.whole(), 0, self.seed(work.workload, u32::MAX - number))?;
        let taken = sample(work.workload, work.phase, number, timing, at_ns);
        let warmup = self.visit.warmup.get_or_insert(Warmup { duration_ns: 0, samples: Vec::new() });
        warmup.duration_ns += taken.wall_ns;
        warmup.samples.push(taken.clone());
        Ok(taken)
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

    fn evaluate(&mut self, work: Synthetic<'_>, block: Block, n_wake: u32, seed: u64) -> Result<Timing, Stop> {
        let stage = if work.phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        match work.call(block, n_wake, seed) {
            Timed::Prefill(call) => self.call(stage, &call),
            Timed::Decode(call) => self.call(stage, &call),
            Timed::Both(call) => self.call(stage, &call),
            Timed::Sequences(call) => {
                // It takes the place of the one that is open.
                self.n_ctx = 0;
                self.call(stage, &call)
            }
        }
    }

    /// Makes a context that is at least so long, unless there is one.
    fn reach_context(&mut self, n_ctx: u32) -> Result<(), Stop> {
        if self.n_ctx < n_ctx {
            self.context(n_ctx)?;
        }
        Ok(())
    }

    fn context(&mut self, n_ctx: u32) -> Result<u64, Stop> {
        self.n_ctx = 0;
        let took_ns = self.call(Stage::Context, &OpenContext { n_ctx })?;
        self.n_ctx = n_ctx;
        Ok(took_ns)
    }

    fn trained_for(&self) -> Option<u32> {
        Some(self.n_ctx_train).filter(|n| *n > 0)
    }

    fn memory(&mut self, Closed { peak_rss_bytes, devices_free_bytes: _ }: &Closed) {
        let (Some(sampler), Some(after_load)) = (self.sampler.take(), self.after_load) else { return };
        let seen = sampler.stop();
        self.visit.memory = Some(Memory {
            initial: self.initial,
            after_load,
            peak_rss_bytes: (*peak_rss_bytes).max(seen.peak_rss_bytes),
            peak_before_prompts_bytes: self.peak_before_prompts,
            sampling_cost_ns: seen.cost_ns,
            series: seen.series,
            // Beside other subjects nobody can tell whose it is: the probe has it.
            devices: Vec::new(),
        });
    }

    fn call<C>(&mut self, stage: Stage, call: &C) -> Result<C::Answer, Stop>
    where
        C: Call<Event = Never> + Into<Request>,
    {
        if self.bench.stops() {
            return Err(Stop::Asked);
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
        if !kind.is_too_deep(self.trained_for()) {
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
        energy_uj: timing.energy_uj,
    }
}

/// A sample with one more block.
fn joined(so_far: Option<Sample>, block: Sample) -> Sample {
    let Some(so_far) = so_far else { return block };
    Sample {
        n_tokens: so_far.n_tokens + block.n_tokens,
        wall_ns: so_far.wall_ns + block.wall_ns,
        native_ns: so_far.native_ns.zip(block.native_ns).map(|(a, b)| a + b),
        energy_uj: so_far.energy_uj.zip(block.energy_uj).map(|(a, b)| a + b),
        ..so_far
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
