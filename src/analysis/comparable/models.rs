//! Which model of one record is which of the other: by content first, by name where content differs.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::difference::{Found, Scope, Weight, named, or_unknown};
use crate::record::{Run, Subject};

/// A model that both records have, as indices into their models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// In the older record.
    pub old: usize,
    /// In the newer one.
    pub new: usize,
    /// By what they were matched.
    pub by: MatchedBy,
}

/// By what two models were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum MatchedBy {
    /// The same bytes.
    Content,
    /// The same name and other bytes, or bytes that nobody hashed.
    Name,
}

/// Whether two models are taken for one.
type Rule = fn(&Subject, &Subject) -> bool;

/// The models that both records have, in the order of the newer one. Of several copies those of one name go together.
#[must_use]
pub(crate) fn pair_models(old: &Run, new: &Run) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let rules: [(Rule, MatchedBy); 5] = [
        // A file may be there with several settings.
        (
            |a, b| a.model.holds_the_bytes_of(&b.model) && a.settings == b.settings && a.name == b.name,
            MatchedBy::Content,
        ),
        (|a, b| a.model.holds_the_bytes_of(&b.model) && a.settings == b.settings, MatchedBy::Content),
        (|a, b| a.model.holds_the_bytes_of(&b.model) && a.name == b.name, MatchedBy::Content),
        (|a, b| a.model.holds_the_bytes_of(&b.model), MatchedBy::Content),
        (|a, b| a.name == b.name, MatchedBy::Name),
    ];
    for (matches, by) in rules {
        for (new_index, own) in new.subjects.iter().enumerate() {
            let free = |&i: &usize| pairs.iter().all(|p| p.old != i);
            let partner = (0..old.subjects.len()).filter(free).find(|&i| matches(&old.subjects[i], own));
            if let Some(old_index) = partner.filter(|_| pairs.iter().all(|p| p.new != new_index)) {
                pairs.push(Pair { old: old_index, new: new_index, by });
            }
        }
    }
    pairs.sort_by_key(|pair| pair.new);
    pairs
}

pub(super) fn compare(found: &mut Found, old: &Run, new: &Run) {
    let pairs = pair_models(old, new);
    for pair in &pairs {
        let (before, after) = (&old.subjects[pair.old], &new.subjects[pair.new]);
        match pair.by {
            // Of a file that could not be read nothing is compared.
            MatchedBy::Name if before.model.facts.is_none() || after.model.facts.is_none() => {}
            MatchedBy::Name => {
                let shown = |s: &Subject| or_unknown(s.model.sha256().map(short));
                let what = format!("file of {} (SHA-256)", after.name);
                // Two files that nobody hashed are not known to be the same.
                let (was, is) = (shown(before), shown(after));
                let is = if was == is { format!("{is} as well") } else { is };
                found.compare_some(Scope::Model(after.name.clone()), Weight::Meaningless, what, was, is);
            }
            MatchedBy::Content => {
                found.compare(Weight::Noteworthy, "name of a model", &before.name, &after.name);
            }
        }
        let what = format!("role of {}", after.name);
        found.compare(Weight::Noteworthy, what, named(&before.role), named(&after.role));
    }
    let alone = |run: &Run, paired: &dyn Fn(usize) -> bool| {
        let names: Vec<&str> =
            run.subjects.iter().enumerate().filter(|(i, _)| !paired(*i)).map(|(_, m)| &m.name[..]).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let (only_old, only_new) =
        (alone(old, &|i| pairs.iter().any(|p| p.old == i)), alone(new, &|i| pairs.iter().any(|p| p.new == i)));
    found.compare(Weight::Noteworthy, "models that only one has", only_old, only_new);
}

/// Enough of a hash to know it by.
pub(super) fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
