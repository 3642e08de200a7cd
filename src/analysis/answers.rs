//! Answers to the prompt suite: speed by prompt and by category, latencies, texts.

use serde::Serialize;

use crate::record::FinishReason;

/// One prompt answered by one model, over the rounds in which it was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerRow {
    /// The prompt's name.
    pub prompt: String,
    /// Its category.
    pub category: String,
    /// Tokens of the prompt, template and BOS included.
    pub n_prompt: u32,
    /// Median time to evaluate the prompt.
    pub prompt_eval_s: f64,
    /// Prompt tokens over that time.
    pub prompt_tps: Option<f64>,
    /// Tokens of the answer.
    pub n_generated: u32,
    /// Median time to generate all tokens after the first.
    pub generation_s: Option<f64>,
    /// Tokens after the first over that time.
    pub generation_tps: Option<f64>,
    /// Latencies.
    pub latency: Latency,
    /// Whether the chat template was applied.
    pub templated: bool,
    /// The answer of the first round.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Whether every round gave the same answer.
    pub repeatable: bool,
    /// Times it was asked.
    pub n: usize,
}

/// What a person waits for, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Time to first token, median over rounds.
    pub ttft_ms: f64,
    /// From token to token, over all rounds: median.
    pub inter_token_p50_ms: Option<f64>,
    /// 95 %.
    pub inter_token_p95_ms: Option<f64>,
    /// 99 %.
    pub inter_token_p99_ms: Option<f64>,
}

/// A category of prompts: total tokens over total time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryRow {
    /// Its name.
    pub category: String,
    /// Prompts in it.
    pub prompts: usize,
    /// Prompt tokens of one round.
    pub n_prompt: u64,
    /// Prompt tokens a second.
    pub prompt_tps: Option<f64>,
    /// Generated tokens of one round.
    pub n_generated: u64,
    /// Generated tokens a second.
    pub generation_tps: Option<f64>,
}
