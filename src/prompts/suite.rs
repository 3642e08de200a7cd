//! A prompt with its length class, and the default suite: every length class with every kind of task.

use std::fmt;

/// The category of a prompt that names none.
pub(crate) const CUSTOM: &str = "custom";

/// One prompt; the name is unique within its suite or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What a report calls it.
    pub name: String,
    /// The group it is reported in; free text in files, `<length>_<kind>` in the suite.
    pub category: String,
    /// What is sent to the model.
    pub text: String,
}

impl Prompt {
    /// The length class the category begins with, when it begins with one.
    #[must_use]
    pub fn length_class(&self) -> Option<LengthClass> {
        LengthClass::ALL.into_iter().find(|class| strip_word(&self.category, class.as_str()).is_some())
    }
}

/// What follows `word` in `category`: nothing, or the part behind an underscore.
fn strip_word<'a>(category: &'a str, word: &str) -> Option<&'a str> {
    let rest = category.strip_prefix(word)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('_') }
}

/// How long a prompt is, in tokens of a common tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LengthClass {
    /// Under 100 tokens.
    Short,
    /// 100 to 499 tokens.
    Medium,
    /// 500 to 999 tokens.
    Long,
    /// 1,000 tokens and more.
    VeryLong,
}

impl LengthClass {
    /// Every class, from short to very long.
    pub const ALL: [Self; 4] = [Self::Short, Self::Medium, Self::Long, Self::VeryLong];

    /// The word used in categories.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
            Self::VeryLong => "very_long",
        }
    }

    /// The class of a prompt of this many tokens.
    #[must_use]
    pub const fn of_tokens(tokens: usize) -> Self {
        match tokens {
            0..100 => Self::Short,
            100..500 => Self::Medium,
            500..1000 => Self::Long,
            _ => Self::VeryLong,
        }
    }
}

impl fmt::Display for LengthClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    use super::*;
    use std::collections::BTreeSet;

    fn of(category: &str) -> Prompt {
        Prompt { name: "p".into(), category: category.into(), text: "t".into() }
    }

    #[test]
    fn categories_of_the_suite_name_the_length() {
        let prompt = of("very_long_reasoning");
        assert_eq!(prompt.length_class(), Some(LengthClass::VeryLong));
        assert_eq!(of("long_factual").length_class(), Some(LengthClass::Long));
    }

    #[test]
    fn free_categories_have_no_class_unless_they_say_so() {
        assert_eq!(of("chemistry").length_class(), None);
        assert_eq!(of("shortbread_factual").length_class(), None);
        assert_eq!(of("short").length_class(), Some(LengthClass::Short));
        assert_eq!(of("factual").length_class(), None);
    }

    #[test]
    fn token_counts_fall_into_the_class_of_their_lower_bound() {
        let classes = [0, 99, 100, 499, 500, 999, 1000].map(LengthClass::of_tokens);
        let words = classes.map(LengthClass::as_str).join(" ");
        assert_eq!(words, "short short medium medium long long very_long");
    }

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
