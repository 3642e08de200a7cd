//! Whole reports of several records: days of one machine, other machines, hostile ones.

use super::{by_date, labels::labels};
use crate::{
    analysis::{
        diff,
        history::{BaselineCheck, History, LeftOut, history, over_time},
    },
    record::{Outcome, Phase, Run, Stage},
    report::{
        Colour, Format, Options, Report, render,
        tests::{
            fixture::run,
            page::{check, count},
        },
    },
};

/// The fixture a month later, with generation of the second model taking a tenth more time.
fn next_month() -> Run {
    let mut run = run();
    run.started_utc = "2026-02-03T04:05:06Z".into();
    run.build.llama_cpp_sys_2 = "0.1.170".into();
    let visits = run.rounds.iter_mut().flat_map(|r| &mut r.visits).filter(|v| v.model == 1);
    for sample in visits.flat_map(|v| &mut v.samples).filter(|s| s.phase == Phase::Decode) {
        sample.native_ns = sample.native_ns.map(|ns| ns + ns / 10);
    }
    run
}

/// Another machine with other threads, on which a model is missing.
fn elsewhere() -> Run {
    let mut run = run();
    run.started_utc = "2026-02-04T10:00:00Z".into();
    run.machine.cpu = "Another CPU 16-Core Processor".into();
    run.subjects.iter_mut().for_each(|s| s.settings.n_threads = 16);
    run.subjects[3].name = "Q3_K_L".into();
    run.subjects[3].model.facts.as_mut().expect("facts").sha256 = Some("e".repeat(64));
    run
}

fn days() -> History {
    history(&[run(), next_month()]).expect("records")
}

fn machines() -> History {
    history(&[run(), elsewhere(), next_month()]).expect("records")
}

fn rendered(format: Format, history: &History, width: u16) -> String {
    render(format, history, &Options { width, ..Options::default() }).expect("it renders")
}

fn titles(history: &History) -> Vec<String> {
    labels(history).into_iter().map(|label| label.title).collect()
}

#[test]
fn days_are_called_by_their_day_and_machines_by_their_cpu() {
    assert_eq!(titles(&days()), ["A 2026-01-02", "B 2026-02-03"]);
    let (cpu, other) = ("Synthetic CPU 8-Core", "Another CPU…re Processor");
    assert_eq!(
        titles(&machines()),
        [format!("A {cpu} 2026-01-02"), format!("B {other}"), format!("C {cpu} 2026-02-03")]
    );
    let twice = history(&[run(), run()]).expect("records");
    assert_eq!(titles(&twice), ["A 2026-01-02 03:04", "B 2026-01-02 03:04"]);
}

#[test]
fn the_terminal_shows_days_of_one_machine() {
    let text = rendered(Format::Text, &days(), 80);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn every_width_holds_and_says_what_it_leaves_out() {
    for width in [50, 80, 130, 200] {
        let text = rendered(Format::Text, &machines(), width);
        assert!(text.lines().all(|l| l.chars().count() <= usize::from(width)), "{width}:\n{text}");
        assert_eq!(text.contains("Not shown at this width"), width < 80, "{width}:\n{text}");
    }
    let coloured = render(Format::Text, &days(), &Options { colour: Colour::Always, ..Options::default() });
    assert!(coloured.expect("it renders").contains("\u{1b}[31m"), "the slower model is coloured");
}

#[test]
fn markdown_of_machines() {
    insta::assert_snapshot!(rendered(Format::Md, &machines(), 80));
}

#[test]
fn csv_has_a_row_a_model_metric_and_record() {
    let found = machines();
    let csv = rendered(Format::Csv, &found, 80);
    let rows: usize = found.models.iter().map(|m| m.metrics.len() * 3).sum();
    assert_eq!(csv.lines().count(), 1 + rows);
    let of = |start: &str| csv.lines().find(|l| l.starts_with(start)).expect("the row").to_owned();
    let slower: Vec<String> = of("Q8_0,tg128,C,").split(',').map(str::to_owned).collect();
    assert_eq!((slower.len(), slower[10].as_str(), slower[14].as_str()), (17, "ratio", "slower"));
    assert!(of("Q8_0,tg128,B,").ends_with(",,,,,,,threads for generation (-t)"), "{}", of("Q8_0,tg128,B,"));
    assert!(of("Q2_K,tg128,B,").contains("Another CPU 16-Core Processor,,,,t/s,,,,,,,"), "{}", of("Q2_K,tg128,B,"));
}

#[test]
fn the_page_is_sound_and_says_each_gap() {
    let page = rendered(Format::Html, &machines(), 80);
    check(&page);
    assert!(page.contains("not in this record") && page.contains("Q2_K is not in B."), "a gap is said");
    assert!(page.contains("not compared: threads for generation (-t)"));
    assert!(page.contains("No speed of B is compared with A: threads for generation (-t) differs."));
    assert_eq!(count(&page, "script"), 1, "ours");
    assert!(page.len() < 300_000, "{} bytes", page.len());
    check(&rendered(Format::Html, &days(), 80));
}

#[test]
fn charts_have_a_point_a_record_and_a_line_a_machine() {
    let count = |history: &History, id: &str, what: &str| {
        let charts = by_date::charts(history, &labels(history)).expect("they can be drawn");
        charts.iter().find(|c| c.id == id).map_or(0, |c| c.svg.matches(what).count())
    };
    // Circles are the first machine's marks, squares the second's.
    assert_eq!(count(&days(), "chart-date-tg", "<circle"), 4 * 2);
    assert_eq!(count(&days(), "chart-date-pp", "<circle"), 4 * 2);
    // In the legend; models of A and C, less one that B alone has; a square for each of B's.
    assert_eq!(count(&machines(), "chart-date-tg", "<circle"), 1 + 4 * 2);
    assert_eq!(count(&machines(), "chart-date-tg", "<polygon"), 1 + 4);
    // A strip has two lines of its grid, a point a whisker of three, a machine with two points one between them.
    assert_eq!(count(&days(), "chart-date-tg", "<line"), 4 * (2 + 2 * 3 + 1) + 1 + 2);
}

#[test]
fn times_that_are_none_are_drawn_in_turn() {
    let mut records = [run(), next_month(), next_month()];
    for record in &mut records {
        record.started_utc = "yesterday".into();
    }
    let found = history(&records).expect("records");
    let charts = by_date::charts(&found, &labels(&found)).expect("they can be drawn");
    assert_eq!(charts[0].svg.matches("<circle").count(), 4 * 3);
}

#[test]
fn one_record_and_many_are_shown() {
    let one = history(&[run()]).expect("a record");
    assert!(rendered(Format::Text, &one, 80).contains("tg128"));
    let many: Vec<Run> = (0..30).map(|_| run()).collect();
    let many = history(&many).expect("records");
    assert_eq!(titles(&many).last().map(String::as_str), Some("30 2026-01-02 03:04"));
    check(&rendered(Format::Html, &many, 80));
}

const ATTACK: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7*191 }}{% raw %}\
                      \u{1b}[31m\u{1b}]0;owned\u{7}\u{202e}\u{2061}|=cmd|' /C calc'!A0\r\n@everyone https://evil.example/x";

/// A record in which every name attacks, the longest with a megabyte.
fn hostile() -> Run {
    let long = || ATTACK.repeat(1_000_000 / ATTACK.len());
    let mut run = next_month();
    run.machine.cpu = long();
    run.started_utc = format!("={ATTACK}");
    run.build.version = long();
    run.build.llama_cpp_sys_2 = ATTACK.into();
    run.build.options.insert(ATTACK.into(), ATTACK.into());
    for workload in &mut run.plan.workloads {
        workload.id = format!("pp{}{{{{ 7*191 }}}}{ATTACK}", workload.id);
    }
    for (i, model) in run.subjects.iter_mut().enumerate() {
        model.name = format!("={i}{}", if i == 2 { long() } else { ATTACK.into() });
    }
    run.subjects[3].outcome = Outcome::Failed { stage: Stage::Load, reason: long() };
    run
}

#[test]
fn hostile_records_are_inert_in_every_form() {
    let found = history(&[hostile(), hostile(), run()]).expect("records");
    let page = rendered(Format::Html, &found, 80);
    check(&page);
    assert_eq!(count(&page, "script"), 1, "ours");
    assert_eq!(count(&page, "img"), 0);
    assert!(page.contains("7*191") && !page.contains("1337"), "templates in data are not evaluated");
    assert!(!page.split("<script").next().expect("a page").contains(['\u{1b}', '\u{7}', '\u{202e}']));
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let text = rendered(Format::Text, &found, 80);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains(['\u{202e}', '\u{2061}']));
    assert!(text.len() < 60_000, "{} bytes", text.len());
    let markdown = rendered(Format::Md, &found, 80);
    assert!(!markdown.contains("<script") && !markdown.contains("<img") && !markdown.contains("https://"));
    assert!(!markdown.contains("@everyone"));
    for line in rendered(Format::Csv, &found, 80).lines() {
        let mut quoted = false;
        let commas = line.chars().filter(|c| {
            quoted ^= *c == '"';
            *c == ',' && !quoted
        });
        assert_eq!(commas.count(), 16, "{line:.300}");
        assert!(!line.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{line:.300}");
    }
}

#[test]
fn numbers_that_are_none_are_unknown_not_zero() {
    use crate::analysis::history::{BaselineCheck, Measured};
    let mut found = days();
    let readings = found.models.iter_mut().flat_map(|m| &mut m.metrics).flat_map(|row| &mut row.readings);
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    for (reading, value) in readings.zip(odd.into_iter().cycle()) {
        if let Measured::Value(m) = &mut reading.measured {
            (m.value, m.low, m.high, m.best) = (Some(value), Some(f64::NAN), None, Some(value));
        }
        if let BaselineCheck::Compared { change, .. } = &mut reading.against_first {
            (change.value, change.low, change.high) = (value, Some(f64::INFINITY), Some(f64::NAN));
        }
    }
    for format in [Format::Html, Format::Md, Format::Csv, Format::Json, Format::Text] {
        let text = rendered(format, &found, 80);
        assert!(!text.contains("NaN") && !text.contains(">inf") && !text.contains(" inf"), "{format:?}: {text}");
    }
}

#[test]
fn the_same_records_give_the_same_bytes() {
    assert_eq!(rendered(Format::Html, &machines(), 80), rendered(Format::Html, &machines(), 80));
}

#[test]
fn a_folders_page_says_what_each_is_held_against_and_what_is_left_out() {
    let reason = "x/votes.json is not a gguf-bench record: <b>\u{1b}[2J".to_owned();
    let left_out = vec![LeftOut { file: "x/votes.json".into(), reason }];
    let found = over_time(vec![next_month(), elsewhere(), run()], left_out).expect("records");
    let page = rendered(Format::Html, &found, 80);
    check(&page);
    for format in [Format::Html, Format::Md, Format::Text] {
        let text = rendered(format, &found, 400);
        assert!(text.contains("x/votes.json") || text.contains("x&#x2f;votes.json"), "{format:?}: {text}");
        assert!(text.contains("B against A"), "{format:?}");
        assert!(!text.contains("C against"), "the first of its machine is held against none");
        assert!(!text.contains('\u{1b}'), "{format:?}");
    }
}

#[test]
fn many_records_are_read_downwards_and_called_as_a_diff_calls_them() {
    let of = |day: usize| {
        let mut run = if day == 6 { next_month() } else { run() };
        run.started_utc = format!("2026-03-{day:02}T03:04:05Z");
        run
    };
    let found = over_time((1..=8).map(of).collect(), Vec::new()).expect("records");
    let document = found.document().expect("it can be drawn");
    let speed = document.sections.iter().find(|section| section.id == "speed").expect("speeds");
    assert_eq!(speed.tables.len(), 4, "a table a model that was measured");
    for table in &speed.tables {
        let days: Vec<&str> = table.rows.iter().map(|row| row[0].text.as_str()).collect();
        assert!(days.len() == 8 && days.is_sorted(), "{days:?}");
    }
    // What changed is told of its record, and what did not is told once.
    let [told, changed] = &document.sentences[..2] else { panic!("{:?}", document.sentences) };
    assert!(told.starts_with("B, C, D and 3 more against A, 8 speeds compared in each: "), "{told}");
    assert!(changed.starts_with("F against A, 8 speeds compared: 1 slower (Q8_0 tg128), "), "{changed}");
    let alone = diff::held_to(&of(1), &of(6), None);
    let mut verdicts = 0;
    for metric in alone.models.iter().flat_map(|m| m.metrics.iter().map(move |metric| (&m.name, metric))) {
        let row = found.models.iter().filter(|m| m.name == *metric.0).flat_map(|m| &m.metrics);
        let row = row.into_iter().find(|row| row.metric == metric.1.metric).expect("a row");
        let BaselineCheck::Compared { change, verdict, .. } = &row.readings[5].against_first else { continue };
        assert_eq!((change, verdict), (&metric.1.change, &metric.1.verdict), "{} of {}", row.metric, metric.0);
        verdicts += usize::from(verdict.is_some());
    }
    assert!(verdicts >= 8, "{verdicts}");
}
