//! How records are called: a letter, and what tells them apart, the day or the machine.

use crate::{
    analysis::history::{History, Recorded},
    report::text::{inert_line, shorten},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// `A`; after `Z` numbers.
    pub(super) letter: String,
    /// `2026-01-02`, with the time where two are of one day.
    pub(super) when: String,
    pub(super) machine: String,
    /// `A 2026-01-02`, `B Ryzen 7 7800X3D`: enough to tell it from the others.
    pub(super) title: String,
}

pub(super) fn labels(history: &History) -> Vec<Label> {
    let records = &history.records;
    let one_machine = machines(history).len() < 2;
    let of = |(i, record): (usize, &Recorded)| {
        let others = || records.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, other)| other);
        let same_day = others().any(|other| date(other, DAY) == date(record, DAY));
        let when = date(record, if same_day { MINUTE } else { DAY });
        let machine = shorten(&inert_line(&record.side.cpu), 24);
        let machine_again = others().any(|other| other.machine == record.machine);
        let told = match (one_machine, machine_again) {
            (true, _) => when.clone(),
            (false, true) => format!("{machine} {when}"),
            (false, false) => machine.clone(),
        };
        let letter = letter(i);
        Label { title: format!("{letter} {told}"), letter, when, machine }
    };
    records.iter().enumerate().map(of).collect()
}

/// The records that stand for the machines, one for those that look alike.
pub(super) fn machines(history: &History) -> Vec<usize> {
    let mut found: Vec<usize> = history.records.iter().map(|record| record.machine).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// `2026-01-02`.
const DAY: usize = 10;
/// `2026-01-02 03:04`.
const MINUTE: usize = 16;

fn date(record: &Recorded, characters: usize) -> String {
    let start: String = record.side.started_utc.chars().take(characters).collect();
    inert_line(&start).replace('T', " ")
}

fn letter(index: usize) -> String {
    let letter = u8::try_from(index).ok().and_then(|i| b'A'.checked_add(i)).filter(u8::is_ascii_uppercase);
    letter.map_or_else(|| (index + 1).to_string(), |letter| char::from(letter).to_string())
}
