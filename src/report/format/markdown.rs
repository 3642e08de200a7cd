//! Markdown to paste into an issue, a comment on a pull request or a model card.

use std::fmt::Write;

use crate::{
    analysis::gate::GateVerdict,
    report::{
        document::{Advice, Caution, Cell, Document, Facts, Gate, Kind, Omission, Source, Table},
        text::inert_line,
    },
};

/// What decides first, then tables, then what they were measured on, folded away.
pub(super) fn render(document: &Document) -> String {
    let Document {
        title,
        subject: _,
        started,
        basis,
        quick: _,
        sentences,
        advice,
        picture: _,
        choices: _,
        cards: _,
        summary,
        beside,
        sections,
        warnings,
        not_done,
        gate: conclusion,
        gates,
        sources,
        prompts: _,
        ballot: _,
        environment,
        method: _,
        command,
        generator,
    } = document;
    let concluded = conclusion.as_ref().map_or(String::new(), |sentence| format!("**{}**", escape(sentence)));
    let mut blocks = vec![concluded, format!("### {}", escape(title)), list(gates.iter().map(gate))];
    if let Some(Advice { sentence, rule, .. }) = advice {
        blocks.extend([format!("**{}**", escape(sentence)), escape(rule)]);
    }
    blocks.push(list(sentences.iter().map(|sentence| escape(sentence))));
    if let Some(summary) = summary {
        blocks.extend(with_notes(summary));
        for t in beside {
            blocks.push(format!("**{}**", escape(&t.title)));
            blocks.extend(with_notes(t));
        }
    } else {
        for t in sections.iter().flat_map(|section| &section.tables) {
            blocks.push(format!("**{}**", escape(&t.title)));
            blocks.extend(with_notes(t));
        }
    }
    blocks.push(format!("{}.", escape(basis)));
    if !not_done.is_empty() {
        blocks.extend(["**Asked for and not done**".into(), list(not_done.iter().map(omission))]);
    }
    if !warnings.is_empty() {
        blocks.extend(["**Warnings**".into(), list(warnings.iter().map(warning))]);
    }
    for source in sources.iter().filter(|source| source.forced && !source.objections.is_empty()) {
        blocks.push("**Compared all the same, although it means little**".into());
        blocks.push(list(source.objections.iter().map(|line| escape(line))));
    }
    if !environment.is_empty() {
        let facts = environment.iter().take(3).flat_map(facts);
        blocks.extend(folded("Machine, program, parameters", facts.chain(command.iter().map(|c| code(c)))));
    }
    if !sources.is_empty() {
        let all = sources.iter().map(source).collect::<Vec<_>>().join("\n");
        blocks.extend(folded("The records, and how they differ from the first", std::iter::once(all)));
    }
    let started = started.as_ref().map_or(String::new(), |started| format!(", {}", escape(started)));
    blocks.push(format!("{}{started}", escape(generator)));
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n") + "\n"
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")
}

fn gate(gate: &Gate) -> String {
    let sign = match gate.verdict {
        GateVerdict::Fail => "❌",
        GateVerdict::Pass => "✅",
        GateVerdict::Inconclusive => "❔",
    };
    format!("{sign} {}", escape(&gate.text))
}

fn with_notes(t: &Table) -> [String; 2] {
    let whole = if t.rows.is_empty() { String::new() } else { table(t) };
    [whole.trim_end().to_owned(), list(t.notes.iter().map(|note| escape(note)))]
}

fn warning(w: &Caution) -> String {
    let model = w.model.as_ref().map_or(String::new(), |m| format!("{}: ", escape(m)));
    format!("{model}{} {}", escape(&w.evidence), escape(&w.remedy))
}

fn omission(Omission { model, reason, remedy }: &Omission) -> String {
    let model = model.as_ref().map_or(String::new(), |m| format!("{}: ", escape(m)));
    let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!(" {}", escape(remedy)));
    format!("{model}{}{remedy}", escape(reason))
}

fn facts(facts: &Facts) -> [String; 2] {
    let rows = facts.rows.iter().map(|(name, value)| format!("{}: {}", escape(name), escape(value)));
    [format!("**{}**", escape(&facts.title)), list(rows)]
}

fn source(source: &Source) -> String {
    let Source { name, text, objections, forced, notes } = source;
    let mut out = format!("- {}: {}", escape(name), escape(text));
    for line in objections.iter().filter(|_| !forced) {
        let _ = write!(out, "\n  - **not compared:** {}", escape(line));
    }
    for line in notes {
        let _ = write!(out, "\n  - {}", escape(line));
    }
    out
}

/// Blocks that a reader unfolds.
fn folded(summary: &str, blocks: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = vec![format!("<details><summary>{summary}</summary>")];
    all.extend(blocks);
    all.push("</details>".into());
    all
}

/// A table in GitHub's form, ending in a line end.
pub(crate) fn table(t: &Table) -> String {
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
pub(crate) fn escape(text: &str) -> String {
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
