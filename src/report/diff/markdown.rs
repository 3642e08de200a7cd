//! The diff as Markdown, to be posted under a pull request.

use std::fmt::Write;

use super::View;
use crate::{
    analysis::diff::{Diff, Passing},
    report::markdown::{escape, table},
};

/// The limits first, since they are what a reader of a failed check looks for.
#[must_use]
pub(crate) fn render(diff: &Diff) -> String {
    let view = View::new(diff);
    let mut out = String::from("### gguf-bench: new against old\n\n");
    for (passing, line) in &view.gates {
        let word = match passing {
            Passing::Failed => "❌",
            Passing::Passed => "✅",
            Passing::NoInterval => "❔",
        };
        let _ = writeln!(out, "- {word} {}", escape(line));
    }
    if !view.gates.is_empty() {
        out.push('\n');
    }
    for (heading, t) in &view.models {
        let _ = writeln!(out, "**{}**\n", escape(heading));
        if !t.rows.is_empty() {
            let _ = writeln!(out, "{}", table(t));
        }
        for note in &t.notes {
            let _ = writeln!(out, "- {}", escape(note));
        }
        if !t.notes.is_empty() {
            out.push('\n');
        }
    }
    let _ = writeln!(out, "{}.\n", escape(&view.basis));
    if !view.objections.is_empty() {
        out.push_str("**Compared all the same, although it means little**\n\n");
        for line in &view.objections {
            let _ = writeln!(out, "- {}", escape(line));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "<details><summary>The two records</summary>\n");
    let [old, new] = &view.sides;
    let _ = writeln!(out, "- OLD: {}\n- NEW: {}", escape(old), escape(new));
    for line in &view.notes {
        let _ = writeln!(out, "- {}", escape(line));
    }
    out.push_str("\n</details>\n");
    out
}
