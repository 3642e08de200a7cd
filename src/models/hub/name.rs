//! Names of models on the Hugging Face Hub: `owner/name`, `owner/name:Q4_K_M`, `owner/name@revision`, `owner/name/file.gguf`, and
//! the paths of its pages.

/// What a person asked the Hub for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    /// `owner/name`.
    pub repo: String,
    /// A branch, tag or commit; the main branch when there is none.
    pub revision: Option<String>,
    pub pick: Pick,
}

/// Which of a repository's models is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Whichever llama.cpp's `-hf` takes when nothing is said; of an original the best there is.
    Usual,
    /// The one of this quantization.
    Quant(String),
    /// This file, by its path in the repository.
    File(String),
}

/// The branch that is meant when none is named.
pub(super) const MAIN: &str = "main";
/// Pages of the Hub about a part of a repository; a revision follows.
const PAGES: [&str; 4] = ["blob", "resolve", "tree", "raw"];

impl HubName {
    /// Reads a name; `None` when it cannot be one and must be a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The one kind of revision with slashes in it.
        let text = text.trim_end_matches(['/', ':']).replace("@refs/pr/", "@refs%2Fpr%2F");
        let mut segments = text.split('/');
        let (owner, second) = (segments.next()?, segments.next()?);
        let inside: Vec<&str> = segments.collect();
        let (name, revision, tag) = taken_apart(second)?;
        if !is_word(owner) || !is_word(name) {
            return None;
        }
        let (revision, pick) = match (&inside[..], tag) {
            ([], None) if is_gguf(name) && revision.is_none() => return None,
            ([], None) => (revision, Pick::Usual),
            ([], Some(tag)) if is_tag(tag) => (revision, Pick::Quant(tag.into())),
            ([page, on, inside @ ..], None) if PAGES.contains(page) && revision.is_none() => {
                (Some(*on), picked(inside)?)
            }
            (inside, None) if is_gguf(inside.last()?) => (revision, picked(inside)?),
            _ => return None,
        };
        let revision = match revision.map(decoded) {
            Some(revision) if !is_revision(&revision) => return None,
            revision => revision.filter(|revision| revision != MAIN),
        };
        Some(Self { repo: format!("{owner}/{name}"), revision, pick })
    }

    /// The branch, tag or commit that is meant.
    pub(super) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }
}

/// `name@revision:tag` in either order.
fn taken_apart(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    let name = text.split(['@', ':']).next()?;
    let after = |sign: char| {
        let (_, rest) = text.split_once(sign)?;
        Some(rest.split(['@', ':']).next().unwrap_or(rest))
    };
    (text.matches(['@', ':']).count() <= 2).then(|| (name, after('@'), after(':')))
}

/// A path in a repository: of a file, or of a folder that is named like a quantization.
fn picked(inside: &[&str]) -> Option<Pick> {
    let path = inside.join("/");
    match inside.last() {
        None => Some(Pick::Usual),
        Some(_) if !stays_inside(&path) => None,
        Some(file) if is_gguf(file) => Some(Pick::File(path)),
        Some(folder) => Some(Pick::Quant((*folder).to_owned())),
    }
}

/// What the Hub allows in the names of owners and repositories.
pub(super) fn is_word(text: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 96 && text.chars().all(sign) && !text.starts_with(['.', '-'])
}

/// What may stand behind a colon: a quantization, in whatever spelling.
fn is_tag(text: &str) -> bool {
    is_word(text)
}

/// Whether a revision can be a path in the cache and in an address.
pub(super) fn is_revision(text: &str) -> bool {
    text.len() <= 255 && text.split('/').all(is_word)
}

/// Whether a file's name says that it is a model.
pub(super) fn is_gguf(file: &str) -> bool {
    file.len() > 5 && file.to_ascii_lowercase().ends_with(".gguf")
}

/// The name of a file without its folders.
pub(super) fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a path from the Hub stays in its folder on every system; what it holds ends in the local cache.
pub(crate) fn stays_inside(file: &str) -> bool {
    let harmless = |c: char| !c.is_control() && !"\\:*?\"<>|".contains(c);
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(harmless);
    file.len() <= 512 && file.split('/').all(part)
}

/// A path as it stands in an address: what is not plain is percent-encoded.
pub(super) fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// What an encoded path stands for; what is no encoding stays as it is.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Pick)> {
        HubName::parse(text).map(|name| (name.repo, name.pick))
    }

    #[test]
    fn names_are_read_as_llama_cpp_reads_them() {
        let repo = "google/gemma-2b".to_owned();
        assert_eq!(parsed("google/gemma-2b"), Some((repo.clone(), Pick::Usual)));
        assert_eq!(parsed("google/gemma-2b:Q4_K_M"), Some((repo.clone(), Pick::Quant("Q4_K_M".into()))));
        assert_eq!(parsed("google/gemma-2b/a/b.gguf"), Some((repo, Pick::File("a/b.gguf".into()))));
    }

    #[test]
    fn pages_revisions_and_loose_ends_are_read() {
        let quant = |tag: &str| Pick::Quant(tag.into());
        for (text, revision, pick) in [
            ("o/n/", None, Pick::Usual),
            ("o/n:", None, Pick::Usual),
            ("o/n@main", None, Pick::Usual),
            ("o/n@v1.2", Some("v1.2"), Pick::Usual),
            ("o/n@v1:Q8_0", Some("v1"), quant("Q8_0")),
            ("o/n:Q8_0@v1", Some("v1"), quant("Q8_0")),
            ("o/n@refs/pr/3", Some("refs/pr/3"), Pick::Usual),
            ("o/n/blob/main/F.gguf", None, Pick::File("F.gguf".into())),
            ("o/n/resolve/abc123/a/F.gguf", Some("abc123"), Pick::File("a/F.gguf".into())),
            ("o/n/blob/refs%2Fpr%2F3/F.gguf", Some("refs/pr/3"), Pick::File("F.gguf".into())),
            ("o/n/tree/main", None, Pick::Usual),
            ("o/n/tree/main/UD-Q4_K_XL", None, quant("UD-Q4_K_XL")),
            ("o/n@v1/a.gguf", Some("v1"), Pick::File("a.gguf".into())),
            ("o/n/my model Q8_0.gguf", None, Pick::File("my model Q8_0.gguf".into())),
        ] {
            let name = HubName::parse(text).expect(text);
            assert_eq!((name.repo.as_str(), name.revision.as_deref(), name.pick), ("o/n", revision, pick), "{text}");
        }
    }

    #[test]
    fn paths_are_not_names() {
        for path in
            ["./quantized-model", "../a/b", "/a/b", "m.gguf", "models/m.gguf", "a/b/c", "~/m", "C:/m", "", "a/b@../x"]
        {
            assert_eq!(parsed(path), None, "{path}");
        }
        assert_eq!(parsed("a/b/../../../etc/x.gguf"), None);
    }

    #[test]
    fn files_of_the_hub_stay_in_their_folder() {
        for file in ["../m.gguf", "a/../m.gguf", "/m.gguf", "a//m.gguf", "a\\..\\m.gguf", "C:m.gguf", "a\nb.gguf", "."]
        {
            assert!(!stays_inside(file), "{file}");
        }
        assert!(stays_inside("Q4_K_M/m-00001-of-00002.gguf"));
    }

    #[test]
    fn addresses_are_encoded_and_decoded() {
        assert_eq!(encoded("a b/ü%#.gguf"), "a%20b/%C3%BC%25%23.gguf");
        assert_eq!(decoded("a%20b/%C3%BC%25%23.gguf"), "a b/ü%#.gguf");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
