//! Makes untrusted text (metadata, tensor names) safe to print: no escape sequence or direction change survives, length is capped.

/// Most characters [`printable`] lets through before it cuts.
const MAX_CHARS: usize = 200;

/// `text` with control, bidirectional and invisible characters written as `\u{..}`, cut after 200 characters with `…`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    let mut written = 0;
    for c in text.chars() {
        if written >= MAX_CHARS {
            out.push('…');
            break;
        }
        if is_hidden(c) {
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

/// Whether a terminal or a page would act on `c` or show nothing for it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\r\n"), r"a\u{1b}[31mred\u{7}\u{d}\u{a}");
        assert_eq!(printable("\u{9b}2J"), r"\u{9b}2J");
        assert_eq!(printable("gpj.\u{202e}exe"), r"gpj.\u{202e}exe");
    }

    #[test]
    fn ordinary_text_is_untouched() {
        assert_eq!(printable("Größe 日本語 🙂"), "Größe 日本語 🙂");
    }

    #[test]
    fn long_text_is_cut_even_when_escapes_make_it_long() {
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), MAX_CHARS + 1);
        assert!(printable(&"\u{1b}".repeat(1000)).chars().count() <= MAX_CHARS + 11);
    }
}
