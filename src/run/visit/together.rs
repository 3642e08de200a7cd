//! Several sequences side by side in one context, as llama-batched-bench evaluates them: total tokens over total time.

use super::{Stop, Synthetic, Visitor, unexpected};
use crate::{
    engine::Timing,
    event::{Event, Observer},
    record::{Phase, Plan, Stage, WorkloadKind},
    run::protocol::{Reply, Request, Together},
};

/// The sequences of a workload; `None` when it has one alone.
pub(super) fn of(kind: &WorkloadKind, plan: &Plan) -> Option<Together> {
    let n_ubatch = plan.engine.n_ubatch;
    match *kind {
        WorkloadKind::PpTogether { n_tokens, n_seq } => Some(Together { n_tokens, n_depth: 0, n_seq, n_ubatch }),
        WorkloadKind::TgTogether { n_tokens, n_depth, n_seq } => Some(Together { n_tokens, n_depth, n_seq, n_ubatch }),
        WorkloadKind::Pp { .. } | WorkloadKind::Tg { .. } | WorkloadKind::Prompt(_) => None,
    }
}

impl Visitor<'_> {
    /// One untimed pass: every sample has a context of its own.
    pub(super) fn warm_up_together(
        &mut self,
        work: Synthetic<'_>,
        together: Together,
        observer: &mut dyn Observer,
    ) -> Result<(), Stop> {
        self.step(observer, &format!("{} warm-up", work.id), Some(work.phase));
        self.together(work.phase, together, self.seed(work.workload, u32::MAX))?;
        observer.on(Event::StepDone);
        Ok(())
    }

    pub(super) fn together(&mut self, phase: Phase, work: Together, seed: u64) -> Result<Timing, Stop> {
        let stage = if phase == Phase::Prefill { Stage::Prefill } else { Stage::Decode };
        match self.ask(stage, &Request::Together { phase, work, seed })? {
            Reply::Timed(timing) => Ok(timing),
            _ => Err(unexpected(stage)),
        }
    }
}
