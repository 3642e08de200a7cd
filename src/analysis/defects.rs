//! Where two answers diverge, and answers that are broken.

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::record::FinishReason;

/// Repeats of the tail from which it is a loop.
const MIN_REPEATS: usize = 4;
/// Tokens a loop must span, so that "ha ha ha ha" is none.
const MIN_LOOP_TOKENS: usize = 24;
/// The longest period looked for, in tokens.
const MAX_PERIOD: usize = 64;
/// Letters of a script from which it is no quotation or name.
const MIN_FOREIGN_LETTERS: usize = 8;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// More than a fifth of its letters are of a script that its prompt has no letter of.
    OtherScript {
        /// The script.
        script: Script,
        /// Letters of it.
        letters: usize,
        /// Letters of the answer.
        of: usize,
    },
    /// JSON that was asked for, or begun, and is none.
    InvalidJson,
    /// JSON that was not at its end when the answer was.
    CutJson,
}

/// An answer as it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) text: &'a str,
    pub(crate) tokens: &'a [i32],
    pub(crate) finish: FinishReason,
}

/// Everything wrong with an answer in itself.
#[must_use]
pub(crate) fn defects(said: Said<'_>) -> Vec<Defect> {
    let Said { prompt, text, tokens, finish } = said;
    let mut defects = Vec::new();
    if text.trim().is_empty() {
        defects.push(Defect::Empty);
    }
    if let Some((period_tokens, repeats)) = tail_loop(tokens) {
        defects.push(Defect::Loop { period_tokens, repeats });
    }
    // Where the answer was cut, so may its last character have been.
    let whole = match finish {
        FinishReason::Length => text.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(text),
        FinishReason::EndOfGeneration => text,
    };
    let count = whole.matches(char::REPLACEMENT_CHARACTER).count();
    if count > 0 {
        defects.push(Defect::ReplacementCharacters { count });
    }
    defects.extend(other_script(prompt, text));
    defects.extend(json_defect(prompt, text));
    defects
}

/// Writing systems that are told apart; those that one language mixes are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Script {
    /// English and most languages of western Europe, Vietnamese, Turkish.
    Latin,
    /// Greek.
    Greek,
    /// Russian, Ukrainian, Serbian.
    Cyrillic,
    /// Hebrew.
    Hebrew,
    /// Arabic, Persian, Urdu.
    Arabic,
    /// Hindi, Bengali, Tamil and their neighbours.
    Indic,
    /// Thai, Lao, Khmer, Burmese.
    SoutheastAsian,
    /// Chinese and Japanese.
    Han,
    /// Korean.
    Hangul,
    /// Any other.
    Other,
}

/// By Unicode's blocks; `None` for what is no letter.
fn script(c: char) -> Option<Script> {
    if !c.is_alphabetic() {
        return None;
    }
    Some(match u32::from(c) {
        0x0041..=0x024F | 0x1E00..=0x1EFF | 0x2C60..=0x2C7F | 0xA720..=0xA7FF | 0xFF21..=0xFF5A => Script::Latin,
        0x0370..=0x03FF | 0x1F00..=0x1FFF => Script::Greek,
        0x0400..=0x052F | 0x1C80..=0x1C8F | 0x2DE0..=0x2DFF | 0xA640..=0xA69F => Script::Cyrillic,
        0x0590..=0x05FF => Script::Hebrew,
        0x0600..=0x06FF | 0x0750..=0x077F | 0x08A0..=0x08FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => Script::Arabic,
        0x0900..=0x0DFF => Script::Indic,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF => Script::SoutheastAsian,
        0x1100..=0x11FF | 0x3130..=0x318F | 0xA960..=0xA97F | 0xAC00..=0xD7FF => Script::Hangul,
        0x2E80..=0x312F | 0x3190..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x20000..=0x3FFFF => {
            Script::Han
        }
        // Letters of no language: modifiers, mathematical alphabets.
        0x0250..=0x036F | 0x1D00..=0x1DFF | 0x2070..=0x218F | 0x1D400..=0x1D7FF => return None,
        _ => Script::Other,
    })
}

fn letters(text: &str) -> BTreeMap<Script, usize> {
    let mut counts = BTreeMap::new();
    for script in text.chars().filter_map(script) {
        *counts.entry(script).or_default() += 1;
    }
    counts
}

/// The script that an answer fell into, when its prompt has no letter of it.
fn other_script(prompt: &str, text: &str) -> Option<Defect> {
    let (asked, said) = (letters(prompt), letters(text));
    if asked.is_empty() {
        return None;
    }
    let of: usize = said.values().sum();
    let foreign = said.into_iter().filter(|(script, _)| !asked.contains_key(script)).max_by_key(|(_, n)| *n);
    foreign
        .filter(|(_, letters)| *letters >= MIN_FOREIGN_LETTERS && letters * 5 > of)
        .map(|(script, letters)| Defect::OtherScript { script, letters, of })
}

/// What is wrong with the JSON of an answer; `None` too where there is none and none was asked for.
fn json_defect(prompt: &str, text: &str) -> Option<Defect> {
    let Some(json) = json_of(text) else {
        return asks_for_json(prompt).then_some(Defect::InvalidJson);
    };
    match serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>().next() {
        Some(Ok(_)) => None,
        Some(Err(error)) if error.is_eof() => Some(Defect::CutJson),
        Some(Err(_)) | None => Some(Defect::InvalidJson),
    }
}

/// Where JSON begins: in a fence that is called so, or at the very start.
fn json_of(text: &str) -> Option<&str> {
    if let Some((_, fenced)) = text.split_once("```json") {
        return Some(fenced.split("```").next().unwrap_or(fenced));
    }
    let start = text.trim_start();
    let mut marks = start.chars().filter(|c| !c.is_whitespace());
    let begins =
        matches!((marks.next(), marks.next()), (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '[' | '"')));
    begins.then_some(start)
}

fn asks_for_json(prompt: &str) -> bool {
    ["as JSON", "in JSON", "valid JSON", "only JSON", "a JSON", "JSON object", "JSON array"]
        .iter()
        .any(|words| prompt.contains(words))
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

    fn said<'a>(prompt: &'a str, text: &'a str, tokens: &'a [i32]) -> Said<'a> {
        Said { prompt, text, tokens, finish: FinishReason::EndOfGeneration }
    }

    #[test]
    fn defects_are_named() {
        let of = |text, tokens: &[i32]| defects(said("Say something.", text, tokens));
        assert_eq!(of("A fine answer.", &[1, 2, 3]), []);
        assert_eq!(of(" \n", &[]), [Defect::Empty]);
        assert_eq!(of("a\u{fffd}\u{fffd}", &[1, 2]), [Defect::ReplacementCharacters { count: 2 }]);
        assert_eq!(of("no no no", &[3; 30]), [Defect::Loop { period_tokens: 1, repeats: 30 }]);
    }

    #[test]
    fn half_a_character_at_a_cut_is_no_defect() {
        let cut = |text| defects(Said { finish: FinishReason::Length, ..said("p", text, &[1]) });
        assert_eq!(cut("fine\u{fffd}"), []);
        assert_eq!(cut("a\u{fffd}b\u{fffd}"), [Defect::ReplacementCharacters { count: 1 }]);
        assert_eq!(defects(said("p", "a\u{fffd}", &[1])), [Defect::ReplacementCharacters { count: 1 }]);
    }

    #[test]
    fn an_answer_in_a_script_that_nobody_wrote_in_is_told() {
        let of = |prompt, text| defects(said(prompt, text, &[1]));
        let han = |letters, of| vec![Defect::OtherScript { script: Script::Han, letters, of }];
        assert_eq!(of("Tell a tale.", "从前有一个国王住在山上"), han(11, 11));
        assert_eq!(of("Tell a tale.", "Once 从前有一个国王住"), han(8, 12));
        assert_eq!(of("Tell a tale of 王.", "从前有一个国王住在山上"), [], "the prompt has it");
        assert_eq!(of("Tell a tale.", "A king, 王, lived in the hills of 山 for many years."), [], "a name or two");
        assert_eq!(of("東京はどこですか", "とうきょうは日本のみやこです"), [], "one language mixes them");
        assert_eq!(of("1 + 1 =", "从前有一个国王住在山上"), [], "the prompt is in none");
    }

    #[test]
    fn json_is_whole_cut_or_none() {
        let of = |text| defects(said("Answer as JSON.", text, &[1]));
        assert_eq!(of("{\"a\": [1, 2]}"), []);
        assert_eq!(of("Here:\n```json\n{\"a\": 1}\n```\nDone."), []);
        assert_eq!(of("{\"a\": [1, 2"), [Defect::CutJson]);
        assert_eq!(of("```json\n[1, {\"b\""), [Defect::CutJson]);
        assert_eq!(of("{\"a\": 1,}"), [Defect::InvalidJson]);
        assert_eq!(of("Gladly: a is 1."), [Defect::InvalidJson], "it was asked for");
        assert_eq!(defects(said("What is it?", "[1] is a note, {x} a set.", &[1])), []);
        assert_eq!(defects(said("What is it?", "{\"a\" 1}", &[1])), [Defect::InvalidJson]);
    }
}
