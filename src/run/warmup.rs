//! Warm-up: short repetitions until two in a row take about as long.

use crate::record::Phase;

/// Enough to wake all threads, to touch every weight and to repeat the loops that are timed.
const PREFILL_TOKENS: u32 = 32;
const DECODE_TOKENS: u32 = 2;
/// Enough to wake all threads again, after another worker's turn.
const PREFILL_TO_WAKE: u32 = 32;
const DECODE_TO_WAKE: u32 = 2;
/// Two repetitions in a row that differ by less are alike. They are a hundredth of a sample or so, and scatter more than it.
const ALIKE: f64 = 0.10;
/// However unsteady the machine, a warm-up ends.
const MOST_REPETITIONS: u32 = 5;
/// As many as it usually takes, for plans.
const USUAL_PREFILL_REPETITIONS: u32 = 2;
const USUAL_DECODE_REPETITIONS: u32 = 3;

/// Tokens of one repetition of a workload of `n_tokens`.
pub(super) fn tokens(phase: Phase, n_tokens: u32) -> u32 {
    n_tokens.min(match phase {
        Phase::Prefill => PREFILL_TOKENS,
        Phase::Decode => DECODE_TOKENS,
    })
}

/// Tokens that a whole warm-up usually takes.
pub(super) fn expected_tokens(phase: Phase) -> u32 {
    match phase {
        Phase::Prefill => USUAL_PREFILL_REPETITIONS * PREFILL_TOKENS,
        Phase::Decode => USUAL_DECODE_REPETITIONS * DECODE_TOKENS,
    }
}

/// Tokens that wake a worker which has been idle for a moment.
pub(super) fn tokens_to_wake(phase: Phase, n_tokens: u32) -> u32 {
    match phase {
        Phase::Prefill => n_tokens.min(PREFILL_TO_WAKE),
        Phase::Decode => n_tokens.min(DECODE_TO_WAKE),
    }
}

/// The whole work is repeated as well where that is short: a device prepares kernels and buffers for each size of a batch, and llama.cpp's
/// first full batch on a GPU was seen to take four times as long as the next. On a CPU, where it is long, nothing of the kind was seen.
const SHORT_NS: u64 = 300_000_000;

/// Whether the whole work of `n_tokens` is short, when `taken` tokens of it took so long.
pub(super) fn is_short(n_tokens: u32, taken: u32, took_ns: u64) -> bool {
    took_ns.saturating_mul(u64::from(n_tokens)) / u64::from(taken.max(1)) <= SHORT_NS
}

/// Where a warm-up ends.
#[derive(Debug, Default)]
pub(super) struct WarmUpEnd {
    repetitions: u32,
    last_ns: Option<u64>,
}

impl WarmUpEnd {
    /// Whether it is reached after a repetition of `took_ns`, all of equal work.
    pub(super) fn is_reached_after(&mut self, took_ns: u64) -> bool {
        self.repetitions += 1;
        let before = self.last_ns.replace(took_ns);
        let alike = before.is_some_and(|before| {
            let (shorter, longer) = (before.min(took_ns), before.max(took_ns));
            (longer - shorter) as f64 <= shorter as f64 * ALIKE
        });
        alike || self.repetitions >= MOST_REPETITIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetitions(times: &[u64]) -> usize {
        let mut end = WarmUpEnd::default();
        times.iter().position(|&t| end.is_reached_after(t)).map_or(usize::MAX, |last| last + 1)
    }

    #[test]
    fn what_is_short_is_repeated_whole() {
        assert!(is_short(512, 64, 4_000_000), "32 ms on a GPU");
        assert!(!is_short(512, 64, 70_000_000), "more than half a second on two cores");
    }

    #[test]
    fn it_ends_when_two_in_a_row_are_alike() {
        assert_eq!(repetitions(&[100, 95]), 2, "it was warm");
        assert_eq!(repetitions(&[300, 100, 50, 51]), 4, "it went on while it gained");
        assert_eq!(repetitions(&[100, 130, 128]), 3, "slower is not alike either");
        assert_eq!(repetitions(&[9, 8, 7, 6, 5, 4]), 5, "but not for ever");
    }
}
