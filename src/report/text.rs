//! Makes strings that others wrote harmless and short: names, prompts, answers and metadata are hostile input.

/// Whether a character could steer a terminal, hide text or turn its direction.
fn steers(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || invisible
}

/// One line of text without control characters: line ends and tabs become spaces, the rest the replacement character.
pub(super) fn inert_line(text: &str) -> String {
    let plain = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if steers(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect::<String>().trim().to_owned()
}

/// Text of several lines: as [`inert_line`], but line ends and tabs stay.
pub(super) fn inert_text(text: &str) -> String {
    let plain = |c| if c != '\n' && c != '\t' && steers(c) { '\u{fffd}' } else { c };
    text.replace("\r\n", "\n").chars().map(plain).collect()
}

/// At most `most` characters, cut in the middle: names of models differ at their ends.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let n = text.chars().count();
    if n <= most {
        return text.to_owned();
    }
    let tail = most.saturating_sub(1).div_ceil(2);
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

/// Words for a shell: quoted when they have to be.
pub(super) fn shell(words: &[String]) -> String {
    let quote = |word: &String| {
        let word = inert_line(word);
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(safe) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_inert() {
        assert_eq!(inert_line("a\u{1b}[31mb\r\nc\u{202e}d\u{7}"), "a\u{fffd}[31mb  c\u{fffd}d\u{fffd}");
        assert_eq!(inert_text("a\r\n\tb\u{9b}1m"), "a\n\tb\u{fffd}1m");
    }

    #[test]
    fn names_keep_their_ends() {
        assert_eq!(shorten("SmolLM2-135M-Instruct-Q4_K_M", 12), "SmolL…Q4_K_M");
        assert_eq!(shorten("F16", 12), "F16");
        assert_eq!(shorten("ääää", 3), "ä…ä");
        assert_eq!(clip("abc", 2), ("ab".into(), Some(3)));
    }

    #[test]
    fn commands_can_be_pasted() {
        let words = ["gguf-bench", "a b.gguf", "it's", ""].map(String::from);
        assert_eq!(shell(&words), r"gguf-bench 'a b.gguf' 'it'\''s' ''");
    }
}
