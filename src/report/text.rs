//! Strings that others wrote, short and harmless where they are put: in tables, in a shell, in a spreadsheet.

use std::borrow::Cow;

use crate::text::inert_json;
pub(super) use crate::text::{agree, counted, inert_line, inert_text, list, plural, stopped};

/// Between a file and what varies of its settings in a subject's name.
const SETTINGS: &str = " · ";

/// At most `most` characters, cut in the middle: names of models differ at their ends; of a name with settings the end is kept.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let n = text.chars().count();
    if n <= most {
        return text.to_owned();
    }
    let whole = most.saturating_sub(1);
    let tail = if text.contains(SETTINGS) { whole } else { whole.div_ceil(2) };
    let head = most.saturating_sub(1) - tail;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(n - tail).collect();
    format!("{start}…{end}")
}

/// At most `most` characters from the start, and how many there were when some were cut.
pub(super) fn clip(text: &str, most: usize) -> (String, Option<usize>) {
    let n = text.chars().count();
    if n <= most { (text.to_owned(), None) } else { (text.chars().take(most).collect(), Some(n)) }
}

/// The same as a sentence begins.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Words for a shell: quoted when they have to be.
pub(crate) fn shell(words: &[String]) -> String {
    // shlex would quote these signs, too, but inside a word no shell minds them, and options with lists stay readable.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = |word: &String| {
        let word = inert_line(word);
        if !word.is_empty() && word.chars().all(plain) {
            return word;
        }
        // Nothing is left that can't be quoted.
        shlex::try_quote(&word).map_or_else(|_| "''".into(), Cow::into_owned)
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// JSON that steers nothing and that no parser of HTML can mistake: inside JSON these signs occur in strings only, where an escape
/// means the same.
pub(super) fn inert_in_html(json: &str) -> String {
    inert_json(json).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Text that no spreadsheet takes for a formula: an apostrophe before it makes it text.
pub(super) fn not_a_formula(text: String) -> String {
    // Spreadsheets pass over spaces at the start, and take the wide forms of the signs for the signs.
    let begins = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if begins { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_ends() {
        assert_eq!(shorten("SmolLM2-135M-Instruct-Q4_K_M", 12), "SmolL…Q4_K_M");
        assert_eq!(shorten("F16", 12), "F16");
        assert_eq!(shorten("ääää", 3), "ä…ä");
        assert_eq!(shorten("SmolLM2-135M-Q4_K_M · ctk q8_0 · fa on", 22), "…_M · ctk q8_0 · fa on");
        assert_eq!(clip("abc", 2), ("ab".into(), Some(3)));
    }

    #[test]
    fn formulas_become_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\u{a0}=1", "＝1"] {
            assert_eq!(not_a_formula(formula.into()), format!("'{formula}"));
        }
        assert_eq!(not_a_formula("a=1".into()), "a=1");
    }

    #[test]
    fn commands_can_be_pasted() {
        let words = ["gguf-bench", "a b.gguf", "it's", ""].map(String::from);
        assert_eq!(shell(&words), r#"gguf-bench 'a b.gguf' "it's" ''"#);
    }

    #[test]
    fn a_script_end_in_json_is_escaped_and_means_the_same() {
        let text = "</script><!--&";
        let json = inert_in_html(&serde_json::to_string(text).expect("a string"));
        assert!(!json.contains(['<', '>', '&']));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }
}
