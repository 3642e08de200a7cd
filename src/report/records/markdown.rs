//! Several records as Markdown, to be pasted into an issue.

use std::fmt::Write;

use super::View;
use crate::report::markdown::{escape, table};

/// The sentences first, then the tables, then what the records are and how they differ.
pub(super) fn render(view: &View) -> String {
    let mut out = format!("### {}\n\n", escape(&view.title));
    for sentence in &view.sentences {
        let _ = writeln!(out, "- {}", escape(sentence));
    }
    for section in &view.sections {
        for t in &section.tables {
            let _ = writeln!(out, "\n**{}**\n\n{}", escape(&t.title), table(t));
            for note in &t.notes {
                let _ = writeln!(out, "- {}", escape(note));
            }
        }
    }
    let _ = writeln!(out, "\n{}.\n", escape(&view.basis));
    let _ = writeln!(out, "<details><summary>The records, and how they differ from the first</summary>\n");
    for record in &view.records {
        let _ = writeln!(out, "- {}: {}", escape(&record.letter), escape(&record.text));
        for line in &record.objections {
            let _ = writeln!(out, "  - **not compared:** {}", escape(line));
        }
        for line in &record.notes {
            let _ = writeln!(out, "  - {}", escape(line));
        }
    }
    let _ = writeln!(out, "\n</details>\n\n{}", escape(&view.generator));
    out
}
