//! The structure of the HTML page, as a browser's parser reads it.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html, Selector};

use super::fixture::{analysis, run};
use crate::{
    analysis::Analysis,
    record::Run,
    report::{Format, Options, RunReport, document::Figure, render, section},
};

/// Elements without content, which have no end tag.
const VOID: [&str; 5] = ["meta", "link", "br", "img", "input"];

/// How many elements of a page are of a kind.
pub(in crate::report) fn count(page: &str, selector: &str) -> usize {
    Html::parse_document(page).select(&Selector::parse(selector).expect("a selector")).count()
}

/// The tags of a source, in order. Contents of scripts and styles are skipped, as a browser does.
fn spelled(page: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        let mut quoted = false;
        let ends = |c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        };
        let tag = &rest[..rest.find(ends).expect("a tag ends")];
        let name = tag.split([' ', '\n']).next().unwrap_or_default().trim_end_matches('/');
        assert!(
            name.trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic()),
            "a stray < before {rest:.60}"
        );
        out.push(name.to_owned());
        if tag.ends_with('/') && !VOID.contains(&name) {
            out.push(format!("/{name}"));
        }
        if name == "script" || name == "style" {
            rest = &rest[rest.find(&format!("</{name}")).expect("it is closed")..];
        }
    }
    out
}

/// The tags that the parsed page would be written with.
fn parsed(element: ElementRef<'_>) -> Vec<String> {
    let name = element.value().name().to_owned();
    if VOID.contains(&name.as_str()) {
        return vec![name];
    }
    let end = format!("/{name}");
    std::iter::once(name).chain(element.child_elements().flat_map(parsed)).chain([end]).collect()
}

/// The figures of every section.
pub(super) fn figures(analysis: &Analysis) -> Vec<Figure> {
    let sections = section::all(analysis).expect("it can be drawn");
    sections.into_iter().flat_map(|section| section.figures).collect()
}

pub(super) fn page() -> String {
    let run = run();
    render(Format::Html, &RunReport::new(&run, &analysis(&run)), &Options::default()).expect("the fixture renders")
}

/// Fails when the page would ask the network for anything or its structure is unsound.
pub(in crate::report) fn check(page: &str) {
    let html = Html::parse_document(page);
    // A parser repairs what is wrong: where nothing was, it read what is written.
    assert_eq!(parsed(html.root_element()), spelled(page), "an element is not closed, or not where it may be");
    let all = || html.select(&Selector::parse("*").expect("a selector")).map(|e| e.value()).collect::<Vec<_>>();
    let mut ids = BTreeSet::new();
    for element in all() {
        for (name, value) in element.attrs() {
            assert!(!name.starts_with("on") && name != "src" && name != "style", "<{} {name}>", element.name());
            if name == "href" {
                // A link is followed only by a person; nothing is loaded from it.
                let own = value.starts_with(concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/METHODOLOGY.md#"));
                assert!(value.starts_with('#') || value == "data:," || own, "href {value}");
            }
            if name == "id" {
                assert!(ids.insert(value.to_owned()), "two elements have the id {value}");
            }
        }
    }
    for element in all() {
        let link = element.attr("href").and_then(|href| href.strip_prefix('#'));
        let labels = element.attr("aria-labelledby").into_iter().flat_map(str::split_whitespace);
        for target in link.into_iter().chain(labels) {
            assert!(ids.contains(target), "#{target} is nowhere");
        }
    }
    assert_eq!(count(page, "th:not([scope])"), 0, "heads of tables say what they head");
    let styles = page.split("<style>").nth(1).and_then(|s| s.split("</style>").next()).expect("a style sheet");
    assert!(!styles.contains("url(") && !styles.contains("@import"), "styles load nothing");
}

#[test]
fn it_is_sound_and_asks_the_network_for_nothing() {
    check(&page());
}

#[test]
fn every_figure_is_there_and_named() {
    let (run, page) = (run(), page());
    let charts = figures(&analysis(&run));
    let expected = [
        "chart-ratio",
        "chart-speed-0",
        "chart-speed-1",
        "chart-time-tg",
        "chart-time-pp",
        "chart-memory",
        "chart-memory-time",
        "chart-load",
        "chart-category-tg",
        "chart-category-pp",
        "chart-latency",
        "chart-position",
    ];
    assert_eq!(charts.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), expected);
    // One for where there is room, one for a telephone.
    for drawing in [".wide", ".narrow"] {
        assert_eq!(count(&page, &format!("{drawing} svg")), expected.len());
    }
    assert_eq!(count(&page, r#"svg[role="img"][viewBox]"#), 2 * expected.len());
    assert_eq!(count(&page, "svg[width]"), 0, "figures scale");
}

#[test]
fn figures_have_a_mark_for_every_datum() {
    let mut analysis = analysis(&run());
    let count = |analysis: &Analysis, id: &str, what: &str| {
        let charts = figures(analysis);
        charts.iter().find(|c| c.id == id).map_or(0, |c| c.svg.matches(what).count())
    };
    assert_eq!(count(&analysis, "chart-speed-1", "<rect"), 4, "a bar for each measured model");
    assert_eq!(count(&analysis, "chart-speed-1", "n/a: failed"), 2, "a row and a description for the failed one");
    assert_eq!(
        count(&analysis, "chart-ratio", "<circle"),
        2 * 12,
        "three candidates, four metrics, a dot on its ground"
    );
    assert_eq!(count(&analysis, "chart-time-tg", "<circle"), 4 * 12 * 3, "four models, twelve rounds, three samples");
    let with = count(&analysis, "chart-speed-1", "<line");
    for m in &mut analysis.models[1].metrics {
        (m.low, m.high) = (None, None);
    }
    assert_eq!(count(&analysis, "chart-speed-1", "<line"), with - 3, "no whisker without an interval");
}

#[test]
fn a_section_without_rows_keeps_its_figures() {
    let (run, mut analysis) = (run(), analysis(&run()));
    for m in &mut analysis.models {
        m.load = None;
    }
    let sections = section::all(&analysis).expect("it can be drawn");
    let load = sections.iter().find(|section| section.id == "load").expect("it has a figure");
    assert!(load.tables.is_empty() && load.figures.len() == 1);
    let page =
        render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).expect("the fixture renders");
    check(&page);
    assert!(page.contains("<figure id=\"chart-load\">"));
    assert!(sections.iter().all(|section| section.id != "votes"), "a section without either is left out");
}

#[test]
fn headings_descend_one_at_a_time() {
    let page = Html::parse_document(&page());
    let headings = Selector::parse("h1, h2, h3, h4, h5, h6").expect("a selector");
    let levels: Vec<u32> = page.select(&headings).filter_map(|h| h.value().name()[1..].parse().ok()).collect();
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1);
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
}

#[test]
fn the_policy_allows_this_script_and_no_other() {
    let page = Html::parse_document(&page());
    let policy = Selector::parse(r#"meta[http-equiv="Content-Security-Policy"]"#).expect("a selector");
    let policy = page.select(&policy).next().and_then(|meta| meta.attr("content")).expect("a policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains("sha256-") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn the_record_inside_is_the_record() {
    let page = page();
    let page = Html::parse_document(&page);
    let record = Selector::parse("script#record").expect("a selector");
    let json: String = page.select(&record).next().expect("a record").text().collect();
    assert_eq!(serde_json::from_str::<Run>(&json).expect("a record"), run());
}
