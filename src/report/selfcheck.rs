//! The words of a self-check.

use super::{
    number,
    text::{agree, counted, list},
};
use crate::{
    analysis::{Comparison, Finding, SelfCheck},
    metric::MetricId,
    record::Ended,
};

/// A paragraph for the verdict, a line for each metric, and what to do about this machine. Ends in a line end.
pub(crate) fn selfcheck(found: &SelfCheck) -> String {
    let limit = number::percent(found.equivalence);
    let mut lines = Vec::new();
    lines.push(match found.finding() {
        Finding::Passed => {
            format!(
                "Self-check passed: no speed differs by more than {limit}, as it should be, in {}.",
                counted(found.rounds, "round")
            )
        }
        Finding::NotResolved if found.detectable().is_none() => format!(
            "Self-check NOT RESOLVED: {} {} too few for an interval, so nothing could have been found.",
            counted(found.rounds, "round"),
            agree(found.rounds as usize, "is", "are")
        ),
        Finding::NotResolved => format!(
            "Self-check NOT RESOLVED: whether {} differs by more than {limit} is not known after {}.",
            named(found.unresolved_speeds().map(|(id, _)| id)),
            counted(found.rounds, "round")
        ),
        Finding::Failed => format!(
            "Self-check FAILED: {} came out different by more than {limit} although both are the same file.",
            named(found.differences.iter().map(|(id, _)| id))
        ),
    });
    lines.extend(found.detectable().map(|size| {
        format!(
            "In {} this machine tells speeds apart that differ by {} or more, in four of five such checks.",
            time(found.rounds_s),
            number::percent(size)
        )
    }));
    let groups =
        [("different", &found.differences), ("the same", &found.equivalent), ("not resolved", &found.unresolved)];
    for (words, group) in groups {
        lines.extend(group.iter().map(|(key, c)| format!("  {}: {words}, {}", key.words(), interval(c))));
    }
    if found.finding() != Finding::Passed {
        lines.push("What helps on this machine:".into());
        let mut advice: Vec<String> = found.warnings.iter().map(|w| format!("  {} {}", w.evidence, w.remedy)).collect();
        advice.dedup();
        lines.extend(advice);
        lines.push(
            "  close other programs, plug in the power supply, let it cool, leave it alone while it measures".into(),
        );
        lines.extend(longer(found));
    }
    lines.join("\n") + "\n"
}

/// The option that really makes such a check say more, and the one that asks for less.
fn longer(found: &SelfCheck) -> Vec<String> {
    let option = match found.ended {
        // More time would not be used.
        Ended::Precise => format!(
            "  measure more precisely: --precision {}, as the check ended when it was precise enough",
            plain(found.equivalence / 4.0)
        ),
        Ended::Budget => {
            format!("  give it more time: --budget, as it ended after {} for want of it", time(found.rounds_s))
        }
        Ended::RoundsDone
        | Ended::OneLeft
        | Ended::Interrupted
        | Ended::NothingLeft
        | Ended::OriginalFailed
        | Ended::ServerLost
        | Ended::Unfinished => {
            format!("  let it measure more: --rounds {}..{}", 2 * found.rounds.max(6), 4 * found.rounds.max(6))
        }
    };
    // Only the sizes that this machine can tell apart are worth asking for.
    let coarser = found.detectable().filter(|size| *size > found.equivalence);
    let less = coarser.map(|size| format!("  or ask for less: --equivalence {}", plain((size * 100.0).ceil() / 100.0)));
    std::iter::once(option).chain(less).collect()
}

/// As an option takes it.
fn plain(share: f64) -> String {
    number::percent(share).replace('\u{a0}', "")
}

fn time(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.1} min", seconds / 60.0) }
}

fn named<'a>(ids: impl Iterator<Item = &'a MetricId>) -> String {
    list(&ids.map(MetricId::words).collect::<Vec<_>>())
}

fn interval(c: &Comparison) -> String {
    match (c.ratio, c.low, c.high) {
        (Some(ratio), Some(low), Some(high)) => {
            format!("{ratio:.3}× [{low:.3}, {high:.3}] in {}", counted(c.n, "round"))
        }
        (Some(ratio), ..) => {
            format!("{ratio:.3}×, {} {} too few for an interval", counted(c.n, "round"), agree(c.n, "is", "are"))
        }
        _ => "not measured".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{Better, Verdict, Warning, WarningKind},
        metric::{Word, id},
    };

    fn found(verdict: Option<Verdict>) -> SelfCheck {
        let is_drawn = verdict.is_some();
        let c = Comparison {
            id: id("tg128"),
            ratio: Some(1.0213),
            low: is_drawn.then_some(1.0121),
            high: is_drawn.then_some(1.031),
            verdict,
            detectable: is_drawn.then_some(0.0342),
            better: Better::Higher,
            n: 12,
        };
        let list = |is: bool| if is { vec![(id("tg128"), c.clone())] } else { Vec::new() };
        SelfCheck {
            differences: list(verdict == Some(Verdict::Better(Word::Faster))),
            equivalent: list(verdict == Some(Verdict::NoRelevantDifference)),
            unresolved: list(matches!(verdict, None | Some(Verdict::NotResolved))),
            rounds: 12,
            rounds_s: 131.4,
            ended: Ended::Budget,
            equivalence: 0.01,
            warnings: vec![Warning {
                kind: WarningKind::BusyMachine,
                model: None,
                evidence: "Other processes used 40 %.".into(),
                remedy: "Close them.".into(),
            }],
        }
    }

    #[test]
    fn a_failure_names_the_metric_and_what_to_do() {
        let text = selfcheck(&found(Some(Verdict::Better(Word::Faster))));
        assert!(text.starts_with("Self-check FAILED: tg128 came out different by more than"), "{text}");
        assert!(text.contains("tg128: different, 1.021× [1.012, 1.031] in 12 rounds"), "{text}");
        assert!(text.contains("Other processes used 40 %. Close them.") && text.contains("--budget"), "{text}");
    }

    #[test]
    fn without_an_interval_nothing_is_resolved() {
        let text = selfcheck(&SelfCheck { rounds: 2, ..found(None) });
        assert!(text.starts_with("Self-check NOT RESOLVED: 2 rounds") && text.contains("What helps"), "{text}");
        assert!(!text.contains("tells speeds apart"), "{text}");
    }

    #[test]
    fn what_is_not_resolved_says_what_this_machine_can_tell_apart() {
        let text = selfcheck(&found(Some(Verdict::NotResolved)));
        assert!(text.starts_with("Self-check NOT RESOLVED: whether tg128 differs by more than 1.0"), "{text}");
        let told = "In 2.2 min this machine tells speeds apart that differ by 3.4\u{a0}% or more, in four of five such checks.";
        assert!(text.contains(told), "{text}");
        assert!(text.contains("--budget") && text.contains("--equivalence 4.0%"), "{text}");
    }

    #[test]
    fn the_option_that_helps_is_the_one_that_ended_it() {
        let of = |ended| selfcheck(&SelfCheck { ended, ..found(Some(Verdict::NotResolved)) });
        let (precise, budget, rounds) = (of(Ended::Precise), of(Ended::Budget), of(Ended::RoundsDone));
        assert!(precise.contains("--precision 0.2%") && !precise.contains("--budget"), "{precise}");
        assert!(budget.contains("--budget") && !budget.contains("--precision"), "{budget}");
        assert!(rounds.contains("--rounds 24..48") && !rounds.contains("--precision"), "{rounds}");
    }

    #[test]
    fn a_pass_needs_no_advice() {
        let text = selfcheck(&found(Some(Verdict::NoRelevantDifference)));
        assert!(text.starts_with("Self-check passed") && !text.contains("What helps"), "{text}");
        assert!(text.contains("this machine tells speeds apart"), "{text}");
    }
}
