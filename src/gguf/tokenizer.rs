//! What a header says about the tokenizer, and a fingerprint that tells two tokenizers apart.

use std::fmt::Write as _;

use serde::Serialize;

use super::metadata::Metadata;
use super::reader::sha256;
use super::value::Value;

/// Facts about a tokenizer. Strings are as in the file: print them through [`printable`](crate::text::printable).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokenizer {
    /// `tokenizer.ggml.model`, like `gpt2`.
    pub model: Option<String>,
    /// `tokenizer.ggml.pre`, like `llama-bpe`.
    pub pre: Option<String>,
    /// Tokens in the vocabulary.
    pub tokens: Option<u64>,
    /// Whether the file asks for a first token before every text.
    pub add_bos: Option<bool>,
    /// Whether the file asks for a last token after every text.
    pub add_eos: Option<bool>,
    /// The first token.
    pub bos_id: Option<u64>,
    /// The last token.
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
