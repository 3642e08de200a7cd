//! Which models may be compared token by token: those with the same tokenizer.

use crate::record::TokenizerFacts;

/// The first thing in which a candidate's tokenizer differs from the original's, in words; none when nothing does.
#[must_use]
pub(crate) fn difference(original: &TokenizerFacts, candidate: &TokenizerFacts) -> Option<String> {
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
        assert_eq!(difference(&facts(), &facts()), None);
        let differs = |other: TokenizerFacts, word: &str| {
            let said = difference(&facts(), &other).expect("they differ");
            assert!(said.contains(word), "{said}");
        };
        differs(TokenizerFacts { n_vocab: 49_280, ..facts() }, "vocabulary size is 49280");
        differs(TokenizerFacts { model: "llama".into(), ..facts() }, "tokenizer is llama");
        differs(TokenizerFacts { pre: None, ..facts() }, "pre-tokenizer is none");
        differs(TokenizerFacts { add_bos: None, ..facts() }, "BOS rule is left to llama.cpp");
        differs(TokenizerFacts { fingerprint: "cd".into(), ..facts() }, "merges");
    }
}
