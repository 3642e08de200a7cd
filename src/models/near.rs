//! Names that are like another: what a person may have meant.

/// How many names an error proposes.
pub(crate) const PROPOSED: usize = 3;

/// Up to three of the names that are near the wanted one, the nearest first.
pub(crate) fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let lower = wanted.to_lowercase();
    let mut near: Vec<(usize, String)> =
        names.into_iter().filter_map(|name| Some((closeness(&lower, &name.to_lowercase())?, name))).collect();
    near.sort();
    near.into_iter().take(PROPOSED).map(|(_, name)| name).collect()
}

/// All names, those first that are nearest to the wanted one by `part`, which takes out of a name what is compared.
pub(crate) fn by_nearness<'a>(wanted: &str, names: &'a [String], part: impl Fn(&'a str) -> &'a str) -> Vec<&'a str> {
    let lower = wanted.to_lowercase();
    let mut sorted: Vec<(bool, usize, &str)> = names
        .iter()
        .map(|name| {
            let own = part(name).to_lowercase();
            (!own.starts_with(&lower), distance(&lower, &own), name.as_str())
        })
        .collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(_, _, name)| name).collect()
}

/// Edits between two names when they are few for their length, or one is the beginning of the other; smaller is closer.
fn closeness(wanted: &str, name: &str) -> Option<usize> {
    let letters = wanted.chars().count();
    if letters == 0 || name.is_empty() {
        return None;
    }
    let edits = distance(wanted, name);
    // Of two letters, two edits leave none.
    let few = edits <= (letters / 4).max(2) && edits < letters;
    let begins = letters > 1 && name.starts_with(wanted) || name.len() > 1 && wanted.starts_with(name);
    (few || begins).then_some(edits)
}

/// Levenshtein's distance, a row at a time.
fn distance(wanted: &str, name: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (wanted.chars().collect(), name.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_allow_few_edits() {
        let names = || ["x", "a1", "a2", "model"].map(String::from);
        assert_eq!(nearest("-", names()), [""; 0]);
        assert_eq!(nearest("a3", names()), ["a1", "a2"]);
        assert_eq!(nearest("modle", names()), ["model"]);
        assert_eq!(nearest("MODEL", names()), ["model"]);
    }

    #[test]
    fn the_nearest_stand_first() {
        let names = ["m-IQ1_M", "m-Q4_K_S", "m-Q8_0", "m-Q4_K_M"].map(String::from);
        let sorted = by_nearness("q4_k_m", &names, |name| name.rsplit('-').next().unwrap_or(name));
        assert_eq!(sorted[..2], ["m-Q4_K_M", "m-Q4_K_S"]);
    }
}
