//! What a model can be asked: prompts with their answers, and work at a depth, must fit the context it was trained for. None is cut.

use super::{Stop, Visitor, work::Synthetic};
use crate::record::{Phase, PromptText, Skipped};

impl Visitor<'_> {
    /// Does work, unless it is at a depth that the model was not trained for: that is noted, once, and not done.
    pub(super) fn attempt_if_it_fits(
        &mut self,
        work: Synthetic<'_>,
        attempt: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) {
        let kind = &self.bench.plan.workloads[work.workload].kind;
        let n_ctx_train = self.n_ctx_train;
        // A model that does not say what it was trained for takes what it gets.
        if !kind.is_too_deep(Some(n_ctx_train).filter(|n| *n > 0)) {
            return self.attempt(attempt);
        }
        let n_ctx_needed = work.n_tokens();
        let n_prompt = if work.phase == Phase::Prefill { Some(n_ctx_needed) } else { kind.depth() };
        let skipped = Skipped { workload: work.workload, n_prompt: n_prompt.unwrap_or(0), n_ctx_needed, n_ctx_train };
        if !self.visit.skipped.contains(&skipped) {
            self.visit.skipped.push(skipped);
        }
    }
}

/// The context for those that fit, and those that do not.
#[derive(Debug)]
pub(super) struct Fitting {
    pub(super) n_ctx: u32,
    pub(super) skipped: Vec<Skipped>,
}

/// The context grows to the longest prompt that the model allows. Prompts come with their workload's index; `counts` are their tokens.
pub(super) fn fit(prompts: &[(usize, &PromptText)], counts: &[u32], n_ctx_train: u32) -> Fitting {
    let mut fitting = Fitting { n_ctx: 1, skipped: Vec::new() };
    for (&(workload, prompt), &n_prompt) in prompts.iter().zip(counts) {
        let needed = n_prompt.saturating_add(prompt.max_new_tokens);
        // A model that does not say what it was trained for takes what it gets.
        if n_ctx_train == 0 || needed <= n_ctx_train {
            fitting.n_ctx = fitting.n_ctx.max(needed);
        } else {
            fitting.skipped.push(Skipped { workload, n_prompt, n_ctx_needed: needed, n_ctx_train });
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
        let [skipped] = fitting.skipped.as_slice() else { panic!("one is too long") };
        assert_eq!((skipped.workload, skipped.n_prompt, skipped.n_ctx_needed), (1, 950, 1050));
        assert!(fit(&[(0, &long)], &[u32::MAX], 0).skipped.is_empty());
    }
}
