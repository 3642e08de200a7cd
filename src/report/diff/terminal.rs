//! The diff for a terminal: a table a model, then what else differs, then the limits.

use super::View;
use crate::{
    analysis::diff::{Diff, Passing},
    report::{
        document::Table,
        terminal::{layout, widest, wrap},
    },
};

/// The whole text, ending in a line end.
#[must_use]
pub(crate) fn render(diff: &Diff, width: u16) -> String {
    let view = View::new(diff);
    let mut out = String::new();
    wrap(&mut out, &view.sides[0], width, "OLD  ");
    wrap(&mut out, &view.sides[1], width, "NEW  ");
    for (heading, table) in &view.models {
        out.push('\n');
        wrap(&mut out, heading, width, "");
        if !table.rows.is_empty() {
            let text = whole(table, width);
            out.extend(text.lines().flat_map(|line| [line.trim_end(), "\n"]));
        }
        for note in &table.notes {
            wrap(&mut out, &format!("{note}."), width, "  ");
        }
    }
    out.push('\n');
    wrap(&mut out, &format!("{}.", view.basis), width, "");
    let mut list = |title: &str, items: &[String], first: &str| {
        if !items.is_empty() {
            out.push('\n');
            wrap(&mut out, title, width, "");
        }
        for item in items {
            wrap(&mut out, item, width, first);
        }
    };
    list("Compared all the same (--force), although it means little:", &view.objections, "! ");
    list("What else differs:", &view.notes, "- ");
    if !view.gates.is_empty() {
        out.push('\n');
    }
    for (passing, line) in &view.gates {
        let first = match passing {
            Passing::Failed => "✗ ",
            Passing::Passed => "✓ ",
            Passing::NoInterval => "? ",
        };
        wrap(&mut out, line, width, first);
    }
    out
}

/// The table with every word whole; columns are given up instead.
fn whole(table: &Table, width: u16) -> String {
    let mut shown: Vec<usize> = (0..table.columns.len()).collect();
    loop {
        let text = layout(table, &shown, usize::MAX, width);
        let next = shown.iter().copied().filter(|&i| table.columns[i].rank > 0).max_by_key(|&i| table.columns[i].rank);
        match next {
            Some(next) if widest(&text) > usize::from(width) => shown.retain(|&i| i != next),
            _ => return text,
        }
    }
}
