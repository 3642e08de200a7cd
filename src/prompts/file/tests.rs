//! Tests of the prompt file reader: every shape, every error.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::Write as _;

use super::*;

fn file(suffix: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn ok(suffix: &str, content: &str) -> Vec<(String, String, String)> {
    read(file(suffix, content.as_bytes()).path()).unwrap().into_iter().map(|p| (p.name, p.category, p.text)).collect()
}

/// The message without the path, which differs from run to run.
fn fault(suffix: &str, bytes: &[u8]) -> String {
    let file = file(suffix, bytes);
    let path = file.path().display().to_string();
    read(file.path()).unwrap_err().to_string().replace(&path, "F")
}

fn row(name: &str, category: &str, text: &str) -> (String, String, String) {
    (name.to_owned(), category.to_owned(), text.to_owned())
}

#[test]
fn an_array_of_objects() {
    let json = r#"[{"category": "short_factual", "text": "What is the capital of France?"},
        {"category": "poems", "text": "A sonnet.", "name": "sonnet", "id": 7},
        {"text": "No category.", "name": null}]"#;
    let expected = [
        row("short_factual", "short_factual", "What is the capital of France?"),
        row("sonnet", "poems", "A sonnet."),
        row("custom", "custom", "No category."),
    ];
    for suffix in [".json", ".txt", ""] {
        assert_eq!(ok(suffix, json), expected);
    }
}

#[test]
fn a_comment_above_the_array_is_skipped() {
    let json = "// custom_prompts.json\n\n[\"a\"]";
    assert_eq!(ok(".json", json), [row("custom", "custom", "a")]);
}

#[test]
fn an_array_of_strings_is_numbered() {
    let expected = [row("custom_1", "custom", "a"), row("custom_2", "custom", "b")];
    assert_eq!(ok(".json", r#"["a", "b"]"#), expected);
}

#[test]
fn json_lines_of_objects_and_strings() {
    let lines = "{\"category\": \"c\", \"text\": \"a\"}\r\n\r\n\"b\"\r\n";
    let expected = [row("c", "c", "a"), row("custom", "custom", "b")];
    assert_eq!(ok(".jsonl", lines), expected);
    assert_eq!(ok(".prompts", lines), expected);
    assert_eq!(ok("", "\"b\"\n"), [row("custom", "custom", "b")]);
}

#[test]
fn plain_text_is_split_at_blank_lines() {
    let text = "\u{feff}\n  First line,\r\nsecond line.\r\n \t\r\n\r\nAnother.\n";
    let expected = [row("custom_1", "custom", "  First line,\nsecond line."), row("custom_2", "custom", "Another.")];
    assert_eq!(ok(".txt", text), expected);
}

#[test]
fn text_that_begins_like_json_is_still_text() {
    for text in ["[INST] Hello [/INST]", "{{user}} says hello.", "\"Hello,\" she said.", "// a comment in C"] {
        assert_eq!(ok(".txt", text), [row("custom", "custom", text)]);
    }
}

#[test]
fn entries_are_named_by_their_number() {
    let cases = [
        (r#"["a", 5]"#, "is a number; expected a string or an object with \"text\""),
        (r#"["a", null]"#, "is null; expected a string or an object with \"text\""),
        (r#"["a", ["b"]]"#, "is an array; expected a string or an object with \"text\""),
        (r#"["a", {}]"#, "has no \"text\" (its fields: none)"),
        (r#"["a", {"prompt": "b", "id": 1}]"#, "has no \"text\" (its fields: id, prompt)"),
        (r#"["a", {"text": ["b"]}]"#, "has an array as \"text\"; expected a string"),
        (r#"["a", {"text": "b", "category": 3}]"#, "has a number as \"category\"; expected a string"),
        (r#"["a", {"text": "b", "name": true}]"#, "has a boolean as \"name\"; expected a string"),
        (r#"["a", " \n"]"#, "has an empty \"text\""),
        (r#"["a", {"text": ""}]"#, "has an empty \"text\""),
        (r#"["a", {"text": "b", "name": ""}]"#, "has an empty \"name\""),
        (r#"["a", {"text": "b", "category": " "}]"#, "has an empty \"category\""),
        (r#"["a", "b\u0000c"]"#, "has the control character U+0000 in its \"text\""),
        (r#"["a", {"text": "b", "name": "x\ny"}]"#, "has the control character U+000A in its \"name\""),
    ];
    for (json, message) in cases {
        assert_eq!(fault(".json", json.as_bytes()), format!("F: entry 2 {message}"));
    }
}

#[test]
fn a_repeated_name_names_both_entries() {
    let json = br#"[{"text": "a", "name": "x"}, "b", {"text": "c", "name": "x"}]"#;
    let message = "F: entry 3 has the name \"x\", which entry 1 has already";
    assert_eq!(fault(".json", json), message);
}

#[test]
fn a_line_of_json_lines_is_an_entry() {
    let lines = b"\"a\"\n{\"text\": \"b\"}\n12\n";
    assert!(fault(".jsonl", lines).starts_with("F: entry 3 is a number;"));
    assert!(fault(".json", br#"{"prompts": []}"#).starts_with("F: entry 1 has no \"text\""));
}

#[test]
fn nul_in_plain_text_is_found() {
    let message = "F: entry 2 has the control character U+0000 in its \"text\"";
    assert_eq!(fault(".txt", b"a\n\nb\0c"), message);
}

#[test]
fn broken_json_says_where() {
    let cut = b"// two lines\n[{\"text\": \"a\"},\n {\"text\": ";
    assert!(fault("", cut).contains("F is not valid JSON: "));
    assert!(fault("", cut).contains("line 3"));
    assert!(fault(".json", b"Hello there").contains("F is not valid JSON"));
    assert!(fault(".json", b"[\"a\"] \"b\"").contains("trailing characters"));
}

#[test]
fn empty_files_and_empty_arrays() {
    for (suffix, content) in [("", ""), (".txt", " \n\n"), (".json", "[ ]"), (".json", "\u{feff}")] {
        assert_eq!(fault(suffix, content.as_bytes()), "F is empty");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_located() {
    let message = "F is not UTF-8: byte 6 (line 2) does not belong to a character";
    assert_eq!(fault(".txt", b"Hello\n\xff\xfe"), message);
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let file = file(".txt", b"a");
    // A hole takes no space on the disk.
    file.as_file().set_len(MAX_BYTES + 1).unwrap();
    let error = read(file.path()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_mib: 64, .. }));
}

#[test]
fn a_missing_file_is_named() {
    let error = read(Path::new("no/such/prompts.json")).unwrap_err();
    assert!(error.to_string().starts_with("read no/such/prompts.json: "));
}

fn names(entries: &[(Option<&str>, &str)]) -> Vec<String> {
    let entries = entries
        .iter()
        .map(|(name, category)| Entry {
            name: name.map(str::to_owned),
            category: (*category).to_owned(),
            text: "t".to_owned(),
        })
        .collect();
    assign_names(entries).unwrap().into_iter().map(|p| p.name).collect()
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
    let fault = assign_names(vec![entry("x"), entry("y"), entry("x")]).unwrap_err();
    let name = "x".to_owned();
    assert_eq!(fault, (3, EntryFault::DuplicateName { name, first: 1 }));
}
