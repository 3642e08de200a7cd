//! The default prompt suite: every length class with every kind of task.

use super::Prompt;

macro_rules! prompt_files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../prompts/suite/", $name, ".txt")))),+]
    };
}

/// Name (which is the category too) and text, from short to very long.
const SUITE: [(&str, &str); 12] = prompt_files![
    "short_factual",
    "short_creative",
    "short_reasoning",
    "medium_factual",
    "medium_creative",
    "medium_reasoning",
    "long_factual",
    "long_creative",
    "long_reasoning",
    "very_long_factual",
    "very_long_creative",
    "very_long_reasoning",
];

/// The twelve prompts, from short to very long, without the newline that ends their files.
#[must_use]
pub fn suite() -> Vec<Prompt> {
    SUITE
        .into_iter()
        .map(|(name, text)| Prompt {
            name: name.to_owned(),
            category: name.to_owned(),
            text: text.trim_end().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::LengthClass;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_length_class_meets_every_kind_once() {
        const KINDS: [&str; 3] = ["factual", "creative", "reasoning"];
        let expected: Vec<_> = LengthClass::ALL
            .into_iter()
            .flat_map(|class| KINDS.map(|kind| (Some(class), format!("{class}_{kind}"))))
            .collect();
        let found: Vec<_> = suite().into_iter().map(|prompt| (prompt.length_class(), prompt.category)).collect();
        assert_eq!(found, expected);
    }

    /// English prose has four to six bytes a token; the exact counts are tested with a real tokenizer.
    #[test]
    fn lengths_are_plausible_for_their_class() {
        for prompt in suite() {
            let tokens = prompt.text.len() / 5;
            assert_eq!(
                Some(LengthClass::of_tokens(tokens)),
                prompt.length_class(),
                "{}: about {tokens} tokens",
                prompt.name
            );
        }
    }

    #[test]
    fn no_paragraph_occurs_twice() {
        let mut seen = BTreeSet::new();
        for prompt in suite() {
            for paragraph in prompt.text.split("\n\n") {
                assert!(seen.insert(paragraph.to_owned()), "{paragraph}");
            }
        }
    }
}
