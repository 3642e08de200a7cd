//! The YAML head of a card: edited as text, so that comments, order and style of other keys stay; parsed before and after.
//!
//! Tools of the Hub write a head anew: comments go, and all entries of `model-index` become one, whose results they tell apart by task and
//! data set. So there is one entry, and what is ours in it is known by its content.

use saphyr::{LoadableYamlNode, MarkedYaml};
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
/// Whose results are ours, by the address of their source.
pub(super) const HOME: &str = "https://github.com/gguf-bench/gguf-bench";
const SOURCE: &str = "gguf-bench";

/// What goes into the head.
pub(super) struct Entry<'a> {
    /// What an entry is called that is not there yet, quoted.
    pub(super) name: &'a str,
    /// The checkpoint, as the configuration of each result's data set.
    pub(super) config: &'a str,
    /// List items, unindented.
    pub(super) results: &'a [String],
}

/// The text with these results in the head's model-index, in place of those of the same checkpoint that were put there before.
pub(super) fn with_results(text: &str, entry: &Entry<'_>) -> Result<String, CardError> {
    let (head, rest) = split(text);
    let head = without_markers(head);
    let before = parse(&head)?;
    let new = edited(&head, before.as_ref(), entry)?;
    let after = parse(&new)?;
    if others(before.as_ref(), entry.config) != others(after.as_ref(), entry.config) {
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
fn parse(head: &str) -> Result<Option<MarkedYaml<'_>>, CardError> {
    let documents = MarkedYaml::load_from_str(head).map_err(|e| CardError::Yaml { reason: e.to_string() })?;
    match <[MarkedYaml<'_>; 1]>::try_from(documents) {
        Ok([document]) if document.data.is_mapping() => Ok(Some(document)),
        Ok([document]) if document.data.is_null() => Ok(None),
        Ok(_) => Err(CardError::Yaml { reason: "it is not a mapping".into() }),
        Err(none) if none.is_empty() => Ok(None),
        Err(_) => Err(CardError::Yaml { reason: "it is more than one document".into() }),
    }
}

/// Lines of the head, each with its end.
fn without_markers(head: &str) -> String {
    let is_marker = |line: &&str| {
        let line = line.trim();
        line.starts_with("# gguf-bench:begin ") || line.starts_with("# gguf-bench:end ")
    };
    head.lines().filter(|line| !is_marker(line)).flat_map(|line| [line, "\n"]).collect()
}

fn get<'a, 'b>(node: &'a MarkedYaml<'b>, key: &str) -> Option<&'a MarkedYaml<'b>> {
    node.data.as_mapping()?.iter().find(|(name, _)| name.data.as_str() == Some(key)).map(|(_, value)| value)
}

fn text<'a>(node: &'a MarkedYaml<'_>, path: [&str; 2]) -> Option<&'a str> {
    get(get(node, path[0])?, path[1])?.data.as_str()
}

fn is_ours(result: &MarkedYaml<'_>) -> bool {
    text(result, ["source", "url"]) == Some(HOME)
        && text(result, ["source", "name"]).is_some_and(|name| name.starts_with(SOURCE))
}

/// Whether it is ours, and of this checkpoint or of nobody knows which.
fn is_of(result: &MarkedYaml<'_>, config: &str) -> bool {
    is_ours(result) && text(result, ["dataset", "config"]).is_none_or(|found| found == config)
}

fn entries<'a, 'b>(head: &'a MarkedYaml<'b>) -> &'a [MarkedYaml<'b>] {
    get(head, KEY).and_then(|index| index.data.as_sequence()).map_or(&[], Vec::as_slice)
}

fn results<'a, 'b>(entry: &'a MarkedYaml<'b>) -> &'a [MarkedYaml<'b>] {
    get(entry, "results").and_then(|results| results.data.as_sequence()).map_or(&[], Vec::as_slice)
}

/// All that must be as it was: the other keys, and the results of others and of other checkpoints.
fn others<'a, 'b>(
    head: Option<&'a MarkedYaml<'b>>,
    config: &str,
) -> (Vec<[&'a MarkedYaml<'b>; 2]>, Vec<&'a MarkedYaml<'b>>) {
    let pairs = head.and_then(|head| head.data.as_mapping()).into_iter().flatten();
    let keys = pairs.filter(|(name, _)| name.data.as_str() != Some(KEY)).map(|(name, value)| [name, value]).collect();
    let all = head.into_iter().flat_map(entries).flat_map(results);
    (keys, all.filter(|result| !is_of(result, config)).collect())
}

/// The head's lines with the results where they belong.
fn edited(head: &str, before: Option<&MarkedYaml<'_>>, entry: &Entry<'_>) -> Result<String, CardError> {
    let Entry { name, config, results: new } = entry;
    let lines: Vec<&str> = head.lines().collect();
    let of_new_entry = |indent: usize| {
        let dash = " ".repeat(indent);
        [vec![format!("{dash}- name: {name}"), format!("{dash}  results:")], block(new, indent + 2)].concat()
    };
    let Some(index) = before.and_then(|head| get(head, KEY)) else {
        return Ok(joined(&lines, &[], lines.len(), &[vec![format!("{KEY}:")], of_new_entry(0)].concat()));
    };
    let entries = before.map_or(&[][..], entries);
    let Some(host) = entries.iter().find(|entry| results(entry).iter().any(is_ours)).or(entries.first()) else {
        // It is there and names nothing.
        let at = lines.iter().position(|line| line.starts_with(KEY)).ok_or(CardError::Index)?;
        let empty = lines[at][KEY.len()..].trim_start_matches(':').trim();
        if !(empty.is_empty() || empty == "[]" || empty.starts_with('#')) || index.data.is_mapping() {
            return Err(CardError::Index);
        }
        return Ok(joined(&lines, &[Lines::one(at)], at, &[vec![format!("{KEY}:")], of_new_entry(0)].concat()));
    };
    let list = get(host, "results").ok_or(CardError::Index)?;
    let items = list.data.as_sequence().ok_or(CardError::Index)?;
    if items.is_empty() {
        let at = list.span.start.line() - 1;
        let line = lines.get(at).copied().unwrap_or_default();
        // Of the first key of an item the dash is no part.
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        if line.trim_start_matches([' ', '-']).trim_end() != "results: []" {
            return Err(CardError::Index);
        }
        let opened = line.replace(" []", "");
        return Ok(joined(&lines, &[Lines::one(at)], at, &[vec![opened], block(new, indent)].concat()));
    }
    let places =
        items.iter().map(|item| Place::of(item, &lines)).collect::<Option<Vec<_>>>().ok_or(CardError::Index)?;
    let indent = places[0].indent;
    let own: Vec<usize> = (0..items.len()).filter(|&item| is_of(&items[item], config)).collect();
    let last_of_ours = (0..items.len()).rev().find(|&item| is_ours(&items[item]));
    let at = own.first().map(|&first| places[first].lines.start);
    let at = at.or(last_of_ours.map(|last| places[last].lines.end)).unwrap_or(places[places.len() - 1].lines.end);
    let mut removed: Vec<Lines> = own.iter().map(|&item| places[item].lines).collect();
    for entry in entries.iter().filter(|entry| !std::ptr::eq(*entry, host)) {
        let (own, kept): (Vec<_>, Vec<_>) = results(entry).iter().partition(|result| is_of(result, config));
        // Without results an entry says nothing, and the Hub's tools trip over it.
        let gone = if kept.is_empty() && !own.is_empty() { vec![entry] } else { own };
        let places = gone.into_iter().map(|item| Place::of(item, &lines).map(|place| place.lines));
        removed.extend(places.collect::<Option<Vec<_>>>().ok_or(CardError::Index)?);
    }
    Ok(joined(&lines, &removed, at, &block(new, indent)))
}

/// Lines of the head, from the first to before the last.
#[derive(Debug, Clone, Copy)]
struct Lines {
    start: usize,
    end: usize,
}

impl Lines {
    fn one(at: usize) -> Self {
        Self { start: at, end: at + 1 }
    }

    fn contain(self, at: usize) -> bool {
        (self.start..self.end).contains(&at)
    }
}

/// Where an item of a list stands: its lines, and how far its dash is indented.
struct Place {
    lines: Lines,
    indent: usize,
}

impl Place {
    /// `None` of one that does not begin its line, as in a list in brackets.
    fn of(item: &MarkedYaml<'_>, lines: &[&str]) -> Option<Self> {
        let indent_of = |line: &str| line.len() - line.trim_start().len();
        let start = item.span.start.line().checked_sub(1)?;
        let first = lines.get(start)?;
        let indent = indent_of(first);
        // An item that is the first of its list's item, too, has two dashes.
        if !first[indent..].starts_with("- ") || first[indent + 2..].trim_start().starts_with("- ") {
            return None;
        }
        let mut end = start + 1;
        for (place, line) in lines.iter().enumerate().skip(start + 1) {
            // What is empty belongs to what follows it.
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            if indent_of(line) <= indent {
                break;
            }
            end = place + 1;
        }
        Some(Self { lines: Lines { start, end }, indent })
    }
}

fn block(items: &[String], indent: usize) -> Vec<String> {
    let indent = " ".repeat(indent);
    items.iter().flat_map(|item| item.lines()).map(|line| format!("{indent}{line}")).collect()
}

/// The lines without those removed, and with the new ones before line `at`.
fn joined(lines: &[&str], removed: &[Lines], at: usize, new: &[String]) -> String {
    let mut out = String::new();
    for place in 0..=lines.len() {
        if place == at {
            out.extend(new.iter().flat_map(|line| [line, "\n"]));
        }
        if let Some(line) = lines.get(place).filter(|_| !removed.iter().any(|lines| lines.contain(place))) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
