//! A first look at a subject, alone in memory: load, memory of the host and of every device, a short prompt, some tokens. It prices the
//! plan, and no figure of speed is reported from it.

use super::{
    bench::Bench, connection::Connection, exit::WorkerExit, invocation::Task, round::task, warmup,
    workload::shared_context,
};
use crate::{
    event::{Event, Observer},
    probe,
    protocol::{self, Call, Close, Decode, Load, Never, OpenContext, Prefill, Request},
    record::{self, DeviceMemory, Outcome, Phase, Probe, Run, Stage, WorkloadKind, round_value::synthetic_phase},
};

/// As many as tell a speed: fewer are ruled by what a batch costs whatever its size.
const PROMPT_TOKENS: u32 = 64;
const GENERATED_TOKENS: u32 = 8;

/// Why a look ended early.
enum Stop {
    /// The person asked to, or the time has passed.
    Asked,
    Exit(Stage, WorkerExit),
}

/// Looks at a subject, once more when its worker came to an end that may pass. `None` when nothing more is to begin.
pub(super) fn look(bench: &Bench<'_>, run: &Run, model: usize, observer: &mut dyn Observer) -> Option<Probe> {
    let mut retried = None;
    loop {
        let mut probe = Probe {
            model,
            started_ns: bench.now_ns(),
            duration_ns: 0,
            outcome: Outcome::Done,
            load: None,
            peak_rss_bytes: None,
            devices: Vec::new(),
            buffers: Vec::new(),
            warnings: Vec::new(),
            prefill: None,
            decode: None,
            retried: retried.clone(),
        };
        let task = task(bench, run, model);
        observer.on(Event::Step { model: task.name, what: "a first look", phase: None });
        let looked = Look { bench, task, probe: &mut probe }.take();
        probe.duration_ns = bench.now_ns() - probe.started_ns;
        observer.on(Event::StepDone);
        match looked {
            Err(Stop::Asked | Stop::Exit(_, WorkerExit::GivenUp)) if probe.load.is_none() => return None,
            Ok(()) | Err(Stop::Asked | Stop::Exit(_, WorkerExit::GivenUp)) => return Some(probe),
            Err(Stop::Exit(_, exit)) if exit.is_transient() && retried.is_none() && !bench.stops() => {
                retried = Some(exit.to_string());
            }
            Err(Stop::Exit(stage, exit)) => {
                let stage = exit.stage(stage);
                let reason = match retried {
                    Some(first) => format!("{exit}; a first attempt: {first}"),
                    None => exit.to_string(),
                };
                probe.outcome = Outcome::Failed { stage, reason };
                return Some(probe);
            }
        }
    }
}

struct Look<'a, 'p> {
    bench: &'a Bench<'a>,
    task: Task<'a>,
    probe: &'p mut Probe,
}

impl Look<'_, '_> {
    fn take(self) -> Result<(), Stop> {
        let Self { bench, task, probe } = self;
        let plan = bench.plan;
        if bench.stops() {
            return Err(Stop::Asked);
        }
        let mut worker = bench.launcher.launch().map_err(|exit| Stop::Exit(Stage::Launch, exit))?;
        let load = Load { path: task.path.into(), settings: task.settings.clone() };
        let protocol::Loaded { model_ns, n_ctx_train, storage_read_bytes, devices_free_bytes: before, description } =
            Caller { bench, worker: &mut worker, stage: Stage::Load }.make(&load)?;
        let trained_for = Some(n_ctx_train).filter(|n| *n > 0);
        let n_ctx = shared_context(plan, task.settings, trained_for);
        let context_ns = Caller { bench, worker: &mut worker, stage: Stage::Context }.make(&OpenContext { n_ctx })?;
        let file_bytes = task.file_bytes;
        let cache = probe::cache_state(storage_read_bytes, file_bytes);
        probe.load = Some(record::Load { model_ns, context_ns, file_bytes, storage_read_bytes, cache, description });
        let is_asked = |phase| {
            let any = |kind: &WorkloadKind| synthetic_phase(kind).is_none_or(|asked| asked == phase);
            plan.workloads.iter().any(|w| any(&w.kind))
        };
        if is_asked(Phase::Prefill) || plan.quality.is_some() {
            let mut caller = Caller { bench, worker: &mut worker, stage: Stage::Prefill };
            let prompt = |seed| Prefill { n_tokens: PROMPT_TOKENS.min(n_ctx), n_depth: 0, seed };
            // The first touches the weights.
            caller.make(&Prefill { n_tokens: 1, ..prompt(0) })?;
            let mut timing = caller.make(&prompt(1))?;
            // Where that is short a whole batch tells more: a device is fast only when it is full.
            let whole = Prefill { n_tokens: task.settings.n_ubatch.min(n_ctx), ..prompt(2) };
            if warmup::is_short(whole.n_tokens, timing.n_tokens, timing.wall_ns) {
                caller.make(&Prefill { seed: 3, ..whole.clone() })?;
                timing = caller.make(&whole)?;
            }
            probe.prefill = Some(timing);
        }
        if is_asked(Phase::Decode) {
            let mut caller = Caller { bench, worker: &mut worker, stage: Stage::Decode };
            let n_tokens = GENERATED_TOKENS.min(n_ctx);
            probe.decode = Some(caller.make(&Decode { n_tokens, n_depth: 0, n_before: 0, n_wake: 1, seed: 2 })?);
        }
        let log = worker.log();
        (probe.buffers, probe.warnings) = (protocol::buffers(&log), protocol::warnings(&log, n_ctx));
        let closed = worker.call(&Close).map_err(|exit| Stop::Exit(Stage::Decode, exit))?;
        probe.peak_rss_bytes = closed.peak_rss_bytes;
        let free = |of: &[(String, u64)], name: &str| of.iter().find(|(own, _)| own == name).map(|(_, free)| *free);
        let devices = bench.devices.iter().filter(|device| !device.kind.is_cpu());
        probe.devices = devices
            .filter_map(|device| {
                Some(DeviceMemory {
                    name: device.name.clone(),
                    free_before_bytes: free(&before, &device.name)?,
                    free_after_bytes: free(&closed.devices_free_bytes, &device.name)?,
                    total_bytes: device.memory_total_bytes,
                })
            })
            .collect();
        Ok(())
    }
}

struct Caller<'a> {
    bench: &'a Bench<'a>,
    worker: &'a mut Connection,
    stage: Stage,
}

impl Caller<'_> {
    fn make<C>(&mut self, call: &C) -> Result<C::Answer, Stop>
    where
        C: Call<Event = Never> + Into<Request>,
    {
        if self.bench.stops() {
            return Err(Stop::Asked);
        }
        self.worker.call(call).map_err(|exit| Stop::Exit(self.stage, exit))
    }
}
