//! The worker's side of sequences evaluated side by side.

use super::{
    protocol::{Reply, Together},
    worker::given_ids,
};
use crate::{
    engine::{Error, Loaded, Session, WindowToken},
    record::Phase,
};

/// Opens a context for the sequences, evaluates what comes before untimed, and times the rest.
///
/// # Errors
/// What the engine could not do.
pub(super) fn evaluate(
    session: &mut dyn Session,
    loaded: Loaded,
    phase: Phase,
    work: Together,
    n_ubatch: u32,
    seed: u64,
) -> Result<Reply, Error> {
    let Together { n_tokens, n_depth, n_seq } = work;
    session.open_windows(n_seq, n_depth + n_tokens, n_ubatch)?;
    // Other ids for every sequence, so that nothing can be shared.
    let ids: Vec<Vec<i32>> =
        (0..n_seq).map(|sequence| given_ids(n_depth + n_tokens, seed ^ (u64::from(sequence) << 48), loaded)).collect();
    let token = |sequence: u32, position: u32, wanted: bool| WindowToken {
        id: ids[sequence as usize][position as usize],
        position,
        sequence,
        wanted,
    };
    let prompts = |from: u32, to: u32| -> Vec<WindowToken> {
        let of = |sequence| (from..to).map(move |position| (sequence, position));
        (0..n_seq).flat_map(of).map(|(sequence, position)| token(sequence, position, position + 1 == to)).collect()
    };
    let in_batches = |tokens: Vec<WindowToken>| -> Vec<Vec<WindowToken>> {
        tokens.chunks(n_ubatch.max(1) as usize).map(<[WindowToken]>::to_vec).collect()
    };
    if phase == Phase::Prefill {
        return session.evaluate_together(&in_batches(prompts(0, n_tokens))).map(Reply::Timed);
    }
    session.evaluate_together(&in_batches(prompts(0, n_depth)))?;
    let steps: Vec<Vec<WindowToken>> = (n_depth..n_depth + n_tokens)
        .flat_map(|position| in_batches((0..n_seq).map(|sequence| token(sequence, position, true)).collect()))
        .collect();
    session.evaluate_together(&steps).map(Reply::Timed)
}
