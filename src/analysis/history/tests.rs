//! Records with known differences, side by side.

use std::path::Path;

use super::*;
use crate::metric::Word;
use crate::record::{Phase, WorkloadKind, read_run};

fn run() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    read_run(&path).expect("the fixture is a record")
}

/// The fixture on another day, with every generation of a model taking a quarter more time.
fn slower_day(model: usize) -> Run {
    let mut run = run();
    run.started_utc = "2026-02-03T00:00:00Z".into();
    let visits = run.rounds.iter_mut().flat_map(|r| &mut r.visits).filter(|v| v.model == model);
    for sample in visits.flat_map(|v| &mut v.samples).filter(|s| s.phase == Phase::Decode) {
        sample.wall_ns += sample.wall_ns / 4;
        sample.native_ns = sample.native_ns.map(|ns| ns + ns / 4);
    }
    run
}

fn side_by_side(runs: &[Run]) -> History {
    history(runs).expect("there are records")
}

fn reading<'a>(history: &'a History, model: &str, metric: &str, record: usize) -> &'a Reading {
    let model = history.models.iter().find(|m| m.name == model).expect("the model");
    let row = model.metrics.iter().find(|m| m.metric.to_string() == metric).expect("the metric");
    &row.readings[record]
}

fn standing(history: &History, model: &str, metric: &str) -> String {
    match &reading(history, model, metric, 1).against_first {
        BaselineCheck::First => "first".into(),
        BaselineCheck::Compared { .. } => "compared".into(),
        BaselineCheck::Forbidden { by } => by.clone(),
        BaselineCheck::NothingToCompare => "nothing".into(),
    }
}

#[test]
fn days_of_one_machine_are_compared_with_the_first() {
    let found = side_by_side(&[run(), slower_day(1), run()]);
    assert_eq!(found.records.iter().map(|r| r.machine).collect::<Vec<_>>(), [0, 0, 0]);
    let tg = reading(&found, "Q8_0", "tg128", 1);
    let BaselineCheck::Compared { change, verdict, .. } = &tg.against_first else { panic!("{tg:?}") };
    assert!((change.value - 0.8).abs() < 1e-6 && *verdict == Some(Verdict::Worse(Word::Slower)), "{tg:?}");
    let again = reading(&found, "Q8_0", "tg128", 2);
    assert!(
        matches!(&again.against_first, BaselineCheck::Compared { change, .. } if (change.value - 1.0).abs() < 1e-9)
    );
    assert_eq!(reading(&found, "Q8_0", "tg128", 0).against_first, BaselineCheck::First);
    // Two comparisons of four models by as many metrics are one family.
    assert_eq!(found.verdicts % 2, 0);
    assert_eq!(found.verdicts, 2 * crate::analysis::diff::held_to(&run(), &run(), None).verdicts);
    assert!(found.records[0].differences.is_empty() && found.records[2].differences.is_empty());
    assert_eq!(found.records[1].differences[0].what, "begun (UTC)");
}

#[test]
fn other_machines_are_told_apart() {
    let mut other = run();
    other.machine.cpu = "Another CPU".into();
    let found = side_by_side(&[run(), other.clone(), run(), other]);
    assert_eq!(found.records.iter().map(|r| r.machine).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[test]
fn parameters_forbid_every_comparison_and_leave_the_values() {
    let mut other = slower_day(1);
    other.subjects.iter_mut().for_each(|s| s.settings.n_threads = 8);
    let found = side_by_side(&[run(), other]);
    assert_eq!(found.verdicts, 0);
    for metric in ["pp512", "tg128", "load"] {
        assert_eq!(standing(&found, "Q8_0", metric), "threads for generation (-t)");
        assert!(reading(&found, "Q8_0", metric, 1).measured.value().is_some());
    }
}

#[test]
fn another_file_forbids_its_own_comparison_alone() {
    let mut other = run();
    other.subjects[1].model.facts.as_mut().expect("facts").sha256 = Some("f".repeat(64));
    let found = side_by_side(&[run(), other]);
    assert_eq!(standing(&found, "Q8_0", "tg128"), "file of Q8_0 (SHA-256)");
    assert_eq!(standing(&found, "F16", "tg128"), "compared");
}

#[test]
fn another_prompt_forbids_its_category_alone() {
    let mut other = run();
    let WorkloadKind::Prompt(prompt) = &mut other.plan.workloads[2].kind else { panic!("a prompt") };
    let category = prompt.category.clone();
    prompt.max_new_tokens = 32;
    let found = side_by_side(&[run(), other]);
    assert_eq!(standing(&found, "F16", &format!("{category}/tg")), "prompt short/capital");
    assert_eq!(standing(&found, "F16", "tg128"), "compared");
}

#[test]
fn a_model_of_one_record_is_a_row_with_a_gap() {
    let (mut old, mut new) = (run(), run());
    old.subjects[2].name = "only old".into();
    old.subjects[2].model.facts.as_mut().expect("facts").sha256 = Some("a".repeat(64));
    new.subjects[2].name = "only new".into();
    let found = side_by_side(&[old, new]);
    let names: Vec<&str> = found.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["F16", "Q8_0", "only old", "Q2_K", "IQ1_XX", "only new"]);
    assert_eq!(reading(&found, "only old", "tg128", 1).measured, Measured::NoSuchModel);
    assert_eq!(reading(&found, "only new", "tg128", 0).measured, Measured::NoSuchModel);
    let new = reading(&found, "only new", "tg128", 1);
    assert!(new.measured.value().is_some() && new.against_first == BaselineCheck::NothingToCompare);
}

#[test]
fn content_tells_models_before_names_do() {
    let mut renamed = run();
    renamed.subjects[1].name = "q8".into();
    let found = side_by_side(&[run(), renamed]);
    assert_eq!(found.models.len(), run().subjects.len());
    assert!(matches!(reading(&found, "Q8_0", "tg128", 1).against_first, BaselineCheck::Compared { .. }));
}

#[test]
fn no_records_say_nothing() {
    assert_eq!(history(&[]), None);
}

#[test]
fn records_of_a_folder_are_held_against_the_earliest_of_their_machine() {
    let elsewhere = |mut run: Run, started: &str| {
        run.started_utc = started.into();
        run.machine.cpu = "another".into();
        run
    };
    let mut foreign = run();
    foreign.started_utc = "2026-03-01T00:00:00Z".into();
    for (at, subject) in foreign.subjects.iter_mut().enumerate() {
        subject.name = format!("other {at}");
        if let Some(facts) = &mut subject.model.facts {
            facts.sha256 = Some(format!("f{at}").repeat(32));
        }
    }
    // In no order: two days here, two elsewhere, and other models here.
    let runs = vec![
        foreign,
        elsewhere(slower_day(1), "2026-02-05T00:00:00Z"),
        slower_day(1),
        elsewhere(run(), "2026-02-04T00:00:00Z"),
        run(),
    ];
    let left = vec![LeftOut { file: "a.json".into(), reason: "a.json is not a gguf-bench record".into() }];
    let found = over_time(runs, left.clone()).expect("there are records");
    let days: Vec<&str> = found.records.iter().map(|record| &record.side.started_utc[..10]).collect();
    assert!(days.is_sorted(), "{days:?}");
    let against: Vec<Option<usize>> = found.records.iter().map(|record| record.against).collect();
    assert_eq!(against, [None, Some(0), None, Some(2), None]);
    // The same change by the same rule on either machine.
    for record in [1, 3] {
        let tg = reading(&found, "Q8_0", "tg128", record);
        let BaselineCheck::Compared { change, verdict, .. } = &tg.against_first else { panic!("{tg:?}") };
        assert!((change.value - 0.8).abs() < 1e-6 && *verdict == Some(Verdict::Worse(Word::Slower)), "{tg:?}");
    }
    for record in [0, 2] {
        assert_eq!(reading(&found, "Q8_0", "tg128", record).against_first, BaselineCheck::First);
    }
    assert_eq!(found.verdicts, 2 * crate::analysis::diff::held_to(&run(), &run(), None).verdicts);
    assert_eq!(found.left_out, left);
}
