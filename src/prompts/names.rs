//! Unique names for prompts, from the given names and the categories.

use std::collections::{BTreeMap, BTreeSet};

use super::{EntryFault, Prompt};

/// An entry as the file gives it: a name only when the file has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Option<String>,
    pub(super) category: String,
    pub(super) text: String,
}

/// Names what has no name: the category, with a number where the category has several such entries.
///
/// Given names stay as they are; the error is the number of the entry that repeats one, and the fault.
pub(super) fn assign(entries: Vec<Entry>) -> Result<Vec<Prompt>, (usize, EntryFault)> {
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut unnamed: BTreeMap<String, usize> = BTreeMap::new();
    for (number, entry) in (1..).zip(&entries) {
        match &entry.name {
            None => *unnamed.entry(entry.category.clone()).or_default() += 1,
            Some(name) => {
                if let Some(first) = given.insert(name.clone(), number) {
                    let name = name.clone();
                    return Err((number, EntryFault::DuplicateName { name, first }));
                }
            }
        }
    }

    let mut taken: BTreeSet<String> = given.into_keys().collect();
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let mut named = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry.name.unwrap_or_else(|| {
            let alone = unnamed.get(&entry.category) == Some(&1);
            let counter = next.entry(entry.category.clone()).or_insert(1);
            let name = pick(&entry.category, alone, counter, &taken);
            taken.insert(name.clone());
            name
        });
        named.push(Prompt { name, category: entry.category, text: entry.text });
    }
    Ok(named)
}

/// The bare category if it is free and needed once, else the next number that is free.
fn pick(category: &str, alone: bool, counter: &mut usize, taken: &BTreeSet<String>) -> String {
    if alone && !taken.contains(category) {
        return category.to_owned();
    }
    loop {
        let name = format!("{category}_{counter}");
        *counter += 1;
        if !taken.contains(&name) {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn names(entries: &[(Option<&str>, &str)]) -> Vec<String> {
        let entries = entries
            .iter()
            .map(|(name, category)| Entry {
                name: name.map(str::to_owned),
                category: (*category).to_owned(),
                text: "t".to_owned(),
            })
            .collect();
        assign(entries).unwrap().into_iter().map(|p| p.name).collect()
    }

    #[test]
    fn a_category_with_one_entry_is_its_name() {
        assert_eq!(names(&[(None, "a"), (None, "b")]), ["a", "b"]);
    }

    #[test]
    fn several_entries_of_a_category_are_numbered_in_order() {
        let entries = [(None, "a"), (None, "b"), (None, "a"), (Some("x"), "a")];
        assert_eq!(names(&entries), ["a_1", "b", "a_2", "x"]);
    }

    #[test]
    fn numbers_step_over_names_that_are_given_later() {
        let entries = [(None, "a"), (None, "a"), (Some("a_1"), "b")];
        assert_eq!(names(&entries), ["a_2", "a_3", "a_1"]);
        assert_eq!(names(&[(None, "a"), (Some("a"), "b")]), ["a_1", "a"]);
    }

    #[test]
    fn made_names_never_meet_those_of_another_category() {
        let entries = [(None, "a"), (None, "a"), (None, "a_1")];
        assert_eq!(names(&entries), ["a_1", "a_2", "a_1_1"]);
    }

    #[test]
    fn the_second_use_of_a_given_name_is_the_fault() {
        let entry = |name: &str| Entry { name: Some(name.to_owned()), category: "c".to_owned(), text: "t".to_owned() };
        let fault = assign(vec![entry("x"), entry("y"), entry("x")]).unwrap_err();
        let name = "x".to_owned();
        assert_eq!(fault, (3, EntryFault::DuplicateName { name, first: 1 }));
    }
}
