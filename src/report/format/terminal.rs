//! For a terminal: tables a llama.cpp user reads at once, then sentences, then warnings. Pure: width and colour are given.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table as Layout, TableStyle};
use console::Style;
use textwrap::WordSplitter;

use crate::{
    analysis::gate::GateVerdict,
    report::{
        document::{Advice, Caution, Cell, Column, Document, Gate, Kind, Omission, Source, Table, Tone},
        number::Spread,
        text::{inert_line, shorten},
    },
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Colour {
    #[default]
    Never,
    Always,
}

/// How to render for a terminal; the other formats ignore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Columns of the terminal.
    pub width: u16,
    pub colour: Colour,
    /// Where the HTML report is, to be named at the end.
    pub written: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 80, colour: Colour::Never, written: None }
    }
}

/// One rule, under the head.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// From this width on there is room for intervals in brackets.
const ROOMY: u16 = 130;
/// Names are cut to so many characters, the first that fits, before a column is given up. Names differ at their ends, which stay;
/// under 12 characters they would no longer.
const CUTS: [usize; 3] = [40, 20, 12];

/// The whole text, ending in a line end.
pub(super) fn render(document: &Document, options: &Options) -> String {
    let Document {
        title: _,
        subject: _,
        started: _,
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
        environment: _,
        method: _,
        command: _,
        generator: _,
    } = document;
    let (width, colour) = (options.width, options.colour);
    let line = |text: &str, first: &str| wrap(text, width, first);
    let basis = line(&format!("{basis}."), "");
    let concluded = conclusion.iter().map(|sentence| line(sentence, "")).collect();
    let mut blocks: Vec<String> = vec![concluded];
    blocks.push(sources.iter().map(|source| line(&source.text, &format!("{}  ", source.name))).collect());
    let sentences = sentences.iter().map(|sentence| line(sentence, "")).collect();
    if let Some(summary) = summary {
        blocks.extend([table(summary, width, colour, "✗ ") + &basis, sentences]);
        blocks.extend(beside.iter().map(|t| line(&t.title, "") + &table(t, width, colour, "")));
    } else {
        blocks.push(sentences);
        let tables = sections.iter().flat_map(|section| &section.tables);
        blocks.extend(tables.map(|t| line(&t.title, "") + &table(t, width, colour, "")));
        blocks.push(basis);
    }
    if !not_done.is_empty() {
        let omission = |Omission { model, reason, remedy }: &Omission| {
            let model = model.as_ref().map_or(String::new(), |m| format!("{m}: "));
            let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!(" {remedy}"));
            line(&format!("{model}{reason}{remedy}"), "- ")
        };
        blocks.push(line("Asked for and not done:", "") + &not_done.iter().map(omission).collect::<String>());
    }
    let warning = |w: &Caution| {
        let model = w.model.as_ref().map_or(String::new(), |m| format!("{m}: "));
        line(&format!("{model}{} {}", w.evidence, w.remedy), "! ")
    };
    blocks.push(warnings.iter().map(warning).collect());
    for Source { name, text: _, objections, forced, notes } in sources {
        let objected = if *forced {
            "Compared all the same (--force), although it means little:".into()
        } else {
            format!("What keeps {name} from being compared:")
        };
        for (head, lines, first) in
            [(objected, objections, "! "), (format!("What else differs in {name}:"), notes, "- ")]
        {
            if !lines.is_empty() {
                blocks.push(line(&head, "") + &lines.iter().map(|text| line(text, first)).collect::<String>());
            }
        }
    }
    let gate = |gate: &Gate| {
        let sign = match gate.verdict {
            GateVerdict::Fail => "✗ ",
            GateVerdict::Pass => "✓ ",
            GateVerdict::Inconclusive => "? ",
        };
        line(&gate.text, sign)
    };
    blocks.push(gates.iter().map(gate).collect());
    blocks.extend(advice.iter().map(|advice| advised(advice, width)));
    blocks.extend(options.written.iter().map(|path| format!("Report: {}\n", inert_line(path))));
    separated(&blocks)
}

/// The recommendation alone, and how each model stands.
pub(super) fn recommendation(document: &Document, options: &Options) -> String {
    let cards = document.cards.iter().filter(|card| !card.why.is_empty()).map(|card| {
        wrap(&format!("{}: {}", card.name, card.why), options.width, if card.chosen { "→ " } else { "  " })
    });
    let advice = document.advice.as_ref().map_or(String::new(), |advice| advised(advice, options.width));
    separated(&[advice, cards.collect()])
}

/// Tables alone, each ending in a line end.
pub(crate) fn tables<'a>(tables: impl IntoIterator<Item = &'a Table>, options: &Options) -> String {
    let blocks: Vec<String> = tables.into_iter().map(|t| table(t, options.width, options.colour, "")).collect();
    separated(&blocks)
}

fn advised(Advice { sentence, rule, .. }: &Advice, width: u16) -> String {
    wrap(sentence, width, "") + &wrap(rule, width, "")
}

/// Blocks with a blank line between them.
fn separated(blocks: &[String]) -> String {
    blocks.iter().filter(|block| !block.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// A table, what of it had to go, and its notes, each behind `first`.
fn table(table: &Table, width: u16, colour: Colour, first: &str) -> String {
    let mut out = String::new();
    if !table.rows.is_empty() {
        let (lines, left_out) = fit(&without_common(table), width);
        let left_out: Vec<&str> = left_out.into_iter().map(|column| table.columns[column].title.as_str()).collect();
        for Line { text, ratios } in lines {
            out.push_str(&match colour {
                Colour::Always => coloured(&text, &ratios),
                Colour::Never => text,
            });
            out.push('\n');
        }
        if !left_out.is_empty() {
            out.push_str(&wrap(&format!("Not shown at this width: {}.", left_out.join(", ")), width, ""));
        }
    }
    out.extend(table.notes.iter().map(|note| wrap(note, width, first)));
    out
}

/// A line of a table that is laid out.
struct Line {
    text: String,
    /// The ratios in it, from left to right.
    ratios: Vec<(String, Tone)>,
}

/// Between a file and what varies of its settings in a subject's name.
const SETTINGS: &str = " · ";

/// Where one file is there with several settings, its name tells nobody anything, and takes the place of what does.
fn without_common(table: &Table) -> Table {
    let mut own = table.clone();
    let file = |row: &Vec<Cell>| Some(row.first()?.text.split_once(SETTINGS)?.0.to_owned());
    let files: Option<Vec<String>> = own.rows.iter().map(file).collect();
    let Some(files) = files.filter(|files| files.windows(2).all(|two| two[0] == two[1])) else { return own };
    for (row, file) in own.rows.iter_mut().zip(files) {
        if let Some(cell) = row.first_mut() {
            cell.text = cell.text[file.len() + SETTINGS.len()..].to_owned();
        }
    }
    own
}

/// The table at a width it fits, and the titles of the columns that had to go.
fn fit(table: &Table, width: u16) -> (Vec<Line>, Vec<usize>) {
    let fits = |lines: &[Line]| lines.iter().all(|line| line.text.chars().count() <= usize::from(width));
    let mut shown: Vec<usize> = (0..table.columns.len()).collect();
    let mut left_out = Vec::new();
    let mut cuts = CUTS.into_iter();
    let mut most = CUTS[0];
    loop {
        most = cuts.next().unwrap_or(most);
        let lines = lay_out(table, &shown, most, width);
        if fits(&lines) {
            return (lines, left_out);
        }
        if most > CUTS[CUTS.len() - 1] {
            continue;
        }
        let next = shown.iter().copied().filter(|i| table.columns[*i].rank > 0).max_by_key(|i| table.columns[*i].rank);
        let Some(next) = next else { return (lines, left_out) };
        shown.retain(|i| *i != next);
        left_out.push(next);
    }
}

/// Each row is a line of figures and, where there are any, a line of ratios below it.
fn lay_out(table: &Table, shown: &[usize], most: usize, width: u16) -> Vec<Line> {
    let mut layout = Layout::new();
    layout.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    let head = |c: &Column| match &c.unit {
        Some(unit) => format!("{}\n{unit}", c.title.replace(' ', "\n")),
        None => c.title.replace(' ', "\n"),
    };
    layout.set_header(shown.iter().map(|i| head(&table.columns[*i])));
    let mut ratios = Vec::new();
    for row in &table.rows {
        layout.add_row(shown.iter().map(|i| figure(&row[*i], &table.columns[*i], most, width)));
        ratios.push(Vec::new());
        let below: Vec<(String, Tone)> = shown.iter().map(|i| (ratio(&row[*i], width), row[*i].tone)).collect();
        if below.iter().any(|(text, _)| !text.is_empty()) {
            layout.add_row(below.iter().map(|(text, _)| text));
            ratios.push(below.into_iter().filter(|(text, _)| !text.is_empty()).collect());
        }
    }
    for (at, i) in shown.iter().enumerate() {
        let alignment = match table.columns[*i].kind {
            Kind::Number => CellAlignment::Right,
            Kind::Text => CellAlignment::Left,
        };
        if let Some(column) = layout.column_mut(at) {
            column.set_padding((0, if at + 1 < shown.len() { 2 } else { 0 })).set_cell_alignment(alignment);
        }
    }
    let text = layout.to_string();
    let mut lines: Vec<Line> =
        text.lines().map(|line| Line { text: line.trim_end().to_owned(), ratios: Vec::new() }).collect();
    // Rows are one line each: behind the head, theirs are the last.
    for (line, ratios) in lines.iter_mut().rev().zip(ratios.into_iter().rev()) {
        line.ratios = ratios;
    }
    lines
}

fn figure(c: &Cell, column: &Column, most: usize, width: u16) -> String {
    let cut = column.kind == Kind::Text && !column.whole;
    // Settings are told apart by all of them.
    let most = if c.text.contains(SETTINGS) { most.max(24) } else { most };
    let text = if cut { shorten(&c.text, most) } else { c.text.clone() };
    text.replace('\n', " ") + &interval(c.brackets.as_ref(), c.plus_minus.as_ref(), width)
}

fn ratio(c: &Cell, width: u16) -> String {
    let with_interval =
        |r: &Spread| format!("{}{}", r.value, interval(r.brackets.as_ref(), r.plus_minus.as_ref(), width));
    c.ratio.as_ref().map_or(String::new(), with_interval)
}

fn interval(brackets: Option<&String>, plus_minus: Option<&String>, width: u16) -> String {
    let text = if width >= ROOMY { brackets.cloned() } else { plus_minus.map(|half| half.replace(' ', "")) };
    text.map_or(String::new(), |text| format!(" {text}"))
}

/// The line with its ratios in the colours of their tones. comfy-table can colour whole cells only, and only with crossterm.
fn coloured(line: &str, ratios: &[(String, Tone)]) -> String {
    let (mut out, mut rest) = (String::new(), line);
    for (text, tone) in ratios {
        let Some((before, after)) = rest.split_once(text.as_str()) else { continue };
        let style = match tone {
            Tone::Better => Style::new().green(),
            Tone::Worse => Style::new().red(),
            Tone::Open => Style::new().yellow(),
            Tone::Plain | Tone::Same => Style::new(),
        };
        out += before;
        out += &style.force_styling(true).apply_to(text).to_string();
        rest = after;
    }
    out + rest
}

/// A paragraph, later lines indented as far as `first` is wide, ending in a line end.
fn wrap(text: &str, width: u16, first: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let way = textwrap::Options::new(width.into())
        .initial_indent(first)
        .subsequent_indent(&indent)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, way) + "\n"
}
