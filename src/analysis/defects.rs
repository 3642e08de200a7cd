//! Where two answers diverge, and answers that are broken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Repeats of the tail from which it is a loop.
const MIN_REPEATS: usize = 4;
/// Tokens a loop must span, so that "ha ha ha ha" is none.
const MIN_LOOP_TOKENS: usize = 24;
/// The longest period looked for, in tokens.
const MAX_PERIOD: usize = 64;

/// Where two token sequences part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Divergence {
    /// The first token that differs, or the length of the shorter answer if it is the beginning of the other.
    pub token_index: usize,
    /// Tokens in common over tokens of the longer answer, from 0 to 1.
    pub common_fraction: f64,
}

/// The first token where two answers part; none when they are equal.
#[must_use]
pub(crate) fn first_divergence(base: &[i32], candidate: &[i32]) -> Option<Divergence> {
    if base == candidate {
        return None;
    }
    let token_index = base.iter().zip(candidate).take_while(|(b, c)| b == c).count();
    Some(Divergence { token_index, common_fraction: token_index as f64 / base.len().max(candidate.len()) as f64 })
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Nothing but white space.
    Empty,
    /// It ends in the same few tokens over and over.
    Loop {
        /// Tokens that repeat.
        period_tokens: usize,
        /// How often, whole times.
        repeats: usize,
    },
    /// Bytes that are no text.
    ReplacementCharacters {
        /// How many U+FFFD.
        count: usize,
    },
}

/// Everything wrong with an answer, given as text and as tokens.
#[must_use]
pub(crate) fn defects(text: &str, tokens: &[i32]) -> Vec<Defect> {
    let mut defects = Vec::new();
    if text.trim().is_empty() {
        defects.push(Defect::Empty);
    }
    if let Some((period_tokens, repeats)) = tail_loop(tokens) {
        defects.push(Defect::Loop { period_tokens, repeats });
    }
    let count = text.matches(char::REPLACEMENT_CHARACTER).count();
    if count > 0 {
        defects.push(Defect::ReplacementCharacters { count });
    }
    defects
}

/// The shortest period the tail repeats with, and how often.
fn tail_loop(tokens: &[i32]) -> Option<(usize, usize)> {
    (1..=MAX_PERIOD.min(tokens.len() / MIN_REPEATS)).find_map(|period| {
        let later = tokens.iter().rev();
        let earlier = tokens.iter().rev().skip(period);
        let repeated = later.zip(earlier).take_while(|(a, b)| a == b).count();
        let repeats = (repeated + period) / period;
        (repeats >= MIN_REPEATS && repeats * period >= MIN_LOOP_TOKENS).then_some((period, repeats))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_part_at_the_first_difference() {
        assert_eq!(first_divergence(&[1, 2, 3], &[1, 2, 3]), None);
        assert_eq!(first_divergence(&[], &[]), None);
        let at = |token_index, common_fraction| Some(Divergence { token_index, common_fraction });
        assert_eq!(first_divergence(&[1, 2, 3, 4], &[1, 9, 3, 4]), at(1, 0.25));
        assert_eq!(first_divergence(&[1, 2, 3, 4], &[1, 2]), at(2, 0.5));
        assert_eq!(first_divergence(&[], &[1, 2]), at(0, 0.0));
    }

    #[test]
    fn loops_are_found_at_the_tail_only() {
        let looped: Vec<i32> = [100, 101, 102].into_iter().chain([7, 8, 9].into_iter().cycle().take(31)).collect();
        assert_eq!(tail_loop(&looped), Some((3, 10)));
        assert_eq!(tail_loop(&[5; 40]), Some((1, 40)));
        assert_eq!(tail_loop(&[5; 23]), None);
        let broken_off: Vec<i32> = looped.iter().copied().chain(0..5).collect();
        assert_eq!(tail_loop(&broken_off), None);
        assert_eq!(tail_loop(&(0..500).collect::<Vec<_>>()), None);
        let thrice: Vec<i32> = (0..20).cycle().take(60).collect();
        assert_eq!(tail_loop(&thrice), None);
    }

    #[test]
    fn defects_are_named() {
        assert_eq!(defects("A fine answer.", &[1, 2, 3]), []);
        assert_eq!(defects(" \n", &[]), [Defect::Empty]);
        assert_eq!(defects("a\u{fffd}\u{fffd}", &[1, 2]), [Defect::ReplacementCharacters { count: 2 }]);
        assert_eq!(defects("no no no", &[3; 30]), [Defect::Loop { period_tokens: 1, repeats: 30 }]);
    }
}
