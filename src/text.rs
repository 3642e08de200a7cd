//! Makes text that others wrote harmless: metadata, names, prompts, answers, logs and records are hostile input.

use std::fmt::Write as _;

/// Most characters [`printable`] lets through before it cuts: longer than any honest name, and no message is buried under it.
const MAX_CHARS: usize = 200;

/// Whether a terminal or a page would act on `c`, turn its direction by it, or show nothing for it.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of text without control characters: line ends and tabs become spaces, the rest the replacement character.
pub(crate) fn inert_line(text: &str) -> String {
    let plain = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if steers(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect::<String>().trim().to_owned()
}

/// Text of several lines: as [`inert_line`], but line ends and tabs stay.
pub(crate) fn inert_text(text: &str) -> String {
    let plain = |c| if c != '\n' && c != '\t' && steers(c) { '\u{fffd}' } else { c };
    text.replace("\r\n", "\n").chars().map(plain).collect()
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// `1 round`, `2 rounds`, `2 passes`.
pub(crate) fn counted<N: Copy + std::fmt::Display + PartialEq + From<u8>>(n: N, what: &str) -> String {
    format!("{n} {}", plural(n == N::from(1), what))
}

/// `round` of one, `rounds` of any other number.
pub(crate) fn plural(is_one: bool, what: &str) -> String {
    let end = match what {
        _ if is_one => "",
        what if what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{what}{end}")
}

/// The same with a full stop, unless it ends with a sign of its own: reasons and words of other programs come with either.
pub(crate) fn stopped(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

/// A verb for so many: `is` of one, `are` of any other number.
pub(crate) fn agree<'a>(n: usize, one: &'a str, several: &'a str) -> &'a str {
    if n == 1 { one } else { several }
}

/// JSON that means the same and steers nothing: inside JSON such characters occur in strings only, where an escape can stand for them.
pub(crate) fn inert_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// `text` with every character that steers written as `\u{..}`, cut after 200 characters with `…`: for names whose exact letters matter.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    let mut written = 0;
    for c in text.chars() {
        if written >= MAX_CHARS {
            out.push('…');
            break;
        }
        if steers(c) {
            let escaped = c.escape_unicode();
            written += escaped.len();
            out.extend(escaped);
        } else {
            written += 1;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_inert() {
        assert_eq!(inert_line("a\u{1b}[31mb\r\nc\u{202e}d\u{7}"), "a\u{fffd}[31mb  c\u{fffd}d\u{fffd}");
        assert_eq!(inert_text("a\r\n\tb\u{9b}1m"), "a\n\tb\u{fffd}1m");
        // What is left when one sequence is cut out of another is a sequence again: nothing is cut out here.
        assert_eq!(inert_text("\u{1b}\u{1b}[31m[2J"), "\u{fffd}\u{fffd}[31m[2J");
    }

    #[test]
    fn words_agree_with_their_number() {
        assert_eq!([0, 1, 2].map(|n: u32| counted(n, "round")), ["0 rounds", "1 round", "2 rounds"]);
        assert_eq!([1_usize, 3].map(|n| counted(n, "pass")), ["1 pass", "3 passes"]);
        assert_eq!([0, 1, 2].map(|n| agree(n, "is", "are")), ["are", "is", "are"]);
        assert_eq!(["a", "a.", "A! ", ""].map(stopped), ["a.", "a.", "A!", "."]);
    }

    #[test]
    fn json_means_the_same_and_steers_nothing() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\u{e0041}\u{2028}é";
        let json = serde_json::to_string_pretty(&[text]).expect("strings");
        assert!(json.contains('\u{9b}'), "the characters that JSON need not escape are what this is for");
        let inert = inert_json(&json);
        assert!(!inert.contains(|c| c != '\n' && steers(c)), "{inert:?}");
        assert!(inert.contains("é") && inert.contains(r"\u009b") && inert.contains(r"\udb40\udc41"), "{inert}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&inert).expect("JSON"), [text]);
    }

    #[test]
    fn names_show_what_they_hold() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\r\n"), r"a\u{1b}[31mred\u{7}\u{d}\u{a}");
        assert_eq!(printable("\u{9b}2J"), r"\u{9b}2J");
        assert_eq!(printable("gpj.\u{202e}exe"), r"gpj.\u{202e}exe");
        assert_eq!(printable("Größe 日本語 🙂"), "Größe 日本語 🙂");
    }

    #[test]
    fn long_names_are_cut_even_when_escapes_make_them_long() {
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), MAX_CHARS + 1);
        assert!(printable(&"\u{1b}".repeat(1000)).chars().count() <= MAX_CHARS + 11);
    }
}
