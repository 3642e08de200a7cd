//! Reading a journal: every whole line counts, half a line at the end does not, anything else that is wrong is told by its line.

use std::path::Path;

use super::entry::{Begun, Entry};
use crate::record::{FORMAT, Run, check::check, error::ReadError, format1, retired};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Journal {
    /// What its entries add up to.
    pub run: Run,
    /// What going on takes besides the record.
    pub inputs: serde_json::Value,
    /// The first round that is not whole.
    pub next_round: u32,
    /// Bytes up to the end of the last whole line.
    pub whole_bytes: u64,
}

impl Journal {
    /// Reads a journal from its bytes; `None` when not even its first line is whole. `path` is for the messages.
    ///
    /// # Errors
    /// When a whole line is no entry or one that can't be there, the format is too new, or the entries contradict each other.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Option<Self>, ReadError> {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').zip(1..);
        let Some((first, _)) = lines.next() else { return Ok(None) };
        let (Begun { run, inputs }, format) = begun(path, first)?;
        let ids: Vec<String> = run.plan.workloads.iter().map(|workload| workload.id.clone()).collect();
        let mut journal = Self { run, inputs, next_round: 0, whole_bytes: whole as u64 };
        for (text, line) in lines {
            let wrong = |what: String| ReadError::Line { path: path.into(), line, what };
            let entry = serde_json::from_slice(text).and_then(|mut entry| {
                if format == Some(1) {
                    format1::upgrade_entry(&mut entry, &ids);
                }
                retired::upgrade(&mut entry);
                serde_json::from_value(entry)
            });
            journal.add(&entry.map_err(|error| wrong(error.to_string()))?).map_err(wrong)?;
        }
        check(&journal.run).map_err(|what| ReadError::Inconsistent { path: path.into(), what })?;
        Ok(Some(journal))
    }

    fn add(&mut self, entry: &Entry) -> Result<(), String> {
        let expected = self.next_round;
        let in_turn = |what: &str, round: u32| {
            (round == expected)
                .then_some(())
                .ok_or_else(|| format!("{what} {round} stands where round {expected} should"))
        };
        match entry {
            Entry::Begun(_) => return Err("a second beginning".into()),
            Entry::Round(round) => {
                in_turn("round", round.index)?;
                self.next_round += 1;
            }
            Entry::CutRound(round) => in_turn("broken-off round", round.index)?,
            Entry::Resumed(resumed) => in_turn("a resumption at round", resumed.from_round)?,
            Entry::Probe(_)
            | Entry::TimePlan(_)
            | Entry::Adaptation(_)
            | Entry::Quality(_)
            | Entry::Compared(_)
            | Entry::Tasks(_)
            | Entry::Asked(_)
            | Entry::Ended(_) => {}
        }
        self.run.apply(entry);
        Ok(())
    }
}

/// The first line, and the format it was written in.
fn begun(path: &Path, line: &[u8]) -> Result<(Begun, Option<u64>), ReadError> {
    let wrong = |what: String| ReadError::Line { path: path.into(), line: 1, what };
    let mut value: serde_json::Value = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
    let format = value.pointer("/begun/run/format").and_then(serde_json::Value::as_u64);
    if let Some(found) = format.filter(|&found| found > u64::from(FORMAT)) {
        return Err(ReadError::TooNew { path: path.into(), found });
    }
    if let Some(run) = value.pointer_mut("/begun/run") {
        format1::upgrade(run);
        retired::upgrade(run);
    }
    match serde_json::from_value(value).map_err(|error| wrong(error.to_string()))? {
        Entry::Begun(begun) if begun.run.rounds.is_empty() => Ok((*begun, format)),
        _ => Err(wrong("a journal begins with a record that has no rounds yet".into())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::record::{Ended, Outcome, Resumed, Round, Stage, read_run};

    fn fixture() -> Run {
        read_run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json")).unwrap()
    }

    /// The journal that the fixture's run would have left.
    fn entries(run: &Run) -> Vec<Entry> {
        let mut before = run.clone();
        before.take_back(0);
        (before.adaptation, before.quality, before.ended) = (None, None, Ended::Unfinished);
        let begun = Begun { run: before, inputs: serde_json::json!({"files": []}) };
        let mut entries = vec![Entry::Begun(Box::new(begun))];
        entries.extend(run.adaptation.clone().map(Entry::Adaptation));
        entries.extend(run.rounds.iter().cloned().map(Entry::Round));
        entries.extend(run.quality.clone().map(|quality| Entry::Quality(Box::new(quality))));
        entries.push(Entry::Ended(run.ended));
        entries
    }

    fn text(entries: &[Entry]) -> Vec<u8> {
        entries.iter().flat_map(|entry| serde_json::to_vec(entry).unwrap().into_iter().chain(*b"\n")).collect()
    }

    fn parse(bytes: &[u8]) -> Result<Option<Journal>, ReadError> {
        Journal::parse(&PathBuf::from("run.jsonl"), bytes)
    }

    #[test]
    fn the_entries_add_up_to_the_record() {
        let run = fixture();
        let text = text(&entries(&run));
        let journal = parse(&text).unwrap().unwrap();
        assert_eq!(journal.run, run);
        assert_eq!((journal.next_round as usize, journal.whole_bytes), (run.rounds.len(), text.len() as u64));
    }

    #[test]
    fn cut_anywhere_it_holds_every_whole_line() {
        let run = fixture();
        let text = text(&entries(&run));
        let ends: Vec<usize> = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        for cut in (0..text.len()).step_by(997).chain(ends.clone()).chain(ends.iter().map(|end| end - 1)) {
            let whole = ends.iter().rfind(|&&end| end <= cut).copied();
            let journal = parse(&text[..cut]).unwrap();
            assert_eq!(journal.map(|journal| journal.whole_bytes), whole.map(|end| end as u64), "cut at {cut}");
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        let entries = entries(&fixture());
        let named = |text: Vec<u8>| match parse(&text).unwrap_err() {
            ReadError::Line { line, what, .. } => (line, what),
            other => panic!("{other}"),
        };
        let mut spoiled = text(&entries[..2]);
        spoiled.extend(b"{\"round\": {\"ind\n");
        spoiled.extend(text(&entries[2..]));
        assert_eq!(named(spoiled).0, 3);
        let mut unknown = text(&entries[..2]);
        unknown.extend(b"{\"slept\": 5}\n");
        assert!(named(unknown).1.contains("slept"));
        let twice: Vec<Entry> = entries[..3].iter().chain(&entries[2..]).cloned().collect();
        let (line, what) = named(text(&twice));
        assert!(line == 4 && what.contains("where round"), "{line}: {what}");
        assert_eq!(named(text(&entries[1..])).0, 1);
        let newer = String::from_utf8(text(&entries)).unwrap().replacen("\"format\":2", "\"format\":9", 1);
        assert!(matches!(parse(newer.as_bytes()), Err(ReadError::TooNew { found: 9, .. })));
    }

    #[test]
    fn a_round_that_was_broken_off_is_made_anew() {
        let run = fixture();
        let mut begun = entries(&run);
        begun.truncate(1);
        let whole = run.rounds[0].clone();
        let mut cut = Round { index: 1, calibration_ns: None, visits: run.rounds[1].visits.clone() };
        let model = cut.visits[0].model;
        cut.visits[0].outcome = Outcome::Failed { stage: Stage::Decode, reason: "killed with the others".into() };
        let failed = cut.visits[0].outcome.clone();
        begun.extend([Entry::Round(whole), Entry::CutRound(cut), Entry::Ended(Ended::Interrupted)]);
        let journal = parse(&text(&begun)).unwrap().unwrap();
        assert_eq!((journal.run.rounds.len(), journal.next_round), (2, 1), "it counts as long as nobody goes on");
        assert_eq!(journal.run.subjects[model].outcome, failed);
        begun.push(Entry::Resumed(Resumed { from_round: 1, at_utc: "2026-01-02T03:04:05Z".into() }));
        let journal = parse(&text(&begun)).unwrap().unwrap();
        assert_eq!((journal.run.rounds.len(), journal.run.ended), (1, Ended::Unfinished));
        assert_eq!(journal.run.subjects[model].outcome, Outcome::Done);
        begun.push(Entry::Round(run.rounds[1].clone()));
        assert_eq!(parse(&text(&begun)).unwrap().unwrap().run.rounds, run.rounds[..2]);
    }
}
