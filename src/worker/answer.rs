//! The loop that answers a prompt and times it, the same for every engine.

use super::held::{Held, failed, not_a_number};
use crate::{
    engine::Session,
    probe::Clock,
    protocol::{Answer, Answered, Cause, Failure},
    record::{Stage, Timing},
};

/// Clears the cache, evaluates the prompt and generates until the model ends or `max_new_tokens` are there.
///
/// As a user waits, what is between tokens is inside the times to the first token and from token to token: the choice of each, and reading
/// its margin. `prefill` and `decode` time evaluation alone, as llama-bench does.
pub(super) fn answer(held: &mut Held, clock: &dyn Clock, call: &Answer) -> Result<Answered, Failure> {
    let prompt = held.model.tokenize_prompt(&call.text);
    let n_prompt = u32::try_from(prompt.tokens.len()).unwrap_or(u32::MAX);
    let max_new = call.max_new_tokens.max(1);
    let Held { session, model, .. } = held;
    let Some(session) = session else { return Err(failed(Stage::Context, "no context is open")) };
    let n_ctx = session.n_ctx();
    if n_prompt.saturating_add(max_new) > n_ctx {
        let reason =
            format!("a prompt of {n_prompt} tokens and an answer of {max_new} do not fit a context of {n_ctx}");
        return Err(Failure { stage: Stage::Prefill, reason, cause: Cause::Reason, fault: None });
    }
    session.start_sampling(&call.sampling, call.seed);
    session.clear();
    let start = clock.now_ns();
    let prefill = session.prefill(&prompt.tokens)?;
    let mut margin = margin(&mut **session, Stage::Prefill, n_prompt)?;
    let mut next = session.sample();
    let ttft_ns = clock.now_ns() - start;

    let mut decode = Timing { n_tokens: 0, wall_ns: 0, native_ns: Some(0), energy_uj: None };
    let (mut tokens, mut inter_token_ns, mut margins_nats) = (Vec::new(), Vec::new(), Vec::new());
    let ended = loop {
        if model.ends_generation(next) {
            break true;
        }
        tokens.push(next);
        margins_nats.push(margin);
        if tokens.len() >= max_new as usize {
            break false;
        }
        let since = clock.now_ns();
        let step = session.decode(&[next])?;
        decode.n_tokens += 1;
        decode.wall_ns += step.wall_ns;
        decode.native_ns = decode.native_ns.zip(step.native_ns).map(|(a, b)| a + b);
        margin = self::margin(&mut **session, Stage::Decode, n_prompt + decode.n_tokens)?;
        next = session.sample();
        inter_token_ns.push(clock.now_ns() - since);
    };
    Ok(Answered {
        n_prompt,
        prompt_form: prompt.form,
        prefill,
        decode: (decode.n_tokens > 0).then_some(decode),
        text: model.detokenize(&tokens),
        tokens,
        ended,
        ttft_ns,
        inter_token_ns,
        margins_nats,
    })
}

/// By how much the best logit leads the second, in nats.
fn margin(session: &mut dyn Session, stage: Stage, n_tokens: u32) -> Result<f32, Failure> {
    margin_nats(session.last_logits()?).ok_or_else(|| not_a_number(stage, n_tokens))
}

/// How far the best logit lies above the second, which are equally far apart as log-probabilities, in nats; `None` when the row tells no
/// best from a second: any choice would be meaningless, and some samplers abort.
fn margin_nats(row: &[f32]) -> Option<f32> {
    let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &logit in row {
        if logit.is_nan() {
            return None;
        }
        second = second.max(logit.min(best));
        best = best.max(logit);
    }
    Some(best - second).filter(|margin| margin.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: f32 = f32::NEG_INFINITY;

    #[test]
    fn a_margin_lies_between_the_best_two() {
        assert_eq!(margin_nats(&[1.0, 4.0, 3.5, HIDDEN]), Some(0.5));
        assert_eq!(margin_nats(&[2.0, 2.0]), Some(0.0));
    }

    #[test]
    fn rows_without_a_best_have_no_margin() {
        for row in [&[1.0, f32::NAN, 3.0][..], &[1.0, f32::INFINITY], &[HIDDEN, HIDDEN], &[1.0, HIDDEN], &[1.0], &[]] {
            assert_eq!(margin_nats(row), None, "{row:?}");
        }
    }
}
