//! Evaluation texts: what perplexity and KL divergence are measured on, by domain.

use std::path::Path;

use super::error::Error;
use super::file::read_utf8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// What a report calls it.
    pub name: String,
    /// The domain its results count for.
    pub domain: String,
    /// The text, byte for byte as its file has it (but for a byte order mark).
    pub body: String,
}

impl Text {
    /// What is tokenized: the body without one final newline, as `llama-perplexity -f` reads a file.
    pub(crate) fn scored(&self) -> &str {
        self.body.strip_suffix('\n').unwrap_or(&self.body)
    }
}

macro_rules! text_files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../prompts/quality/", $folder, $name, ".txt")))),+]
    };
}

const BUILTIN: [(&str, &str); 8] = text_files!["":
    "narrative",
    "technical",
    "dialogue",
    "code",
    "arithmetic",
    "german",
    "spanish",
    "french",
];

const POCKET: [(&str, &str); 3] = text_files!["pocket/": "scripture", "hacker-lexicon", "satire"];

/// The default texts, one a domain, written for this project.
pub(crate) fn builtin_texts() -> Vec<Text> {
    BUILTIN.into_iter().map(text).collect()
}

/// What was held out from the bundled model's training; other models have likely read it.
pub(crate) fn pocket_texts() -> Vec<Text> {
    POCKET.into_iter().map(text).collect()
}

fn text((name, body): (&str, &str)) -> Text {
    Text { name: name.to_owned(), domain: name.to_owned(), body: body.to_owned() }
}

/// Reads a text given as `FILE`, named after the file, or as `NAME=FILE`; the name is the domain too.
///
/// A file whose own path contains `=` is found as it is.
pub(crate) fn read_text(spec: &str) -> Result<Text, Error> {
    let missing = |missing| Error::Spec { spec: spec.to_owned(), missing };
    let (name, path) = match spec.split_once('=') {
        Some((name, path)) if !Path::new(spec).is_file() => (name.trim().to_owned(), path),
        _ => (stem(spec), spec),
    };
    if path.is_empty() {
        return Err(missing("file"));
    }
    if name.is_empty() {
        return Err(missing("name"));
    }
    let body = read_utf8(Path::new(path))?;
    Ok(Text { domain: name.clone(), name, body })
}

/// The file's name without its extension.
fn stem(path: &str) -> String {
    let stem = Path::new(path).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failed unwrap is a failed test")]

    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn names_are_unique_and_no_long_line_occurs_twice() {
        let texts = [builtin_texts(), pocket_texts()].concat();
        let names: BTreeSet<_> = texts.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), texts.len());
        for text in texts {
            let mut seen = BTreeSet::new();
            for line in text.body.lines().filter(|l| l.len() > 80) {
                assert!(seen.insert(line), "{}: {line}", text.name);
            }
        }
    }

    /// A tokenizer makes at most one token of four bytes of such prose; five windows of 512 need 2,560 tokens.
    #[test]
    fn builtin_texts_are_long_enough_for_five_windows() {
        for text in builtin_texts() {
            assert!(text.scored().len() > 9_000, "{}", text.name);
        }
    }

    #[test]
    fn only_one_final_newline_is_left_out() {
        let text = text(("t", "a\n\n"));
        assert_eq!(text.scored(), "a\n");
        assert_eq!(text.body, "a\n\n");
    }

    #[test]
    fn a_file_is_named_by_its_stem_or_by_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wiki.test.raw");
        fs::write(&path, "\u{feff}Some text.\n").unwrap();
        let path = path.to_str().unwrap();

        let plain = read_text(path).unwrap();
        assert_eq!((plain.name.as_str(), plain.domain.as_str()), ("wiki.test", "wiki.test"));
        assert_eq!(plain.body, "Some text.\n");

        let named = read_text(&format!("encyclopedia={path}")).unwrap();
        assert_eq!(named.name, "encyclopedia");
        assert_eq!(named.body, plain.body);
    }

    #[test]
    fn an_equals_sign_in_an_existing_path_belongs_to_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k=v.txt");
        fs::write(&path, "x").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(read_text(path).unwrap().name, "k=v");
        assert_eq!(read_text(&format!("n={path}")).unwrap().name, "n");
    }

    #[test]
    fn a_missing_part_is_named() {
        let message = |spec| read_text(spec).unwrap_err().to_string();
        assert_eq!(message("=a.txt"), "\"=a.txt\" names no name: write FILE or NAME=FILE");
        assert_eq!(message("news="), "\"news=\" names no file: write FILE or NAME=FILE");
        assert_eq!(message(""), "\"\" names no file: write FILE or NAME=FILE");
        assert!(message("news=no/such.txt").starts_with("cannot read no/such.txt: "));
    }

    #[test]
    fn blank_and_binary_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let blank = folder.path().join("blank.txt");
        fs::write(&blank, " \n").unwrap();
        let binary = folder.path().join("model.gguf");
        fs::write(&binary, b"GGUF\x03\xff").unwrap();
        let read = |path: &Path| read_text(path.to_str().unwrap()).unwrap_err();
        assert!(matches!(read(&blank), Error::Empty { .. }));
        assert!(matches!(read(&binary), Error::NotUtf8 { offset: 5, line: 1, .. }));
    }
}
