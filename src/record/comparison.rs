//! The results of a comparison over one text, under llama-perplexity's names where it has them.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A mean over tokens, or something that follows from means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TokenMean {
    /// The value, in the unit its field names.
    pub value: f64,
    /// Its standard error if tokens were independent; absent for 10 tokens or fewer, or where it is undefined.
    pub naive_standard_error: Option<f64>,
}

/// The order statistics of a quantity over tokens, in the unit its field names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Percentiles {
    pub minimum: f64,
    pub p0_1: f64,
    pub p1: f64,
    pub p5: f64,
    pub p10: f64,
    pub p25: f64,
    pub median: f64,
    pub p75: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub maximum: f64,
}

/// Everything known about a candidate's output on one text, a domain or all texts. KLD is KL(original ‖ candidate).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Summary {
    /// Scored tokens.
    pub tokens: usize,
    /// Windows they come from.
    pub windows: usize,
    /// PPL(base), the original's perplexity.
    pub ppl_base: TokenMean,
    /// PPL(Q), the candidate's perplexity.
    pub ppl_candidate: TokenMean,
    /// PPL(Q) / PPL(base).
    pub ppl_ratio: TokenMean,
    /// ln(PPL(Q) / PPL(base)), in nats.
    pub ln_ppl_ratio_nats: TokenMean,
    /// PPL(Q) − PPL(base).
    pub ppl_difference: TokenMean,
    /// Correlation of ln PPL(Q) and ln PPL(base), −1 to 1; absent where either does not vary.
    pub ln_ppl_correlation: Option<f64>,
    /// Mean KLD, in nats.
    pub kld_mean_nats: TokenMean,
    /// Percentiles of KLD, in nats.
    pub kld_percentiles_nats: Percentiles,
    /// Mean Jensen–Shannon divergence, in nats; absent where only the original's most likely tokens were kept.
    pub jsd_mean_nats: Option<f64>,
    /// Mean Δp, the candidate's probability of the correct token less the original's, as a fraction.
    pub delta_p_mean: TokenMean,
    /// Root mean square Δp, as a fraction.
    pub delta_p_rms: TokenMean,
    /// Percentiles of Δp, as fractions.
    pub delta_p_percentiles: Percentiles,
    /// Same top p: tokens with equal first choices, as a fraction.
    pub same_top_fraction: TokenMean,
    /// How much of the original's five first choices the candidate's five share, as a mean fraction of the five.
    pub top5_overlap_fraction: f64,
    /// Tokens whose first choice changed.
    pub flips: Flips,
    /// KLD by position in the window.
    pub kld_by_position: Vec<PositionBin>,
    /// KLD by how sure the original was.
    pub kld_by_base_entropy: Vec<EntropyBin>,
    /// The tokens with the largest KLD, descending.
    pub worst_tokens: Vec<WorstToken>,
}

/// Tokens whose first choice differs between the models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Flips {
    /// Only the candidate chooses correctly.
    pub towards_correct_tokens: usize,
    /// Only the original chooses correctly.
    pub away_from_correct_tokens: usize,
    /// Both are wrong, in different ways.
    pub between_wrong_tokens: usize,
}

/// Mean KLD over a range of positions in the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PositionBin {
    /// First position.
    pub from_position: usize,
    /// Position after the last.
    pub to_position: usize,
    /// Tokens in the range.
    pub tokens: usize,
    /// Their mean KLD, in nats; absent if there are none.
    pub kld_mean_nats: Option<f64>,
}

/// Mean KLD over tokens for which the original's entropy lies in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EntropyBin {
    /// Lowest entropy, in nats.
    pub from_nats: f64,
    /// Entropy above the highest, in nats; absent for no limit.
    pub to_nats: Option<f64>,
    /// Tokens in the range.
    pub tokens: usize,
    /// Their mean KLD, in nats; absent if there are none.
    pub kld_mean_nats: Option<f64>,
}

/// A token on which the models disagree most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct WorstToken {
    /// Index of its text; `None` in records of before documents, where it is the summary's.
    #[serde(default)]
    pub text: Option<usize>,
    /// Window of the text, from 0.
    pub window: usize,
    /// Position of the logits in the window; the correct token stands one further.
    pub position: usize,
    /// KLD, in nats.
    pub kld_nats: f64,
    /// The correct token.
    pub token: i32,
    /// The original's first choice.
    pub top1_base: i32,
    /// The candidate's first choice.
    pub top1_candidate: i32,
    /// Probability of the correct token under the original.
    pub p_base: f64,
    /// Probability of the correct token under the candidate.
    pub p_candidate: f64,
    /// The same in words, when a tokenizer was at hand.
    pub context: Option<TokenContext>,
}

/// A token in its text, for a person to read. A token may be part of a character, which shows as U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TokenContext {
    /// The text before it.
    pub before: String,
    /// The correct token.
    pub correct: String,
    /// The original's first choice.
    pub base: String,
    /// The candidate's first choice.
    pub candidate: String,
}

/// Means over one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct WindowMeans {
    /// Window, from 0.
    pub window: usize,
    /// Scored tokens.
    pub tokens: usize,
    /// Mean −log p of the correct token under the original, in nats.
    pub nll_base_nats: f64,
    /// Mean −log p of the correct token under the candidate, in nats.
    pub nll_candidate_nats: f64,
    /// Mean KLD, in nats.
    pub kld_nats: f64,
    /// Tokens with equal first choices, as a fraction.
    pub same_top_fraction: f64,
    /// The largest tenth of its tokens' KLD, descending, in nats: what percentiles of resampled windows need.
    pub kld_largest_nats: Vec<f32>,
    /// Tokens of the text that a file of log-probabilities has at its floor: how improbable the original found them is not known.
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub at_floor_tokens: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none_at_all(tokens: &usize) -> bool {
    *tokens == 0
}
