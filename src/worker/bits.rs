//! How well one model alone predicts texts, in nats over bytes: for models whose tokens can't be held against each other.

use crate::{
    engine::{BatchToken, Engine, Model},
    probe::{Clock, Monotonic},
    protocol::{Cause, Failure, ScoreBytes},
    quality::row::nll_nats,
    record::{Stage, TextBits},
};

/// Scores every token of each text but the first where no BOS comes before it.
pub(super) fn score(engine: &dyn Engine, call: &ScoreBytes) -> Result<Vec<TextBits>, Failure> {
    let clock = Monotonic::start();
    let failed = |reason: String| Failure { stage: Stage::Quality, reason, cause: Cause::Reason, fault: None };
    let model = engine.load(&call.model, &call.settings)?;
    let tokens: Vec<Vec<i32>> = call.texts.iter().map(|text| model.tokenize_text(text)).collect();
    let most = tokens.iter().map(Vec::len).max().unwrap_or(0);
    let n_ctx = u32::try_from(most).map_err(|error| failed(error.to_string()))?;
    let facts = model.facts();
    if n_ctx > facts.n_ctx_train {
        return Err(failed(format!("a text has {n_ctx} of its tokens, it was trained for {}", facts.n_ctx_train)));
    }
    let n_batch = call.settings.n_ubatch.max(1);
    let mut session = model.open_sequences(1, n_ctx.max(n_batch), n_batch)?;
    let n_vocab = facts.n_vocab as usize;
    let mut scored = Vec::new();
    for (text, tokens) in tokens.iter().enumerate() {
        if call.time_ns.is_some_and(|time_ns| clock.now_ns() >= time_ns) {
            break;
        }
        session.clear();
        let mut nll = 0.0;
        for (number, batch) in tokens.chunks(n_batch as usize).enumerate() {
            let first = number * n_batch as usize;
            let batch: Vec<BatchToken> = (first..).zip(batch).map(|(at, &id)| token(at, id)).collect();
            session.evaluate(&batch)?;
            let rows = session.batch_logits().chunks_exact(n_vocab);
            // Each row predicts the token after it; the last of the text has none.
            for (row, &target) in rows.zip(&tokens[first + 1..]) {
                nll += nll_nats(row, target).map_err(|reason| failed(format!("text {}: {reason}", text + 1)))?;
            }
        }
        scored.push(TextBits {
            text,
            bytes: predicted_bytes(&*model, &call.texts[text], tokens),
            tokens: tokens.len().saturating_sub(1) as u64,
            nll_nats: nll,
        });
    }
    Ok(scored)
}

fn token(at: usize, id: i32) -> BatchToken {
    BatchToken { id, position: u32::try_from(at).unwrap_or(u32::MAX), sequence: 0, wanted: true }
}

/// The text's bytes, without those of a first token that nothing came before.
fn predicted_bytes(model: &dyn Model, text: &str, tokens: &[i32]) -> u64 {
    let unpredicted = match (model.facts().bos, tokens.first()) {
        (None, Some(&first)) => model.detokenize(&[first]).len(),
        _ => 0,
    };
    text.len().saturating_sub(unpredicted) as u64
}
