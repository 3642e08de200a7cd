//! Prompt files: JSON arrays, JSON Lines and plain text, and a unique name for every prompt in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::{EntryFault, Error};
use super::suite::{CUSTOM, Prompt};

/// The largest file that is read, in bytes: a hundred times what any run could ask, and no danger to memory.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads prompts from a file of any of these shapes:
///
/// - a JSON array of objects `{"category", "text", "name"}`, of which only `text` is required;
/// - a JSON array of strings;
/// - JSON Lines of either;
/// - plain text, one prompt a paragraph, with blank lines between.
///
/// Fields beyond these three are ignored. A missing category is [`CUSTOM`]; a missing name is the category,
/// numbered where it would not be unique. Comment lines (`//`) before the first JSON value are skipped.
pub(crate) fn read(path: &Path) -> Result<Vec<Prompt>, Error> {
    let text = read_utf8(path)?;
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let named_json = matches!(extension.as_deref(), Some("json" | "jsonl" | "ndjson"));
    parse(path, &text, named_json)
}

/// The file's text without a byte order mark; never blank.
pub(super) fn read_utf8(path: &Path) -> Result<String, Error> {
    let path_buf = || path.to_path_buf();
    let read = |source| Error::Read { path: path_buf(), source };
    let file = File::open(path).map_err(read)?;
    let mut bytes = Vec::new();
    // A pipe has no size to ask for, so the limit is enforced while reading.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge { path: path_buf(), limit_mib: MAX_BYTES / (1024 * 1024) });
    }
    let mut text = String::from_utf8(bytes).map_err(|e| {
        let offset = e.utf8_error().valid_up_to();
        let newlines = e.as_bytes().iter().take(offset).filter(|&&b| b == b'\n');
        Error::NotUtf8 { path: path_buf(), offset, line: newlines.count() + 1 }
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    if text.trim().is_empty() {
        return Err(Error::Empty { path: path_buf() });
    }
    Ok(text)
}

fn parse(path: &Path, text: &str, named_json: bool) -> Result<Vec<Prompt>, Error> {
    let at = |entry, fault| Error::Entry { path: path.to_path_buf(), entry, fault };
    let uncommented = without_leading_comments(text);
    let entries = if named_json || looks_like_json(&uncommented) {
        let values =
            json_values(&uncommented).map_err(|e| Error::Json { path: path.to_path_buf(), reason: e.to_string() })?;
        (1..)
            .zip(values)
            .map(|(number, value)| entry(value).map_err(|fault| at(number, fault)))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        (1..)
            .zip(paragraphs(text))
            .map(|(number, text)| plain(text).map_err(|fault| at(number, fault)))
            .collect::<Result<Vec<_>, _>>()?
    };
    if entries.is_empty() {
        return Err(Error::Empty { path: path.to_path_buf() });
    }
    assign_names(entries).map_err(|(number, fault)| at(number, fault))
}

/// Blanks `//` lines at the top but keeps their newlines, so that the parser's line numbers stay right.
fn without_leading_comments(text: &str) -> String {
    let mut rest = text;
    let mut lines = 0;
    loop {
        let line = rest.lines().next().unwrap_or_default().trim();
        let comment = line.starts_with("//") || line.is_empty();
        match rest.split_once('\n') {
            Some((_, after)) if comment => {
                rest = after;
                lines += 1;
            }
            _ => return "\n".repeat(lines) + rest,
        }
    }
}

/// Whether a file that does not say so in its name begins as an array or object of prompts would.
///
/// Text may begin with a bracket (`[INST]`, `{{user}}`) or with a quotation, so one character is not enough.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    let second = |text: &str| text.trim_start().chars().next();
    if let Some(rest) = text.strip_prefix('[') {
        matches!(second(rest), Some('{' | '"' | ']'))
    } else if let Some(rest) = text.strip_prefix('{') {
        matches!(second(rest), Some('"' | '}'))
    } else {
        let first_line = text.lines().next().unwrap_or_default();
        serde_json::from_str::<String>(first_line).is_ok()
    }
}

/// The elements of one array, or each value of a sequence of values (JSON Lines among them).
fn json_values(text: &str) -> serde_json::Result<Vec<Value>> {
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    }
}

fn entry(value: Value) -> Result<Entry, EntryFault> {
    match value {
        Value::String(text) => plain(text),
        Value::Object(fields) => object(&fields),
        other => Err(EntryFault::WrongType { found: type_of(&other) }),
    }
}

fn plain(text: String) -> Result<Entry, EntryFault> {
    Ok(Entry { name: None, category: CUSTOM.to_owned(), text: check("text", text)? })
}

fn object(fields: &Map<String, Value>) -> Result<Entry, EntryFault> {
    let text = string(fields, "text")?
        .ok_or_else(|| EntryFault::NoText { fields: fields.keys().cloned().collect::<Vec<_>>().join(", ") })?;
    Ok(Entry {
        name: string(fields, "name")?,
        category: string(fields, "category")?.unwrap_or_else(|| CUSTOM.to_owned()),
        text,
    })
}

/// A field's string; none when it is missing or null.
fn string(fields: &Map<String, Value>, field: &'static str) -> Result<Option<String>, EntryFault> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => check(field, s.clone()).map(Some),
        Some(other) => Err(EntryFault::FieldType { field, found: type_of(other) }),
    }
}

/// A text may have lines and tabs but no NUL, which llama.cpp would take for its end; labels stand in table cells.
fn check(field: &'static str, value: String) -> Result<String, EntryFault> {
    if value.trim().is_empty() {
        return Err(EntryFault::EmptyField { field });
    }
    let forbidden = |c: &char| {
        if field == "text" { *c == '\0' } else { c.is_control() }
    };
    match value.chars().find(forbidden) {
        Some(c) => Err(EntryFault::Control { field, code: u32::from(c) }),
        None => Ok(value),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Runs of lines that are not blank, each run joined by newlines.
fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.split(|line| line.is_empty()).filter(|run| !run.is_empty()).map(|run| run.join("\n")).collect()
}

/// An entry as the file gives it: a name only when the file has one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Option<String>,
    category: String,
    text: String,
}

/// Names what has no name: the category, with a number where the category has several such entries.
///
/// Given names stay as they are; the error is the number of the entry that repeats one, and the fault.
fn assign_names(entries: Vec<Entry>) -> Result<Vec<Prompt>, (usize, EntryFault)> {
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
            let name = free_name(&entry.category, alone, counter, &taken);
            taken.insert(name.clone());
            name
        });
        named.push(Prompt { name, category: entry.category, text: entry.text });
    }
    Ok(named)
}

/// The bare category if it is free and needed once, else the next number that is free.
fn free_name(category: &str, alone: bool, counter: &mut usize, taken: &BTreeSet<String>) -> String {
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
mod tests;
