//! CSV: plain numbers, RFC 4180, and no field that a spreadsheet takes for a formula.

use csv::{Terminator, WriterBuilder};

use crate::{
    analysis::{Unit, Verdict, diff::ChangeKind},
    report::text::{inert_line, not_a_formula},
};

/// A table of plain values.
pub(crate) struct Rows {
    pub head: &'static [&'static str],
    /// As many fields a row as the head has.
    pub rows: Vec<Vec<Field>>,
}

/// A field; one that is not known is empty.
#[derive(Clone)]
pub(crate) enum Field {
    /// Others may have written it.
    Text(String),
    Word(&'static str),
    Number(Option<f64>),
    Count(usize),
}

impl From<Unit> for Field {
    fn from(unit: Unit) -> Self {
        Self::Word(unit.name())
    }
}

impl From<Option<Verdict>> for Field {
    fn from(verdict: Option<Verdict>) -> Self {
        Self::Word(verdict.map_or("", Verdict::name))
    }
}

impl From<ChangeKind> for Field {
    fn from(kind: ChangeKind) -> Self {
        Self::Word(match kind {
            ChangeKind::Ratio => "ratio",
            ChangeKind::Difference => "difference",
        })
    }
}

impl Field {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => not_a_formula(inert_line(text)),
            Self::Word(word) => (*word).to_owned(),
            Self::Number(value) => value.filter(|v| v.is_finite()).map(|v| v.to_string()).unwrap_or_default(),
            Self::Count(n) => n.to_string(),
        }
    }
}

pub(super) fn render(rows: &Rows) -> Result<String, csv::Error> {
    let head = rows.head.iter().map(|name| (*name).to_owned()).collect();
    let fields = rows.rows.iter().map(|row| row.iter().map(Field::shown).collect());
    write(WriterBuilder::new().terminator(Terminator::CRLF), std::iter::once(head).chain(fields))
}

/// Lines in a way of quoting and ending them.
pub(super) fn write(way: &WriterBuilder, lines: impl Iterator<Item = Vec<String>>) -> Result<String, csv::Error> {
    let mut writer = way.from_writer(Vec::new());
    for line in lines {
        writer.write_record(&line)?;
    }
    let bytes = writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::from(e.error().kind())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        let text = |text: &str| Field::Text(text.into());
        let row = vec![text("a,\"b\""), text("=HYPERLINK(1,2)"), text(" @x\n"), Field::Number(None)];
        let rows = Rows {
            head: &["a", "b", "c", "d", "e"],
            rows: vec![row.into_iter().chain([Field::Number(Some(f64::NAN))]).collect()],
        };
        assert_eq!(render(&rows).expect("CSV"), "a,b,c,d,e\r\n\"a,\"\"b\"\"\",\"'=HYPERLINK(1,2)\",'@x,,\r\n");
    }
}
