//! Markdown to paste into an issue or a model card.

use std::fmt::Write;

use super::{
    document::{Cell, Kind, Table},
    text::inert_line,
    view::View,
};

/// The summary, the sentences, the warnings and what it was measured on.
pub(super) fn render(view: &View) -> String {
    let mut out = format!("### {}\n\n", escape(&view.title));
    let _ = writeln!(out, "**{}**\n\n{}\n", escape(&view.advice.sentence), escape(&view.advice.rule));
    for sentence in &view.sentences {
        let _ = writeln!(out, "- {}", escape(sentence));
    }
    let _ = writeln!(out, "\n{}", table(&view.summary));
    for note in &view.summary.notes {
        let _ = writeln!(out, "- {}", escape(note));
    }
    let _ = writeln!(out, "\n{}.", escape(&view.basis));
    if !view.warnings.is_empty() {
        out.push_str("\n**Warnings**\n\n");
    }
    for w in &view.warnings {
        let model = w.model.as_ref().map_or(String::new(), |m| format!("{}: ", escape(m)));
        let _ = writeln!(out, "- {model}{}. Remedy: {}.", escape(&w.evidence), escape(&w.remedy));
    }
    out.push_str("\n<details><summary>Machine, program, parameters</summary>\n\n");
    for facts in view.environment.iter().take(3) {
        let _ = writeln!(out, "**{}**\n", escape(&facts.title));
        for (name, value) in &facts.rows {
            let _ = writeln!(out, "- {}: {}", escape(name), escape(value));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}\n\n</details>\n", code(&view.command));
    let _ = writeln!(out, "{}, {}", escape(&view.generator), escape(&view.started));
    out
}

/// A table in GitHub's form.
pub(super) fn table(t: &Table) -> String {
    let mut out = String::from("|");
    for c in &t.columns {
        let unit = c.unit.as_ref().map_or(String::new(), |u| format!(" ({})", escape(u)));
        let _ = write!(out, " {}{unit} |", escape(&c.title));
    }
    out.push_str("\n|");
    for c in &t.columns {
        out.push_str(if c.kind == Kind::Number { " ---: |" } else { " --- |" });
    }
    for row in &t.rows {
        out.push_str("\n|");
        for c in row {
            let _ = write!(out, " {} |", cell(c));
        }
    }
    out.push('\n');
    out
}

fn cell(c: &Cell) -> String {
    let mut text = escape(&c.text);
    if let Some(half) = &c.plus_minus {
        let _ = write!(text, " {half}");
    }
    if let Some(ratio) = &c.ratio {
        let _ = write!(text, "<br>{}", ratio.value);
        if let Some(brackets) = &ratio.brackets {
            let _ = write!(text, " {}", escape(brackets));
        }
    }
    text
}

/// Text that Markdown and HTML leave alone.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in inert_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // A mention would call people.
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    // A bare address would become a link.
    out.replace("://", "&#58;//")
}

/// A code block whose fence is longer than any run of backticks in it.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("<b>|a_b|</b>\n# x"), "&lt;b&gt;\\|a\\_b\\|&lt;/b&gt; \\# x");
        assert_eq!(escape("@all https://x"), "&#64;all https&#58;//x");
        assert_eq!(code("a```b"), "````sh\na```b\n````");
    }
}
