//! What the sentences claim, and what they must not claim.

use super::fixture::{analysis, run};
use crate::{
    analysis::{Analysis, NotDone, Verdict, analyse, diff::tests::outputs::with_outputs},
    metric::{Word, id},
    record::{ComparisonFault, Ended, Outcome, Role, Stage},
    report::{Format, Options, Report, RunReport, render, section::findings::sentences},
};

fn first(change: impl FnOnce(&mut Analysis)) -> String {
    let run = run();
    let mut analysis = analysis(&run);
    change(&mut analysis);
    sentences(&analysis).swap_remove(0)
}

fn judge(analysis: &mut Analysis, verdict: Option<Verdict>, ratio: f64) {
    for m in &mut analysis.models {
        for c in m.vs_original.iter_mut().filter(|c| c.id == id("tg128")) {
            (c.ratio, c.verdict, c.n) = (Some(ratio), verdict, 8);
            (c.low, c.high) = (Some(ratio - 0.05), Some(ratio + 0.05));
        }
    }
}

#[test]
fn a_resolved_gain_is_stated_with_its_interval_and_its_memory() {
    let said = first(|_| {});
    assert_eq!(
        said,
        "Q4_K_M generates 2.50× as fast as F16 [2.46, 2.55], in 44\u{a0}% of the memory. It is the fastest measured."
    );
}

#[test]
fn rivals_within_the_interval_are_named() {
    let said = first(|a| judge(a, Some(Verdict::Better(Word::Faster)), 1.9));
    assert!(said.ends_with(" Q8_0 and Q4_K_M can't be told from it."), "{said}");
}

#[test]
fn no_interval_no_claim() {
    let said = first(|a| {
        a.quick = true;
        for c in a.models.iter_mut().flat_map(|m| &mut m.vs_original) {
            (c.low, c.high, c.verdict, c.n) = (None, None, None, 2);
        }
    });
    assert_eq!(
        said,
        "In tg128, Q4_K_M was 2.50× as fast as F16, in 44\u{a0}% of the memory. That is a quick look of 2 rounds, too short for an interval."
    );
}

/// What is said of memory when that is the verdict on every candidate's.
fn of_memory(verdict: Verdict) -> String {
    let run = run();
    let mut analysis = analysis(&run);
    for c in analysis.models.iter_mut().flat_map(|m| &mut m.vs_original).filter(|c| c.id == id("memory_peak")) {
        c.verdict = Some(verdict);
    }
    sentences(&analysis).swap_remove(1)
}

#[test]
fn the_least_memory_is_claimed_only_where_it_is_told() {
    let told = of_memory(Verdict::Better(Word::Smaller));
    assert!(told.starts_with("Q2_K had the lowest peak memory: 107 MiB, "), "{told}");
    for untold in [Verdict::NotResolved, Verdict::NoRelevantDifference] {
        assert_eq!(of_memory(untold), "No candidate is shown to need less memory than F16 (305 MiB).");
    }
}

#[test]
fn an_unresolved_difference_is_not_called_faster() {
    let said = first(|a| judge(a, Some(Verdict::NotResolved), 1.02));
    assert!(
        said.contains("is not resolved after 8 rounds: 1.02× [0.97, 1.07]. A difference of 4.2\u{a0}% would have shown in four of five such runs."),
        "{said}"
    );
}

#[test]
fn a_clear_interval_without_a_verdict_is_not_a_claim_either() {
    let said = first(|a| judge(a, Some(Verdict::NotResolved), 2.0));
    assert_eq!(
        said,
        "In tg128, Q2_K was 2.00× as fast as F16 [1.95, 2.05]. With several verdicts each is held to a stricter level, and at that \
         8 rounds do not resolve it. A difference of 4.2\u{a0}% would have shown in four of five such runs."
    );
}

#[test]
fn equal_and_slower_are_said_so() {
    let equal = first(|a| judge(a, Some(Verdict::NoRelevantDifference), 1.0));
    assert!(equal.contains("shows no relevant difference from F16: 1.00× [0.95, 1.05]"), "{equal}");
    let slower = first(|a| judge(a, Some(Verdict::Worse(Word::Slower)), 0.8));
    assert!(slower.starts_with("No candidate generates faster than F16"), "{slower}");
}

#[test]
fn failures_and_gaps_are_said() {
    let run = run();
    let all = sentences(&analysis(&run)).join(" ");
    assert!(all.contains("IQ1_XX failed"), "{all}");
    assert!(all.contains("Not part of this run: output quality."), "{all}");
}

/// The same with every candidate but the first of them failed, or that one, too.
fn with_candidates(left: usize) -> Analysis {
    let run = run();
    let mut analysis = analysis(&run);
    for m in analysis.models.iter_mut().filter(|m| m.role == Role::Candidate).skip(left) {
        m.outcome = Outcome::Failed { stage: Stage::Load, reason: "no".into() };
        (m.metrics, m.vs_original) = (Vec::new(), Vec::new());
    }
    analysis
}

#[test]
fn nothing_is_the_best_or_the_lowest_of_one() {
    let alone = sentences(&with_candidates(0)).join(" ");
    assert!(!alone.contains("lowest") && !alone.contains("fastest") && !alone.contains("highest"), "{alone}");
    let mut one = with_candidates(1);
    judge(&mut one, Some(Verdict::Worse(Word::Slower)), 0.8);
    let said = sentences(&one).swap_remove(0);
    assert!(said.starts_with("Q8_0 generates at 0.80× the speed of F16 [0.75, 0.85]"), "{said}");
    judge(&mut one, Some(Verdict::NoRelevantDifference), 1.0);
    let said = sentences(&one).swap_remove(0);
    assert!(said.starts_with("Q8_0 shows no relevant difference from F16 in tg128: 1.00×"), "{said}");
}

#[test]
fn units_are_the_metrics_where_no_model_has_a_figure() {
    let run = run();
    let mut analysis = analysis(&run);
    for m in &mut analysis.models {
        m.outcome = Outcome::Failed { stage: Stage::Load, reason: "no".into() };
        (m.metrics, m.vs_original) = (Vec::new(), Vec::new());
    }
    let report = RunReport::new(&run, &analysis);
    let document = report.document().expect("it can be drawn");
    let summary = document.summary.as_ref().expect("a summary");
    let unit = |title: &str| summary.columns.iter().find(|c| c.title == title).and_then(|c| c.unit.clone());
    assert_eq!(unit("tg128").as_deref(), Some("t/s"));
    assert_eq!(unit("load").as_deref(), Some("ms"));
    assert!(unit("peak memory").is_some_and(|unit| unit.ends_with('B')), "{:?}", unit("peak memory"));
}

#[test]
fn a_run_of_outputs_alone_counts_what_it_has() {
    let mut run = with_outputs(run(), |_| 0.01);
    run.rounds.clear();
    run.plan.workloads.clear();
    (run.adaptation, run.ended) = (None, Ended::RoundsDone);
    (run.plan.protocol.min_rounds, run.plan.protocol.max_rounds, run.plan.protocol.prompt_rounds) = (0, 0, 0);
    let analysis = analyse(&run);
    let options = Options { width: 500, ..Options::default() };
    for format in [Format::Text, Format::Md, Format::Html] {
        let text = render(format, &RunReport::new(&run, &analysis), &options).expect("it renders");
        let text = text.split("<script").next().expect("a page");
        assert!(text.contains("12 windows of 1 document. "), "{format:?}: {text}");
        assert!(text.contains("The run ended because everything planned was done"), "{format:?}: {text}");
        for word in ["0 rounds", "0 planned", "a round"] {
            assert!(!text.to_lowercase().contains(word), "{format:?} has {word:?}: {text}");
        }
    }
}

#[test]
fn what_was_not_done_is_in_every_report_with_its_reason() {
    let mut run = run();
    (run.ended, run.quality) = (Ended::Interrupted, None);
    run.plan.quality = with_outputs(run.clone(), |_| 0.01).plan.quality;
    run.command = vec!["gguf-bench".into(), "--out".into(), "o/1".into()];
    let analysis = analyse(&run);
    let missing: Vec<&NotDone> = analysis.not_done.iter().collect();
    assert!(missing.len() >= 2, "{missing:?}");
    for format in [Format::Html, Format::Md, Format::Text, Format::Json] {
        let options = Options { width: 500, ..Options::default() };
        let text = render(format, &RunReport::new(&run, &analysis), &options).expect("it renders");
        for one in &missing {
            assert!(text.contains(&one.reason), "{format:?} lacks {}", one.reason);
        }
        let resume = if format == Format::Md { "\\`gguf-bench resume o/1\\`" } else { "`gguf-bench resume o/1`" };
        assert!(text.replace("&#x2f;", "/").contains(resume), "{format:?} lacks {resume}");
        if format != Format::Json {
            let advice = "The run was interrupted before outputs were compared";
            assert!(text.contains(advice) && !text.contains("--no-quality"), "{format:?}");
        }
    }
}

#[test]
fn what_is_no_candidates_fault_stands_at_no_candidate() {
    let rendered = |fault: Option<ComparisonFault>, reason: &str| {
        let mut run = with_outputs(run(), |_| 0.01);
        let quality = run.quality.as_mut().expect("it was compared");
        quality.fault = fault;
        for result in &mut quality.results {
            result.outcome = Outcome::Failed { stage: Stage::Quality, reason: reason.into() };
            (result.texts, result.stopped) = (Vec::new(), None);
        }
        let options = Options { width: 500, ..Options::default() };
        render(Format::Text, &RunReport::new(&run, &analyse(&run)), &options).expect("it renders")
    };
    let own = rendered(None, "its vocabulary is damaged");
    assert!(own.contains("✗ Q8_0 failed while outputs were compared: its vocabulary is damaged."), "{own}");
    let original = rendered(Some(ComparisonFault::Original), "the original: it was trained for 64 tokens");
    assert!(original.contains("✗ F16 failed while outputs were compared: it was trained for 64 tokens."), "{original}");
    assert!(!original.contains("✗ Q8_0"), "{original}");
    let asked = rendered(Some(ComparisonFault::Asked), "no text is as long as a window");
    assert!(asked.contains("- Outputs were not compared: no text is as long as a window."), "{asked}");
    assert!(!asked.contains("✗ Q8_0") && !asked.contains("✗ F16"), "{asked}");
}

#[test]
fn settings_of_one_file_have_a_base_and_no_original() {
    let words = |of_one_file: bool| {
        let mut run = with_outputs(run(), |_| 0.01);
        let base = run.subjects[0].clone();
        for (n, own) in (2..).zip(&mut run.subjects[1..]) {
            own.outcome = Outcome::Done;
            own.settings.n_threads = base.settings.n_threads + n;
            if of_one_file {
                own.model = base.model.clone();
            }
        }
        let page = |format| {
            let options = Options { width: 500, ..Options::default() };
            let text = render(format, &RunReport::new(&run, &analyse(&run)), &options).expect("it renders");
            // The page's scripts and styles have words of their own, and so has the vote.
            let cut = |text: String, from: &str, to: &str| {
                let kept = |part: &str| part.split_once(to).map_or_else(String::new, |(_, rest)| rest.to_owned());
                let mut parts = text.split(from);
                let first = parts.next().unwrap_or_default().to_owned();
                first + &parts.map(kept).collect::<String>()
            };
            let text = cut(cut(text, "<script", "</script>"), "<style", "</style>");
            cut(text, "<section id=\"judge\"", "</section>")
                .replace("card original", "card")
                .replace("--c-original", "")
        };
        [Format::Text, Format::Md, Format::Html].map(page)
    };
    for text in words(true) {
        assert!(!text.to_lowercase().contains("original"), "{text}");
        assert!(text.contains("base"), "{text}");
    }
    assert!(words(false).iter().all(|text| text.contains("original")), "other files are of an original");
}
