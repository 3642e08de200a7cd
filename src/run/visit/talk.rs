//! What a visit says to its worker, and what becomes of the answers.

use super::{Synthetic, Visitor};
use crate::{
    engine::{self, Timing},
    event::{Event, Observer},
    probe::Sampler,
    record::{DeviceMemory, Memory, MemoryReading, Phase, Sample, Stage},
    run::{
        lost::{Again, Lost},
        protocol::{Reply, Request},
    },
};

/// Why a visit goes no further.
pub(super) enum Stop {
    Failed { stage: Stage, reason: String, again: Again },
    Interrupted,
}

impl Stop {
    /// Its worker is no more.
    pub(super) fn lost(stage: Stage, lost: &Lost) -> Self {
        Self::Failed { stage, reason: lost.to_string(), again: lost.again() }
    }
}

impl Visitor<'_> {
    pub(super) fn evaluate(&mut self, work: Synthetic<'_>, seed: u64) -> Result<Timing, Stop> {
        let stage = if work.phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        match self.ask(stage, &work.request(self.task.settings.n_ubatch, seed))? {
            Reply::Timed(timing) => Ok(timing),
            _ => Err(unexpected(stage)),
        }
    }

    pub(super) fn context(&mut self, n_ctx: u32) -> Result<u64, Stop> {
        match self.ask(Stage::Context, &Request::Context { n_ctx })? {
            Reply::Context { context_ns } => Ok(context_ns),
            _ => Err(unexpected(Stage::Context)),
        }
    }

    pub(super) fn memory(&mut self, closed: Reply) {
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
            peak_before_prompts_bytes: self.peak_before_prompts,
            sampling_cost_ns: seen.cost_ns,
            series: seen.series,
            devices: devices.collect(),
        });
    }

    pub(super) fn ask(&mut self, stage: Stage, request: &Request) -> Result<Reply, Stop> {
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
                Err(Stop::Failed { stage, reason: format!("{reason}{said}"), again: Again::Useless })
            }
            Ok(reply) => Ok(reply),
            Err(lost) => Err(Stop::lost(stage, &lost)),
        }
    }

    /// The same ids for every model and round; others for every workload and repetition, so that nothing can be cached.
    pub(super) fn seed(&self, workload: usize, inner: u32) -> u64 {
        self.bench.plan.seed ^ ((workload as u64) << 32) ^ u64::from(inner)
    }

    /// Tells the display and the memory series what begins; returns the memory at that moment.
    pub(super) fn step(&self, observer: &mut dyn Observer, what: &str, phase: Option<Phase>) -> MemoryReading {
        observer.on(Event::Step { model: self.task.name, what, phase });
        self.mark(what)
    }

    pub(super) fn mark(&self, what: &str) -> MemoryReading {
        self.sampler.as_ref().and_then(|s| s.mark(what)).unwrap_or_default()
    }
}

pub(super) fn sample(workload: usize, phase: Phase, inner: u32, timing: Timing, at_ns: u64) -> Sample {
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

pub(super) fn unexpected(stage: Stage) -> Stop {
    Stop::Failed { stage, reason: "the worker answered another question".into(), again: Again::Useless }
}
