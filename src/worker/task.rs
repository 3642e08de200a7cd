//! Weighing endings: the texts of several questions as sequences of one context, what they have in common evaluated once.

use std::ops::Range;

use super::held::{Held, failed, not_a_number};
use crate::{
    engine::{BranchToken, Model, Session},
    protocol::{Alternatives, Choose, Failure, Likelihoods, Weighed},
    quality::{self, row::RowError},
    record::{CONTEXT_STEP, Stage},
};

/// Sequences of a context, at least; each costs little until it holds tokens.
const SEQUENCES: usize = 64;
/// llama-perplexity weighs what follows the choice alone where more tokens than this differ.
const MIN_FOLLOWING: usize = 3;
/// Stands for the logarithm of 0, which JSON can't hold.
const IMPOSSIBLE_NATS: f64 = -1e9;

pub(super) fn choose(held: &mut Held, call: &Choose) -> Result<Vec<Likelihoods>, Failure> {
    let n_ctx_train = held.facts.n_ctx_train as usize;
    let tries: Vec<Option<Tries>> = call
        .passages
        .iter()
        .map(|passage| tries(&*held.model, passage))
        .map(|tries| tries.filter(|tries| n_ctx_train == 0 || tries.longest <= n_ctx_train))
        .collect();
    let mut answers: Vec<Likelihoods> = call.passages.iter().zip(&tries).map(|(p, t)| unasked(p, t.as_ref())).collect();
    let most = held.settings.n_ubatch.max(1) as usize;
    for pack in packs(&tries, most) {
        let together: Vec<&Tries> = tries[pack.clone()].iter().flatten().collect();
        let means = weigh(held, &together)?;
        let whose = pack.filter(|&at| tries[at].is_some());
        for (at, means) in whose.zip(means) {
            let mut means = means.into_iter();
            let by_question =
                call.passages[at].questions.iter().map(|endings| means.by_ref().take(endings.len()).collect());
            answers[at].questions_nats = by_question.collect();
        }
    }
    Ok(answers)
}

fn unasked(passage: &Alternatives, tries: Option<&Tries>) -> Likelihoods {
    Likelihoods {
        questions_nats: vec![Vec::new(); passage.questions.len()],
        longest_tokens: tries.map_or(0, |tries| u32::try_from(tries.longest).unwrap_or(u32::MAX)),
    }
}

/// Whole texts as tokens.
#[derive(Debug, PartialEq)]
struct Tries {
    /// How many first tokens they have in common.
    n_common: usize,
    longest: usize,
    sequences: Vec<Sequence>,
}

#[derive(Debug, PartialEq)]
struct Sequence {
    tokens: Vec<i32>,
    /// Those of its tokens that are weighed: never none, never the first.
    weighed: Range<usize>,
}

impl Tries {
    /// Tokens to evaluate: the last of each text predicts nothing.
    fn n_tokens(&self) -> usize {
        self.n_common + self.sequences.iter().map(|s| s.tokens.len() - 1 - self.n_common).sum::<usize>()
    }
}

/// `None` where an ending has no token to weigh.
fn tries(model: &dyn Model, passage: &Alternatives) -> Option<Tries> {
    let mut sequences = Vec::new();
    for endings in &passage.questions {
        let whole = |(before, text): &(String, String)| plain_tokens(model, &[&passage.text, before, text]);
        let texts: Vec<Vec<i32>> = endings.iter().map(whole).collect();
        let same = common(&texts);
        // As llama-perplexity: whether the words that differ are weighed is decided for all of a question.
        let follows = texts.iter().all(|tokens| tokens.len() > same + MIN_FOLLOWING);
        for (tokens, (before, _)) in texts.into_iter().zip(endings) {
            let given = || plain_tokens(model, &[&passage.text, before]).len();
            let (from, to) = match passage.weighed {
                Weighed::WhatDiffers => (same, tokens.len()),
                Weighed::Ending => (given(), tokens.len()),
                Weighed::WhatFollows => {
                    let from = if follows { given() } else { same };
                    (from, if tokens.len() > from + 1 { tokens.len() - 1 } else { tokens.len() })
                }
            };
            // Where one text is the beginning of another, or a word's end depends on what follows, something is left to weigh.
            let from = from.min(tokens.len().saturating_sub(1)).max(1);
            if from >= to {
                return None;
            }
            sequences.push(Sequence { tokens, weighed: from..to });
        }
    }
    let texts: Vec<&[i32]> = sequences.iter().map(|s| &s.tokens[..]).collect();
    let first_weighed = sequences.iter().map(|s| s.weighed.start).min()?;
    let n_common = common(&texts).min(first_weighed);
    Some(Tries { n_common, longest: sequences.iter().map(|s| s.tokens.len()).max()?, sequences })
}

/// The tokens of a text that something may follow: no EOS at its end.
fn plain_tokens(model: &dyn Model, parts: &[&str]) -> Vec<i32> {
    let mut tokens = model.tokenize_text(&parts.concat());
    while tokens.len() > 1 && tokens.last().is_some_and(|&last| model.ends_generation(last)) {
        tokens.pop();
    }
    tokens
}

/// How many first tokens are the same in all of them.
fn common<T: AsRef<[i32]>>(texts: &[T]) -> usize {
    let Some((first, others)) = texts.split_first() else { return 0 };
    let first = first.as_ref();
    let same = |other: &T| first.iter().zip(other.as_ref()).take_while(|(a, b)| a == b).count();
    others.iter().map(same).min().unwrap_or(first.len())
}

/// Neighbours that are evaluated together: as many tokens as a batch has, one passage at least.
fn packs(tries: &[Option<Tries>], most_tokens: usize) -> Vec<Range<usize>> {
    let mut packs: Vec<Range<usize>> = Vec::new();
    let (mut tokens, mut sequences) = (0, 0);
    for (at, tries) in tries.iter().enumerate() {
        let (own, texts) = tries.as_ref().map_or((0, 0), |t| (t.n_tokens(), t.sequences.len()));
        match packs.last_mut() {
            Some(pack) if tokens + own <= most_tokens && sequences + texts <= SEQUENCES => pack.end = at + 1,
            _ => {
                packs.push(at..at + 1);
                (tokens, sequences) = (0, 0);
            }
        }
        (tokens, sequences) = (tokens + own, sequences + texts);
    }
    packs
}

/// What a row of logits is read for: (text, its token that follows).
type Targets = Vec<(usize, i32)>;

/// The mean log-probability of every text's weighed tokens, by passage.
fn weigh(held: &mut Held, passages: &[&Tries]) -> Result<Vec<Vec<f32>>, Failure> {
    let (mut tokens, mut targets): (Vec<BranchToken>, Vec<Targets>) = (Vec::new(), Vec::new());
    let mut n_before = 0;
    for tries in passages {
        lay_out(tries, n_before, &mut tokens, &mut targets);
        n_before += tries.sequences.len();
    }
    let mut sums = vec![0.0; n_before];
    let n_vocab = held.facts.n_vocab.max(1) as usize;
    let n_batch = held.settings.n_batch.max(1) as usize;
    let session = branches(held, n_before, tokens.len())?;
    session.clear();
    let mut targets = targets.into_iter();
    for batch in tokens.chunks(n_batch) {
        session.evaluate_branches(batch)?;
        for (row, targets) in session.batch_logits().chunks(n_vocab).zip(targets.by_ref()) {
            for (text, token) in targets {
                sums[text] += match quality::row::nll_nats(row, token) {
                    Ok(nll) => -nll,
                    Err(RowError::MaskedToken { .. }) => IMPOSSIBLE_NATS,
                    Err(_) => {
                        return Err(not_a_number(Stage::Quality, u32::try_from(tokens.len()).unwrap_or(u32::MAX)));
                    }
                };
            }
        }
    }
    let mut sums = sums.into_iter();
    #[expect(clippy::cast_possible_truncation, reason = "a mean of logarithms")]
    let mean = |s: &Sequence| sums.next().map_or(f32::NAN, |sum: f64| (sum / s.weighed.len() as f64) as f32);
    let mut mean = mean;
    Ok(passages.iter().map(|tries| tries.sequences.iter().map(&mut mean).collect()).collect())
}

/// Adds a passage's tokens, its texts numbered from `first` on, and what each wanted row is read for.
fn lay_out(tries: &Tries, first: usize, tokens: &mut Vec<BranchToken>, targets: &mut Vec<Targets>) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let all = number(first)..number(first + tries.sequences.len());
    let predicts = |s: &Sequence, at: usize| s.weighed.contains(&(at + 1)).then(|| s.tokens[at + 1]);
    let shared = tries.sequences.first().map_or(&[][..], |s| &s.tokens[..tries.n_common]);
    for (position, &id) in shared.iter().enumerate() {
        // What is common ends before anything is weighed, so that its last token alone may predict.
        let read: Targets =
            (first..).zip(&tries.sequences).filter_map(|(text, s)| Some((text, predicts(s, position)?))).collect();
        tokens.push(BranchToken { id, position: number(position), sequences: all.clone(), wanted: !read.is_empty() });
        targets.extend((!read.is_empty()).then_some(read));
    }
    for (text, s) in (first..).zip(&tries.sequences) {
        for position in tries.n_common..s.tokens.len() - 1 {
            let read = predicts(s, position).map(|token| vec![(text, token)]);
            tokens.push(BranchToken {
                id: s.tokens[position],
                position: number(position),
                sequences: number(text)..number(text + 1),
                wanted: read.is_some(),
            });
            targets.extend(read);
        }
    }
}

/// A context for so many texts and tokens: the one there is, or a larger one.
fn branches(held: &mut Held, n_seq: usize, n_tokens: usize) -> Result<&mut dyn Session, Failure> {
    let n_seq = n_seq.max(SEQUENCES);
    let fits = |open: &(usize, Box<dyn Session>)| open.0 >= n_seq && open.1.n_ctx() as usize >= n_tokens;
    if !held.branches.as_ref().is_some_and(fits) {
        // Two at once might not fit in memory.
        (held.session, held.branches) = (None, None);
        // llama.cpp rounds up, but takes no more tokens at a time than were asked for.
        let n_ctx = n_tokens.max(held.settings.n_ubatch as usize).next_multiple_of(CONTEXT_STEP as usize);
        let number = |n: usize| u32::try_from(n).map_err(|error| failed(Stage::Context, &error.to_string()));
        held.branches = Some((n_seq, held.model.open_branches(number(n_seq)?, number(n_ctx)?)?));
    }
    match &mut held.branches {
        Some((_, session)) => Ok(&mut **session),
        None => Err(failed(Stage::Context, "no context is open")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tokens: &[i32], weighed: Range<usize>) -> Sequence {
        Sequence { tokens: tokens.to_vec(), weighed }
    }

    #[test]
    fn what_is_common_is_evaluated_once_and_the_last_token_never() {
        let tries =
            Tries { n_common: 2, longest: 5, sequences: vec![of(&[1, 2, 3, 4], 2..4), of(&[1, 2, 5, 6, 7], 3..4)] };
        assert_eq!(tries.n_tokens(), 2 + 1 + 2);
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        lay_out(&tries, 10, &mut tokens, &mut targets);
        assert_eq!(tokens.len(), tries.n_tokens());
        let seen: Vec<(i32, u32, Range<u32>, bool)> =
            tokens.into_iter().map(|t| (t.id, t.position, t.sequences, t.wanted)).collect();
        assert_eq!(
            seen,
            [
                (1, 0, 10..12, false),
                (2, 1, 10..12, true),
                (3, 2, 10..11, true),
                (5, 2, 11..12, true),
                (6, 3, 11..12, false),
            ]
        );
        assert_eq!(targets, [vec![(10, 3)], vec![(10, 4)], vec![(11, 6)]]);
    }

    #[test]
    fn passages_share_a_batch_as_far_as_they_fit() {
        let long = |n: usize| Some(Tries { n_common: 0, longest: n, sequences: vec![of(&vec![7; n + 1], 1..2)] });
        assert_eq!(packs(&[long(40), None, long(60), long(1), long(300), long(5)], 100), [0..3, 3..4, 4..5, 5..6]);
        assert!(packs(&[], 100).is_empty());
    }

    #[test]
    fn the_common_beginning_ends_with_the_shortest() {
        assert_eq!(common(&[vec![1, 2, 3], vec![1, 2], vec![1, 2, 4]]), 2);
        assert_eq!(common(&[vec![1, 2, 3]]), 3);
        assert_eq!(common::<Vec<i32>>(&[]), 0);
    }
}
