//! What a subject's work costs: from a probe of it, or from its header and assumed speeds.

use serde::{Deserialize, Serialize};

use super::{schedule::prompts_in, warmup, workload::SHORT_BLOCK_TOKENS};
use crate::{
    record::{ModelFacts, Phase, Plan, Probe, PromptText, Settings, SubjectCost, TaskWork, WorkloadKind},
    units::{NS_PER_S, whole_ns},
};

/// Memory bandwidth a generation reaches, in bytes a second.
const ASSUMED_BANDWIDTH: f64 = 12e9;
/// Arithmetic a prompt evaluation reaches on one CPU, in operations a second.
const ASSUMED_OPERATIONS_PER_CPU: f64 = 4e10;
/// Starting a worker, loading a small file and ending it, seconds.
const ASSUMED_START_S: f64 = 0.3;
/// Starting a worker and ending it, beside the load, seconds.
const START_AND_END_S: f64 = 0.05;
/// Characters of a token.
pub(super) const CHARS_PER_TOKEN: f64 = 4.2;
/// Over evaluating a window: reading its logits, and holding them against others'. Measured with 135 M parameters, where it weighs most.
const SCORING: f64 = 1.1;

/// How fast a subject is, in seconds; the source is whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Speeds {
    /// Start of a process, load and first context, to its end.
    pub(crate) start_s: f64,
    /// Evaluating a token of a prompt.
    pub(crate) prefill_s: f64,
    /// Generating a token.
    pub(crate) decode_s: f64,
}

/// What grows with the tokens before: seconds a token, for each token before it.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    /// In a prompt: scores, and what they weigh.
    attend_s: f64,
    /// Generating: reading it from memory.
    cached_s: f64,
}

impl Speeds {
    /// From the header alone.
    pub(crate) fn assumed(facts: &ModelFacts, settings: &Settings) -> Self {
        let operations_per_s = ASSUMED_OPERATIONS_PER_CPU * f64::from(settings.n_threads_batch.max(1));
        Self {
            start_s: ASSUMED_START_S,
            prefill_s: 2.0 * facts.n_params as f64 / operations_per_s,
            decode_s: facts.weights_bytes as f64 / ASSUMED_BANDWIDTH,
        }
    }

    /// As a probe found it; `None` of one that did not come to its end.
    pub(crate) fn of_probe(probe: &Probe) -> Option<Self> {
        let token_s =
            |timing: &crate::record::Timing| timing.wall_ns as f64 / NS_PER_S / f64::from(timing.n_tokens.max(1));
        let (prefill, decode) = (probe.prefill.as_ref(), probe.decode.as_ref());
        let load = probe.load.as_ref()?;
        // A cold load is not repeated: the rounds after it find the file in the page cache, when there is room for it.
        let loaded_s = (load.model_ns + load.context_ns) as f64 / NS_PER_S;
        let prefill_s = prefill.map(token_s);
        let decode_s = decode.map(token_s);
        Some(Self {
            start_s: START_AND_END_S + loaded_s,
            // Of a phase that is not asked nothing is needed.
            prefill_s: prefill_s.or(decode_s)?,
            decode_s: decode_s.or(prefill_s)?,
        })
    }

    /// What a plan's work costs a subject of this speed.
    pub(crate) fn cost(self, plan: &Plan, facts: Option<&ModelFacts>) -> SubjectCost {
        let depth = facts.map_or(Depth::default(), |facts| self.with_depth(plan, facts));
        let n_ctx_train = facts.and_then(|facts| facts.n_ctx_train);
        let mut cost = SubjectCost::default();
        let mut round_s = self.start_s;
        // Tokens before that the context holds: work at one depth shares them.
        let mut held = 0;
        for workload in &plan.workloads {
            let (once_s, sample_s) = match &workload.kind {
                kind if kind.is_too_deep(n_ctx_train) => (0.0, 0.0),
                WorkloadKind::Prompt(prompt) => (0.0, self.answer_s(prompt)),
                kind => {
                    let (once_s, sample_s) = self.synthetic_s(kind, depth);
                    let n_depth = kind.depth().unwrap_or(0);
                    let before_s = if n_depth == held { 0.0 } else { self.prompt_s(n_depth, 0, depth) };
                    held = n_depth;
                    (once_s + before_s + f64::from(plan.protocol.preparation.delay_s), sample_s)
                }
            };
            round_s += once_s;
            cost.samples_ns.push(whole_ns(sample_s * NS_PER_S));
        }
        cost.round_ns = whole_ns(round_s * NS_PER_S);
        if let Some(quality) = &plan.quality {
            cost.window_ns = whole_ns(self.prompt_s(quality.n_ctx, 0, depth) * SCORING * NS_PER_S);
        }
        if let Some(TaskWork { tokens, tokens_before }) = plan.task_work {
            let evaluated_s = tokens as f64 * self.prefill_s + tokens_before as f64 * depth.attend_s;
            cost.tasks_ns = whole_ns((self.start_s + evaluated_s * SCORING) * NS_PER_S);
        }
        cost
    }

    /// Attention is arithmetic like the rest of a prompt, and the cache is read like the weights: at the speeds that these show.
    fn with_depth(self, plan: &Plan, facts: &ModelFacts) -> Depth {
        let width = f64::from(facts.n_layer.unwrap_or(0)) * f64::from(facts.n_embd.unwrap_or(0));
        let largest = f64::from(plan.largest_synthetic_context(facts.n_ctx_train).max(1));
        let cached_bytes = facts.expected_kv_bytes.unwrap_or(0) as f64 / largest;
        Depth {
            attend_s: 2.0 * width / facts.n_params.max(1) as f64 * self.prefill_s,
            cached_s: cached_bytes / facts.weights_bytes.max(1) as f64 * self.decode_s,
        }
    }

    fn prompt_s(self, n_tokens: u32, n_depth: u32, depth: Depth) -> f64 {
        let n = f64::from(n_tokens);
        n * (self.prefill_s + depth.attend_s * (f64::from(n_depth) + n / 2.0))
    }

    fn answer_s(self, prompt: &PromptText) -> f64 {
        prompt.text.len() as f64 / CHARS_PER_TOKEN * self.prefill_s + f64::from(prompt.max_new_tokens) * self.decode_s
    }

    /// What a round costs once, but for the tokens before, and each sample.
    fn synthetic_s(self, kind: &WorkloadKind, depth: Depth) -> (f64, f64) {
        let warm_s = |phase| {
            let tokens = f64::from(warmup::expected_tokens(phase));
            tokens * if phase == Phase::Prefill { self.prefill_s } else { self.decode_s }
        };
        match *kind {
            // The tokens before are read again with each token generated.
            WorkloadKind::Pp { n_tokens, n_depth } => (warm_s(Phase::Prefill), self.prompt_s(n_tokens, n_depth, depth)),
            WorkloadKind::Tg { n_tokens, n_depth } => {
                (warm_s(Phase::Decode), f64::from(n_tokens) * (self.decode_s + depth.cached_s * f64::from(n_depth)))
            }
            WorkloadKind::PpTg { n_prompt, n_gen, n_depth } => {
                let cached_s = depth.cached_s * f64::from(n_depth.saturating_add(n_prompt));
                let answer_s = f64::from(n_gen) * (self.decode_s + cached_s);
                (warm_s(Phase::Prefill), self.prompt_s(n_prompt, n_depth, depth) + answer_s)
            }
            WorkloadKind::PpParallel { n_tokens, n_seq } => {
                let sample_s = f64::from(n_tokens) * f64::from(n_seq) * self.prefill_s;
                (sample_s, sample_s)
            }
            // Up to some sequences, reading the weights once for all of them is what takes the time.
            WorkloadKind::TgParallel { n_tokens, n_depth, n_seq } => {
                let before_s = f64::from(n_depth) * f64::from(n_seq) * self.prefill_s;
                (before_s, f64::from(n_tokens) * self.decode_s + before_s)
            }
            WorkloadKind::Prompt(_) => (0.0, 0.0),
        }
    }
}

impl SubjectCost {
    /// One block of a generation, as a share of all of it.
    fn block_ns(&self, plan: &Plan, workload: usize) -> u64 {
        let whole_ns = self.sample_ns(workload);
        match plan.workloads[workload].kind {
            WorkloadKind::Tg { n_tokens, .. } if n_tokens > SHORT_BLOCK_TOKENS => {
                whole_ns.saturating_mul(u64::from(SHORT_BLOCK_TOKENS)) / u64::from(n_tokens)
            }
            _ => whole_ns,
        }
    }

    /// The synthetic work of a round with one sample each, of generations one block.
    pub(super) fn blocks_ns(&self, plan: &Plan) -> u64 {
        synthetic_ns(plan, |workload| self.block_ns(plan, workload))
    }

    /// The synthetic samples of a round, with so many of each workload.
    pub(super) fn samples_ns(&self, plan: &Plan, samples: impl Fn(usize) -> u32) -> u64 {
        synthetic_ns(plan, |workload| self.sample_ns(workload).saturating_mul(u64::from(samples(workload))))
    }

    /// The prompts of so many rounds.
    pub(super) fn prompts_ns(&self, plan: &Plan, rounds: u32) -> u64 {
        let asked = (0..rounds).flat_map(|round| prompts_in(plan, round));
        asked.map(|workload| self.sample_ns(workload)).fold(0, u64::saturating_add)
    }

    pub(super) fn sample_ns(&self, workload: usize) -> u64 {
        self.samples_ns.get(workload).copied().unwrap_or(0)
    }
}

/// All synthetic workloads of a plan, each of which takes so long.
fn synthetic_ns(plan: &Plan, of: impl Fn(usize) -> u64) -> u64 {
    let synthetic = plan.workloads.iter().enumerate().filter(|(_, w)| !matches!(w.kind, WorkloadKind::Prompt(_)));
    synthetic.map(|(workload, _)| of(workload)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Load, Outcome, Timing, Workload},
        run::testing::{plan, quality},
    };

    fn probe(prefill: Option<Timing>, decode: Option<Timing>) -> Probe {
        Probe {
            model: 0,
            started_ns: 0,
            duration_ns: 0,
            outcome: Outcome::Done,
            load: Some(Load {
                model_ns: 200_000_000,
                context_ns: 0,
                file_bytes: 1,
                storage_read_bytes: Some(0),
                cache: crate::record::CacheState::Warm,
                description: None,
            }),
            peak_rss_bytes: None,
            devices: Vec::new(),
            buffers: Vec::new(),
            warnings: Vec::new(),
            prefill,
            decode,
            retried: None,
        }
    }

    fn timing(n_tokens: u32, wall_ns: u64) -> Timing {
        Timing { n_tokens, wall_ns, native_ns: None, energy_uj: None }
    }

    #[test]
    fn a_probe_prices_every_part_of_the_plan() {
        let mut plan = plan();
        plan.workloads.push(crate::run::testing::prompt("short", "p", 420));
        plan.quality = Some(quality(8));
        plan.task_work = Some(TaskWork { tokens: 1000, tokens_before: 5000 });
        // 100 and 10 tokens a second.
        let speeds = Speeds::of_probe(&probe(Some(timing(50, 500_000_000)), Some(timing(10, 1_000_000_000))))
            .expect("it is whole");
        let cost = speeds.cost(&plan, None);
        assert_eq!(cost.samples_ns[0], 1_000_000_000, "100 tokens of a prompt");
        assert_eq!(cost.samples_ns[1], 1_800_000_000, "100 tokens of a prompt and 8 of an answer");
        assert_eq!(cost.window_ns, 5_632_000_000, "512 tokens, and their logits");
        assert_eq!(cost.tasks_ns, 11_250_000_000, "a start of 0.25 s, 1000 tokens, and their logits");
        assert!(cost.round_ns > 200_000_000, "the load and a warm-up");
        assert_eq!(cost.samples_ns(&plan, |_| 3), 3_000_000_000, "prompts are no synthetic samples");
    }

    #[test]
    fn work_at_one_depth_shares_the_tokens_before() {
        let speeds = Speeds { start_s: 0.0, prefill_s: 0.01, decode_s: 0.1 };
        let round_s = |kinds: &[WorkloadKind]| {
            let mut plan = plan();
            plan.workloads = kinds.iter().cloned().filter_map(Workload::synthetic).collect();
            speeds.cost(&plan, None).round_ns as f64 / NS_PER_S
        };
        let pp = |n_depth| WorkloadKind::Pp { n_tokens: 10, n_depth };
        let tg = |n_depth| WorkloadKind::Tg { n_tokens: 10, n_depth };
        let warm_s = round_s(&[pp(0), tg(0)]);
        assert!((round_s(&[pp(1000), tg(1000)]) - warm_s - 10.0).abs() < 1e-6, "once for both");
        let deeper_s = round_s(&[pp(1000), tg(1000), pp(2000), tg(2000)]);
        assert!((deeper_s - 2.0 * warm_s - 30.0).abs() < 1e-6, "another depth has tokens of its own");
    }

    #[test]
    fn a_phase_that_was_not_probed_is_taken_for_the_other_and_none_is_no_speed() {
        let only = Speeds::of_probe(&probe(Some(timing(50, 500_000_000)), None)).expect("one is enough");
        assert!((only.decode_s - only.prefill_s).abs() < 1e-12);
        assert_eq!(Speeds::of_probe(&probe(None, None)), None);
    }
}
