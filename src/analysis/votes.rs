//! Answers judged by a person who did not know whose they were: what is asked, and what the votes say.

use std::collections::BTreeSet;

use base16ct::lower::encode_string as hex;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::metric::adjusted;
use crate::{
    record::{Generation, Run, WorkloadKind, round_value::visits},
    stats::{self, SplitMix64},
};

/// The version of a file of votes.
const FORMAT: u32 = 1;

/// Whose answer to a prompt is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preferred {
    /// The original's.
    Original,
    /// The candidate's.
    Candidate,
    /// Neither.
    Neither,
}

/// On which side the original's answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// Two answers to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Question {
    /// Index of the prompt into the plan's workloads.
    pub workload: usize,
    /// Index of the candidate into the models.
    pub candidate: usize,
    /// Where the original's answer is shown.
    pub original: Side,
}

/// Everything there is to judge: order and sides are random, and the same each time for the same record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ballot {
    /// Names what is judged: a hash of the models, the prompts and the answers.
    pub id: String,
    /// In the order they are asked.
    pub questions: Vec<Question>,
    /// Prompt and candidate whose answers are the same text: there is nothing to judge.
    pub same: Vec<(usize, usize)>,
}

/// A file of votes, as the report page writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cast {
    /// Version of the format.
    pub format: u32,
    /// [`Ballot::id`] of what was judged.
    pub ballot: String,
    /// The votes; a question without one was not judged.
    pub votes: Vec<Vote>,
}

/// One judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vote {
    /// Index of the prompt into the plan's workloads.
    pub workload: usize,
    /// Index of the candidate into the models.
    pub candidate: usize,
    /// Whose answer is better.
    pub better: Preferred,
}

/// What the votes say of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct VoteCount {
    /// Index into the models.
    pub candidate: usize,
    /// Prompts where the original's answer was preferred.
    pub original_preferred: u32,
    /// Prompts where the candidate's was.
    pub candidate_preferred: u32,
    /// Prompts where neither was.
    pub neither: u32,
    /// Prompts with the same answer, which were not asked.
    pub same: u32,
    /// Prompts that were asked and not judged.
    pub not_judged: u32,
    /// Share of the preferences that went to the candidate, as a fraction; `None` without any.
    pub candidate_share: Option<f64>,
    /// Lower end of its interval (Wilson).
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided p-value of the sign test; `None` without a preference.
    pub p_value: Option<f64>,
    /// What may be concluded.
    pub verdict: Preference,
}

/// What may be concluded of a person's preferences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The original's answers were preferred.
    Original,
    /// The candidate's were.
    Candidate,
    /// Chance explains the difference.
    NotResolved,
}

/// Why votes can't be counted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum VotesError {
    /// A newer program wrote them.
    #[error("the votes have format {found}, this program reads {FORMAT}")]
    Format {
        /// Theirs.
        found: u32,
    },
    /// They are of other answers.
    #[error("the votes are of another record: they judge the answers {theirs}, this record holds {own}")]
    OtherRecord {
        /// Start of their ballot's hash.
        theirs: String,
        /// Start of this record's.
        own: String,
    },
    /// There is nothing to judge.
    #[error("the record holds no answers of an original and a candidate to judge")]
    NothingToJudge,
    /// A vote on what was not asked.
    #[error("vote {number}: prompt {workload} of model {candidate} was not asked, or is judged twice")]
    NotAsked {
        /// Which vote, from 1.
        number: usize,
        /// Its prompt.
        workload: usize,
        /// Its candidate.
        candidate: usize,
    },
}

/// What is to be judged in a record; `None` when no candidate answered a prompt that the original answered.
#[must_use]
pub(crate) fn ballot(run: &Run) -> Option<Ballot> {
    let original = run.original()?;
    let (mut questions, mut same) = (Vec::new(), Vec::new());
    for (workload, w) in run.plan.workloads.iter().enumerate() {
        let WorkloadKind::Prompt(_) = &w.kind else { continue };
        let Some(base) = first_answer(run, original, workload) else { continue };
        for candidate in (0..run.subjects.len()).filter(|&model| model != original) {
            match first_answer(run, candidate, workload) {
                Some(own) if own.text == base.text => same.push((workload, candidate)),
                Some(_) => questions.push(Question { workload, candidate, original: Side::Left }),
                None => {}
            }
        }
    }
    let mut rng = SplitMix64::new(run.plan.seed);
    rng.shuffle(&mut questions);
    for question in &mut questions {
        question.original = if rng.below(2) == 0 { Side::Left } else { Side::Right };
    }
    let any = !questions.is_empty() || !same.is_empty();
    any.then(|| Ballot { id: id(run), questions, same })
}

/// The answer that is judged: the first the model gave.
fn first_answer(run: &Run, model: usize, workload: usize) -> Option<&Generation> {
    visits(run, model).flat_map(|(_, visit)| &visit.generations).find(|g| g.workload == workload)
}

/// A hash of what is judged, in hexadecimal: each part with its length, so that no two records read the same.
fn id(run: &Run) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    part(&run.started_utc);
    part(&run.plan.seed.to_string());
    for (index, model) in run.subjects.iter().enumerate() {
        part(&model.name);
        for (workload, w) in run.plan.workloads.iter().enumerate() {
            if let (WorkloadKind::Prompt(prompt), Some(answer)) = (&w.kind, first_answer(run, index, workload)) {
                part(&prompt.text);
                part(&answer.text);
            }
        }
    }
    hex(&hash.finalize())
}

/// Counts votes, a row a candidate that could be judged.
///
/// # Errors
/// When they are of another record, or of what was not asked.
pub(crate) fn count(run: &Run, cast: &Cast) -> Result<Vec<VoteCount>, VotesError> {
    if cast.format != FORMAT {
        return Err(VotesError::Format { found: cast.format });
    }
    let ballot = ballot(run).ok_or(VotesError::NothingToJudge)?;
    if cast.ballot != ballot.id {
        let start = |id: &str| id.chars().filter(char::is_ascii_hexdigit).take(12).collect::<String>();
        return Err(VotesError::OtherRecord { theirs: start(&cast.ballot), own: start(&ballot.id) });
    }
    let mut open: BTreeSet<(usize, usize)> = ballot.questions.iter().map(|q| (q.workload, q.candidate)).collect();
    for (number, &Vote { workload, candidate, .. }) in (1..).zip(&cast.votes) {
        if !open.remove(&(workload, candidate)) {
            return Err(VotesError::NotAsked { number, workload, candidate });
        }
    }
    let pairs = || ballot.questions.iter().map(|q| (q.workload, q.candidate)).chain(ballot.same.iter().copied());
    let judged: BTreeSet<usize> = pairs().map(|(_, candidate)| candidate).collect();
    let confidence = adjusted(run.plan.protocol.confidence, judged.len());
    let tally = |&candidate: &usize| {
        let votes =
            |better| number(cast.votes.iter().filter(|v| v.candidate == candidate && v.better == better).count());
        let of =
            |pairs: &mut dyn Iterator<Item = (usize, usize)>| number(pairs.filter(|(_, c)| *c == candidate).count());
        let (losses, wins) = (votes(Preferred::Original), votes(Preferred::Candidate));
        let share = stats::wilson(wins.into(), u64::from(wins) + u64::from(losses), run.plan.protocol.confidence).ok();
        let p_value = stats::sign_test(wins, losses).ok();
        let clear = p_value.is_some_and(|p| p < 1.0 - confidence);
        VoteCount {
            candidate,
            original_preferred: losses,
            candidate_preferred: wins,
            neither: votes(Preferred::Neither),
            same: of(&mut ballot.same.iter().copied()),
            not_judged: of(&mut open.iter().copied()),
            candidate_share: share.as_ref().map(|s| s.value),
            low: share.as_ref().map(|s| s.low),
            high: share.as_ref().map(|s| s.high),
            p_value,
            verdict: match (clear, wins > losses) {
                (false, _) => Preference::NotResolved,
                (true, true) => Preference::Candidate,
                (true, false) => Preference::Original,
            },
        }
    };
    Ok(judged.iter().map(tally).collect())
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
