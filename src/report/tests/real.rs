//! A real record, tests/fixtures/runs/smollm2.json: four models, ten rounds, outputs compared on eight texts.

use serde_json::Value;

use super::page::{check, count, figures};
use crate::{
    analysis::{self, Choice, Rank},
    record::{self, Constraints, Outcome, Prefer, Run, Stage},
    report::{
        Format, Options, RunReport, render,
        section::choice::{limits::choices, picture::picture, words},
    },
};

pub(super) fn real() -> Run {
    let json = include_str!("../../../tests/fixtures/runs/smollm2.json");
    record::from_value(serde_json::from_str(json).expect("JSON")).expect("a record")
}

fn rendered(format: Format, run: &Run) -> String {
    render(format, &RunReport::new(run, &analysis::analyse(run)), &Options::default()).expect("it renders")
}

#[test]
fn the_recommendation_follows_the_wishes() {
    let mut run = real();
    let said = |run: &Run| rendered(Format::Recommendation, run);
    let words = said(&run).split_whitespace().collect::<Vec<_>>().join(" ");
    let gain = "Take Q8_0. Against F16 it generates 1.51× as fast [1.40, 1.63] and needs 36 % less memory. In return, its most likely token";
    assert!(words.starts_with(gain), "{words}");
    // Of the two that can't be told apart the smaller file is taken, and what it loses is said.
    assert!(words.contains("F16 can't be told from it in the time of a request, and has the larger file."), "{words}");
    assert!(
        words.contains(", and pp512 (0.70× [0.64, 0.78]) and pp of medium prompts (0.80× [0.69, 0.84]) are slower."),
        "{words}"
    );
    run.constraints = Some(Constraints { max_kld_nats: Some(1.0), prefer: Prefer::Size, ..Constraints::default() });
    // It needs less memory than Q2_K, which llama.cpp repacks.
    assert!(said(&run).starts_with("Take Q4_K_M. "), "{}", said(&run));
    run.constraints = Some(Constraints { max_kld_nats: Some(1e-4), ..Constraints::default() });
    assert!(said(&run).starts_with("Keep F16. No candidate is shown to keep the limits."), "{}", said(&run));
    run.constraints = Some(Constraints { max_memory_bytes: Some(1e6), ..Constraints::default() });
    assert!(said(&run).starts_with("No recommendation. No model is shown to keep every limit."), "{}", said(&run));
    run.constraints = None;
    for result in run.quality.iter_mut().flat_map(|quality| &mut quality.results) {
        let reason = "not enough memory to hold the models".to_owned();
        (result.outcome, result.texts) = (Outcome::Failed { stage: Stage::Quality, reason }, Vec::new());
    }
    let said_of_failures = said(&run);
    assert!(
        said_of_failures.contains("could not be compared") && !said_of_failures.contains("--no-quality"),
        "{said_of_failures}"
    );
    run.quality = None;
    assert!(said(&run).starts_with("No recommendation. Outputs were not compared"), "{}", said(&run));
}

#[test]
fn the_page_marks_the_choice_and_says_why_the_others_are_not_it() {
    let run = real();
    let page = rendered(Format::Html, &run);
    check(&page);
    assert_eq!(page.matches("class=\"card chosen\"").count(), 1);
    // Q2_K alone: over eight documents the interval of Q4_K_M holds the limit.
    assert_eq!(count(&page, "#standings td, .card:not(.chosen) .because"), 4 * 6 + 3);
    let body = page.split("<script").next().expect("a page");
    assert_eq!(body.matches(">outside the limit on KLD<").count(), 2, "on a card and in a row");
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn every_figure_of_quality_has_its_marks() {
    let run = real();
    let analysis = analysis::analyse(&run);
    let charts = figures(&analysis);
    let svg = |id: &str| charts.iter().find(|c| c.id == id).map_or("", |c| c.svg.as_str());
    let count = |id: &str, what: &str| svg(id).matches(what).count();
    let (picture, marks) = picture(&analysis).expect("it can be drawn").expect("outputs were compared");
    for svg in [Some(&picture.svg), picture.narrow.as_ref()] {
        assert_eq!(svg.map(|svg| svg.matches("<circle").count()), Some(4 + 1), "four models and a ring");
    }
    assert_eq!(marks.len(), 2);
    assert_eq!(count("chart-kld-domain", "<circle"), 3 * 8);
    assert_eq!(count("chart-kld", "<rect"), 3, "candidates alone");
    // Circles are the first series' marks: in the legend, at three shares, at each bin.
    assert_eq!(count("chart-kld-distribution", "<circle"), 1 + 3);
    assert_eq!(count("chart-kld-position", "<circle"), 1 + 5);
    assert_eq!(count("chart-kld-entropy", "<circle"), 1 + 6);
    assert_eq!(count("chart-latency", "<polygon"), 4, "a band a model");
    let chosen = matches!(analysis.advice.choice, Choice::Take { model: 1, .. });
    assert!(chosen && analysis.advice.standings[1].place == Rank::Chosen);
}

#[test]
fn what_others_named_is_inert_in_the_tables_of_quality_too() {
    const ATTACK: &str = "</script><script>alert(1)</script>\u{1b}[31m\u{202e}";
    let mut run = real();
    for text in &mut run.plan.quality.as_mut().expect("a plan").texts {
        text.name.push_str(ATTACK);
        text.domain.push_str(ATTACK);
    }
    for workload in &mut run.plan.workloads {
        workload.id.push_str(ATTACK);
    }
    for result in &mut run.quality.as_mut().expect("results").results {
        let reason = ATTACK.repeat(1000);
        result.outcome = crate::record::Outcome::Failed { stage: crate::record::Stage::Quality, reason };
    }
    let page = rendered(Format::Html, &run);
    check(&page);
    assert_eq!(count(&page, "script"), 4, "ours, the record, the ballot and the answers to limits");
    let outside = page.split("<script").next().expect("a page");
    let steering = outside.lines().find(|line| line.contains(['\u{1b}', '\u{202e}']));
    assert_eq!(steering, None);
}

/// The table that the page looks up, read as its script reads it.
fn looked_up(table: &Value, limits: [Option<f64>; 3], prefer: &str) -> String {
    let step = |(at, limit): (usize, Option<f64>)| {
        let own = &table["steps"][at];
        let Some(limit) = limit else { return 0 };
        let turns = own["turns"].as_array().expect("turns").iter().filter_map(Value::as_f64);
        let at_least = own["at_least"].as_bool().expect("which way");
        let passed = turns.filter(|turn| if at_least { *turn < limit } else { *turn <= limit }).count();
        passed + usize::from(own["optional"].as_bool().expect("whether it may be left out"))
    };
    let [kld, tg, memory] = [0, 1, 2].map(|at| step((at, limits[at])));
    let index = |value: &Value| usize::try_from(value.as_u64().expect("an index")).expect("small");
    let prefers = table["prefer"].as_array().expect("preferences");
    let by = prefers.iter().position(|name| name == prefer).expect("it is offered");
    let plane = &table["planes"][index(&table["by"][by][kld])];
    let outcome = &table["outcomes"][index(&table["rows"][index(&plane[tg])][memory])];
    let word = |at: &Value| table["words"][index(at)].as_str().expect("a text").to_owned();
    let because = outcome["because"].as_array().expect("sentences").iter().map(word);
    std::iter::once(word(&outcome["verdict"])).chain(because).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_on_the_page_says_what_the_program_says_to_every_limit() {
    let mut run = real();
    let analysis = analysis::analyse(&run);
    let choices = choices(&analysis, &[]).expect("a table");
    let table: Value = serde_json::from_str(&choices.json).expect("JSON");
    assert_eq!(table["prefer"], serde_json::json!(["speed", "quality", "size"]), "energy was not measured");
    assert_eq!(
        choices.limits.iter().map(|limit| limit.option).collect::<Vec<_>>(),
        ["--max-kld", "--min-tg", "--max-memory"]
    );
    // At every turn, just before it, and where no model's interval ends.
    let values = |at: usize| -> Vec<f64> {
        let turns = table["steps"][at]["turns"].as_array().expect("turns").iter().filter_map(Value::as_f64);
        turns.flat_map(|turn| [turn.next_down(), turn, turn * 1.0001]).chain([0.0, 1e12]).collect()
    };
    let mut said = std::collections::BTreeSet::new();
    let mut random = crate::stats::SplitMix64::new(7);
    for round in 0..150 {
        let mut any = |at: usize| values(at)[random.below(values(at).len())];
        let (kld, tg, memory) = (any(0), any(1), any(2));
        let prefer = Prefer::ALL[random.below(3)];
        // Mostly one limit beside that on KLD; sometimes all.
        let (tg, memory) = (Some(tg).filter(|_| round % 3 != 0), Some(memory).filter(|_| round % 3 != 1));
        run.constraints =
            Some(Constraints { max_kld_nats: Some(kld), min_tg_tps: tg, max_memory_bytes: memory, prefer });
        let program = words::advice(&analysis::analyse(&run)).sentence;
        assert_eq!(looked_up(&table, [Some(kld), tg, memory], prefer.name()), program, "{:?}", run.constraints);
        said.insert(program);
    }
    assert!(said.len() > 4, "the limits matter: {said:?}");
}
