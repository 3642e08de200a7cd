//! Evaluation texts: what perplexity and KL divergence are measured on, by domain.

use std::collections::BTreeMap;
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

include!(concat!(env!("OUT_DIR"), "/documents.rs"));

const POCKET: [(&str, &str); 3] = [
    ("scripture", include_str!("../../prompts/quality/pocket/scripture.txt")),
    ("hacker-lexicon", include_str!("../../prompts/quality/pocket/hacker-lexicon.txt")),
    ("satire", include_str!("../../prompts/quality/pocket/satire.txt")),
];

/// A document of the bundled model's texts has at least so many bytes: a window of 512 tokens and some to spare.
const POCKET_DOCUMENT_BYTES: usize = 2_600;
/// And there are at most so many of each, spread over the text: more would resemble each other.
const POCKET_DOCUMENTS: usize = 12;

/// The default documents, written for this project, their domains taking turns.
pub(crate) fn documents() -> Vec<Text> {
    let text = |&(domain, name, body): &(&str, &str, &str)| Text {
        name: format!("{domain}/{name}"),
        domain: domain.to_owned(),
        body: body.to_owned(),
    };
    in_turns(DOCUMENTS.iter().map(text).collect())
}

/// What was held out from the bundled model's training, in documents; other models have likely read it.
pub(crate) fn pocket_documents() -> Vec<Text> {
    let of = |(name, body): (&str, &str)| {
        let all = pieces(body, POCKET_DOCUMENT_BYTES);
        let step = all.len().div_ceil(POCKET_DOCUMENTS).max(1);
        let document = |(number, body): (usize, String)| Text {
            name: format!("{name}/{:02}", number + 1),
            domain: name.to_owned(),
            body,
        };
        all.into_iter().enumerate().step_by(step).map(document).collect::<Vec<_>>()
    };
    in_turns(POCKET.into_iter().flat_map(of).collect())
}

/// Bytes of a text for each token of a window, at least: a document of fewer is taken to be too short for it.
const BYTES_A_TOKEN: usize = 4;

/// Texts that hold windows of so many tokens: as they are, or where most documents are too short, those of each domain one after the other
/// as a single text. What is deep in such a window stands after other documents, as in a long conversation.
pub(crate) fn for_windows(texts: Vec<Text>, n_ctx: u32) -> Vec<Text> {
    let long = texts.iter().filter(|text| text.body.len() >= n_ctx as usize * BYTES_A_TOKEN).count();
    if 2 * long >= texts.len() {
        return texts;
    }
    let mut joined: Vec<Text> = Vec::new();
    for Text { domain, body, .. } in texts {
        match joined.iter_mut().find(|own| own.domain == domain) {
            Some(own) => {
                own.body.push_str("\n\n");
                own.body.push_str(body.trim_end());
            }
            None => joined.push(Text { name: format!("{domain}, joined"), body: body.trim_end().to_owned(), domain }),
        }
    }
    joined
}

/// The longest window that most of these texts hold.
pub(crate) fn longest_window(texts: &[Text]) -> u32 {
    let mut bytes: Vec<usize> = texts.iter().map(|text| text.body.len()).collect();
    bytes.sort_unstable_by(|a, b| b.cmp(a));
    let median = bytes.get(bytes.len().div_ceil(2).saturating_sub(1)).copied().unwrap_or(0);
    u32::try_from(median / BYTES_A_TOKEN).unwrap_or(u32::MAX)
}

/// One document of each domain before any domain has a second.
fn in_turns(texts: Vec<Text>) -> Vec<Text> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let turn = |text: Text| {
        let turn = seen.entry(text.domain.clone()).or_default();
        *turn += 1;
        (*turn, text)
    };
    let mut turns: Vec<(usize, Text)> = texts.into_iter().map(turn).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, text)| text).collect()
}

/// A text in pieces of at least so many bytes that end with a paragraph; a shorter rest is left out.
fn pieces(text: &str, bytes: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for paragraph in text.split_inclusive("\n\n") {
        piece.push_str(paragraph);
        if piece.len() >= bytes {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces
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

    #[test]
    fn documents_too_short_for_a_window_are_joined_by_domain() {
        let own = documents();
        assert_eq!(for_windows(documents(), 512), own, "as they are");
        let joined = for_windows(documents(), 4096);
        let domains: BTreeSet<&str> = own.iter().map(|text| &*text.domain).collect();
        assert_eq!(joined.iter().map(|text| &*text.domain).collect::<BTreeSet<_>>(), domains);
        assert_eq!(joined.len(), domains.len(), "one of each");
        for text in &joined {
            let parts = own.iter().filter(|part| part.domain == text.domain);
            assert!(parts.clone().all(|part| text.body.contains(part.body.trim_end())), "{}", text.name);
            assert!(text.body.len() >= parts.map(|part| part.body.trim_end().len()).sum(), "{}", text.name);
        }
    }

    use super::*;

    #[test]
    fn names_are_unique_and_no_long_line_occurs_twice() {
        let texts = [documents(), pocket_documents()].concat();
        let names: BTreeSet<_> = texts.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), texts.len());
        let mut seen = BTreeSet::new();
        for text in &texts {
            for line in text.body.lines().filter(|l| l.len() > 80) {
                assert!(seen.insert(line), "{}: {line}", text.name);
            }
        }
    }

    /// 3,000 bytes are 512 tokens by common tokenizers, whatever the language; a document of the domain `long` has two windows.
    #[test]
    fn documents_of_eight_domains_take_turns_and_are_long_enough() {
        let texts = documents();
        let domains: BTreeSet<_> = texts.iter().map(|t| t.domain.as_str()).collect();
        let first: BTreeSet<_> = texts.iter().take(domains.len()).map(|t| t.domain.as_str()).collect();
        assert_eq!(first, domains, "one of each domain before any has a second");
        for text in &texts {
            let least = if text.domain == "long" { 6_000 } else { 3_000 };
            assert!(text.scored().len() >= least, "{}: {} bytes", text.name, text.scored().len());
        }
    }

    #[test]
    fn the_bundled_models_texts_are_documents_too() {
        let texts = pocket_documents();
        assert!((16..=3 * POCKET_DOCUMENTS).contains(&texts.len()), "{}", texts.len());
        assert!(texts.iter().all(|text| text.body.len() >= POCKET_DOCUMENT_BYTES));
    }

    #[test]
    fn only_one_final_newline_is_left_out() {
        let text = Text { name: "t".into(), domain: "t".into(), body: "a\n\n".into() };
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
        assert!(message("news=no/such.txt").starts_with("read no/such.txt: "));
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
