//! Prompts of a visit: those that fit the context the model was trained for are asked, the others are rows. None is cut.

use super::{Visitor, sample, unexpected};
use crate::{
    event::{Event, Observer},
    record::{FinishReason, Generation, Phase, PromptText, Skipped, Stage},
    run::protocol::{Answered, Reply, Request},
};

/// The context for the prompts that are asked, and those that are not.
struct Fitting {
    n_ctx: u32,
    skipped: Vec<Skipped>,
}

impl Visitor<'_> {
    /// Makes a context that holds the longest of the prompts and its answer that the model allows.
    pub(in crate::run) fn prepare_prompts(&mut self, prompts: &[(usize, &PromptText)]) {
        self.attempt(|v| {
            let texts = prompts.iter().map(|(_, p)| p.text.clone()).collect();
            let Reply::Counted(counts) = v.ask(Stage::Prefill, &Request::Count { texts })? else {
                return Err(unexpected(Stage::Prefill));
            };
            let Fitting { n_ctx, skipped } = fit(prompts, &counts, v.n_ctx_train);
            v.visit.skipped = skipped;
            v.context(n_ctx).map(|_| ())
        });
    }

    /// Asks a prompt, unless it does not fit.
    pub(in crate::run) fn answer(
        &mut self,
        workload: usize,
        id: &str,
        prompt: &PromptText,
        observer: &mut dyn Observer,
    ) {
        if self.visit.skipped.iter().any(|skipped| skipped.workload == workload) {
            return;
        }
        self.attempt(|v| {
            v.step(observer, id, None);
            let request = Request::Answer {
                text: prompt.text.clone(),
                max_new_tokens: prompt.max_new_tokens,
                sampling: v.bench.plan.sampling.clone(),
                seed: v.bench.plan.seed,
            };
            let at_ns = v.bench.clock.now_ns();
            let Reply::Answered(answer) = v.ask(Stage::Decode, &request)? else {
                return Err(unexpected(Stage::Decode));
            };
            v.answered(workload, *answer, at_ns);
            observer.on(Event::StepDone);
            Ok(())
        });
    }

    fn answered(&mut self, workload: usize, answer: Answered, at_ns: u64) {
        self.visit.samples.push(sample(workload, Phase::Prefill, 0, answer.prefill, at_ns));
        if let Some(decode) = answer.decode {
            self.visit.samples.push(sample(workload, Phase::Decode, 0, decode, at_ns + answer.ttft_ns));
        }
        self.visit.generations.push(Generation {
            workload,
            n_prompt: answer.n_prompt,
            templated: answer.templated,
            tokens: answer.tokens,
            text: answer.text,
            finish: if answer.ended { FinishReason::EndOfGeneration } else { FinishReason::Length },
            ttft_ns: answer.ttft_ns,
            inter_token_ns: answer.inter_token_ns,
            margins_nats: answer.margins_nats,
        });
    }
}

/// The context grows to the longest prompt that the model allows. `counts` are the prompts' tokens.
fn fit(prompts: &[(usize, &PromptText)], counts: &[u32], n_ctx_train: u32) -> Fitting {
    let mut fitting = Fitting { n_ctx: 1, skipped: Vec::new() };
    for (&(workload, prompt), &n_prompt) in prompts.iter().zip(counts) {
        let n_ctx_needed = n_prompt.saturating_add(prompt.max_new_tokens);
        // A model that does not say what it was trained for takes what it gets.
        if n_ctx_train == 0 || n_ctx_needed <= n_ctx_train {
            fitting.n_ctx = fitting.n_ctx.max(n_ctx_needed);
        } else {
            fitting.skipped.push(Skipped { workload, n_prompt, n_ctx_needed, n_ctx_train });
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_grows_and_what_is_too_long_is_named() {
        let text = |max_new_tokens| PromptText { category: "c".into(), text: "t".into(), max_new_tokens };
        let (short, long) = (text(10), text(100));
        let fitting = fit(&[(0, &short), (1, &long), (2, &short)], &[50, 950, 990], 1000);
        assert_eq!(fitting.n_ctx, 1000);
        let skipped = &fitting.skipped[0];
        assert_eq!(
            (fitting.skipped.len(), skipped.workload, skipped.n_prompt, skipped.n_ctx_needed),
            (1, 1, 950, 1050)
        );
        assert!(fit(&[(0, &long)], &[u32::MAX], 0).skipped.is_empty());
    }
}
