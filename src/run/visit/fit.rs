//! Which prompts a model can be asked: with their answers they must fit the context it was trained for. None is cut.

use crate::record::{PromptText, Skipped};

/// Prompts of a visit: index of the workload, its name, the prompt.
pub(super) type Prompts<'a> = Vec<(usize, &'a str, &'a PromptText)>;

/// What is asked, in a context of how many tokens, and what is not.
#[derive(Debug)]
pub(super) struct Fitting<'a> {
    pub(super) asked: Prompts<'a>,
    pub(super) n_ctx: u32,
    pub(super) skipped: Vec<Skipped>,
}

/// The context grows to the longest prompt that the model allows. `counts` are the prompts' tokens.
pub(super) fn fit<'a>(prompts: Prompts<'a>, counts: &[u32], n_ctx_train: u32) -> Fitting<'a> {
    let mut fitting = Fitting { asked: Vec::new(), n_ctx: 1, skipped: Vec::new() };
    for (entry, &n_prompt) in prompts.into_iter().zip(counts) {
        let (workload, _, prompt) = entry;
        let needed = n_prompt.saturating_add(prompt.max_new_tokens);
        // A model that does not say what it was trained for takes what it gets.
        if n_ctx_train == 0 || needed <= n_ctx_train {
            fitting.n_ctx = fitting.n_ctx.max(needed);
            fitting.asked.push(entry);
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
        let fitting = fit(vec![(0, "a", &short), (1, "b", &long), (2, "c", &short)], &[50, 950, 990], 1000);
        assert_eq!(fitting.asked.iter().map(|(i, ..)| *i).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(fitting.n_ctx, 1000);
        let skipped = &fitting.skipped[0];
        assert_eq!((skipped.workload, skipped.n_prompt, skipped.n_ctx_needed), (1, 950, 1050));
        assert_eq!(fit(vec![(0, "a", &long)], &[u32::MAX], 0).asked.len(), 1);
    }
}
