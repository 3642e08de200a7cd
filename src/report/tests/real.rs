//! A real record, the one inside examples/smollm2.html: four models, ten rounds, outputs compared on eight texts.

use super::page::{check, count, figures};
use crate::{
    analysis::{self, Choice, Rank},
    record::{self, Constraints, Outcome, Prefer, Run, Stage},
    report::{Format, Options, RunReport, render},
};

pub(super) fn real() -> Run {
    let page = include_str!("../../../examples/smollm2.html");
    let (_, after) = page.split_once("id=\"record\">").expect("a record");
    let json = after.split("</script>").next().expect("it ends");
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
    let gain = "Take Q8_0: the time of a request of 512 + 128 tokens is not told from F16's: 0.91× [0.86, 0.97], generates 1.51× as";
    assert!(words.starts_with(gain), "{words}");
    // Of the two that can't be told apart the smaller file is taken, and what it loses is said.
    assert!(words.contains("F16 can't be told from it in the time of a request and has the larger file."), "{words}");
    assert!(words.contains("It loses: pp512 slower (0.70× [0.64, 0.78])"), "{words}");
    run.constraints = Some(Constraints { max_kld_nats: Some(1.0), prefer: Prefer::Size, ..Constraints::default() });
    // It needs less memory than Q2_K, which llama.cpp repacks.
    assert!(said(&run).starts_with("Take Q4_K_M: "), "{}", said(&run));
    run.constraints = Some(Constraints { max_kld_nats: Some(1e-4), ..Constraints::default() });
    assert!(said(&run).starts_with("Keep F16: no candidate is shown to keep the limits."), "{}", said(&run));
    run.constraints = Some(Constraints { max_memory_bytes: Some(1e6), ..Constraints::default() });
    assert!(said(&run).starts_with("No recommendation: no model is shown to keep every limit."), "{}", said(&run));
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
    assert!(said(&run).starts_with("No recommendation: outputs were not compared"), "{}", said(&run));
}

#[test]
fn the_page_marks_the_choice_and_says_why_the_others_are_not_it() {
    let run = real();
    let page = rendered(Format::Html, &run);
    check(&page);
    assert_eq!(page.matches("class=\"card chosen\"").count(), 1);
    // Q2_K alone: over eight documents the interval of Q4_K_M holds the limit.
    assert_eq!(page.matches("outside the limit (mean KLD at most 0.05)").count(), 2, "on a card and in a row");
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn every_figure_of_quality_has_its_marks() {
    let run = real();
    let analysis = analysis::analyse(&run);
    let charts = figures(&analysis);
    let svg = |id: &str| charts.iter().find(|c| c.id == id).map_or("", |c| c.svg.as_str());
    let count = |id: &str, what: &str| svg(id).matches(what).count();
    assert_eq!(count("chart-pareto", "<circle"), 4 + 1, "four models and a ring");
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
    assert_eq!(count(&page, "script"), 3, "ours, the record and the ballot");
    let outside = page.split("<script").next().expect("a page");
    let steering = outside.lines().find(|line| line.contains(['\u{1b}', '\u{202e}']));
    assert_eq!(steering, None);
}
