//! What a plan will take, from the sizes of the models and assumed speeds.

use crate::{
    record::{Budget, InnerPolicy, ModelFacts, Plan, PromptText, Protocol, Settings, WorkloadKind},
    run::{self, PromptSchedule},
};

/// Memory bandwidth a generation reaches, in bytes a second.
const ASSUMED_BANDWIDTH: f64 = 12e9;
/// Arithmetic a prompt evaluation reaches on one CPU, in operations a second.
const ASSUMED_OPERATIONS_PER_CPU: f64 = 4e10;
/// Characters of a token.
const ASSUMED_CHARS_PER_TOKEN: f64 = 4.2;
/// Starting a worker and ending it.
const ASSUMED_VISIT_S: f64 = 0.3;

/// Assumed times of all models.
#[derive(Clone, Copy, Default)]
pub(super) struct Seconds {
    /// Of a round: starting, loading, warming up.
    round: f64,
    /// One sample of each workload.
    samples: f64,
    /// The prompts of the first round.
    first_prompts: f64,
    /// All prompts of the least rounds, asked as planned.
    prompts: f64,
    /// And asked as seldom as an interval allows.
    fewest_prompts: f64,
    /// The same, but the longest once.
    longest_once: f64,
    /// Comparing outputs.
    quality: f64,
    /// On the fewest windows.
    fewest_windows: f64,
}

impl Seconds {
    /// Of a model whose KV cache takes `kv_bytes` in the plan's largest context.
    pub(super) fn of_model(plan: &Plan, settings: &Settings, facts: &ModelFacts, kv_bytes: u64) -> Self {
        let speed = Speed::of(plan, settings, facts, kv_bytes);
        let (quality, fewest_windows) = speed.quality(plan);
        let mut seconds = Self { round: ASSUMED_VISIT_S, quality, fewest_windows, ..Self::default() };
        for workload in plan.workloads.iter().filter(|w| !w.kind.is_too_deep(facts.n_ctx_train)) {
            let Some((once, sample)) = speed.synthetic(&workload.kind) else { continue };
            // A warm-up is as long as a sample.
            seconds.round += once + sample;
            seconds.samples += sample;
        }
        let prompts = |round, asking| -> f64 {
            let asked = run::prompts_in(plan, round, asking).into_iter();
            asked.filter_map(|index| speed.prompt(&plan.workloads[index].kind)).sum()
        };
        let all = |asking| (0..plan.protocol.min_rounds).map(|round| prompts(round, asking)).sum();
        seconds.first_prompts = prompts(0, PromptSchedule::Full);
        (seconds.prompts, seconds.fewest_prompts) = (all(PromptSchedule::Full), all(PromptSchedule::Minimal));
        seconds.longest_once = all(PromptSchedule::LongestCategoryOnce);
        seconds
    }

    /// Adds so many models that take this each.
    pub(super) fn add(&mut self, model: &Self, models: usize) {
        let models = models as f64;
        self.round += models * model.round;
        self.samples += models * model.samples;
        self.first_prompts += models * model.first_prompts;
        self.prompts += models * model.prompts;
        self.fewest_prompts += models * model.fewest_prompts;
        self.longest_once += models * model.longest_once;
        self.quality += models * model.quality;
        self.fewest_windows += models * model.fewest_windows;
    }

    /// From the least rounds to the most, or to what is to be spent.
    pub(super) fn in_words(&self, protocol: &Protocol) -> String {
        let inner = f64::from(protocol.inner_samples);
        let rounds = |n: u32| f64::from(n) * (self.round + inner * self.samples) + self.prompts + self.quality;
        let (least, most) = (rounds(protocol.min_rounds), rounds(protocol.max_rounds));
        let aim = protocol.budget_s.map_or(f64::INFINITY, |seconds| seconds as f64);
        let span = match protocol.budget {
            Budget::Limit => format!("at most {}", duration(most.min(aim))),
            Budget::Aim if most.min(aim) > 1.2 * least => format!("{} to {}", duration(least), duration(most.min(aim))),
            Budget::Aim if least > aim && protocol.inner == InnerPolicy::Pilot => {
                // Fewer samples, prompts and windows then, down to one sample in a round.
                let once = f64::from(protocol.min_rounds) * (self.round + self.samples) + self.fewest_windows;
                let fits = Some(once + self.fewest_prompts).filter(|seconds| *seconds <= aim);
                format!("roughly {}", duration(fits.unwrap_or(once + self.longest_once).max(aim)))
            }
            Budget::Aim => format!("roughly {}", duration(least)),
        };
        let a_round = self.round + inner * self.samples + self.first_prompts;
        format!("{span} (a round {}; from the sizes and assumed speeds, nothing was measured)", duration(a_round))
    }
}

/// Assumed seconds of a token.
struct Speed {
    /// Evaluating one of a prompt.
    prefill: f64,
    /// Generating one.
    decode: f64,
    /// Holding one against one before it, in a prompt.
    attend: f64,
    /// Reading one of the context from memory.
    cached: f64,
}

impl Speed {
    fn of(plan: &Plan, settings: &Settings, facts: &ModelFacts, kv_bytes: u64) -> Self {
        let operations_per_s = ASSUMED_OPERATIONS_PER_CPU * f64::from(settings.n_threads_batch);
        let width = f64::from(facts.n_layer.unwrap_or(0)) * f64::from(facts.n_embd.unwrap_or(0));
        let largest = f64::from(plan.largest_synthetic_context(facts.n_ctx_train).max(1));
        Self {
            prefill: 2.0 * facts.n_params as f64 / operations_per_s,
            decode: facts.weights_bytes as f64 / ASSUMED_BANDWIDTH,
            // Twice: scores, and what they weigh.
            attend: 4.0 * width / operations_per_s,
            cached: kv_bytes as f64 / largest / ASSUMED_BANDWIDTH,
        }
    }

    fn prefill_after(&self, n_tokens: u32, n_depth: u32) -> f64 {
        let n = f64::from(n_tokens);
        n * (self.prefill + self.attend * (f64::from(n_depth) + n / 2.0))
    }

    /// What each context takes once, and each sample. `None` of a prompt.
    fn synthetic(&self, kind: &WorkloadKind) -> Option<(f64, f64)> {
        // The tokens before are evaluated once for each context, and read again with each token generated.
        let before = |n_depth| self.prefill_after(n_depth, 0);
        match *kind {
            WorkloadKind::Pp { n_tokens, n_depth } => Some((before(n_depth), self.prefill_after(n_tokens, n_depth))),
            WorkloadKind::Tg { n_tokens, n_depth } => {
                Some((before(n_depth), f64::from(n_tokens) * (self.decode + self.cached * f64::from(n_depth))))
            }
            WorkloadKind::PpParallel { n_tokens, n_seq } => Some((0.0, f64::from(n_tokens * n_seq) * self.prefill)),
            // Up to some sequences, reading the weights once for all of them is what takes the time.
            WorkloadKind::TgParallel { n_tokens, n_depth, n_seq } => {
                Some((0.0, f64::from(n_tokens) * self.decode + f64::from(n_depth * n_seq) * self.prefill))
            }
            WorkloadKind::Prompt(_) => None,
        }
    }

    fn prompt(&self, kind: &WorkloadKind) -> Option<f64> {
        let WorkloadKind::Prompt(PromptText { text, max_new_tokens, .. }) = kind else { return None };
        Some(text.len() as f64 / ASSUMED_CHARS_PER_TOKEN * self.prefill + f64::from(*max_new_tokens) * self.decode)
    }

    /// Comparing a model's output, when the text is as long as the limit; and on the fewest windows.
    fn quality(&self, plan: &Plan) -> (f64, f64) {
        let Some(quality) = &plan.quality else { return (0.0, 0.0) };
        let text_bytes: u64 = quality.texts.iter().filter_map(|text| text.bytes).sum();
        let tokens = text_bytes as f64 / ASSUMED_CHARS_PER_TOKEN;
        let most = quality.max_windows.map_or(f64::INFINITY, |most| most as f64 * f64::from(quality.n_ctx));
        let all = tokens.min(most);
        let fewest = if quality.precision > 0.0 { quality.min_windows as f64 * f64::from(quality.n_ctx) } else { all };
        (all * self.prefill, all.min(fewest) * self.prefill)
    }
}

/// A length of time in the unit a person would choose.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
