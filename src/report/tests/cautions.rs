//! Warnings reach the reader of every report.

use super::fixture::{analysis, run};
use crate::report::{Format, Options, RunReport, render};

#[test]
fn evidence_and_remedy_are_in_every_report() {
    let run = run();
    let analysis = analysis(&run);
    let warning = &analysis.warnings[0];
    for format in [Format::Html, Format::Md, Format::Text, Format::Json] {
        let text = render(format, &RunReport::new(&run, &analysis), &Options { width: 500, ..Options::default() })
            .expect("it renders");
        for part in [&warning.evidence, &warning.remedy] {
            assert!(text.contains(&part[..]), "{format:?} lacks {part}");
        }
    }
}
