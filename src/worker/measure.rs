//! Synthetic work: ids fixed by a seed, evaluated after a depth, one sequence alone or several in a batch.

use super::held::{Held, not_a_number};
use crate::{
    engine::{BatchToken, Loaded, Session},
    probe::Clock,
    protocol::{Decode, Failure, OpenContext, Prefill, PrefillDecode, Sequences, TimeSequences},
    record::{Phase, Stage, Timing},
    stats::SplitMix64,
};

/// Replaces the context and says how long that took.
pub(super) fn open_context(held: &mut Held, clock: &dyn Clock, call: &OpenContext) -> Result<u64, Failure> {
    // Two at once might not fit in memory.
    held.session = None;
    let start = clock.now_ns();
    let session = held.model.open(call.n_ctx)?;
    let took_ns = clock.now_ns() - start;
    held.session = Some(session);
    Ok(took_ns)
}

pub(super) fn prefill(held: &mut Held, call: &Prefill) -> Result<Timing, Failure> {
    let facts = held.facts;
    let session = held.session()?;
    let ids = given_ids(call.n_tokens, call.seed, facts);
    reach(session, facts, call.n_depth)?;
    let timing = session.prefill(&ids)?;
    check_last(session, Stage::Prefill, call.n_depth + call.n_tokens)?;
    Ok(timing)
}

pub(super) fn decode(held: &mut Held, call: &Decode) -> Result<Timing, Failure> {
    let Decode { n_tokens, n_depth, n_before, n_wake, seed } = *call;
    let facts = held.facts;
    let session = held.session()?;
    let ids = given_ids(n_before + n_tokens, seed, facts);
    let (before, block) = ids.split_at(n_before as usize);
    reach_block(session, facts, n_depth, before)?;
    if n_wake > 0 {
        session.decode(&block[..block.len().min(n_wake as usize)])?;
        reach_block(session, facts, n_depth, before)?;
    }
    let timing = session.decode(block)?;
    check_last(session, Stage::Decode, n_depth + n_before + n_tokens)?;
    Ok(timing)
}

/// Both in one account, as llama-bench's -pg: what is between the two is a call.
pub(super) fn prefill_decode(held: &mut Held, call: &PrefillDecode) -> Result<Timing, Failure> {
    let PrefillDecode { n_prompt, n_gen, n_depth, seed } = *call;
    let facts = held.facts;
    let session = held.session()?;
    let ids = given_ids(n_prompt + n_gen, seed, facts);
    let (prompt, answer) = ids.split_at(n_prompt as usize);
    reach(session, facts, n_depth)?;
    let prompt = session.prefill(prompt)?;
    let answer = session.decode(answer)?;
    check_last(session, Stage::Decode, n_depth + n_prompt + n_gen)?;
    Ok(Timing {
        n_tokens: prompt.n_tokens + answer.n_tokens,
        wall_ns: prompt.wall_ns + answer.wall_ns,
        native_ns: prompt.native_ns.zip(answer.native_ns).map(|(prompt, answer)| prompt + answer),
        energy_uj: prompt.energy_uj.zip(answer.energy_uj).map(|(a, b)| a + b),
    })
}

/// Brings the context to where a block of a generation begins, untimed.
fn reach_block(session: &mut dyn Session, facts: Loaded, n_depth: u32, before: &[i32]) -> Result<(), Failure> {
    let n_before = u32::try_from(before.len()).unwrap_or(u32::MAX);
    if n_before == 0 {
        return reach(session, facts, n_depth);
    }
    if session.keep_first(n_depth + n_before) {
        return Ok(());
    }
    // A recurrent state can't be cut back.
    reach(session, facts, n_depth)?;
    session.prefill(before)?;
    Ok(())
}

/// Brings the context to `n_depth` tokens, untimed: cut back to them where they are still there, evaluated anew where not.
///
/// The ids follow from the depth alone, so every context of that depth begins with the same ones, whatever was timed after them.
fn reach(session: &mut dyn Session, facts: Loaded, n_depth: u32) -> Result<(), Failure> {
    if n_depth > 0 && session.keep_first(n_depth) {
        return Ok(());
    }
    session.clear();
    if n_depth > 0 {
        session.prefill(&given_ids(n_depth, u64::from(n_depth), facts))?;
        check_last(session, Stage::Prefill, n_depth)?;
    }
    Ok(())
}

/// Opens a context for the sequences, evaluates what comes before untimed, and times the rest: as llama-batched-bench, total tokens over
/// total time.
pub(super) fn sequences(held: &mut Held, call: &TimeSequences) -> Result<Timing, Failure> {
    let TimeSequences { phase, sequences: Sequences { n_tokens, n_depth, n_seq }, seed } = *call;
    let (facts, n_ubatch) = (held.facts, held.settings.n_ubatch);
    held.session = None;
    held.session = Some(held.model.open_sequences(n_seq, n_depth + n_tokens, n_ubatch)?);
    let session = held.session()?;
    // Other ids for every sequence, so that nothing can be shared.
    let ids: Vec<Vec<i32>> =
        (0..n_seq).map(|sequence| given_ids(n_depth + n_tokens, seed ^ (u64::from(sequence) << 48), facts)).collect();
    let token = |sequence: u32, position: u32, wanted: bool| BatchToken {
        id: ids[sequence as usize][position as usize],
        position,
        sequence,
        wanted,
    };
    let prompts = |from: u32, to: u32| -> Vec<BatchToken> {
        let of = |sequence| (from..to).map(move |position| (sequence, position));
        (0..n_seq).flat_map(of).map(|(sequence, position)| token(sequence, position, position + 1 == to)).collect()
    };
    let in_batches = |tokens: Vec<BatchToken>| -> Vec<Vec<BatchToken>> {
        tokens.chunks(n_ubatch.max(1) as usize).map(<[BatchToken]>::to_vec).collect()
    };
    if phase == Phase::Prefill {
        return time_batches(session, Stage::Prefill, &in_batches(prompts(0, n_tokens)));
    }
    time_batches(session, Stage::Prefill, &in_batches(prompts(0, n_depth)))?;
    let steps: Vec<Vec<BatchToken>> = (n_depth..n_depth + n_tokens)
        .flat_map(|position| in_batches((0..n_seq).map(|sequence| token(sequence, position, true)).collect()))
        .collect();
    time_batches(session, Stage::Decode, &steps)
}

fn time_batches(session: &mut dyn Session, stage: Stage, batches: &[Vec<BatchToken>]) -> Result<Timing, Failure> {
    let timing = session.time_batches(batches)?;
    if are_logits(session.batch_logits()) { Ok(timing) } else { Err(not_a_number(stage, timing.n_tokens)) }
}

/// Ids fixed by the seed: BOS first where texts begin with one, then uniform over the vocabulary, as llama-bench's.
fn given_ids(n_tokens: u32, seed: u64, facts: Loaded) -> Vec<i32> {
    let mut rng = SplitMix64::new(seed);
    let mut ids: Vec<i32> = (0..n_tokens)
        .map(|_| i32::try_from(rng.below(facts.n_vocab.max(1) as usize)).expect("n_vocab is an i32"))
        .collect();
    if let (Some(first), Some(bos)) = (ids.first_mut(), facts.bos) {
        *first = bos;
    }
    ids
}

/// Refuses an output that is none. Reads the last row only, outside of what is timed.
fn check_last(session: &mut dyn Session, stage: Stage, n_tokens: u32) -> Result<(), Failure> {
    if are_logits(session.last_output()?) { Ok(()) } else { Err(not_a_number(stage, n_tokens)) }
}

/// Whether every entry could be a logit, or a part of an embedding. Minus infinity masks an entry; anything else that is not finite comes of a damaged file or of
/// arithmetic that overflowed.
fn are_logits(row: &[f32]) -> bool {
    row.iter().all(|&logit| logit < f32::INFINITY)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::{
        engine::{Engine, ModelScript, Script, ScriptedEngine},
        probe::{Clock, Virtual},
        record::Settings,
    };

    #[test]
    fn only_masks_may_be_infinite() {
        assert!(are_logits(&[0.0, f32::NEG_INFINITY, f32::MAX]));
        assert!(!are_logits(&[0.0, f32::NAN]) && !are_logits(&[f32::INFINITY]));
    }

    #[test]
    fn blocks_of_a_generation_follow_each_other_and_waking_leaves_no_trace() {
        let model = ModelScript {
            load_ns: 0,
            prefill_ns_per_token: 10,
            decode_ns_per_token: 1000,
            answer: String::new(),
            logit_noise: 0.0,
            fail: None,
        };
        let clock = Virtual::default();
        let script = Script { models: BTreeMap::from([("m".into(), model)]), noise: None };
        let settings = Settings::defaults(1);
        let engine = ScriptedEngine::on_clock(script, clock.clone());
        let model = engine.load(Path::new("m"), &settings).unwrap();
        let facts = model.facts();
        let session = Some(model.open(200).unwrap());
        let mut held = Held { session, branches: None, model, facts, settings };
        let mut took = |n_depth, n_before, n_wake| {
            let before = clock.now_ns();
            let call = Decode { n_tokens: 4, n_depth, n_before, n_wake, seed: 7 };
            let timing = decode(&mut held, &call).unwrap();
            (timing.wall_ns, clock.now_ns() - before)
        };
        assert_eq!(took(100, 0, 0), (4000, 5000), "the depth is evaluated untimed");
        assert_eq!(took(100, 4, 2), (4000, 6000), "waking costs time that is not counted");
        assert_eq!(took(100, 8, 0), (4000, 4000), "the next block is where the last one ended");
        assert_eq!(took(100, 0, 0), (4000, 4000), "and a new generation begins after the depth");
    }

    #[test]
    fn the_depth_is_evaluated_once_for_each_context() {
        let model = ModelScript {
            load_ns: 0,
            prefill_ns_per_token: 10,
            decode_ns_per_token: 1000,
            answer: String::new(),
            logit_noise: 0.0,
            fail: None,
        };
        let settings = Settings::defaults(1);
        let clock = Virtual::default();
        let script = Script { models: BTreeMap::from([("m".into(), model)]), noise: None };
        let model = ScriptedEngine::on_clock(script, clock.clone()).load(Path::new("m"), &settings).unwrap();
        let facts = model.facts();
        let passed = |session: &mut dyn Session, n_depth| {
            let before = clock.now_ns();
            reach(session, facts, n_depth).unwrap();
            clock.now_ns() - before
        };
        let mut session = model.open(200).unwrap();
        assert_eq!(passed(&mut *session, 100), 1000);
        session.decode(&[1, 2, 3]).unwrap();
        assert_eq!(passed(&mut *session, 100), 0, "cut back");
        assert_eq!(passed(&mut *session, 120), 1200, "a greater depth is evaluated");
        session = model.open(200).unwrap();
        assert_eq!(passed(&mut *session, 100), 1000, "a new context has nothing");
        assert_eq!(passed(&mut *session, 0), 0);
        assert_eq!(passed(&mut *session, 100), 1000, "what was cleared is gone");
    }
}
