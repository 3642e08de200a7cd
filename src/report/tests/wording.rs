//! What the sentences claim, and what they must not claim.

use super::fixture::{analysis, run};
use crate::{
    analysis::{Analysis, Verdict},
    metric::{Word, id},
    report::section::findings::sentences,
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
        "Q4_K_M generates 2.50× as fast as F16 [2.46, 2.55], in 44\u{a0}% of the memory; it is the fastest measured."
    );
}

#[test]
fn rivals_within_the_interval_are_named() {
    let said = first(|a| judge(a, Some(Verdict::Better(Word::Faster)), 1.9));
    assert!(said.ends_with("; Q8_0 and Q4_K_M can't be told from it."), "{said}");
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
        "In tg128 Q4_K_M measured 2.50× the speed of F16 (a quick look of 2 rounds: no interval), in 44\u{a0}% of the memory."
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
    assert!(told.starts_with("Q2_K had the lowest peak memory: 107 MiB against 305 MiB, "), "{told}");
    for untold in [Verdict::NotResolved, Verdict::NoRelevantDifference] {
        assert_eq!(of_memory(untold), "No candidate is shown to need less memory than F16, 305 MiB.");
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
        "In tg128 Q2_K measured 2.00× the speed of F16 [1.95, 2.05], but 8 rounds are too few for a verdict among so many \
         comparisons. A difference of 4.2\u{a0}% would have shown in four of five such runs."
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
    assert!(all.contains("Not measured in this run: output quality."), "{all}");
}
