//! Recall by depth: a long list of numbers, made from a seed, and questions after the one or the other at every depth of it.

use super::task::{Ending, Passage, Question, Task};
use crate::{record::TaskKind, stats::SplitMix64};

const COLOURS: [&str; 16] = [
    "red", "blue", "green", "white", "black", "brown", "grey", "yellow", "purple", "orange", "golden", "silver",
    "pink", "dark", "pale", "bright",
];
const THINGS: [&str; 24] = [
    "boat", "house", "horse", "book", "train", "garden", "bridge", "window", "table", "letter", "river", "tower",
    "bird", "lamp", "coat", "clock", "door", "wheel", "chair", "stone", "cup", "road", "flag", "ring",
];
const PLACES: [&str; 24] = [
    "London", "Paris", "Rome", "Berlin", "Madrid", "Vienna", "Dublin", "Oslo", "Athens", "Lisbon", "Cairo", "Delhi",
    "Tokyo", "Boston", "Chicago", "Denver", "Sydney", "Toronto", "Moscow", "Prague", "Warsaw", "Geneva", "Lima",
    "Milan",
];
/// Tokens that a line takes with common tokenizers, the number's digits one by one in some.
const TOKENS_A_LINE: usize = 16;
/// Parts of the depth that are told apart.
pub(crate) const DEPTHS: usize = 5;
/// Questions after each part in one list.
const QUESTIONS_A_DEPTH: usize = 2;
/// Lists of each length, unless another number of questions is asked for.
const LISTS: usize = 4;
/// Numbers to choose from, all of the same list.
const CHOICES: usize = 4;

/// A list is as long as all its keys are different.
pub(crate) const MOST_TOKENS: u32 = 131_072;
/// And long enough for every depth to have a line for each of its questions.
pub(crate) const LEAST_TOKENS: u32 = 256;

/// Questions after numbers in lists of about so many tokens; about `most` questions, when that is said.
pub(crate) fn recall(n_tokens: u32, seed: u64, most: Option<usize>) -> Task {
    let a_list = DEPTHS * QUESTIONS_A_DEPTH;
    let lists = most.map_or(LISTS, |most| most.div_ceil(a_list).max(1));
    let mut rng = SplitMix64::new(seed ^ (u64::from(n_tokens) << 20));
    let percent = |part: usize| part * 100 / DEPTHS;
    Task {
        name: format!("recall {n_tokens}"),
        kind: TaskKind::Recall { n_tokens },
        source: None,
        groups: (0..DEPTHS).map(|part| format!("{} to {} %", percent(part), percent(part + 1))).collect(),
        passages: (0..lists).map(|_| list(n_tokens as usize / TOKENS_A_LINE, &mut rng)).collect(),
    }
}

fn list(lines: usize, rng: &mut SplitMix64) -> Passage {
    let mut keys: Vec<usize> = (0..COLOURS.len() * THINGS.len() * PLACES.len()).collect();
    let mut draw = |from: &mut Vec<usize>| from.swap_remove(rng.below(from.len()));
    let keys: Vec<String> = (0..lines).map(|_| key(draw(&mut keys))).collect();
    let mut numbers: Vec<usize> = (10_000..100_000).collect();
    let numbers: Vec<usize> = (0..lines).map(|_| draw(&mut numbers)).collect();
    let lines_of_text: Vec<String> =
        keys.iter().zip(&numbers).map(|(key, number)| format!("{key} {number}.\n")).collect();
    let text = lines_of_text.concat();
    let mut questions = Vec::new();
    for (part, group) in (0..DEPTHS).zip(0..) {
        let mut own: Vec<usize> = (lines * part / DEPTHS..lines * (part + 1) / DEPTHS).collect();
        for _ in 0..QUESTIONS_A_DEPTH.min(own.len()) {
            let asked = own.swap_remove(rng.below(own.len()));
            let mut others: Vec<usize> = (0..lines).filter(|&line| line != asked).collect();
            let mut weighed: Vec<usize> =
                (1..CHOICES).map(|_| numbers[others.swap_remove(rng.below(others.len()))]).collect();
            let answer = rng.below(CHOICES);
            weighed.insert(answer, numbers[asked]);
            let ending = |number: usize| Ending { before: keys[asked].clone(), text: format!(" {number}.") };
            questions.push(Question {
                endings: weighed.into_iter().map(ending).collect(),
                answer: u16::try_from(answer).expect("one of four"),
                group: Some(group),
            });
        }
    }
    Passage { text, questions }
}

fn key(n: usize) -> String {
    let (colour, n) = (n % COLOURS.len(), n / COLOURS.len());
    let (thing, place) = (n % THINGS.len(), n / THINGS.len());
    format!("The number of the {} {} in {} is", COLOURS[colour], THINGS[thing], PLACES[place])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_asked_for_stands_once_at_its_depth_and_the_others_elsewhere() {
        let task = recall(1024, 7, None);
        assert_eq!((task.passages.len(), task.groups.len()), (LISTS, DEPTHS));
        assert_eq!(task, recall(1024, 7, None), "the seed says it all");
        assert_ne!(task, recall(1024, 8, None));
        for passage in &task.passages {
            let lines: Vec<&str> = passage.text.lines().collect();
            assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len());
            assert_eq!(passage.questions.len(), DEPTHS * QUESTIONS_A_DEPTH);
            for question in &passage.questions {
                let whole = |ending: &Ending| format!("{}{}", ending.before, ending.text);
                let right = whole(&question.endings[usize::from(question.answer)]);
                let at = lines.iter().position(|line| *line == right).expect("it is there");
                let part = question.group.map_or(0, usize::from);
                let part = lines.len() * part / DEPTHS..lines.len() * (part + 1) / DEPTHS;
                assert!(part.contains(&at), "line {at} of {}", lines.len());
                for (index, ending) in question.endings.iter().enumerate() {
                    let elsewhere = lines.iter().filter(|line| line.ends_with(&ending.text)).count();
                    assert_eq!(elsewhere, 1, "each number has one line");
                    assert_eq!(lines.contains(&whole(ending).as_str()), index == usize::from(question.answer));
                }
            }
        }
    }

    #[test]
    fn the_shortest_and_the_longest_can_be_made() {
        assert_eq!(recall(LEAST_TOKENS, 1, Some(10)).passages.len(), 1);
        assert_eq!(recall(LEAST_TOKENS, 1, Some(11)).passages[0].questions.len(), 10);
        assert_eq!(recall(MOST_TOKENS, 1, Some(1)).passages[0].questions.len(), 10);
    }
}
