//! Tasks with right answers: how many each model got right, which answers a candidate lost and gained, and what so many items could have
//! shown.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    record::{Outcome, Role, Run, TaskItem, TaskKind, TaskPlan, TaskResult, TaskScores, TaskStop, Tasks},
    stats::{self, PairedCounts},
};

/// How surely the smallest difference would have been found.
const POWER: f64 = 0.8;

/// What a task says of the models.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskAnalysis {
    /// Its name.
    pub name: String,
    /// What it is, and so how endings are weighed.
    pub kind: TaskKind,
    /// Items asked.
    pub items: usize,
    /// Items of its file; `None` of what the program made.
    pub available: Option<u64>,
    /// The share that guessing gets right.
    pub chance: Option<f64>,
    /// Comparisons that share the error rate of the verdicts: candidates times tasks.
    pub comparisons: usize,
    /// Every model, in the run's order.
    pub models: Vec<TaskStanding>,
}

/// What one model made of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskStanding {
    /// The model's name.
    pub model: String,
    /// `Done`, or why it could not be asked; `None` when it was not.
    pub outcome: Option<Outcome>,
    /// Why it was asked no more; `None` when it was not, or failed.
    pub stopped: Option<TaskStop>,
    /// Items it answered.
    pub answered: usize,
    /// Items that are longer than what it was trained for, and were not asked.
    pub too_long: usize,
    /// Items it answered right.
    pub right: usize,
    /// Their share of those answered, with Wilson's interval.
    pub score: Option<Share>,
    /// Tokens of the longest text, question and ending included.
    pub longest_tokens: u32,
    /// By part of the depth; empty where a task has none.
    pub groups: Vec<GroupScore>,
    /// Against the original; `None` for the original itself, or without items that both answered.
    pub vs_original: Option<TaskComparison>,
}

/// A share with its interval at the plan's confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl From<stats::Estimate> for Share {
    fn from(stats::Estimate { value, low, high }: stats::Estimate) -> Self {
        Self { value, low, high }
    }
}

/// Items of one part of the depth.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct GroupScore {
    /// The part.
    pub name: String,
    /// Items answered.
    pub answered: usize,
    /// Of these, right.
    pub right: usize,
}

/// A candidate against the original, over the items that both answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskComparison {
    /// Items that both answered.
    pub items: u32,
    /// Right by the original, wrong by the candidate.
    pub lost: u32,
    /// Wrong by the original, right by the candidate.
    pub gained: u32,
    /// The candidate's share of right answers less the original's, with Newcombe's interval for pairs.
    pub difference: Share,
    /// Exact McNemar test, two-sided; `None` where no answer changed sides.
    pub p_value: Option<f64>,
    /// The smallest difference of shares that so many items would have shown with 80 % power, at the share of answers that changed sides;
    /// `None` where no difference could have been.
    pub smallest_difference: Option<f64>,
    /// What may be said, adjusted for the number of comparisons.
    pub verdict: TaskVerdict,
}

/// What a task allows to say of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskVerdict {
    /// It answers more items right than the original.
    Better,
    /// It answers fewer.
    Worse,
    /// No difference was shown.
    NotShown,
}

/// Every task that was asked; none where there was none.
pub(super) fn analyse(run: &Run) -> Vec<TaskAnalysis> {
    let Some(tasks) = &run.tasks else { return Vec::new() };
    let candidates = run.subjects.iter().filter(|subject| subject.role == Role::Candidate).count();
    let comparisons = (candidates * tasks.plans.len()).max(1);
    let of = |(index, plan): (usize, &TaskPlan)| TaskAnalysis {
        name: plan.name.clone(),
        kind: plan.kind,
        items: plan.items.len(),
        available: plan.source.as_ref().map(|source| source.items),
        chance: chance(plan),
        comparisons,
        models: (0..run.subjects.len()).map(|model| standing(run, tasks, plan, index, model, comparisons)).collect(),
    };
    tasks.plans.iter().enumerate().map(of).collect()
}

fn chance(plan: &TaskPlan) -> Option<f64> {
    let shares: Vec<f64> = plan.items.iter().map(|item| 1.0 / f64::from(item.choices.max(1))).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

fn result_of(tasks: &Tasks, model: usize) -> Option<&TaskResult> {
    tasks.results.iter().find(|result| result.subject == model)
}

/// Whether each item was answered right; `None` where it was not answered.
fn answers(plan: &TaskPlan, scores: Option<&TaskScores>) -> Vec<Option<bool>> {
    let nats = |at: usize| scores.and_then(|scores| scores.choices_nats.get(at)).filter(|nats| !nats.is_empty());
    let is_right = |(at, item): (usize, &TaskItem)| Some(most_likely(nats(at)?) == usize::from(item.answer));
    plan.items.iter().enumerate().map(is_right).collect()
}

/// The first of the largest, as llama-perplexity takes it.
fn most_likely(nats: &[f32]) -> usize {
    let later = |best: usize, at: usize| if nats[at] > nats[best] { at } else { best };
    (1..nats.len()).fold(0, later)
}

fn standing(run: &Run, tasks: &Tasks, plan: &TaskPlan, index: usize, model: usize, comparisons: usize) -> TaskStanding {
    let result = result_of(tasks, model);
    let scores = |result: Option<&TaskResult>| result.and_then(|result| result.tasks.get(index)).cloned();
    let own_scores = scores(result);
    let own = answers(plan, own_scores.as_ref());
    let (answered, right) = count(own.iter());
    let confidence = run.plan.protocol.confidence;
    let share = stats::wilson(right as u64, answered as u64, confidence).ok();
    let groups = plan.groups.iter().zip(0_u16..).map(|(name, group)| {
        let members = plan.items.iter().zip(&own).filter(|(item, _)| item.group == Some(group)).map(|(_, own)| own);
        let (answered, right) = count(members);
        GroupScore { name: name.clone(), answered, right }
    });
    let base =
        run.original().filter(|&original| original != model).and_then(|original| scores(result_of(tasks, original)));
    let base = base.map(|base| answers(plan, Some(&base)));
    TaskStanding {
        model: run.subjects[model].name.clone(),
        outcome: result.map(|result| result.outcome.clone()),
        stopped: result.and_then(|result| result.stopped),
        answered,
        too_long: own_scores.as_ref().map_or(0, |s| s.choices_nats.iter().filter(|nats| nats.is_empty()).count()),
        right,
        score: share.map(Share::from),
        longest_tokens: own_scores.as_ref().map_or(0, |scores| scores.longest_tokens),
        groups: groups.collect(),
        vs_original: base.and_then(|base| compare(&base, &own, confidence, comparisons)),
    }
}

fn count<'a>(answers: impl Iterator<Item = &'a Option<bool>>) -> (usize, usize) {
    answers.flatten().fold((0, 0), |(answered, right), &is_right| (answered + 1, right + usize::from(is_right)))
}

fn compare(base: &[Option<bool>], own: &[Option<bool>], confidence: f64, comparisons: usize) -> Option<TaskComparison> {
    let mut counts = PairedCounts::default();
    for (base, own) in base.iter().zip(own).filter_map(|(base, own)| base.zip(*own)) {
        match (base, own) {
            (true, true) => counts.both += 1,
            (true, false) => counts.lost += 1,
            (false, true) => counts.gained += 1,
            (false, false) => counts.neither += 1,
        }
    }
    let difference = stats::paired_share_difference(counts, confidence).ok()?;
    let (items, PairedCounts { lost, gained, .. }) = (counts.items(), counts);
    let p_value = stats::sign_test(gained, lost).ok();
    let alpha = (1.0 - confidence) / comparisons as f64;
    let verdict = match p_value {
        Some(p) if p <= alpha && lost > gained => TaskVerdict::Worse,
        Some(p) if p <= alpha => TaskVerdict::Better,
        _ => TaskVerdict::NotShown,
    };
    let flips = f64::from(lost + gained) / f64::from(items);
    let smallest = stats::smallest_share_difference(items, flips, alpha, POWER).ok().flatten();
    Some(TaskComparison {
        items,
        lost,
        gained,
        difference: difference.into(),
        p_value,
        smallest_difference: smallest,
        verdict,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_most_likely_choices_and_flips_are_counted_by_item() {
        let item = TaskItem { choices: 3, answer: 1, group: None };
        let plan = TaskPlan {
            name: "t".into(),
            kind: TaskKind::MultipleChoice,
            source: None,
            groups: Vec::new(),
            items: vec![item; 4],
        };
        let scores = |choices: &[&[f32]]| TaskScores {
            choices_nats: choices.iter().map(|c| c.to_vec()).collect(),
            longest_tokens: 1,
        };
        let base = answers(&plan, Some(&scores(&[&[-3.0, -1.0, -2.0], &[-1.0, -2.0, -3.0], &[], &[-1.0, -1.0, -2.0]])));
        assert_eq!(base, [Some(true), Some(false), None, Some(false)], "of equal ones the first");
        let own = answers(&plan, Some(&scores(&[&[-1.0, -2.0, -3.0], &[-2.0, -1.0, -3.0], &[-2.0, -1.0, -3.0]])));
        assert_eq!(own, [Some(false), Some(true), Some(true), None]);
        let found = compare(&base, &own, 0.95, 1).unwrap();
        assert_eq!((found.items, found.lost, found.gained, found.p_value), (2, 1, 1, Some(1.0)));
        assert_eq!((found.verdict, found.smallest_difference), (TaskVerdict::NotShown, None));
        assert!((chance(&plan).unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_verdict_is_held_to_the_number_of_comparisons() {
        let base = vec![Some(true); 60];
        let own: Vec<Option<bool>> = (0..60).map(|at| Some(at >= 8)).collect();
        let of = |comparisons| compare(&base, &own, 0.95, comparisons).unwrap();
        assert_eq!((of(1).lost, of(1).verdict, of(6).verdict), (8, TaskVerdict::Worse, TaskVerdict::Worse));
        assert_eq!(of(7).verdict, TaskVerdict::NotShown, "p is 2/256, which is more than 0.05/7");
        assert!(of(7).smallest_difference > of(1).smallest_difference);
        assert!(of(1).difference.high < 0.0);
        assert_eq!(compare(&own, &base, 0.95, 1).unwrap().verdict, TaskVerdict::Better);
        assert_eq!(compare(&[None], &[Some(true)], 0.95, 1), None);
    }
}
