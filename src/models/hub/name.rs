//! Names of models on the Hugging Face Hub: `owner/name`, `owner/name:Q4_K_M`, `owner/name/file.gguf`.

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

impl HubName {
    /// Reads a name; `None` when it cannot be one and must be a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, rest) = text.split_once('/')?;
        let (name, inside) = match rest.split_once('/') {
            Some((name, inside)) => (name, Some(inside)),
            None => (rest, None),
        };
        let (name, quant) = match name.split_once(':') {
            Some((name, quant)) => (name, Some(quant)),
            None => (name, None),
        };
        if !is_word(owner) || !is_word(name) {
            return None;
        }
        let pick = match (inside, quant) {
            (None, None) if is_gguf(name) => return None,
            (None, None) => Pick::Usual,
            (None, Some(quant)) if is_word(quant) => Pick::Quant(quant.into()),
            (Some(file), None) if is_gguf(file) && stays_inside(file) => Pick::File(file.into()),
            _ => return None,
        };
        Some(Self { repo: format!("{owner}/{name}"), revision: None, pick })
    }
}

/// What the Hub allows in the names of owners, repositories and revisions.
pub(super) fn is_word(text: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 96 && text.chars().all(sign) && !text.starts_with(['.', '-'])
}

/// The name of a file without its folders.
pub(super) fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a file's name says that it is a model.
pub(super) fn is_gguf(file: &str) -> bool {
    file.len() > 5 && file.to_ascii_lowercase().ends_with(".gguf")
}

/// Whether a path from the Hub stays in its folder on every system; what it holds ends in the local cache.
pub(super) fn stays_inside(file: &str) -> bool {
    let harmless = |c: char| !c.is_control() && !"\\:*?\"<>|%#".contains(c);
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(harmless);
    file.len() <= 512 && file.split('/').all(part)
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
    fn paths_are_not_names() {
        for path in
            ["./quantized-model", "../a/b", "/a/b", "m.gguf", "models/m.gguf", "a/b/c", "a/b/", "~/m", "C:/m", ""]
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
}
