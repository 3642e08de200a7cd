//! The terminal's report: a table a llama.cpp user reads at once, then sentences, then warnings. Pure: width and colour are given.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table as Box, TableStyle};
use console::Style;

use super::{
    document::{Cell, Column, Kind, Table, Tone},
    text::shorten,
    view::View,
};

/// Whether to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// ANSI colours.
    Always,
}

/// A table with its notes, ending in a line end.
pub(super) fn table(table: &Table, width: u16, colour: Colour) -> String {
    let (text, left_out) = fit(table, width);
    let mut out = text.lines().map(|l| paint(l.trim_end(), colour) + "\n").collect::<String>();
    if !left_out.is_empty() {
        wrap(&mut out, &format!("Not shown at this width: {}.", left_out.join(", ")), width, "");
    }
    for note in &table.notes {
        wrap(&mut out, note, width, "");
    }
    out
}

/// One rule, under the head.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// From this width on there is room for intervals in brackets.
const ROOMY: u16 = 130;
/// A name is cut to so many characters before a column is given up.
const SHORT: usize = 12;
/// Zero-width signs around a ratio while the table is laid out; [`super::text`] lets none in from outside.
const MARKS: [(Tone, char); 3] = [(Tone::Better, '\u{2061}'), (Tone::Worse, '\u{2062}'), (Tone::Open, '\u{2063}')];
const END: char = '\u{2064}';

/// The whole text, ending in a line end.
pub(super) fn render(view: &View, width: u16, colour: Colour, written: Option<&str>) -> String {
    let (table, left_out) = fit(&view.summary, width);
    let mut out = table.lines().map(|l| paint(l.trim_end(), colour) + "\n").collect::<String>();
    let mut paragraph = |text: &str, first: &str| wrap(&mut out, text, width, first);
    for note in &view.summary.notes {
        paragraph(note, "✗ ");
    }
    if !left_out.is_empty() {
        paragraph(&format!("Not shown at this width: {}.", left_out.join(", ")), "");
    }
    paragraph(&format!("{}.", capital(&view.basis)), "");
    paragraph("", "");
    for sentence in &view.sentences {
        paragraph(sentence, "");
    }
    if !view.warnings.is_empty() {
        paragraph("", "");
    }
    for w in &view.warnings {
        let model = w.model.as_ref().map_or(String::new(), |m| format!("{m}: "));
        paragraph(&format!("{model}{}. Remedy: {}.", w.evidence, w.remedy), "! ");
    }
    paragraph("", "");
    advise(&mut out, view, width);
    if let Some(path) = written {
        let _ = writeln!(out, "\nReport: {}", super::text::inert_line(path));
    }
    out
}

/// What to take and by which rule.
fn advise(out: &mut String, view: &View, width: u16) {
    wrap(out, &view.advice.sentence, width, "");
    wrap(out, &view.advice.rule, width, "");
}

/// The recommendation alone, and how each model stands.
pub(super) fn recommendation(view: &View, width: u16) -> String {
    let mut out = String::new();
    advise(&mut out, view, width);
    if view.cards.iter().any(|card| !card.why.is_empty()) {
        out.push('\n');
    }
    for card in view.cards.iter().filter(|card| !card.why.is_empty()) {
        wrap(&mut out, &format!("{}: {}", card.name, card.why), width, if card.chosen { "→ " } else { "  " });
    }
    out
}

/// The table at a width it fits, and the titles of the columns that had to go.
fn fit(table: &Table, width: u16) -> (String, Vec<String>) {
    let mut shown: Vec<usize> = (0..table.columns.len()).collect();
    let mut left_out = Vec::new();
    for most in [40, 20, SHORT] {
        let text = layout(table, &shown, most, width);
        if widest(&text) <= usize::from(width) {
            return (text, left_out);
        }
    }
    loop {
        let text = layout(table, &shown, SHORT, width);
        let next = shown.iter().copied().filter(|i| table.columns[*i].rank > 0).max_by_key(|i| table.columns[*i].rank);
        match next {
            Some(i) if widest(&text) > usize::from(width) => {
                shown.retain(|j| *j != i);
                left_out.push(table.columns[i].title.clone());
            }
            _ => return (text, left_out),
        }
    }
}

pub(super) fn widest(text: &str) -> usize {
    text.lines().map(|line| paint(line, Colour::Never).chars().count()).max().unwrap_or(0)
}

pub(super) fn layout(table: &Table, shown: &[usize], most: usize, width: u16) -> String {
    let mut out = Box::new();
    out.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    let head = |c: &Column| match &c.unit {
        Some(unit) => format!("{}\n{unit}", c.title.replace(' ', "\n")),
        None => c.title.replace(' ', "\n"),
    };
    out.set_header(shown.iter().map(|i| head(&table.columns[*i])));
    for row in &table.rows {
        out.add_row(shown.iter().map(|i| cell(&row[*i], most, width)));
    }
    for (at, i) in shown.iter().enumerate() {
        let number = table.columns[*i].kind == Kind::Number;
        if let Some(column) = out.column_mut(at) {
            column.set_padding((0, if at + 1 < shown.len() { 2 } else { 0 })).set_cell_alignment(if number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            });
        }
    }
    out.to_string()
}

fn cell(c: &Cell, most: usize, width: u16) -> String {
    let pick = |brackets: &Option<String>, half: &Option<String>| {
        let text = if width >= ROOMY { brackets.clone() } else { half.as_ref().map(|h| h.replace(' ', "")) };
        text.map_or(String::new(), |t| format!(" {t}"))
    };
    let mut text = format!("{}{}", shorten(&c.text, most), pick(&c.brackets, &c.plus_minus));
    if let Some(r) = &c.ratio {
        let ratio = format!("{}{}", r.value, pick(&r.brackets, &r.plus_minus));
        let mark = MARKS.iter().find(|(tone, _)| *tone == c.tone).map(|(_, m)| *m);
        let _ = match mark {
            Some(mark) => write!(text, "\n{mark}{ratio}{END}"),
            None => write!(text, "\n{ratio}"),
        };
    }
    text
}

/// Turns the zero-width signs into colours, or drops them.
fn paint(line: &str, colour: Colour) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, tone, after)) = MARKS.iter().find_map(|(tone, m)| {
        let (before, after) = rest.split_once(*m)?;
        (!before.contains(END)).then_some((before, tone, after))
    }) {
        let (marked, after) = after.split_once(END).unwrap_or((after, ""));
        out.push_str(before);
        let style = match tone {
            Tone::Better => Style::new().green(),
            Tone::Worse => Style::new().red(),
            _ => Style::new().yellow(),
        };
        match colour {
            Colour::Always => out.push_str(&style.force_styling(true).apply_to(marked).to_string()),
            Colour::Never => out.push_str(marked),
        }
        rest = after;
    }
    out + rest
}

/// Writes a paragraph, wrapped at the width, later lines indented as far as `first` is wide.
pub(super) fn wrap(out: &mut String, text: &str, width: u16, first: &str) {
    let indent = first.chars().count();
    let mut line = first.to_owned();
    let mut used = indent;
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let wide = word.chars().count();
        if used > indent && used + 1 + wide > usize::from(width) {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            used = indent;
        }
        if used > indent {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += wide;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}
