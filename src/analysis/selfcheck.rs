//! A model against itself: every difference found is false, and what could have been seen is what this machine can tell apart.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    metric::{MetricId, Unit},
    record::{Ended, Run},
    units::NS_PER_S,
};

use super::{
    analyse::Analysis,
    verdict::{Comparison, Verdict},
    warning::Warning,
};

/// What a self-check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct SelfCheck {
    /// Metrics that came out relevantly different, with their intervals.
    pub differences: Vec<(MetricId, Comparison)>,
    /// Metrics whose interval lies inside the region of equivalence.
    pub equivalent: Vec<(MetricId, Comparison)>,
    /// Metrics of which neither can be said, or of which no verdict could be drawn.
    pub unresolved: Vec<(MetricId, Comparison)>,
    /// Rounds it took.
    pub rounds: u32,
    /// What they took, seconds.
    pub rounds_s: f64,
    /// Why no more were run.
    pub ended: Ended,
    /// Differences smaller than this are not relevant.
    pub equivalence: f64,
    /// What was seen of the machine meanwhile.
    pub warnings: Vec<Warning>,
}

/// What that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finding {
    /// Every speed was shown to have no relevant difference, and nothing else differs.
    Passed,
    /// A difference was found where there is none.
    Failed,
    /// Of a speed neither can be said.
    NotResolved,
}

impl SelfCheck {
    /// What the verdicts come to. Load and memory may fail a check, but they need not be resolved for it to pass.
    #[must_use]
    pub(crate) fn finding(&self) -> Finding {
        if !self.differences.is_empty() {
            Finding::Failed
        } else if self.unresolved_speeds().next().is_none() && self.equivalent.iter().any(is_speed) {
            Finding::Passed
        } else {
            Finding::NotResolved
        }
    }

    /// The speeds that keep it from passing.
    pub(crate) fn unresolved_speeds(&self) -> impl Iterator<Item = &(MetricId, Comparison)> {
        self.unresolved.iter().filter(|found| is_speed(found))
    }

    /// The smallest difference that would have shown in every speed in four of five such checks; `None` while one can't be told.
    pub(crate) fn detectable(&self) -> Option<f64> {
        let all = [&self.differences, &self.equivalent, &self.unresolved].into_iter().flatten();
        let sizes: Option<Vec<f64>> = all.filter(|found| is_speed(found)).map(|(_, c)| c.detectable).collect();
        sizes?.into_iter().reduce(f64::max)
    }
}

fn is_speed((id, _): &(MetricId, Comparison)) -> bool {
    id.spec().unit == Unit::TokensPerSecond
}

/// Sorts the verdicts on the second model, which is the first one again.
#[must_use]
pub(crate) fn selfcheck(run: &Run, analysis: &Analysis) -> SelfCheck {
    let visits = || run.rounds.iter().flat_map(|round| &round.visits);
    let begun_ns = visits().map(|visit| visit.started_ns).min().unwrap_or(0);
    let over_ns = visits().map(|visit| visit.started_ns.saturating_add(visit.duration_ns)).max().unwrap_or(0);
    let mut found = SelfCheck {
        differences: Vec::new(),
        equivalent: Vec::new(),
        unresolved: Vec::new(),
        rounds: analysis.rounds,
        rounds_s: (over_ns - begun_ns) as f64 / NS_PER_S,
        ended: analysis.ended,
        equivalence: analysis.equivalence,
        warnings: analysis.warnings.clone(),
    };
    for comparison in analysis.models.iter().flat_map(|m| &m.vs_original) {
        let into = match comparison.verdict {
            Some(Verdict::NoRelevantDifference) => &mut found.equivalent,
            None | Some(Verdict::NotResolved) => &mut found.unresolved,
            Some(Verdict::Better(_) | Verdict::Worse(_)) => &mut found.differences,
        };
        into.push((comparison.id.clone(), comparison.clone()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{Better, analyse},
        metric::{Word, id},
        record::read_run,
    };

    fn run() -> Run {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        read_run(&path).expect("the fixture is a record")
    }

    /// A check of these metrics with these verdicts.
    fn check(verdicts: &[(&str, Option<Verdict>)]) -> Finding {
        let mut analysis = analyse(&run());
        analysis.models.truncate(2);
        analysis.models[1].vs_original = verdicts
            .iter()
            .map(|&(key, verdict)| Comparison {
                id: id(key),
                ratio: Some(1.0),
                low: verdict.map(|_| 0.99),
                high: verdict.map(|_| 1.01),
                verdict,
                detectable: verdict.map(|_| 0.02),
                better: Better::Higher,
                n: 6,
            })
            .collect();
        selfcheck(&run(), &analysis).finding()
    }

    #[test]
    fn only_what_is_shown_to_be_the_same_passes() {
        let same = Some(Verdict::NoRelevantDifference);
        let open = Some(Verdict::NotResolved);
        assert_eq!(check(&[("pp512", same), ("tg128", same), ("all_workloads", same)]), Finding::Passed);
        assert_eq!(check(&[("pp512", same), ("tg128", open)]), Finding::NotResolved);
        assert_eq!(check(&[("pp512", same), ("tg128", None)]), Finding::NotResolved, "a verdict that was not drawn");
        assert_eq!(check(&[("pp512", same), ("load", open), ("memory_peak", None)]), Finding::Passed, "no speeds");
        assert_eq!(check(&[("load", same), ("memory_peak", same)]), Finding::NotResolved, "no speed was looked at");
        assert_eq!(check(&[]), Finding::NotResolved);
    }

    #[test]
    fn one_difference_fails_it_whatever_the_rest_is() {
        for different in [Verdict::Better(Word::Faster), Verdict::Worse(Word::Slower)] {
            assert_eq!(check(&[("pp512", None), ("tg128", Some(different))]), Finding::Failed);
            assert_eq!(
                check(&[("pp512", Some(Verdict::NoRelevantDifference)), ("load", Some(different))]),
                Finding::Failed
            );
        }
    }
}
