//! The words of a self-check.

use super::format;
use crate::analysis::{Comparison, SelfCheck};

/// A paragraph for the verdict, a line for each metric, and what to do about this machine. Ends in a line end.
#[must_use]
pub fn selfcheck(found: &SelfCheck) -> String {
    let limit = format::percent(found.equivalence);
    let mut lines = Vec::new();
    if found.passed() {
        lines.push(format!(
            "Self-check passed: no difference beyond {limit} where there is none, in {} rounds.",
            found.rounds
        ));
    } else {
        let keys: Vec<&str> = found.differences.iter().map(|(key, _)| key.as_str()).collect();
        lines.push(format!(
            "Self-check FAILED: {} came out different by more than {limit} although both are the same file.",
            keys.join(", ")
        ));
    }
    let groups = [
        ("different", &found.differences),
        ("the same", &found.equivalent),
        ("too unsteady to say", &found.unresolved),
    ];
    for (words, group) in groups {
        lines.extend(group.iter().map(|(key, c)| format!("  {key}: {words}, {}", interval(c))));
    }
    if !found.passed() || !found.unresolved.is_empty() {
        lines.push("What helps on this machine:".into());
        lines.extend(found.warnings.iter().map(|w| format!("  {}: {}", w.evidence, w.remedy)));
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
    use crate::analysis::{Better, Verdict, Warning};

    fn found(verdict: Verdict) -> SelfCheck {
        let c = Comparison {
            key: "tg128".into(),
            ratio: Some(1.0213),
            low: Some(1.0121),
            high: Some(1.031),
            verdict: Some(verdict),
            better: Better::Higher,
            n: 12,
        };
        let list = |is: bool| if is { vec![("tg128".to_owned(), c.clone())] } else { Vec::new() };
        let different = verdict == Verdict::Faster;
        SelfCheck {
            differences: list(different),
            equivalent: list(!different),
            unresolved: Vec::new(),
            rounds: 12,
            equivalence: 0.01,
            warnings: vec![Warning {
                kind: "busy_machine".into(),
                model: None,
                evidence: "other processes used 40 %".into(),
                remedy: "close them".into(),
            }],
        }
    }

    #[test]
    fn a_failure_names_the_metric_and_what_to_do() {
        let text = selfcheck(&found(Verdict::Faster));
        assert!(text.starts_with("Self-check FAILED: tg128 came out different by more than"), "{text}");
        assert!(text.contains("tg128: different, 1.021× [1.012, 1.031] in 12 rounds"), "{text}");
        assert!(text.contains("other processes used 40 %: close them") && text.contains("--budget"), "{text}");
    }

    #[test]
    fn a_pass_needs_no_advice() {
        let text = selfcheck(&found(Verdict::NoRelevantDifference));
        assert!(text.starts_with("Self-check passed") && !text.contains("What helps"), "{text}");
    }
}
