//! The gate in words: PASS, FAIL or INCONCLUSIVE with the reason and what would resolve it; as findings; and as JUnit has it.

use std::fmt::Write;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{amount, level, went},
    document,
    number::fixed,
    text::{inert_line, shorten},
};
use crate::{
    analysis::{
        diff::ChangeKind,
        gate::{Case, Gate, GateVerdict, Undecided},
    },
    metric::Family,
};

/// What the conditions were held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Candidates of one run against its original.
    Run,
    /// One record against another.
    TwoRecords,
    /// Three records of each side or more.
    ManyRecords,
}

/// A gate with what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct GateFindings<'a> {
    /// The verdict in words, with its reason and what would resolve it.
    sentence: String,
    #[serde(flatten)]
    gate: &'a Gate,
}

impl<'a> GateFindings<'a> {
    pub(super) fn new(gate: &'a Gate, held: Held) -> Self {
        Self { sentence: sentence(gate, held), gate }
    }
}

impl GateVerdict {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }
}

/// Cases named in the sentence; all of them are listed below it.
const NAMED: usize = 3;

/// What it comes to, why, and what would resolve it.
pub(super) fn sentence(gate: &Gate, held: Held) -> String {
    let n = gate.cases.len();
    let own: Vec<&Case> = gate.cases.iter().filter(|case| case.verdict == gate.verdict).collect();
    let word = gate.verdict.word();
    if gate.verdict == GateVerdict::Pass {
        return match n {
            1 => format!("{word}: the condition is kept by the whole interval."),
            _ => format!("{word}: all {n} conditions are kept by their whole intervals."),
        };
    }
    let named = own.iter().take(NAMED).map(|case| stands(case, held)).collect::<Vec<_>>().join("; ");
    let more = own.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let what = if gate.verdict == GateVerdict::Fail { "failed" } else { "could not be decided" };
    let of = if n == 1 { format!("the condition {what}") } else { format!("{} of {n} conditions {what}", own.len()) };
    let mut remedies: Vec<String> = Vec::new();
    for remedy in own.iter().filter_map(|case| remedy(case, gate, held)) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    remedies.truncate(NAMED);
    let remedies: String = remedies.iter().fold(String::new(), |all, remedy| all + " " + remedy + ".");
    format!("{word}: {of}: {named}{more}.{remedies}")
}

/// Each condition and subject, with what became of it.
pub(super) fn cases(gate: &Gate, held: Held) -> Vec<document::Gate> {
    let line = |case: &Case| {
        let how = match case.verdict {
            GateVerdict::Pass => "passed",
            GateVerdict::Fail => "failed",
            GateVerdict::Inconclusive => "is not decided",
        };
        document::Gate { verdict: case.verdict, text: format!("{} {how}: {}", limit(case), subject_stands(case, held)) }
    };
    gate.cases.iter().map(line).collect()
}

fn limit(case: &Case) -> String {
    inert_line(&case.limit)
}

fn subject(case: &Case) -> String {
    shorten(&inert_line(&case.subject), 40)
}

/// `tg128<-3%: Q8_0 changed by −9.1 % [−9.2, −9.0]`.
fn stands(case: &Case, held: Held) -> String {
    format!("{}: {}", limit(case), subject_stands(case, held))
}

fn subject_stands(case: &Case, held: Held) -> String {
    let subject = subject(case);
    let Some(change) = &case.change else {
        return match &case.undecided {
            Some(Undecided::NotMeasured { reason: Some(reason) }) => {
                format!("{subject} failed: {}", shorten(&inert_line(reason), 300))
            }
            _ => format!("{subject} has no figure"),
        };
    };
    let stood = match (held, change.kind) {
        (Held::Run, ChangeKind::Ratio) => format!("{subject} is {} from the original", went(change)),
        (Held::Run, ChangeKind::Difference) => format!("{subject} has {}", level(change)),
        (Held::TwoRecords | Held::ManyRecords, ChangeKind::Ratio) => format!("{subject} changed by {}", went(change)),
        (Held::TwoRecords | Held::ManyRecords, ChangeKind::Difference) => {
            format!("{subject} changed by {}", amount(change))
        }
    };
    let why = match &case.undecided {
        Some(Undecided::NoInterval) => ", from too little for an interval",
        Some(Undecided::LimitInside { .. }) => ", and the limit lies in the interval",
        Some(Undecided::NotWhenAdjusted) => ", which is past the limit for this condition alone",
        Some(Undecided::NotMeasured { .. }) | None => "",
    };
    format!("{stood}{why}")
}

/// So many times the evidence is still worth asking for.
const MOST_EVIDENCE: f64 = 50.0;

/// What would resolve a case, without its full stop; what more would tell of one that failed.
fn remedy(case: &Case, gate: &Gate, held: Held) -> Option<String> {
    let is_output = case.metric.spec().family == Family::Quality;
    let of_what = match held {
        _ if is_output => "documents or windows (--max-windows)",
        Held::Run | Held::TwoRecords => "rounds (--rounds)",
        Held::ManyRecords => "records of each side",
    };
    Some(match case.undecided.as_ref() {
        // What a file puts out does not vary from run to run.
        None if held == Held::TwoRecords && !is_output => {
            "It speaks of these two runs: with three records of each side it would know what varies from run to run"
                .into()
        }
        None => return None,
        Some(Undecided::NotMeasured { reason: Some(_) }) => {
            format!("Once {} can be measured, this can be decided", subject(case))
        }
        Some(Undecided::NotMeasured { reason: None }) => {
            format!("Measure {} of {} to decide it", inert_line(&case.metric.words()), subject(case))
        }
        Some(Undecided::NoInterval) => format!("More {of_what} would give an interval"),
        Some(Undecided::LimitInside { evidence_factor: Some(factor) }) if *factor <= MOST_EVIDENCE => {
            format!("About {} times as many {of_what} would decide it", factor.ceil().max(2.0))
        }
        Some(Undecided::LimitInside { .. }) => {
            "The change lies so near the limit that no reasonable number of runs decides it: choose another limit"
                .into()
        }
        Some(Undecided::NotWhenAdjusted) => format!(
            "Among {} conditions a failure is held to {}\u{a0}%: more {of_what}, or fewer conditions, would decide it",
            gate.cases.len(),
            fixed(gate.confidence * 100.0, 2)
        ),
    })
}

/// The gate as JUnit XML: a test case a condition and subject. What failed is a `failure`, what was not measured an `error`, and what
/// was measured without deciding is `skipped`, as consumers have no fourth word.
pub(crate) fn junit(gate: &Gate, held: Held, suite: &str) -> String {
    let count = |wanted: fn(&Case) -> bool| gate.cases.iter().filter(|case| wanted(case)).count();
    let is_error = |case: &Case| matches!(case.undecided, Some(Undecided::NotMeasured { .. }));
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        gate.cases.len(),
        count(|case| case.verdict == GateVerdict::Fail),
        count(is_error),
        count(|case| !matches!(case.undecided, None | Some(Undecided::NotMeasured { .. }))),
    );
    let suite = xml(suite);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"{suite}\" {counts}>\n  <testsuite name=\"{suite}\" {counts}>");
    for case in &gate.cases {
        let (limit, stands) = (xml(&limit(case)), subject_stands(case, held));
        let remedy = remedy(case, gate, held).map_or(String::new(), |remedy| format!(". {remedy}"));
        let message = xml(&format!("{stands}{remedy}"));
        let _ = write!(out, "    <testcase classname=\"{}\" name=\"{limit}\"", xml(&subject(case)));
        let _ = match case.verdict {
            GateVerdict::Pass => writeln!(out, ">\n      <system-out>{message}</system-out>\n    </testcase>"),
            GateVerdict::Fail => writeln!(
                out,
                ">\n      <failure type=\"limit\" message=\"{message}\">{message}</failure>\n    </testcase>"
            ),
            GateVerdict::Inconclusive if is_error(case) => writeln!(
                out,
                ">\n      <error type=\"not measured\" message=\"{message}\">{message}</error>\n    </testcase>"
            ),
            GateVerdict::Inconclusive => {
                writeln!(out, ">\n      <skipped message=\"inconclusive: {message}\"/>\n    </testcase>")
            }
        };
    }
    let _ = write!(out, "    <system-out>{}</system-out>\n  </testsuite>\n</testsuites>\n", xml(&sentence(gate, held)));
    out
}

/// Text that is neither markup nor what XML 1.0 forbids.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in inert_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::diff::Change, metric::id};

    fn case(limit: &str, subject: &str, verdict: GateVerdict, undecided: Option<Undecided>) -> Case {
        let change = Change { kind: ChangeKind::Ratio, value: 0.95, low: Some(0.93), high: Some(0.98) };
        Case {
            limit: limit.into(),
            subject: subject.into(),
            metric: id("tg128"),
            verdict,
            undecided,
            change: Some(change),
        }
    }

    fn gate(cases: Vec<Case>) -> Gate {
        let any = |verdict| cases.iter().any(|case| case.verdict == verdict);
        let verdict = if any(GateVerdict::Fail) {
            GateVerdict::Fail
        } else if any(GateVerdict::Inconclusive) {
            GateVerdict::Inconclusive
        } else {
            GateVerdict::Pass
        };
        Gate { verdict, confidence: 0.975, cases }
    }

    fn inside(factor: Option<f64>) -> Undecided {
        Undecided::LimitInside { evidence_factor: factor }
    }

    #[test]
    fn each_verdict_says_why_and_what_would_resolve_it() {
        use GateVerdict::{Fail, Inconclusive, Pass};
        let two = |verdict, undecided| {
            gate(vec![case("tg128<-3%", "a", Pass, None), case("tg128<-3%", "b", verdict, undecided)])
        };
        assert_eq!(sentence(&two(Pass, None), Held::Run), "PASS: all 2 conditions are kept by their whole intervals.");
        assert_eq!(
            sentence(&two(Fail, None), Held::ManyRecords),
            "FAIL: 1 of 2 conditions failed: tg128<-3%: b changed by −5.0\u{a0}% [−7.0, −2.0]."
        );
        assert!(sentence(&two(Fail, None), Held::TwoRecords).ends_with("it would know what varies from run to run."));
        let open = sentence(&two(Inconclusive, Some(inside(Some(2.3)))), Held::ManyRecords);
        assert!(
            open.starts_with("INCONCLUSIVE: 1 of 2 conditions could not be decided: tg128<-3%: b changed by"),
            "{open}"
        );
        assert!(open.ends_with("About 3 times as many records of each side would decide it."), "{open}");
        let near = sentence(&two(Inconclusive, Some(inside(None))), Held::Run);
        assert!(near.ends_with("choose another limit."), "{near}");
        let few = sentence(&two(Inconclusive, Some(Undecided::NoInterval)), Held::Run);
        assert!(
            few.contains("b is −5.0\u{a0}% [−7.0, −2.0] from the original, from too little")
                && few.contains("--rounds"),
            "{few}"
        );
        let adjusted = sentence(&two(Inconclusive, Some(Undecided::NotWhenAdjusted)), Held::Run);
        assert!(adjusted.contains("Among 2 conditions a failure is held to 97.50"), "{adjusted}");
    }

    #[test]
    fn junit_counts_what_consumers_count() {
        let missing = Some(Undecided::NotMeasured { reason: Some("killed & gone".into()) });
        let mut lost = case("tg128<-3%", "<\"c\">\u{1b}", GateVerdict::Inconclusive, missing);
        lost.change = None;
        let all = gate(vec![
            case("tg128<-3%", "a", GateVerdict::Pass, None),
            case("tg128<-3%", "b", GateVerdict::Fail, None),
            lost,
            case("tg128<-3%", "d", GateVerdict::Inconclusive, Some(inside(Some(4.0)))),
        ]);
        let text = junit(&all, Held::TwoRecords, "gguf-bench diff");
        assert_eq!(text.matches("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\"").count(), 2, "{text}");
        for wanted in [
            "<testcase classname=\"b\" name=\"tg128&lt;-3%\">\n      <failure type=\"limit\" message=\"b changed by",
            "<error type=\"not measured\" message=\"&lt;&quot;c&quot;&gt;",
            "killed &amp; gone",
            "<skipped message=\"inconclusive: d changed by",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
