//! Synthetic work: what a plan asks, and the call that asks it of a worker.

use super::warmup;
use crate::{
    protocol::{Decode, Prefill, PrefillDecode, Sequences, TimeSequences},
    record::{Phase, Plan, Settings, WorkloadKind},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Synthetic<'a> {
    /// Index into the plan's workloads.
    pub(super) workload: usize,
    pub(super) id: &'a str,
    pub(super) phase: Phase,
    amount: Amount,
    /// Tokens of a block, where the plan says it.
    block_tokens: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Amount {
    /// Tokens of one sequence, after those of the depth.
    Alone { n_tokens: u32, n_depth: u32 },
    /// A prompt and what is generated after it, timed together.
    Both { n_prompt: u32, n_gen: u32, n_depth: u32 },
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
            // Its last token is generated.
            WorkloadKind::PpTg { n_prompt, n_gen, n_depth } => {
                (Phase::Decode, Amount::Both { n_prompt, n_gen, n_depth })
            }
            WorkloadKind::Prompt(_) => return None,
        };
        Some(Synthetic { workload, id: &w.id, phase, amount, block_tokens: plan.protocol.block_tokens })
    })
}

/// Tokens generated before another worker has its turn: the shorter, the more alike is the machine that both see, and the more is
/// spent on waking. benches/design.rs compares lengths.
pub(super) const BLOCK_TOKENS: u32 = 32;

/// Tokens of the one block that stands for a generation where there is no time for more.
pub(super) const SHORT_BLOCK_TOKENS: u32 = 16;

/// The one context in which all work of one sequence is done, of a model trained for so many tokens.
pub(super) fn shared_context(plan: &Plan, settings: &Settings, n_ctx_train: Option<u32>) -> u32 {
    let fits = |work: &Synthetic<'_>| !plan.workloads[work.workload].kind.is_too_deep(n_ctx_train);
    synthetic(plan).filter(fits).filter_map(Synthetic::n_ctx).chain(plan.min_ctx).max().unwrap_or(settings.n_ubatch)
}

impl Synthetic<'_> {
    /// The context to be made for it; `None` when the worker makes one for each request.
    pub(super) fn n_ctx(self) -> Option<u32> {
        match self.amount {
            Amount::Alone { .. } | Amount::Both { .. } => Some(self.n_tokens()),
            Amount::Sequences(_) => None,
        }
    }

    /// The blocks in which a sample is taken where workers alternate: how many tokens were generated before each, and how many it has.
    pub(super) fn blocks(self) -> Vec<Block> {
        self.blocks_of(self.block_tokens.unwrap_or(BLOCK_TOKENS).max(1))
    }

    fn blocks_of(self, block: u32) -> Vec<Block> {
        match (self.amount, self.phase) {
            (Amount::Alone { n_tokens, .. }, Phase::Decode) => (0..n_tokens)
                .step_by(block as usize)
                .map(|from| Block {
                    from,
                    n_tokens: block.min(n_tokens - from),
                    first: from == 0,
                    last: from + block >= n_tokens,
                })
                .collect(),
            _ => vec![self.whole()],
        }
    }

    /// The one block that stands for a sample in this round, where there is no time for more: each in turn, alike for all subjects and for
    /// both rounds of a mirrored pair.
    pub(super) fn block_of(self, round: u32) -> Block {
        let blocks = self.blocks_of(SHORT_BLOCK_TOKENS);
        let block = blocks[(round / 2) as usize % blocks.len()];
        Block { first: true, last: true, ..block }
    }

    /// A whole sample as one block.
    pub(super) fn whole(self) -> Block {
        match self.amount {
            Amount::Alone { n_tokens, .. } => Block { from: 0, n_tokens, first: true, last: true },
            Amount::Both { n_prompt, n_gen, .. } => {
                Block { from: 0, n_tokens: n_prompt.saturating_add(n_gen), first: true, last: true }
            }
            Amount::Sequences(work) => Block { from: 0, n_tokens: work.n_tokens, first: true, last: true },
        }
    }

    /// Tokens of context it takes, over all sequences.
    pub(super) fn n_tokens(self) -> u32 {
        match self.amount {
            Amount::Alone { n_tokens, n_depth } => n_tokens.saturating_add(n_depth),
            Amount::Both { n_prompt, n_gen, n_depth } => n_prompt.saturating_add(n_gen).saturating_add(n_depth),
            Amount::Sequences(work) => (work.n_tokens + work.n_depth).saturating_mul(work.n_seq),
        }
    }

    /// One repetition of its warm-up.
    pub(super) fn for_warmup(self) -> Self {
        let amount = match self.amount {
            Amount::Alone { n_tokens, n_depth } => {
                Amount::Alone { n_tokens: warmup::tokens(self.phase, n_tokens), n_depth }
            }
            // As llama-bench: the prompt and one token.
            Amount::Both { n_prompt, n_gen: _, n_depth } => {
                Amount::Both { n_prompt: warmup::tokens(Phase::Prefill, n_prompt), n_gen: 1, n_depth }
            }
            Amount::Sequences(work) => {
                Amount::Sequences(Sequences { n_tokens: warmup::tokens(self.phase, work.n_tokens), ..work })
            }
        };
        Self { amount, ..self }
    }

    /// A little of it, for a worker that has been idle; `None` of what wakes it in the same call.
    pub(super) fn to_wake(self) -> Option<Self> {
        let amount = match (self.amount, self.phase) {
            (Amount::Alone { .. }, Phase::Decode) => return None,
            (Amount::Alone { n_tokens, n_depth }, Phase::Prefill) => {
                Amount::Alone { n_tokens: warmup::tokens_to_wake(self.phase, n_tokens), n_depth }
            }
            (Amount::Both { n_prompt, n_gen: _, n_depth }, _) => {
                let n_prompt = warmup::tokens_to_wake(Phase::Prefill, n_prompt);
                Amount::Both { n_prompt, n_gen: 1, n_depth }
            }
            (Amount::Sequences(work), _) => {
                Amount::Sequences(Sequences { n_tokens: warmup::tokens_to_wake(self.phase, work.n_tokens), ..work })
            }
        };
        Some(Self { amount, ..self })
    }

    /// What a worker is called for, a block of it, after so many untimed tokens that wake it; the seed decides which ids.
    pub(super) fn call(self, block: Block, n_wake: u32, seed: u64) -> Timed {
        match (self.amount, self.phase) {
            (Amount::Sequences(sequences), phase) => Timed::Sequences(TimeSequences { phase, sequences, seed }),
            (Amount::Both { n_prompt, n_gen, n_depth }, _) => {
                Timed::Both(PrefillDecode { n_prompt, n_gen, n_depth, seed })
            }
            (Amount::Alone { n_tokens, n_depth }, Phase::Prefill) => {
                Timed::Prefill(Prefill { n_tokens, n_depth, seed })
            }
            (Amount::Alone { n_depth, .. }, Phase::Decode) => {
                let Block { from: n_before, n_tokens, first: _, last: _ } = block;
                Timed::Decode(Decode { n_tokens, n_depth, n_before, n_wake, seed })
            }
        }
    }

    /// Tokens that wake a worker inside its call.
    pub(super) fn wake_tokens(self) -> u32 {
        match (self.amount, self.phase) {
            (Amount::Alone { n_tokens, .. }, Phase::Decode) => warmup::tokens_to_wake(self.phase, n_tokens),
            _ => 0,
        }
    }
}

/// A part of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Tokens of the sample before it.
    pub(super) from: u32,
    pub(super) n_tokens: u32,
    /// Whether the sample begins with it.
    pub(super) first: bool,
    /// Whether the sample ends with it.
    pub(super) last: bool,
}

/// The calls that are answered by a timing.
pub(super) enum Timed {
    Prefill(Prefill),
    Decode(Decode),
    Both(PrefillDecode),
    Sequences(TimeSequences),
}
