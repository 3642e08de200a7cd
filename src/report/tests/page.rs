//! The structure of the HTML page, read by a small scanner of tags.

use std::collections::BTreeSet;

use super::fixture::{analysis, run};
use crate::{
    analysis::Analysis,
    report::{Format, Options, document::Figure, render, section},
};

/// A start or end tag and its attributes.
pub(in crate::report) struct Tag {
    pub(in crate::report) name: String,
    pub(in crate::report) attributes: Vec<(String, String)>,
    end: bool,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Every tag of a page, in order. Contents of scripts and styles are skipped, as a browser does.
pub(in crate::report) fn tags(page: &str) -> Vec<Tag> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        let end = rest.starts_with('/');
        let name: String = rest.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(!name.is_empty(), "a stray < before {rest:.60}");
        rest = &rest[usize::from(end) + name.len()..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\n', '/']);
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let word: String = rest.chars().take_while(|c| !" \n=/>".contains(*c)).collect();
            assert!(!word.is_empty(), "no attribute in <{name} before {rest:.60}");
            rest = &rest[word.len()..];
            let mut value = String::new();
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let (inside, after) = quoted.split_once('"').expect("a closing quote");
                value = inside.into();
                rest = after;
            }
            attributes.push((word, value));
        }
        if !end && (name == "script" || name == "style") {
            rest = &rest[rest.find(&format!("</{name}")).expect("it is closed")..];
        }
        out.push(Tag { name, attributes, end });
    }
    out
}

/// The figures of every section.
pub(super) fn figures(analysis: &Analysis) -> Vec<Figure> {
    let sections = section::all(analysis).expect("it can be drawn");
    sections.into_iter().flat_map(|section| section.figures).collect()
}

pub(super) fn page() -> String {
    let run = run();
    render(Format::Html, &run, &analysis(&run), &Options::default()).expect("the fixture renders")
}

/// Fails when the page would ask the network for anything or its structure is unsound.
pub(in crate::report) fn check(page: &str) {
    let tags = tags(page);
    let void = ["meta", "link", "br", "img", "rect", "line", "circle", "polyline", "polygon"];
    let mut open: Vec<&str> = Vec::new();
    let mut ids = BTreeSet::new();
    for tag in &tags {
        match (tag.end, void.contains(&tag.name.as_str())) {
            (true, _) => assert_eq!(open.pop(), Some(tag.name.as_str()), "a wrong end tag"),
            (false, false) => open.push(&tag.name),
            (false, true) => {}
        }
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on") && name != "src" && name != "style", "<{} {name}>", tag.name);
            if name == "href" {
                // A link is followed only by a person; nothing is loaded from it.
                let value = value.replace("&#x2f;", "/");
                let own = value.starts_with(concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/METHODOLOGY.md#"));
                assert!(value.starts_with('#') || value == "data:," || own, "href {value}");
            }
            if name == "id" {
                assert!(ids.insert(value.clone()), "two elements have the id {value}");
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    let links = tags.iter().filter_map(|t| t.get("href")?.strip_prefix('#'));
    let labels = tags.iter().filter_map(|t| t.get("aria-labelledby")).flat_map(str::split_whitespace);
    for target in links.chain(labels) {
        assert!(ids.contains(target), "#{target} is nowhere");
    }
    let unscoped = tags.iter().filter(|t| t.name == "th" && !t.end && t.get("scope").is_none()).count();
    assert_eq!(unscoped, 0, "heads of tables say what they head");
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
    let svgs = tags(&page).into_iter().filter(|t| t.name == "svg" && !t.end).collect::<Vec<_>>();
    assert_eq!(svgs.len(), expected.len());
    assert!(svgs.iter().all(|s| s.get("role") == Some("img") && s.get("viewBox").is_some()));
    assert!(svgs.iter().all(|s| s.get("width").is_none()), "figures scale");
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
    let page = render(Format::Html, &run, &analysis, &Options::default()).expect("the fixture renders");
    check(&page);
    assert!(page.contains("<figure id=\"chart-load\">"));
    assert!(sections.iter().all(|section| section.id != "votes"), "a section without either is left out");
}

#[test]
fn headings_descend_one_at_a_time() {
    let levels: Vec<u32> =
        tags(&page()).iter().filter(|t| !t.end).filter_map(|t| t.name.strip_prefix('h')?.parse().ok()).collect();
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1);
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
}

#[test]
fn the_policy_allows_this_script_and_no_other() {
    let page = page();
    let policy = tags(&page).into_iter().find(|t| t.get("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy.and_then(|t| t.get("content").map(str::to_owned)).expect("a policy");
    assert!(
        policy.starts_with("default-src 'none';") || policy.starts_with("default-src &#x27;none&#x27;;"),
        "{policy}"
    );
    assert!(policy.contains("sha256-") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn the_record_inside_is_the_record() {
    let page = page();
    let (_, after) = page.split_once("id=\"record\">").expect("a record");
    let json = after.split("</script>").next().expect("it ends");
    assert_eq!(serde_json::from_str::<crate::record::Run>(json).expect("a record"), run());
}
