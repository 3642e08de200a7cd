//! Tasks with right answers: questions whose endings a model weighs, read from files of three shapes.
//!
//! - `HellaSwag` text as llama-perplexity reads it: six lines an item, the context, the index of the right ending, four endings;
//! - Winogrande's CSV: index, sentence with `_`, two choices, 1 or 2;
//! - JSON Lines: a context or question, its endings or choices, the answer.

use std::path::Path;

use base16ct::lower::encode_string as hex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{error::Error, file::read_utf8};
use crate::record::{TaskKind, TaskSource};

/// Most endings of a question, as llama-perplexity's.
const MOST_ENDINGS: usize = 100;
const ENDINGS_OF_HELLASWAG: usize = 4;
/// What a field may be called.
const CONTEXT: [&str; 4] = ["context", "question", "ctx", "prompt"];
const ENDINGS: [&str; 3] = ["endings", "choices", "options"];
const ANSWER: [&str; 4] = ["answer", "expected_index", "label", "gold"];

/// A task as it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: TaskKind,
    pub(crate) source: Option<TaskSource>,
    /// What its questions are told apart by; none where they are not.
    pub(crate) groups: Vec<String>,
    pub(crate) passages: Vec<Passage>,
}

/// A text and the questions that follow it, which is evaluated once for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passage {
    pub(crate) text: String,
    pub(crate) questions: Vec<Question>,
}

/// A question: the ending that a model finds most likely is its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) endings: Vec<Ending>,
    /// Index of the right one.
    pub(crate) answer: u16,
    /// Index into the task's groups.
    pub(crate) group: Option<u16>,
}

/// What follows a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Given, not weighed, unless the kind of task says otherwise.
    pub(crate) before: String,
    pub(crate) text: String,
}

/// Reads `FILE` or `NAME=FILE`, whose shape is told by its content; of more than `most` items a sample, the same for the same seed.
pub(crate) fn read_task(spec: &str, most: Option<usize>, pick: impl FnMut(usize) -> usize) -> Result<Task, Error> {
    let missing = |missing| Error::Spec { spec: spec.to_owned(), missing };
    let (name, path) = match spec.split_once('=') {
        Some((name, path)) if !Path::new(spec).is_file() => (name.trim().to_owned(), path),
        _ => (Path::new(spec).file_stem().unwrap_or_default().to_string_lossy().into_owned(), spec),
    };
    if path.is_empty() {
        return Err(missing("file"));
    }
    if name.is_empty() {
        return Err(missing("name"));
    }
    let text = read_utf8(Path::new(path))?;
    let at = |Fault { line, reason }| Error::Line { path: path.into(), line, reason };
    let is_csv = Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let (kind, passages) = parse(&text, is_csv).map_err(at)?;
    let source = TaskSource {
        sha256: hex(&Sha256::digest(text.as_bytes())),
        bytes: text.len() as u64,
        items: passages.len() as u64,
    };
    let passages = some_of(passages, most, pick);
    Ok(Task { name, kind, source: Some(source), groups: Vec::new(), passages })
}

/// So many of them, chosen by `pick`, which gives an index below what it is told; in their old order.
fn some_of(passages: Vec<Passage>, most: Option<usize>, mut pick: impl FnMut(usize) -> usize) -> Vec<Passage> {
    let Some(most) = most.filter(|&most| most < passages.len()) else { return passages };
    let mut left: Vec<usize> = (0..passages.len()).collect();
    let mut chosen: Vec<usize> = (0..most).map(|_| left.swap_remove(pick(left.len()))).collect();
    chosen.sort_unstable();
    let mut chosen = chosen.into_iter().peekable();
    let wanted = |at: usize| chosen.next_if_eq(&at).is_some();
    passages
        .into_iter()
        .enumerate()
        .scan(wanted, |wanted, (at, passage)| Some((wanted(at), passage)))
        .filter_map(|(wanted, passage)| wanted.then_some(passage))
        .collect()
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// From 1.
    line: usize,
    reason: String,
}

fn fault(line: usize, reason: impl Into<String>) -> Fault {
    Fault { line, reason: reason.into() }
}

fn parse(text: &str, is_csv: bool) -> Result<(TaskKind, Vec<Passage>), Fault> {
    if text.trim_start().starts_with('{') {
        Ok((TaskKind::MultipleChoice, json_lines(text)?))
    } else if is_csv {
        Ok((TaskKind::Winogrande, winogrande(text)?))
    } else {
        Ok((TaskKind::HellaSwag, hellaswag(text)?))
    }
}

fn hellaswag(text: &str) -> Result<Vec<Passage>, Fault> {
    let lines: Vec<&str> = text.lines().collect();
    let (items, rest) = lines.as_chunks::<{ ENDINGS_OF_HELLASWAG + 2 }>();
    if !rest.is_empty() {
        let reason = format!(
            "an item has six lines (context, index of the right ending, four endings), and {} are left over",
            rest.len()
        );
        return Err(fault(lines.len() - rest.len() + 1, reason));
    }
    let item = |(at, [context, index, endings @ ..]): (usize, &[&str; 6])| {
        let line = at * 6 + 1;
        let answer = match index.trim().parse::<u16>() {
            Ok(index) if usize::from(index) < ENDINGS_OF_HELLASWAG => index,
            _ => return Err(fault(line + 1, format!("the right ending is 0, 1, 2 or 3, not {:?}", short(index)))),
        };
        choice(context, endings.iter().map(|&ending| ending.to_owned()).collect(), answer)
            .map_err(|reason| fault(line, reason))
    };
    items.iter().enumerate().map(item).collect()
}

fn winogrande(text: &str) -> Result<Vec<Passage>, Fault> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut passages = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            fault(usize::try_from(line).unwrap_or(usize::MAX), error.to_string())
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        let wrong = |reason: String| fault(usize::try_from(line).unwrap_or(usize::MAX), reason);
        let fields: Vec<&str> = record.iter().collect();
        let [_, sentence, first, second, answer] = fields.as_slice() else {
            return Err(wrong(format!(
                "a line has five fields (index, sentence, two choices, 1 or 2), not {}",
                fields.len()
            )));
        };
        let Some((before, after)) = sentence.split_once('_') else {
            return Err(wrong("the sentence has no _ for the choice".into()));
        };
        let answer = match answer.trim() {
            "1" => 0,
            "2" => 1,
            other => return Err(wrong(format!("the right choice is 1 or 2, not {:?}", short(other)))),
        };
        if first.trim().is_empty() || second.trim().is_empty() {
            return Err(wrong("a choice is empty".into()));
        }
        let ending = |choice: &str| Ending { before: choice.into(), text: after.into() };
        let question = Question { endings: vec![ending(first), ending(second)], answer, group: None };
        passages.push(Passage { text: before.into(), questions: vec![question] });
    }
    Ok(passages)
}

fn json_lines(text: &str) -> Result<Vec<Passage>, Fault> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let item = |(text, line)| {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| fault(line, format!("no JSON object: {error}")))?;
        json_item(&object).map_err(|reason| fault(line, reason))
    };
    lines.map(item).collect()
}

fn json_item(object: &Map<String, Value>) -> Result<Passage, String> {
    let field = |names: &[&'static str]| {
        let found = names.iter().find_map(|name| Some((*name, object.get(*name)?)));
        found.ok_or_else(|| format!("it has none of the fields {}", names.join(", ")))
    };
    let (name, context) = field(&CONTEXT)?;
    let context = context.as_str().ok_or_else(|| format!("its {name} is no text"))?;
    // HellaSwag's own files have what the context is about apart; llama-perplexity's text puts it in front.
    let context = match object.get("activity_label").and_then(Value::as_str) {
        Some(label) => format!("{label}: {context}"),
        None => context.to_owned(),
    };
    let (name, endings) = field(&ENDINGS)?;
    let endings: Option<Vec<String>> =
        endings.as_array().and_then(|all| all.iter().map(|ending| Some(ending.as_str()?.to_owned())).collect());
    let endings = endings.ok_or_else(|| format!("its {name} are no list of texts"))?;
    let (name, answer) = field(&ANSWER)?;
    let answer = index(answer, endings.len()).ok_or_else(|| {
        format!("its {name} is neither an index from 0 to {} nor a letter", endings.len().saturating_sub(1))
    })?;
    choice(&context, endings, answer)
}

/// `2`, `"2"` or `"C"`.
fn index(answer: &Value, endings: usize) -> Option<u16> {
    let index = match answer {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => match text.trim().as_bytes() {
            [letter @ b'A'..=b'Z'] => u16::from(letter - b'A'),
            _ => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    (usize::from(index) < endings).then_some(index)
}

/// A context whose endings are joined to it by a blank.
fn choice(context: &str, endings: Vec<String>, answer: u16) -> Result<Passage, String> {
    if context.trim().is_empty() {
        return Err("its context is empty".into());
    }
    if !(2..=MOST_ENDINGS).contains(&endings.len()) {
        return Err(format!("it has {} endings: 2 to {MOST_ENDINGS} can be weighed", endings.len()));
    }
    if let Some(empty) = endings.iter().position(|ending| ending.trim().is_empty()) {
        return Err(format!("its ending {empty} is empty"));
    }
    let endings = endings.into_iter().map(|text| Ending { before: String::new(), text }).collect();
    Ok(Passage { text: format!("{context} "), questions: vec![Question { endings, answer, group: None }] })
}

/// The beginning of what stands where it should not.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    const HELLASWAG: &str = "Cooking: He cuts the onion. He\n2\nflies away.\nsings.\nfries it.\nsleeps.\n";

    fn asked(text: &str, is_csv: bool) -> (TaskKind, Passage) {
        let (kind, mut passages) = parse(text, is_csv).unwrap();
        assert_eq!(passages.len(), 1);
        (kind, passages.remove(0))
    }

    fn wholes(passage: &Passage) -> Vec<String> {
        let whole = |ending: &Ending| format!("{}{}{}", passage.text, ending.before, ending.text);
        passage.questions[0].endings.iter().map(whole).collect()
    }

    #[test]
    fn three_shapes_are_read() {
        let (kind, passage) = asked(HELLASWAG, false);
        assert_eq!((kind, passage.questions[0].answer), (TaskKind::HellaSwag, 2));
        assert_eq!(wholes(&passage)[2], "Cooking: He cuts the onion. He fries it.");
        let csv = "0,\"Ann, who was ill, called Bea, so _ came.\",Ann,Bea,2\n";
        let (kind, passage) = asked(csv, true);
        assert_eq!((kind, passage.questions[0].answer), (TaskKind::Winogrande, 1));
        assert_eq!(
            wholes(&passage),
            ["Ann, who was ill, called Bea, so Ann came.", "Ann, who was ill, called Bea, so Bea came."]
        );
        let json =
            r#"{"activity_label": "Cooking", "ctx": "He cuts it. He", "endings": ["a", "b"], "expected_index": 1}"#;
        let (kind, passage) = asked(json, false);
        assert_eq!((kind, passage.questions[0].answer), (TaskKind::MultipleChoice, 1));
        assert_eq!(wholes(&passage)[1], "Cooking: He cuts it. He b");
        for answer in ["1", "\"1\"", "\"B\""] {
            let json = format!("{{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": {answer}}}");
            assert_eq!(asked(&json, false).1.questions[0].answer, 1, "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let says = |text: &str, is_csv, line, words: &str| {
            let found = parse(text, is_csv).unwrap_err();
            assert!(found.line == line && found.reason.contains(words), "{found:?}");
        };
        says(&format!("{HELLASWAG}one more"), false, 7, "six lines");
        says(&HELLASWAG.replace('2', "4"), false, 2, "0, 1, 2 or 3");
        says(&format!("{HELLASWAG}{}", HELLASWAG.replace("sings.", " ")), false, 7, "ending 1 is empty");
        says("0,He saw _,a,b,1\n1,He saw it,a,b,1\n", true, 2, "no _");
        says("0,He saw _,a,b,3\n", true, 1, "1 or 2");
        says("0,He saw _,a,b\n", true, 1, "five fields");
        let json = r#"{"context": "c", "endings": ["a", "b"], "answer": 0}"#;
        says(&format!("{json}\n\n{}", json.replace('0', "2")), false, 3, "index from 0 to 1");
        says(&format!("{json}\n{{"), false, 2, "no JSON");
        says(&json.replace("endings", "ends"), false, 1, "none of the fields endings");
        says(&json.replace("\"b\"", "5"), false, 1, "no list of texts");
        says(&json.replace(", \"b\"", ""), false, 1, "1 endings");
    }

    #[test]
    fn a_sample_keeps_the_order_and_a_file_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("swag.txt");
        let text: String = (0..9).map(|n| HELLASWAG.replace("onion", &format!("onion {n}"))).collect();
        std::fs::write(&path, text).unwrap();
        let read = |spec: &str, most| read_task(spec, most, |left| left / 2).unwrap();
        let all = read(path.to_str().unwrap(), None);
        assert_eq!((all.name.as_str(), all.passages.len()), ("swag", 9));
        let some = read(&format!("s={}", path.display()), Some(3));
        assert_eq!((some.name.as_str(), some.source.as_ref().map(|s| s.items)), ("s", Some(9)));
        let at: Vec<usize> = some.passages.iter().map(|p| all.passages.iter().position(|q| q == p).unwrap()).collect();
        assert!(at.len() == 3 && at.is_sorted(), "{at:?}");
        assert_eq!(read(path.to_str().unwrap(), Some(90)).passages, all.passages);
        std::fs::write(&path, "no task").unwrap();
        let error = read_task(path.to_str().unwrap(), None, |_| 0).unwrap_err().to_string();
        assert!(error.contains("swag.txt, line 1: an item has six lines"), "{error}");
    }
}
