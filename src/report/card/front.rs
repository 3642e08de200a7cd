//! The YAML head of a card: edited as text, so that comments, order and style of other keys stay; parsed before and after.

use saphyr::{LoadableYamlNode, Yaml};
use thiserror::Error;

/// Why a card can't be updated. Its text is then left as it is.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum CardError {
    /// The section begins and does not end.
    #[error("the card has {marker} without its end: restore the end or delete the line")]
    Unclosed {
        /// The line that begins it.
        marker: String,
    },
    /// The head is no YAML.
    #[error("the card's head is not valid YAML: {reason}")]
    Yaml {
        /// What the parser said.
        reason: String,
    },
    /// The head has model-index in a form that can't be added to.
    #[error("the card's model-index is not a list with one item below another: write it so, or delete it")]
    Index,
    /// What was added would have changed other keys.
    #[error("the card's head could not be changed without touching other keys")]
    Unsafe,
}

const KEY: &str = "model-index";

/// The text with `item` (a YAML list item, unindented) in the head's model-index; the item put there before is replaced.
pub(super) fn with_item(text: &str, key: &str, item: &str) -> Result<String, CardError> {
    let (head, rest) = split(text);
    let before = parse(head)?;
    let lines = without_own(head, key)?;
    let lines = insert(lines, key, item, before.as_ref())?;
    let new = lines.join("\n") + "\n";
    let after = parse(&new)?;
    if !same_but_index(before.as_ref(), after.as_ref()) {
        return Err(CardError::Unsafe);
    }
    Ok(format!("---\n{new}---\n{rest}"))
}

/// The head without its fences, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let Some(inside) = text.strip_prefix("---\n") else { return ("", text) };
    if let Some(rest) = inside.strip_prefix("---\n") {
        return ("", rest);
    }
    match inside.find("\n---\n") {
        Some(end) => (&inside[..=end], &inside[end + 5..]),
        None => match inside.strip_suffix("\n---") {
            Some(head) => (head, ""),
            // A line across the page and no head.
            None => ("", text),
        },
    }
}

/// The head's mapping; `None` when it holds nothing.
fn parse(head: &str) -> Result<Option<Yaml<'_>>, CardError> {
    let documents = Yaml::load_from_str(head).map_err(|e| CardError::Yaml { reason: e.to_string() })?;
    match <[Yaml<'_>; 1]>::try_from(documents) {
        Ok([document]) if document.is_mapping() => Ok(Some(document)),
        Ok([document]) if document.is_null() => Ok(None),
        Ok(_) => Err(CardError::Yaml { reason: "it is not a mapping".into() }),
        Err(none) if none.is_empty() => Ok(None),
        Err(_) => Err(CardError::Yaml { reason: "it is more than one document".into() }),
    }
}

fn begin(key: &str) -> String {
    format!("# gguf-bench:begin {key}")
}

fn end(key: &str) -> String {
    format!("# gguf-bench:end {key}")
}

/// The lines without what an earlier run put there for this model.
fn without_own(head: &str, key: &str) -> Result<Vec<String>, CardError> {
    let mut lines = Vec::new();
    let mut own = false;
    for line in head.lines() {
        if line.trim() == begin(key) {
            own = true;
        } else if own && line.trim() == end(key) {
            own = false;
        } else if !own {
            lines.push(line.to_owned());
        }
    }
    if own { Err(CardError::Unclosed { marker: begin(key) }) } else { Ok(lines) }
}

/// Adds the item behind the last one of model-index, or the key with it at the end.
fn insert(mut lines: Vec<String>, key: &str, item: &str, before: Option<&Yaml<'_>>) -> Result<Vec<String>, CardError> {
    let is_key = |line: &String| line.strip_prefix(KEY).is_some_and(|rest| rest.starts_with(':'));
    let Some(at) = lines.iter().position(is_key) else {
        if before.and_then(|head| head.as_mapping_get(KEY)).is_some() {
            return Err(CardError::Index);
        }
        lines.push(format!("{KEY}:"));
        lines.extend(block(key, item, ""));
        return Ok(lines);
    };
    let value = lines[at][KEY.len() + 1..].trim();
    if !value.is_empty() && !value.starts_with('#') {
        return Err(CardError::Index);
    }
    let belongs = |line: &&String| line.is_empty() || line.starts_with([' ', '-', '#']);
    let extent = lines[at + 1..].iter().take_while(belongs).count();
    let inside = &lines[at + 1..=at + extent];
    let content = |line: &String| {
        let text = line.trim_start();
        (!text.is_empty() && !text.starts_with('#')) || text.starts_with("# gguf-bench:end ")
    };
    let last = inside.iter().rposition(content).map_or(0, |last| last + 1);
    let first = inside.iter().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let indent = first.map_or("", |line| &line[..line.len() - line.trim_start().len()]).to_owned();
    if first.is_some_and(|line| !line.trim_start().starts_with("- ")) {
        return Err(CardError::Index);
    }
    lines.splice(at + 1 + last..at + 1 + last, block(key, item, &indent));
    Ok(lines)
}

fn block(key: &str, item: &str, indent: &str) -> Vec<String> {
    let item = item.lines().map(|line| format!("{indent}{line}"));
    std::iter::once(format!("{indent}{}", begin(key))).chain(item).chain([format!("{indent}{}", end(key))]).collect()
}

/// Whether two heads have the same keys with the same values, model-index apart.
fn same_but_index(before: Option<&Yaml<'_>>, after: Option<&Yaml<'_>>) -> bool {
    let others = |head: Option<&Yaml<'_>>| -> Vec<String> {
        let pairs = head.and_then(|head| head.as_mapping()).into_iter().flatten();
        pairs.filter(|(name, _)| name.as_str() != Some(KEY)).map(|pair| format!("{pair:?}")).collect()
    };
    others(before) == others(after) && after.and_then(|head| head.as_mapping_get(KEY)?.as_sequence()).is_some()
}
