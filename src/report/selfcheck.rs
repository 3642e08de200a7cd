//! The words of a self-check.

use super::number;
use crate::analysis::{Comparison, Finding, SelfCheck};

/// A paragraph for the verdict, a line for each metric, and what to do about this machine. Ends in a line end.
pub(crate) fn selfcheck(found: &SelfCheck) -> String {
    let limit = number::percent(found.equivalence);
    let mut lines = Vec::new();
    lines.push(match found.finding() {
        Finding::Passed => {
            let of = found.equivalent.len() + found.unresolved.len();
            let open = match found.unresolved.len() {
                0 => String::new(),
                n => format!("; {n} of {of} figures are too unsteady to exclude {limit}"),
            };
            format!("Self-check passed: no difference was found where there is none, in {} rounds{open}.", found.rounds)
        }
        Finding::Undecided => format!(
            "Self-check UNDECIDED: {} rounds are too few for an interval, so nothing could have been found.",
            found.rounds
        ),
        Finding::Failed => {
            let keys: Vec<String> = found.differences.iter().map(|(id, _)| id.to_string()).collect();
            format!(
                "Self-check FAILED: {} came out different by more than {limit} although both are the same file.",
                keys.join(", ")
            )
        }
    });
    let groups = [
        ("different", &found.differences),
        ("the same", &found.equivalent),
        ("too unsteady to say", &found.unresolved),
    ];
    for (words, group) in groups {
        lines.extend(group.iter().map(|(key, c)| format!("  {key}: {words}, {}", interval(c))));
    }
    if !found.differences.is_empty() || !found.unresolved.is_empty() {
        lines.push("What helps on this machine:".into());
        let mut advice: Vec<String> =
            found.warnings.iter().map(|w| format!("  {}: {}", w.evidence, w.remedy)).collect();
        advice.dedup();
        lines.extend(advice);
        lines.push(
            "  close other programs, plug in the power supply, let it cool, leave it alone while it measures".into(),
        );
        lines.push("  measure longer: --rounds 20..80, or --budget 20m; or accept less: --equivalence 3%".into());
    }
    lines.join("\n") + "\n"
}

fn interval(c: &Comparison) -> String {
    match (c.ratio, c.low, c.high) {
        (Some(ratio), Some(low), Some(high)) => format!("{ratio:.3}× [{low:.3}, {high:.3}] in {} rounds", c.n),
        (Some(ratio), ..) => format!("{ratio:.3}×, {} rounds are too few for an interval", c.n),
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

    fn found(verdict: Verdict) -> SelfCheck {
        let c = Comparison {
            id: id("tg128"),
            ratio: Some(1.0213),
            low: Some(1.0121),
            high: Some(1.031),
            verdict: Some(verdict),
            detectable: Some(0.034),
            better: Better::Higher,
            n: 12,
        };
        let list = |is: bool| if is { vec![(id("tg128"), c.clone())] } else { Vec::new() };
        let different = verdict == Verdict::Better(Word::Faster);
        SelfCheck {
            differences: list(different),
            equivalent: list(!different),
            unresolved: Vec::new(),
            rounds: 12,
            equivalence: 0.01,
            warnings: vec![Warning {
                kind: WarningKind::BusyMachine,
                model: None,
                evidence: "other processes used 40 %".into(),
                remedy: "close them".into(),
            }],
        }
    }

    #[test]
    fn a_failure_names_the_metric_and_what_to_do() {
        let text = selfcheck(&found(Verdict::Better(Word::Faster)));
        assert!(text.starts_with("Self-check FAILED: tg128 came out different by more than"), "{text}");
        assert!(text.contains("tg128: different, 1.021× [1.012, 1.031] in 12 rounds"), "{text}");
        assert!(text.contains("other processes used 40 %: close them") && text.contains("--budget"), "{text}");
    }

    #[test]
    fn without_an_interval_nothing_is_decided() {
        let mut found = found(Verdict::NoRelevantDifference);
        found.unresolved = std::mem::take(&mut found.equivalent);
        found.rounds = 2;
        for (_, c) in &mut found.unresolved {
            (c.low, c.high, c.verdict) = (None, None, None);
        }
        let text = selfcheck(&found);
        assert!(text.starts_with("Self-check UNDECIDED: 2 rounds") && text.contains("What helps"), "{text}");
    }

    #[test]
    fn a_pass_needs_no_advice() {
        let text = selfcheck(&found(Verdict::NoRelevantDifference));
        assert!(text.starts_with("Self-check passed") && !text.contains("What helps"), "{text}");
    }
}
