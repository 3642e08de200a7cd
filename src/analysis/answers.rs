//! Answers to the prompt suite: speed by prompt and by category, latencies, texts.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    defects::{Defect, Said, defects, first_divergence},
    series::{self, visits},
};
use crate::{
    record::{FinishReason, Generation, Phase, PromptForm, Run, Sample, WorkloadKind, round_value},
    stats,
    units::{NS_PER_MS, NS_PER_S},
};

/// One prompt answered by one model, over the rounds in which it was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// How the prompt became what the model saw; `None` in older records.
    pub prompt_form: Option<PromptForm>,
    /// The answer of the first round.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Whether every round gave the same answer.
    pub repeatable: bool,
    /// Against the original's answer; `None` for the original, when it gave none, or when it was asked in another form.
    pub agreement: Option<Agreement>,
    /// What is wrong with the answer in itself.
    pub defects: Vec<Defect>,
    /// Times it was asked.
    pub n: usize,
}

/// What a person waits for, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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

/// A candidate's answer against the original's to the same prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The same tokens to the end.
    Same,
    /// They part.
    Parts {
        /// The first token that differs, from 0.
        token_index: usize,
        /// Tokens until then over tokens of the longer answer.
        common_fraction: f64,
        /// By how much the original preferred its token there to the second best, in nats; `None` when its answer had ended.
        original_margin_nats: Option<f32>,
    },
}

/// A category of prompts: total tokens over total time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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

/// Every prompt that was answered, in the order of the suite.
pub(super) fn by_prompt(run: &Run, model: usize, original: usize) -> Vec<AnswerRow> {
    (0..run.plan.workloads.len()).filter_map(|workload| row(run, model, original, workload)).collect()
}

fn row(run: &Run, model: usize, original: usize, workload: usize) -> Option<AnswerRow> {
    let WorkloadKind::Prompt(prompt) = &run.plan.workloads[workload].kind else { return None };
    let answers: Vec<&Generation> =
        visits(run, model).flat_map(|v| &v.generations).filter(|g| g.workload == workload).collect();
    let first = answers.first()?;
    let of_original = || visits(run, original).flat_map(|v| &v.generations).find(|g| g.workload == workload);
    let asked_alike = |base: &&Generation| match (&base.prompt_form, &first.prompt_form) {
        (Some(base), Some(own)) => base.is_like(own),
        _ => base.templated == first.templated,
    };
    let samples = |phase| -> Vec<&Sample> {
        let own = visits(run, model).flat_map(|v| &v.samples);
        own.filter(|s| s.workload == workload && s.phase == phase).collect()
    };
    let (prefill, decode) = (samples(Phase::Prefill), samples(Phase::Decode));
    let seconds = |samples: &[&Sample]| {
        stats::median(&samples.iter().map(|s| round_value::time_ns(s) as f64 / NS_PER_S).collect::<Vec<_>>()).ok()
    };
    Some(AnswerRow {
        prompt: run.plan.workloads[workload].id.clone(),
        category: prompt.category.clone(),
        n_prompt: first.n_prompt,
        prompt_eval_s: seconds(&prefill)?,
        prompt_tps: series::total_rate(prefill.iter().copied()),
        n_generated: u32::try_from(first.tokens.len()).unwrap_or(u32::MAX),
        generation_s: seconds(&decode),
        generation_tps: series::total_rate(decode.iter().copied()),
        latency: latency(&answers)?,
        templated: first.templated,
        prompt_form: first.prompt_form.clone(),
        text: first.text.clone(),
        finish: first.finish,
        agreement: (model != original)
            .then(of_original)
            .flatten()
            .filter(asked_alike)
            .map(|base| agreement(base, first)),
        defects: defects(Said { prompt: &prompt.text, text: &first.text, tokens: &first.tokens, finish: first.finish }),
        repeatable: answers.iter().all(|a| a.tokens == first.tokens),
        n: answers.len(),
    })
}

fn latency(answers: &[&Generation]) -> Option<Latency> {
    let ms = |ns: u64| ns as f64 / NS_PER_MS;
    let steps: Vec<f64> = answers.iter().flat_map(|a| &a.inter_token_ns).map(|&ns| ms(ns)).collect();
    let percentile = |p| stats::quantile(&steps, p).ok();
    Some(Latency {
        ttft_ms: stats::median(&answers.iter().map(|a| ms(a.ttft_ns)).collect::<Vec<_>>()).ok()?,
        inter_token_p50_ms: percentile(0.5),
        inter_token_p95_ms: percentile(0.95),
        inter_token_p99_ms: percentile(0.99),
    })
}

/// Every category with an answer, in the order of the suite.
pub(super) fn by_category(run: &Run, model: usize) -> Vec<CategoryRow> {
    let rows = series::categories(run).into_iter().filter_map(|category| {
        let members = series::members(run, &category);
        let rate = |phase| {
            let own = visits(run, model).flat_map(|v| &v.samples);
            series::total_rate(own.filter(|s| s.phase == phase && members.contains(&s.workload)))
        };
        let firsts: Vec<&Generation> = members
            .iter()
            .filter_map(|&w| visits(run, model).flat_map(|v| &v.generations).find(|g| g.workload == w))
            .collect();
        (!firsts.is_empty()).then(|| CategoryRow {
            prompts: firsts.len(),
            n_prompt: firsts.iter().map(|g| u64::from(g.n_prompt)).sum(),
            prompt_tps: rate(Phase::Prefill),
            n_generated: firsts.iter().map(|g| g.tokens.len() as u64).sum(),
            generation_tps: rate(Phase::Decode),
            category,
        })
    });
    rows.collect()
}

/// Holds two answers against each other.
fn agreement(original: &Generation, candidate: &Generation) -> Agreement {
    match first_divergence(&original.tokens, &candidate.tokens) {
        None => Agreement::Same,
        Some(divergence) => Agreement::Parts {
            token_index: divergence.token_index,
            common_fraction: divergence.common_fraction,
            original_margin_nats: original.margins_nats.get(divergence.token_index).copied(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FinishReason;

    fn answer(tokens: &[i32]) -> Generation {
        Generation {
            workload: 0,
            n_prompt: 3,
            templated: false,
            prompt_form: None,
            tokens: tokens.to_vec(),
            text: String::new(),
            finish: FinishReason::Length,
            ttft_ns: 1,
            inter_token_ns: Vec::new(),
            margins_nats: vec![0.5, 0.25, 0.125, 4.0][..tokens.len()].to_vec(),
        }
    }

    #[test]
    fn the_originals_margin_is_that_of_the_token_that_differs() {
        assert_eq!(agreement(&answer(&[1, 2]), &answer(&[1, 2])), Agreement::Same);
        let parts = |token_index, common_fraction, original_margin_nats| Agreement::Parts {
            token_index,
            common_fraction,
            original_margin_nats,
        };
        assert_eq!(agreement(&answer(&[1, 2, 3, 4]), &answer(&[1, 2, 9, 4])), parts(2, 0.5, Some(0.125)));
        assert_eq!(agreement(&answer(&[1]), &answer(&[1, 2])), parts(1, 0.5, None));
    }
}
