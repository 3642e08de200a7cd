//! Synthetic work: what a plan asks, and the call that asks it of a worker.

use super::warmup;
use crate::{
    protocol::{Decode, Prefill, Sequences, TimeSequences},
    record::{Phase, Plan, Settings, WorkloadKind},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Synthetic<'a> {
    /// Index into the plan's workloads.
    pub(super) workload: usize,
    pub(super) id: &'a str,
    pub(super) phase: Phase,
    amount: Amount,
}

#[derive(Debug, Clone, Copy)]
enum Amount {
    /// Tokens of one sequence, after those of the depth.
    Alone { n_tokens: u32, n_depth: u32 },
    /// Sequences side by side, in a context of their own, as llama-batched-bench evaluates them: total tokens over total time.
    Sequences(Sequences),
}

/// The synthetic workloads of a plan, in its order.
pub(super) fn synthetic(plan: &Plan) -> impl Iterator<Item = Synthetic<'_>> {
    plan.workloads.iter().enumerate().filter_map(|(workload, w)| {
        let (phase, amount) = match w.kind {
            WorkloadKind::Pp { n_tokens, n_depth } => (Phase::Prefill, Amount::Alone { n_tokens, n_depth }),
            WorkloadKind::Tg { n_tokens, n_depth } => (Phase::Decode, Amount::Alone { n_tokens, n_depth }),
            WorkloadKind::PpParallel { n_tokens, n_seq } => {
                (Phase::Prefill, Amount::Sequences(Sequences { n_tokens, n_depth: 0, n_seq }))
            }
            WorkloadKind::TgParallel { n_tokens, n_depth, n_seq } => {
                (Phase::Decode, Amount::Sequences(Sequences { n_tokens, n_depth, n_seq }))
            }
            WorkloadKind::Prompt(_) => return None,
        };
        Some(Synthetic { workload, id: &w.id, phase, amount })
    })
}

/// The context the first workload needs.
pub(super) fn first_context(plan: &Plan, settings: &Settings) -> u32 {
    synthetic(plan).find_map(Synthetic::n_ctx).unwrap_or(settings.n_ubatch)
}

impl Synthetic<'_> {
    /// The context to be made for it; `None` when the worker makes one for each request.
    pub(super) fn n_ctx(self) -> Option<u32> {
        match self.amount {
            Amount::Alone { n_tokens, n_depth } => Some(n_tokens.saturating_add(n_depth)),
            Amount::Sequences(_) => None,
        }
    }

    /// Tokens of context it takes, over all sequences.
    pub(super) fn n_tokens(self) -> u32 {
        match self.amount {
            Amount::Alone { n_tokens, n_depth } => n_tokens.saturating_add(n_depth),
            Amount::Sequences(work) => (work.n_tokens + work.n_depth).saturating_mul(work.n_seq),
        }
    }

    /// One repetition of its warm-up.
    pub(super) fn for_warmup(self) -> Self {
        let amount = match self.amount {
            Amount::Alone { n_tokens, n_depth } => {
                Amount::Alone { n_tokens: warmup::tokens(self.phase, n_tokens), n_depth }
            }
            Amount::Sequences(work) => {
                Amount::Sequences(Sequences { n_tokens: warmup::tokens(self.phase, work.n_tokens), ..work })
            }
        };
        Self { amount, ..self }
    }

    /// A little of it, for a worker that has been idle.
    pub(super) fn to_wake(self) -> Self {
        let amount = match self.amount {
            Amount::Alone { n_tokens, n_depth } => {
                Amount::Alone { n_tokens: warmup::tokens_to_wake(self.phase, n_tokens), n_depth }
            }
            Amount::Sequences(work) => {
                Amount::Sequences(Sequences { n_tokens: warmup::tokens_to_wake(self.phase, work.n_tokens), ..work })
            }
        };
        Self { amount, ..self }
    }

    /// What a worker is called for; the seed decides which ids.
    pub(super) fn call(self, seed: u64) -> Timed {
        match (self.amount, self.phase) {
            (Amount::Sequences(sequences), phase) => Timed::Sequences(TimeSequences { phase, sequences, seed }),
            (Amount::Alone { n_tokens, n_depth }, Phase::Prefill) => {
                Timed::Prefill(Prefill { n_tokens, n_depth, seed })
            }
            (Amount::Alone { n_tokens, n_depth }, Phase::Decode) => Timed::Decode(Decode { n_tokens, n_depth, seed }),
        }
    }
}

/// The calls that are answered by a timing.
pub(super) enum Timed {
    Prefill(Prefill),
    Decode(Decode),
    Sequences(TimeSequences),
}
