//! Several sequences side by side in one context, as llama-batched-bench evaluates them: total tokens over total time.

use super::{Stop, Visitor, sample, unexpected};
use crate::{
    record::{Phase, Stage},
    run::protocol::{Reply, Request, Together},
};

impl Visitor<'_, '_> {
    /// One untimed pass, then the samples.
    pub(super) fn together(&mut self, workload: usize, id: &str, phase: Phase, work: Together) -> Result<(), Stop> {
        let stage = if phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        self.begin(&format!("{id} warm-up"), Some(phase));
        let request = |seed| Request::Together { phase, work, seed };
        self.ask(stage, &request(self.seed(workload, u32::MAX)))?;
        self.end();
        for inner in 0..self.bench.plan.protocol.inner_samples {
            self.begin(id, Some(phase));
            let at_ns = self.bench.clock.now_ns();
            let Reply::Timed(timing) = self.ask(stage, &request(self.seed(workload, inner)))? else {
                return Err(unexpected(stage));
            };
            self.visit.samples.push(sample(workload, phase, inner, timing, at_ns));
            self.end();
        }
        Ok(())
    }
}
