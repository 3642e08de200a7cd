//! What a header says about the tokenizer, and a fingerprint that tells two tokenizers apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::metadata::{Metadata, Value};
use super::reader::sha256;
use crate::record::TokenizerFacts;

/// Facts about a tokenizer. Strings are as in the file: print them through [`printable`](crate::text::printable).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokenizer {
    /// `tokenizer.ggml.model`, like `gpt2`.
    pub model: Option<String>,
    /// `tokenizer.ggml.pre`, like `llama-bpe`.
    pub pre: Option<String>,
    pub tokens: Option<u64>,
    /// Whether the file asks for a first token before every text.
    pub add_bos: Option<bool>,
    /// Whether the file asks for a last token after every text.
    pub add_eos: Option<bool>,
    pub bos_id: Option<u64>,
    pub eos_id: Option<u64>,
    /// SHA-256 of the list of tokens alone: equal where token ids mean the same.
    pub tokens_sha256: Option<String>,
    /// SHA-256 over every `tokenizer.*` key but chat templates: equal where the tokenizers are.
    pub fingerprint: String,
}

impl Tokenizer {
    /// The facts in `metadata`; none when it has no tokenizer.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let text = |name| metadata.text(&key(name)).map(|text| text.kept.clone());
        let tokens = key("tokens");
        Some(Self {
            fingerprint: fingerprint(metadata)?,
            model: text("model"),
            pre: text("pre"),
            tokens: metadata.array_len(&tokens),
            add_bos: metadata.flag(&key("add_bos_token")),
            add_eos: metadata.flag(&key("add_eos_token")),
            bos_id: metadata.unsigned(&key("bos_token_id")),
            eos_id: metadata.unsigned(&key("eos_token_id")),
            tokens_sha256: match metadata.get(&tokens) {
                Some(Value::Digest(digest)) => Some(digest.sha256.clone()),
                _ => None,
            },
        })
    }
}

/// Keys stand in alphabetical order and each value on its own line, so the order in the file does not matter.
fn fingerprint(metadata: &Metadata) -> Option<String> {
    let mut lines = String::new();
    for (key, value) in metadata.iter() {
        if !key.starts_with("tokenizer.") || key.starts_with("tokenizer.chat_template") {
            continue;
        }
        let identity = match value {
            Value::Text(text) => text.sha256.clone(),
            other => other.summary(),
        };
        // The key is quoted so that no key can look like another's line.
        let _ = writeln!(lines, "{key:?} {identity}");
    }
    (!lines.is_empty()).then(|| sha256(lines.as_bytes()))
}

/// Models may be compared token by token when they have the same tokenizer: the first thing in which a candidate's tokenizer differs from the original's, in words; none when nothing does.
pub(crate) fn tokenizer_difference(original: &TokenizerFacts, candidate: &TokenizerFacts) -> Option<String> {
    let named = |what: &str, own: &str, others: &str| format!("its {what} is {own}, the original's is {others}");
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    let (a, b) = (original, candidate);
    if a.n_vocab != b.n_vocab {
        return Some(named("vocabulary size", &b.n_vocab.to_string(), &a.n_vocab.to_string()));
    }
    if a.model != b.model {
        return Some(named("tokenizer", &b.model, &a.model));
    }
    if a.pre != b.pre {
        return Some(named("pre-tokenizer", &or_none(&b.pre), &or_none(&a.pre)));
    }
    if a.add_bos != b.add_bos {
        let rule = |value: Option<bool>| match value {
            Some(true) => "to begin texts with BOS",
            Some(false) => "to begin texts without BOS",
            None => "left to llama.cpp",
        };
        return Some(named("BOS rule", rule(b.add_bos), rule(a.add_bos)));
    }
    (a.fingerprint != b.fingerprint).then(|| "its tokens, merges or special ids differ from the original's".into())
}

/// The keys in which two files' tokenizers differ, chat templates aside, alphabetically.
pub(crate) fn differing_keys(original: &Metadata, candidate: &Metadata) -> Vec<String> {
    let of = |metadata: &Metadata| -> BTreeMap<String, String> {
        let kept = metadata.iter().filter(|(key, _)| key.starts_with("tokenizer.") && !key.contains("chat_template"));
        let identity = |value: &Value| match value {
            Value::Text(text) => text.sha256.clone(),
            other => other.summary(),
        };
        kept.map(|(key, value)| (key.to_owned(), identity(value))).collect()
    };
    let (a, b) = (of(original), of(candidate));
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter().filter(|key| a.get(*key) != b.get(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> TokenizerFacts {
        TokenizerFacts {
            model: "gpt2".into(),
            pre: Some("smollm".into()),
            n_vocab: 49_152,
            fingerprint: "ab".into(),
            add_bos: Some(true),
        }
    }

    #[test]
    fn the_difference_is_named() {
        assert_eq!(tokenizer_difference(&facts(), &facts()), None);
        let differs = |other: TokenizerFacts, word: &str| {
            let said = tokenizer_difference(&facts(), &other).expect("they differ");
            assert!(said.contains(word), "{said}");
        };
        differs(TokenizerFacts { n_vocab: 49_280, ..facts() }, "vocabulary size is 49280");
        differs(TokenizerFacts { model: "llama".into(), ..facts() }, "tokenizer is llama");
        differs(TokenizerFacts { pre: None, ..facts() }, "pre-tokenizer is none");
        differs(TokenizerFacts { add_bos: None, ..facts() }, "BOS rule is left to llama.cpp");
        differs(TokenizerFacts { fingerprint: "cd".into(), ..facts() }, "merges");
    }
}
