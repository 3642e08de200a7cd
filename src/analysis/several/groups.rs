//! Which models of several records are one: by content in any two of them, else by name.

use crate::{
    analysis::comparable::{MatchedBy, pair_models},
    record::Run,
};

/// A model's index in each record, `None` where it is missing.
pub(super) type Group = Vec<Option<usize>>;

/// Every model of every record, once, in the order in which they come first.
pub(super) fn groups(runs: &[Run]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (record, run) in runs.iter().enumerate() {
        for by in [MatchedBy::Content, MatchedBy::Name] {
            for (earlier, other) in runs[..record].iter().enumerate() {
                for pair in pair_models(other, run).into_iter().filter(|pair| pair.by == by) {
                    let placed = groups.iter().any(|group| group[record] == Some(pair.new));
                    let free = groups.iter_mut().find(|g| g[earlier] == Some(pair.old) && g[record].is_none());
                    if let Some(group) = free.filter(|_| !placed) {
                        group[record] = Some(pair.new);
                    }
                }
            }
        }
        for model in 0..run.subjects.len() {
            if groups.iter().all(|group| group[record] != Some(model)) {
                let mut group = vec![None; runs.len()];
                group[record] = Some(model);
                groups.push(group);
            }
        }
    }
    groups
}
