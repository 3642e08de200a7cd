//! One visit: a fresh worker loads one model, warms up, is timed at every workload, and ends.

mod fit;
mod together;

use std::{path::Path, sync::Arc};

use super::{
    Bench,
    launcher::Worker,
    protocol::{Answered, Reply, Request, Together},
};
use crate::{
    engine::{self, Timing},
    event::{Event, Observer},
    probe::{self, Sampler, Watch, sampler::DEFAULT_INTERVAL},
    record::{
        Conditions, DeviceMemory, FinishReason, Generation, Load, Memory, MemoryReading, Outcome, Phase, Plan,
        PromptText, Sample, Stage, Visit, Warmup, WorkloadKind,
    },
};

/// Tokens generated at a time while warming up: enough to settle, few enough to stop in time.
const WARMUP_DECODE_TOKENS: u32 = 16;

/// What a visit is to do.
pub(super) struct Task<'a> {
    /// Index of the model.
    pub(super) model: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Its file.
    pub(super) path: &'a Path,
    /// Size of all its parts.
    pub(super) file_bytes: u64,
    /// Round it belongs to.
    pub(super) round: u32,
}

/// Makes a visit. Whatever fails ends in its outcome; what was measured before stays.
pub(super) fn make(bench: &Bench<'_>, task: &Task<'_>, observer: &mut dyn Observer) -> Visit {
    let started_ns = bench.clock.now_ns();
    let mut visit = Visit {
        model: task.model,
        started_ns,
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
    observer.on(Event::Visit { model: task.name, steps: steps(bench.plan, task.round) });
    match bench.launcher.launch() {
        Ok(worker) => {
            let mut visitor =
                Visitor { bench, task, worker, observer, visit: &mut visit, sampler: None, n_ctx_train: 0 };
            if let Err(Stop::Failed(stage, reason)) = visitor.measure() {
                visitor.visit.outcome = Outcome::Failed { stage, reason };
            }
        }
        Err(lost) => visit.outcome = Outcome::Failed { stage: Stage::Launch, reason: lost.to_string() },
    }
    visit.duration_ns = bench.clock.now_ns() - started_ns;
    observer.on(Event::VisitDone { outcome: &visit.outcome });
    visit
}

/// Steps the progress display counts.
pub(super) fn steps(plan: &Plan, round: u32) -> u32 {
    let step = |kind: &WorkloadKind| match kind {
        WorkloadKind::Prompt(_) if round >= plan.protocol.prompt_rounds => 0,
        WorkloadKind::Prompt(_) => 1,
        // The warm-up is a step of its own.
        _ => 1 + plan.protocol.inner_samples,
    };
    1 + plan.workloads.iter().map(|w| step(&w.kind)).sum::<u32>()
}

/// Why a visit goes no further.
enum Stop {
    Failed(Stage, String),
    Interrupted,
}

struct Visitor<'a, 'b> {
    bench: &'a Bench<'a>,
    task: &'a Task<'a>,
    worker: Box<dyn Worker>,
    observer: &'b mut dyn Observer,
    visit: &'b mut Visit,
    sampler: Option<Sampler>,
    /// What the model was trained for; 0 while unknown.
    n_ctx_train: u32,
}

impl Visitor<'_, '_> {
    fn measure(&mut self) -> Result<(), Stop> {
        let pid = self.worker.pid();
        let pids: Vec<u32> = pid.into_iter().collect();
        let clock = &self.bench.clock;
        let watch = Watch::start(clock.now_ns(), &pids);
        // Without /proc or its like there is no memory to show, and the rest goes on.
        self.sampler =
            pid.and_then(|pid| Sampler::start(pid, Arc::clone(clock), self.visit.started_ns, DEFAULT_INTERVAL).ok());
        let initial = self.begin("load", None);
        let done = self.load().and_then(|()| {
            let after_load = self.mark("loaded");
            let done = self.workloads();
            if let Err(Stop::Failed(..)) = done {
                return done;
            }
            // Buffers and memory are worth having even when the visit was cut short.
            self.visit.buffers = engine::buffers(&self.worker.log());
            self.visit.conditions = watch.end(self.bench.clock.now_ns(), &pids);
            let closed = self.ask(Stage::Decode, &Request::Close)?;
            self.account(initial, after_load, closed);
            done
        });
        self.sampler = None;
        done
    }

    fn load(&mut self) -> Result<(), Stop> {
        let request = Request::Load { path: self.task.path.into(), config: self.bench.plan.engine.clone() };
        let Reply::Loaded { model_ns, storage_read_bytes, n_ctx_train, .. } = self.ask(Stage::Load, &request)? else {
            return Err(unexpected(Stage::Load));
        };
        self.n_ctx_train = n_ctx_train;
        let file_bytes = self.task.file_bytes;
        self.visit.load = Some(Load {
            model_ns,
            context_ns: 0,
            file_bytes,
            storage_read_bytes,
            cache: probe::cache_state(storage_read_bytes, file_bytes),
        });
        // The first context shows what a user waits for before anything can be evaluated.
        let context_ns = self.context(first_context(self.bench.plan))?;
        if let Some(load) = &mut self.visit.load {
            load.context_ns = context_ns;
        }
        self.end();
        Ok(())
    }

    fn workloads(&mut self) -> Result<(), Stop> {
        let plan = self.bench.plan;
        let mut prompts = Vec::new();
        for (index, workload) in plan.workloads.iter().enumerate() {
            match &workload.kind {
                WorkloadKind::Pp { n_tokens } => self.synthetic(index, &workload.id, Phase::Prefill, *n_tokens)?,
                WorkloadKind::Tg { n_tokens } => self.synthetic(index, &workload.id, Phase::Decode, *n_tokens)?,
                WorkloadKind::PpTogether { n_tokens, n_seq } => {
                    let work =
                        Together { n_tokens: *n_tokens, n_depth: 0, n_seq: *n_seq, n_ubatch: plan.engine.n_ubatch };
                    self.together(index, &workload.id, Phase::Prefill, work)?;
                }
                WorkloadKind::TgTogether { n_tokens, n_depth, n_seq } => {
                    let work = Together {
                        n_tokens: *n_tokens,
                        n_depth: *n_depth,
                        n_seq: *n_seq,
                        n_ubatch: plan.engine.n_ubatch,
                    };
                    self.together(index, &workload.id, Phase::Decode, work)?;
                }
                WorkloadKind::Prompt(prompt) if self.task.round < plan.protocol.prompt_rounds => {
                    prompts.push((index, workload.id.as_str(), prompt));
                }
                WorkloadKind::Prompt(_) => {}
            }
        }
        if prompts.is_empty() { Ok(()) } else { self.prompts(prompts) }
    }

    /// A context of its own for each workload, as in llama-bench.
    fn synthetic(&mut self, workload: usize, id: &str, phase: Phase, n_tokens: u32) -> Result<(), Stop> {
        self.context(n_tokens)?;
        self.warm_up(workload, id, phase, n_tokens)?;
        for inner in 0..self.bench.plan.protocol.inner_samples {
            self.begin(id, Some(phase));
            let at_ns = self.bench.clock.now_ns();
            let timing = self.evaluate(phase, n_tokens, self.seed(workload, inner))?;
            self.visit.samples.push(sample(workload, phase, inner, timing, at_ns));
            self.end();
        }
        Ok(())
    }

    fn warm_up(&mut self, workload: usize, id: &str, phase: Phase, n_tokens: u32) -> Result<(), Stop> {
        self.begin(&format!("{id} warm-up"), Some(phase));
        let share = self.bench.plan.protocol.warmup_ms * 1_000_000 / self.bench.synthetic_workloads().max(1);
        let n = if phase == Phase::Decode { n_tokens.min(WARMUP_DECODE_TOKENS) } else { n_tokens };
        let start = self.bench.clock.now_ns();
        for inner in 0.. {
            let at_ns = self.bench.clock.now_ns();
            let timing = self.evaluate(phase, n, self.seed(workload, u32::MAX - inner))?;
            let sample = sample(workload, phase, inner, timing, at_ns);
            let warmup = self.visit.warmup.get_or_insert(Warmup { duration_ns: 0, samples: Vec::new() });
            warmup.samples.push(sample);
            warmup.duration_ns += self.bench.clock.now_ns() - at_ns;
            // The virtual clock of a script does not pass here; the work itself does.
            let worked: u64 = warmup.samples.iter().filter(|s| s.workload == workload).map(|s| s.wall_ns).sum();
            if worked.max(self.bench.clock.now_ns() - start) >= share {
                break;
            }
        }
        self.end();
        Ok(())
    }

    fn evaluate(&mut self, phase: Phase, n_tokens: u32, seed: u64) -> Result<Timing, Stop> {
        let (stage, request) = match phase {
            Phase::Prefill => (Stage::Prefill, Request::Prefill { n_tokens, seed }),
            Phase::Decode => (Stage::Decode, Request::Decode { n_tokens, seed }),
        };
        match self.ask(stage, &request)? {
            Reply::Timed(timing) => Ok(timing),
            _ => Err(unexpected(stage)),
        }
    }

    fn prompts(&mut self, prompts: Vec<(usize, &str, &PromptText)>) -> Result<(), Stop> {
        let texts = prompts.iter().map(|(_, _, p)| p.text.clone()).collect();
        let Reply::Counted(counts) = self.ask(Stage::Prefill, &Request::Count { texts })? else {
            return Err(unexpected(Stage::Prefill));
        };
        let fit::Fitting { asked, n_ctx, skipped } = fit::fit(prompts, &counts, self.n_ctx_train);
        self.visit.skipped = skipped;
        self.context(n_ctx)?;
        for (workload, id, prompt) in asked {
            self.begin(id, None);
            let request = Request::Answer {
                text: prompt.text.clone(),
                max_new_tokens: prompt.max_new_tokens,
                sampling: self.bench.plan.sampling.clone(),
                seed: self.bench.plan.seed,
            };
            let at_ns = self.bench.clock.now_ns();
            let Reply::Answered(answer) = self.ask(Stage::Decode, &request)? else {
                return Err(unexpected(Stage::Decode));
            };
            self.answered(workload, *answer, at_ns);
            self.end();
        }
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

    fn context(&mut self, n_ctx: u32) -> Result<u64, Stop> {
        match self.ask(Stage::Context, &Request::Context { n_ctx })? {
            Reply::Context { context_ns } => Ok(context_ns),
            _ => Err(unexpected(Stage::Context)),
        }
    }

    fn account(&mut self, initial: MemoryReading, after_load: MemoryReading, closed: Reply) {
        let Reply::Closed { peak_rss_bytes, devices_free_bytes } = closed else { return };
        let Some(sampler) = self.sampler.take() else { return };
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
            initial,
            after_load,
            peak_rss_bytes: peak_rss_bytes.max(seen.peak_rss_bytes),
            sampling_cost_ns: seen.cost_ns,
            series: seen.series,
            devices: devices.collect(),
        });
    }

    fn ask(&mut self, stage: Stage, request: &Request) -> Result<Reply, Stop> {
        let closing = matches!(request, Request::Close);
        if !closing && self.bench.interrupted() {
            return Err(Stop::Interrupted);
        }
        match self.worker.ask(request) {
            Ok(Reply::Failed { stage, reason }) => {
                let words = engine::last_words(&self.worker.log(), 2);
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
    fn begin(&mut self, what: &str, phase: Option<Phase>) -> MemoryReading {
        self.observer.on(Event::Step { what, phase });
        self.mark(what)
    }

    fn mark(&self, what: &str) -> MemoryReading {
        self.sampler.as_ref().and_then(|s| s.mark(what)).unwrap_or_default()
    }

    fn end(&mut self) {
        self.observer.on(Event::StepDone);
    }
}

/// The context the first workload needs.
fn first_context(plan: &Plan) -> u32 {
    let synthetic = plan.workloads.iter().find_map(|w| match w.kind {
        WorkloadKind::Pp { n_tokens } | WorkloadKind::Tg { n_tokens } => Some(n_tokens),
        // These have contexts of their own.
        WorkloadKind::PpTogether { .. } | WorkloadKind::TgTogether { .. } | WorkloadKind::Prompt(_) => None,
    });
    synthetic.unwrap_or(plan.engine.n_ubatch)
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
