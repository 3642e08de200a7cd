//! Which files of a repository make up the model that was asked for.

use std::collections::BTreeMap;

use super::{
    HubError, HubName, Pick,
    name::{is_gguf, stays_inside},
};
use crate::gguf::SplitName;

/// What llama.cpp's `-hf` takes when nothing is said and there is a choice.
const USUAL: &str = "Q4_K_M";

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    /// SHA-256 by the Hub's account, when it keeps one.
    pub(super) sha256: Option<String>,
    /// Its size, when the Hub says.
    pub(super) bytes: Option<u64>,
}

/// The files of the model, in order of parts.
pub(super) fn choose(asked: &HubName, files: Vec<RemoteFile>) -> Result<Vec<RemoteFile>, HubError> {
    let models = models(files);
    let names = || models.keys().cloned().collect::<Vec<_>>();
    let none = || HubError::NoSuchFile { asked: asked.clone(), models: names() };
    let found = match &asked.pick {
        _ if models.is_empty() => return Err(HubError::NoGguf { repo: asked.repo.clone(), nearby: Vec::new() }),
        Pick::File(file) => models.get(file).ok_or_else(none)?,
        Pick::Quant(quant) => models.iter().find(|(name, _)| is_of(name, quant)).ok_or_else(none)?.1,
        Pick::Usual => {
            let usual = models.iter().find(|(name, _)| is_of(name, USUAL)).or_else(|| models.iter().next());
            usual.ok_or_else(none)?.1
        }
    };
    let first = &found[0].name;
    match SplitName::parse(base(first)) {
        Some(part) if part.count as usize != found.len() => Err(HubError::PartsMissing {
            repo: asked.repo.clone(),
            file: first.clone(),
            found: found.len(),
            of: part.count,
        }),
        _ => Ok(found.clone()),
    }
}

/// Models by the name of their first part. Projectors for images are no models, and names that lead out of their folder are nothing.
fn models(files: Vec<RemoteFile>) -> BTreeMap<String, Vec<RemoteFile>> {
    let mut models: BTreeMap<String, Vec<RemoteFile>> = BTreeMap::new();
    for file in files {
        let usable = is_gguf(&file.name) && stays_inside(&file.name);
        if usable && !base(&file.name).to_ascii_lowercase().starts_with("mmproj") {
            let folder = &file.name[..file.name.len() - base(&file.name).len()];
            let first = SplitName::parse(base(&file.name)).map(|part| format!("{folder}{}", part.name_of(1)));
            models.entry(first.unwrap_or_else(|| file.name.clone())).or_default().push(file);
        }
    }
    for parts in models.values_mut() {
        parts.sort_by(|a, b| a.name.cmp(&b.name));
    }
    models
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a file's name ends in the quantization, or lies in a folder of that name.
fn is_of(name: &str, quant: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let quant = quant.to_ascii_lowercase();
    let file = base(&lower);
    let stem = SplitName::parse(file).map_or(file.trim_end_matches(".gguf"), |part| part.stem);
    let named = stem.strip_suffix(&quant).is_some_and(|before| before.is_empty() || before.ends_with(['-', '.', '_']));
    named || lower.split('/').rev().skip(1).any(|folder| folder == quant)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn chosen(pick: Pick, files: &[&str]) -> Result<Vec<String>, HubError> {
        let asked = HubName { repo: "o/n".into(), pick };
        let files = files.iter().map(|name| RemoteFile { name: (*name).into(), sha256: None, bytes: None }).collect();
        choose(&asked, files).map(|files| files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn quantizations_are_found_by_their_whole_name() {
        let files = ["m-IQ4_XS.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-q8_0.gguf", "README.md"];
        let quant = |q: &str| chosen(Pick::Quant(q.into()), &files);
        assert_eq!(quant("q4_k_m").unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(quant("Q8_0").unwrap(), ["m-q8_0.gguf"]);
        assert!(quant("K_M").is_ok_and(|files| files == ["m-Q4_K_M.gguf"]), "a suffix after a separator counts");
        let error = quant("Q2_K").unwrap_err();
        assert!(error.to_string().contains("m-Q4_K_S.gguf"), "{error}");
    }

    #[test]
    fn without_a_word_the_usual_one_is_taken_and_else_the_first() {
        assert_eq!(chosen(Pick::Usual, &["m-Q2_K.gguf", "m-Q4_K_M.gguf"]).unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(chosen(Pick::Usual, &["m-Q8_0.gguf", "m-F16.gguf", "mmproj-m.gguf"]).unwrap(), ["m-F16.gguf"]);
    }

    #[test]
    fn split_models_come_whole_or_not_at_all() {
        let parts = ["Q4/m-00002-of-00002.gguf", "Q4/m-00001-of-00002.gguf", "m-Q8_0.gguf"];
        assert_eq!(chosen(Pick::Quant("Q4".into()), &parts).unwrap(), [parts[1], parts[0]]);
        let error = chosen(Pick::Quant("Q4".into()), &parts[1..]).unwrap_err();
        assert!(matches!(error, HubError::PartsMissing { found: 1, of: 2, .. }), "{error}");
    }

    #[test]
    fn hostile_names_are_nothing() {
        let error = chosen(Pick::Usual, &["../../m.gguf", "a\\b.gguf", "config.json"]).unwrap_err();
        assert!(matches!(error, HubError::NoGguf { .. }), "{error}");
    }
}
