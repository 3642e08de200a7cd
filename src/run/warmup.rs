//! Warm-up: by time, and then until it gets no faster.

use crate::record::Phase;

/// Tokens generated at a time while warming up: enough to settle, few enough to stop in time.
const DECODE_TOKENS: u32 = 16;
/// Enough to wake all threads and to touch every weight.
const PREFILL_TO_WAKE: u32 = 32;
const DECODE_TO_WAKE: u32 = 4;
/// A repetition this much faster than the best before it shows that the worker was not warm yet: less is the noise of a quiet machine.
const STILL_GAINING: f64 = 0.05;
/// However unsteady the machine, a warm-up ends after so many times its share, so that a time budget can count on it.
const LONGEST_SHARES: u64 = 4;

/// Tokens of one repetition of a workload of `n_tokens`.
pub(super) fn tokens(phase: Phase, n_tokens: u32) -> u32 {
    match phase {
        Phase::Prefill => n_tokens,
        Phase::Decode => n_tokens.min(DECODE_TOKENS),
    }
}

/// Tokens that wake a worker which has been idle for a moment.
pub(super) fn tokens_to_wake(phase: Phase, n_tokens: u32) -> u32 {
    match phase {
        Phase::Prefill => n_tokens.min(PREFILL_TO_WAKE),
        Phase::Decode => n_tokens.min(DECODE_TO_WAKE),
    }
}

/// Where a warm-up ends: after its time, and when it no longer gets faster.
pub(super) struct WarmUpEnd {
    /// What it lasts at least, nanoseconds; so are the others.
    share: u64,
    spent: u64,
    best: Option<u64>,
}

impl WarmUpEnd {
    /// A warm-up of at least `share_ns`.
    pub(super) fn new(share_ns: u64) -> Self {
        Self { share: share_ns, spent: 0, best: None }
    }

    /// Whether it is reached after a repetition of `took_ns`, all of equal work.
    ///
    /// A single repetition longer than the share is enough: there is nothing to hold it against, and it touched every weight.
    pub(super) fn is_reached_after(&mut self, took_ns: u64) -> bool {
        let gained = self.best.is_some_and(|best| (took_ns as f64) < best as f64 * (1.0 - STILL_GAINING));
        self.best = Some(self.best.map_or(took_ns, |best| best.min(took_ns)));
        self.spent += took_ns;
        self.spent >= self.share && (!gained || self.spent >= self.share * LONGEST_SHARES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetitions(share: u64, times: &[u64]) -> usize {
        let mut end = WarmUpEnd::new(share);
        times.iter().position(|&t| end.is_reached_after(t)).map_or(usize::MAX, |last| last + 1)
    }

    #[test]
    fn it_lasts_its_share_and_until_it_gains_no_more() {
        assert_eq!(repetitions(100, &[30, 30, 30, 30, 30]), 4, "the share");
        assert_eq!(repetitions(100, &[200, 100]), 1, "one long repetition is enough");
        assert_eq!(repetitions(100, &[90, 50, 40, 39, 39]), 4, "it went on while it gained");
        assert_eq!(repetitions(10, &[9, 8, 7, 6, 5, 4, 3, 2, 1]), 7, "but not for ever: four shares");
    }
}
