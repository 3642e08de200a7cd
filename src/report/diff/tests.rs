//! What a person reads of a diff, whole.

use crate::{
    analysis::{
        Better, Unit, Verdict,
        comparable::{Difference, MatchedBy, Scope, Weight},
        diff::{Change, ChangeKind, Diff, MetricDiff, ModelDiff, Scatter, Side},
        gate::{self, Held, Limit, Row},
    },
    metric::{Word, id},
    record::{Outcome, Stage},
    report::{Error, Format, Options, diff::objections, render, tests::page::check},
};

fn metric(
    metric: &str,
    unit: Unit,
    (old, new): (f64, f64),
    (kind, value, low, high): (ChangeKind, f64, Option<f64>, Option<f64>),
    verdict: Option<Verdict>,
) -> MetricDiff {
    let change = Change { kind, value, low, high };
    MetricDiff {
        metric: id(metric),
        old,
        new,
        unit,
        better: Better::Higher,
        change,
        verdict,
        detectable: verdict.map(|_| 0.031),
        n_old: 12,
        n_new: 10,
    }
}

/// Written by hand, so that it depends on no statistics.
fn diff() -> Diff {
    let side = |started: &str, llama: &str| Side {
        started_utc: started.into(),
        version: "0.1.0".into(),
        llama_cpp: llama.into(),
        cpu: "Synthetic CPU 8-Core".into(),
        rounds: 12,
    };
    let ratio = |value: f64| (ChangeKind::Ratio, value, Some(value - 0.01), Some(value + 0.012));
    let model = |name: &str, matched_by, metrics| ModelDiff {
        name: name.into(),
        matched_by,
        old_outcome: Outcome::Done,
        new_outcome: Outcome::Done,
        metrics,
        lost: Vec::new(),
    };
    let tg = Unit::TokensPerSecond;
    let f16 = vec![
        metric("pp512", tg, (240.0, 239.0), ratio(0.996), Some(Verdict::NotResolved)),
        metric("tg128", tg, (20.0, 16.2), ratio(0.81), Some(Verdict::Worse(Word::Slower))),
        metric("load", Unit::Seconds, (0.3, 0.297), (ChangeKind::Ratio, 0.99, None, None), None),
        metric("memory_peak", Unit::Bytes, (3.2e8, 3.2e8), ratio(1.0), Some(Verdict::NoRelevantDifference)),
        metric("ppl", Unit::Perplexity, (18.2, 18.2), (ChangeKind::Ratio, 1.0, Some(1.0), Some(1.0)), None),
    ];
    let q8 = vec![
        metric("tg128", tg, (36.0, 36.1), ratio(1.003), Some(Verdict::NoRelevantDifference)),
        metric(
            "kld_mean",
            Unit::Nats,
            (0.011, 0.0125),
            (ChangeKind::Difference, 0.0015, Some(0.0011), Some(0.0019)),
            None,
        ),
    ];
    let mut lost = model("Q4_K_M", MatchedBy::Content, Vec::new());
    lost.new_outcome = Outcome::Failed { stage: Stage::Load, reason: "killed by signal 9".into() };
    let differs = |weight, what: &str, old: &str, new: &str| Difference {
        weight,
        scope: Scope::Everything,
        what: what.into(),
        old: old.into(),
        new: new.into(),
    };
    let mut diff = Diff {
        gate: None,
        old: vec![side("2026-01-02T03:04:05Z", "0.1.160")],
        new: vec![side("2026-02-03T04:05:06Z", "0.1.170")],
        scatter: Scatter::WithinRuns,
        within: Vec::new(),
        confidence: 0.95,
        equivalence: 0.01,
        verdicts: 4,
        differences: vec![
            differs(Weight::Noteworthy, "llama.cpp (llama-cpp-sys-2)", "0.1.160", "0.1.170"),
            differs(Weight::Meaningless, "file of Q8_0 (SHA-256)", "0123456789ab", "ba9876543210"),
        ],
        models: vec![model("F16", MatchedBy::Content, f16), model("Q8_0", MatchedBy::Name, q8), lost],
    };
    let limits: [Limit; 3] = ["tg128<-3%", "load>10%", "kld>0.01"].map(|l| l.parse().expect("a limit"));
    let row = |subject, row: &MetricDiff| Row { subject, metric: row.metric.clone(), change: row.change };
    let rows: Vec<Row> =
        diff.models.iter().enumerate().flat_map(|(i, model)| model.metrics.iter().map(move |m| row(i, m))).collect();
    let held = |model: &ModelDiff| Held { name: model.name.clone(), lost: model.lost.clone(), failure: None };
    let held: Vec<Held> = diff.models.iter().map(held).collect();
    diff.gate = Some(gate::hold(&limits, &held, 0.95, |_| rows.clone()).expect("metrics that are there"));
    diff
}

fn rendered(format: Format, diff: &Diff) -> String {
    render(format, diff, &Options::default()).expect("it renders")
}

#[test]
fn a_terminal() {
    insta::assert_snapshot!(rendered(Format::Text, &diff()));
}

#[test]
fn a_comment_on_a_pull_request() {
    insta::assert_snapshot!(rendered(Format::Md, &diff()));
}

#[test]
fn a_page_is_sound_and_says_what_failed() {
    let page = rendered(Format::Html, &diff());
    check(&page);
    assert!(page.contains("tg128&lt;-3% failed: F16 changed by"), "{page}");
    assert!(page.contains("Compared all the same, although it means little:"));
    assert!(page.contains("In NEW it failed while it was loaded"));
}

#[test]
fn csv_has_a_row_a_change() {
    let csv = rendered(Format::Csv, &diff());
    assert_eq!(csv.lines().count(), 1 + diff().models.iter().map(|m| m.metrics.len()).sum::<usize>());
    assert!(csv.contains("F16,tg128,20,16.2,t/s,12,10,ratio,0.81,"), "{csv}");
    assert!(csv.contains("Q8_0,kld_mean,0.011,0.0125,nats,12,10,difference,0.0015,0.0011,0.0019,"), "{csv}");
}

#[test]
fn llama_benchs_rows_are_of_one_record() {
    for format in [
        Format::LlamaBenchMd,
        Format::LlamaBenchCsv,
        Format::LlamaBenchJson,
        Format::LlamaBenchJsonl,
        Format::LlamaBenchSql,
    ] {
        assert!(matches!(render(format, &diff(), &Options::default()), Err(Error::NotOneRecord)));
    }
}

#[test]
fn a_refusal_names_both_values() {
    assert_eq!(objections(&diff()), ["file of Q8_0 (SHA-256): 0123456789ab in OLD, ba9876543210 in NEW"]);
}

#[test]
fn hostile_names_stay_text() {
    let mut hostile = diff();
    hostile.models[0].name = "\u{1b}[31m<img src=x>|`a`\n# b @all".into();
    hostile.differences[0].new = "<script>\u{202e}".into();
    for text in [rendered(Format::Text, &hostile), rendered(Format::Md, &hostile)] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }
    check(&rendered(Format::Html, &hostile));
    let text = rendered(Format::Md, &hostile);
    assert!(!text.contains("<img") && !text.contains("<script") && !text.contains("@all"), "{text}");
}
