//! Records that someone changed: what they say may be absurd, but every form of the report of what can be read comes out.

use clap::ValueEnum;

use super::{mutate::change, real::real};
use crate::{
    analysis,
    record::{Role, read_run},
    report::{Format, Options, RunReport, card::Card, render},
    stats::SplitMix64,
};

/// `make fuzz-report` reads as many as one likes.
const RECORDS: usize = 30;

#[test]
fn every_changed_record_that_can_be_read_can_be_reported() {
    let mut run = real();
    run.rounds.truncate(2);
    for text in run.quality.iter_mut().flat_map(|quality| &mut quality.results).flat_map(|result| &mut result.texts) {
        text.windows.truncate(3);
    }
    let whole = serde_json::to_value(&run).expect("a record is JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    let mut random = SplitMix64::new(11);
    let (mut read, mut made, mut cards) = (0, 0, 0);
    while read < RECORDS {
        made += 1;
        assert!(made < 20 * RECORDS, "{read} of {made} could be read");
        let mut record = whole.clone();
        for _ in 0..=random.below(3) {
            change(&mut record, &mut random);
        }
        serde_json::to_writer(std::fs::File::create(&path).expect("a file"), &record).expect("a full disk?");
        let Ok(run) = read_run(&path) else { continue };
        read += 1;
        let found = analysis::analyse(&run);
        let report = RunReport::new(&run, &found);
        for &format in Format::value_variants().iter().chain([&Format::Recommendation]) {
            let text = render(format, &report, &Options::default()).expect("it renders");
            assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{format:?}");
        }
        for model in (0..run.subjects.len()).filter(|&model| run.subjects[model].role == Role::Candidate) {
            let Ok(card) = Card::of(&found, model) else { continue };
            cards += 1;
            let card = card.update(None).expect("a new card can be written");
            assert!(!card.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
        }
        let against_itself = analysis::diff::held_to(&run, &run, None);
        for format in [Format::Html, Format::Md, Format::Csv, Format::Json, Format::Text] {
            render(format, &against_itself, &Options::default()).expect("it renders");
        }
    }
    assert!(cards > 0, "some belong into a card");
}
