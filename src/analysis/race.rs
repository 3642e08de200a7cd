//! Which subjects can't be chosen any more, by what a run has so far: those need no further rounds.

use super::{
    analyse,
    recommend::{Limit, LimitCheck, Source},
    tune,
};
use crate::record::{DropReason, Role, Run};

/// Candidates that another dominates by whole intervals, or that lie outside a limit which the person set. The default limit puts nobody
/// out: it says what to take, not what is worth knowing.
pub(crate) fn out_of_the_race(run: &Run) -> Vec<(usize, DropReason)> {
    if let Some(race) = &run.plan.race {
        return tune::dropped(run, race);
    }
    let analysis = analyse(run);
    let rule = analysis.advice.rule;
    let is_set = |limit: Limit| match limit {
        Limit::Kld => rule.max_kld_from == Source::Given,
        Limit::Generation | Limit::Memory => true,
    };
    let words = |limit: Limit| match limit {
        Limit::Kld => "--max-kld".to_owned(),
        Limit::Generation => "--min-tg".to_owned(),
        Limit::Memory => "--max-memory".to_owned(),
    };
    let out = |(subject, standing): (usize, &super::recommend::Standing)| {
        if run.subjects[subject].role != Role::Candidate {
            return None;
        }
        let outside = standing.limits.iter().find(|check| check.held == LimitCheck::Outside && is_set(check.limit));
        if let Some(check) = outside {
            return Some((subject, DropReason::OutsideLimit { limit: words(check.limit) }));
        }
        let by = standing.dominated_by.iter().find(|&&by| run.subjects[by].role == Role::Candidate)?;
        Some((subject, DropReason::Dominated { by: run.subjects[*by].name.clone() }))
    };
    analysis.advice.standings.iter().enumerate().filter_map(out).collect()
}
