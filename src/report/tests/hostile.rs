//! Names, prompts, answers and metadata that attack: they must come out as text, everywhere.

use super::{
    fixture::{analysis, read_again, run},
    page::{check, count},
};
use crate::{
    analysis::Analysis,
    record::{Mark, Outcome, Run, Stage, WorkloadKind},
    report::{Colour, Format, Options, RunReport, render},
};

const ATTACK: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7*191 }}{% raw %}\
                      \u{1b}[31m\u{1b}]0;owned\u{7}\u{202e}\u{2061}|=cmd|' /C calc'!A0\r\n@everyone https://evil.example/x";

fn attack(i: usize) -> String {
    format!("={i}{ATTACK}")
}

fn long(i: usize) -> String {
    format!("{i}{}", ATTACK.repeat(1_000_000 / ATTACK.len()))
}

/// The fixture with every string replaced, the longest by `long`.
fn hostile(long: fn(usize) -> String) -> (Run, Analysis) {
    let mut run = run();
    for (i, workload) in run.plan.workloads.iter_mut().enumerate().skip(2) {
        let WorkloadKind::Prompt(prompt) = &mut workload.kind else { continue };
        prompt.text = long(i);
        prompt.category = attack(i);
        workload.id = attack(i);
    }
    run.command = vec![attack(0), long(1)];
    run.started_utc = attack(0);
    run.machine.cpu = long(0);
    run.machine.governor = Some(attack(1));
    run.build.options.insert(attack(2), attack(3));
    for visit in run.rounds.iter_mut().flat_map(|r| &mut r.visits) {
        visit.generations.iter_mut().for_each(|g| g.text = long(visit.model));
        if let Some(memory) = &mut visit.memory {
            memory.series.marks.iter_mut().for_each(|m| m.1 = Mark::Told(attack(4)));
        }
        visit.buffers.iter_mut().for_each(|b| b.name = attack(5));
    }
    for (i, model) in run.subjects.iter_mut().enumerate() {
        model.name = attack(i);
        model.model.file = long(i);
        if model.outcome != Outcome::Done {
            model.outcome = Outcome::Failed { stage: Stage::Load, reason: long(i) };
        }
        let Some(facts) = &mut model.model.facts else { continue };
        facts.title = Some(attack(i));
        facts.architecture = attack(i);
        facts.tensors.iter_mut().for_each(|t| (t.class, t.ggml_type) = (attack(6), attack(7)));
    }
    let mut analysis = analysis(&run);
    for w in &mut analysis.warnings {
        (w.model, w.evidence, w.remedy) = (Some(attack(8)), long(8), attack(9));
    }
    (run, analysis)
}

fn rendered(format: Format) -> String {
    let (run, analysis) = hostile(long);
    render(format, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders")
}

#[test]
fn the_page_is_inert_and_small_enough() {
    let page = rendered(Format::Html);
    check(&page);
    assert_eq!(count(&page, "script"), 2, "ours and the ballot");
    assert!(page.contains("Left out of this page: the record, which is too large"));
    assert_eq!(count(&page, "img"), 0);
    assert!(page.contains("7*191") && !page.contains("1337"), "templates in data are not evaluated");
    let outside = page.split("<script").next().expect("a page");
    assert!(!outside.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn the_record_inside_is_inert() {
    let (run, analysis) = hostile(attack);
    let page = render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders");
    check(&page);
    assert_eq!(count(&page, "script"), 3, "ours, the record and the ballot");
}

#[test]
fn a_terminal_gets_no_escape_sequence() {
    let text = rendered(Format::Text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    assert!(!text.contains(['\u{202e}', '\u{2061}']));
    let (run, analysis) = hostile(long);
    let options = Options { colour: Colour::Always, ..Options::default() };
    let coloured = render(Format::Text, &RunReport::new(&run, &analysis), &options).expect("it renders");
    let known = ["\u{1b}[0m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];
    let rest = known.iter().fold(coloured, |text, code| text.replace(code, ""));
    assert!(!rest.contains('\u{1b}'), "only our own colours");
    assert!(text.len() < 20_000, "{} bytes", text.len());
}

#[test]
fn markdown_holds_no_markup_of_others() {
    let text = rendered(Format::Md);
    let outside: String = text.split("```sh\n").next().expect("text").into();
    assert!(!outside.contains("<script") && !outside.contains("<img") && !outside.contains("https://"), "{outside}");
    assert!(!outside.contains("@everyone"));
}

#[test]
fn csv_has_thirteen_fields_a_row_and_no_formula() {
    for line in rendered(Format::Csv).lines() {
        let mut quoted = false;
        let commas = line.chars().filter(|c| {
            quoted ^= *c == '"';
            *c == ',' && !quoted
        });
        assert_eq!(commas.count(), 12, "{line}");
        assert!(!line.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{line}");
    }
}

#[test]
fn numbers_that_are_none_are_unknown_not_zero() {
    let (run, mut analysis) = (run(), analysis(&run()));
    for m in &mut analysis.models {
        for (metric, value) in
            m.metrics.iter_mut().zip([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0].into_iter().cycle())
        {
            (metric.value, metric.low, metric.high, metric.best) = (Some(value), Some(f64::NAN), None, Some(value));
        }
        for c in &mut m.vs_original {
            (c.ratio, c.low, c.high) = (Some(f64::NAN), Some(f64::INFINITY), Some(0.0));
        }
        if let Some(memory) = &mut m.memory {
            (memory.peak_bytes, memory.peak_anon_bytes) = (f64::NAN, Some(f64::INFINITY));
        }
    }
    for format in [Format::Html, Format::Md, Format::Csv, Format::Json, Format::Text] {
        let text = render(format, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders");
        assert!(!text.contains("NaN") && !text.contains(">inf"), "{format:?}: {text}");
    }
}

/// Every part that a record may lack: the machine would not say, or an older program did not ask.
#[test]
fn what_is_null_wherever_it_may_be_is_unknown() {
    let mut run = run();
    let machine = &mut run.machine;
    (machine.kernel, machine.governor, machine.physical_cores) = (None, None, None);
    (machine.memory_limit_bytes, machine.on_battery) = (None, None);
    machine.devices.clear();
    (run.plan.quality, run.adaptation, run.quality, run.constraints) = (None, None, None, None);
    for model in &mut run.subjects {
        model.model.facts = None;
    }
    for visit in run.rounds.iter_mut().flat_map(|r| &mut r.visits) {
        (visit.load, visit.memory, visit.warmup) = (None, None, None);
        visit.buffers.clear();
        visit.samples.iter_mut().for_each(|s| s.native_ns = None);
    }
    let analysis = crate::analysis::analyse(&run);
    for format in [Format::Html, Format::Md, Format::Csv, Format::Json, Format::Text, Format::Recommendation] {
        let text = render(format, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders");
        assert!(!text.contains("NaN") && !text.contains("None"), "{format:?}: {text}");
        if format == Format::Html {
            check(&text);
        }
    }
}

#[test]
fn nothing_measured_is_said() {
    let mut run = run();
    run.rounds.clear();
    let mut analysis = analysis(&super::fixture::run());
    for m in &mut analysis.models {
        (m.metrics, m.vs_original, m.load, m.memory) = (Vec::new(), Vec::new(), None, None);
        (m.categories, m.answers) = (Vec::new(), Vec::new());
    }
    read_again(&mut analysis, &run);
    let text = render(Format::Text, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders");
    assert!(text.contains("Nothing could be measured."), "{text}");
    check(&render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders"));
}

#[test]
fn ten_models_with_long_names_fit() {
    let (mut run, mut analysis) = (run(), analysis(&run()));
    for i in analysis.models.len()..10 {
        let (mut model, mut info) = (analysis.models[1].clone(), run.subjects[1].clone());
        model.name = format!("A-very-long-name-of-a-model-that-someone-fine-tuned-twice-Q{i}_K_M");
        info.name.clone_from(&model.name);
        analysis.models.push(model);
        run.subjects.push(info);
    }
    read_again(&mut analysis, &run);
    check(&render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders"));
    for width in [80, 100, 130, 200] {
        let text = render(Format::Text, &RunReport::new(&run, &analysis), &Options { width, ..Options::default() })
            .expect("it renders");
        let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
        assert!(widest <= usize::from(width), "{widest} in {width}:\n{text}");
    }
}
