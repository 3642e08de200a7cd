//! Several records for a terminal: what they are, the tables, then how they differ.

use super::View;
use crate::report::terminal::{Colour, table, wrap};

/// The whole text, ending in a line end.
pub(super) fn render(view: &View, width: u16, colour: Colour) -> String {
    let mut out = String::new();
    for record in &view.records {
        wrap(&mut out, &record.text, width, &format!("{}  ", record.letter));
    }
    out.push('\n');
    for sentence in &view.sentences {
        wrap(&mut out, sentence, width, "");
    }
    for t in view.sections.iter().flat_map(|section| &section.tables) {
        out.push('\n');
        wrap(&mut out, &t.title, width, "");
        out.push_str(&table(t, width, colour));
    }
    out.push('\n');
    wrap(&mut out, &format!("{}.", view.basis), width, "");
    let mut list = |title: &str, lines: &[String], first: &str| {
        if !lines.is_empty() {
            out.push('\n');
            wrap(&mut out, title, width, "");
        }
        for line in lines {
            wrap(&mut out, line, width, first);
        }
    };
    for record in &view.records {
        list(&format!("What keeps {} from being compared:", record.letter), &record.objections, "! ");
        list(&format!("What else differs in {}:", record.letter), &record.notes, "- ");
    }
    out
}
