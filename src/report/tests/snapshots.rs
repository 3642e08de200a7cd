//! What people paste and read, held in snapshots beside this file.

use super::fixture::{analysis, run};
use crate::report::{Colour, Format, Options, RunReport, render};

fn rendered(format: Format, width: u16) -> String {
    let run = run();
    let options = Options { width, colour: Colour::Never, written: Some("results/report.html".into()) };
    render(format, &RunReport::new(&run, &analysis(&run)), &options).expect("the fixture renders")
}

#[test]
fn terminal_80() {
    let text = rendered(Format::Text, 80);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn terminal_200() {
    let text = rendered(Format::Text, 200);
    assert!(text.lines().all(|l| l.chars().count() <= 200), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn terminal_50_gives_up_columns_and_says_which() {
    let text = rendered(Format::Text, 50);
    assert!(text.lines().all(|l| l.chars().count() <= 50), "{text}");
    assert!(text.contains("Not shown at this width: bpw, load"), "{text}");
}

#[test]
fn markdown() {
    insta::assert_snapshot!(rendered(Format::Md, 80));
}

#[test]
fn csv() {
    insta::assert_snapshot!(rendered(Format::Csv, 80).replace("\r\n", "\n"));
}

#[test]
fn colour_only_adds_colour() {
    let (run, plain) = (run(), rendered(Format::Text, 80));
    let options = Options { width: 80, colour: Colour::Always, written: Some("results/report.html".into()) };
    let coloured = render(Format::Text, &RunReport::new(&run, &analysis(&run)), &options).expect("the fixture renders");
    assert!(coloured.contains("\u{1b}[32m") && coloured.contains("\u{1b}[31m"), "{coloured}");
    let codes = ["\u{1b}[0m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];
    assert_eq!(codes.iter().fold(coloured, |text, code| text.replace(code, "")), plain);
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(rendered(Format::Html, 80), rendered(Format::Html, 80));
}
