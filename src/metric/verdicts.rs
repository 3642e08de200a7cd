//! How many verdicts a plan will draw, which is known before there is data, and the confidence each is held to.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{Family, of_workloads};
use crate::record::{Run, Workload};

/// Verdicts a plan draws, by family: those of a family are held to a confidence adjusted for their number (Bonferroni), so that one
/// family says anything false in at most 1 − confidence of runs. The plan says how many, not the data: a verdict that could not be
/// drawn for want of rounds counts as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Verdicts {
    /// Speed of the synthetic workloads, load, memory: every candidate's.
    pub primary: usize,
    /// Speed at a depth of context: every candidate's.
    pub depths: usize,
    /// Speed by category of prompts: every candidate's.
    pub categories: usize,
    /// Energy of a token: every candidate's.
    pub energy: usize,
    /// One line over all workloads, and the time of a request, of every candidate.
    pub overall: usize,
}

impl Verdicts {
    /// Those of a plan's work.
    pub(crate) fn of(workloads: &[Workload], n_candidates: usize) -> Self {
        let mut found = Self::default();
        for id in &of_workloads(workloads) {
            if let Some(drawn) = found.of_mut(id.spec().family) {
                *drawn += n_candidates;
            }
        }
        found
    }

    /// Those of a run, whether it is under way or over.
    pub(crate) fn of_run(run: &Run) -> Self {
        Self::of(&run.plan.workloads, run.subjects.len().saturating_sub(1))
    }

    fn of_mut(&mut self, family: Family) -> Option<&mut usize> {
        match family {
            Family::Primary => Some(&mut self.primary),
            Family::Depth => Some(&mut self.depths),
            Family::Category => Some(&mut self.categories),
            Family::Energy => Some(&mut self.energy),
            Family::Overall => Some(&mut self.overall),
            Family::Exact | Family::Quality => None,
        }
    }

    /// The confidence a verdict of that family is held to, where intervals have `confidence`.
    pub(crate) fn level(mut self, family: Family, confidence: f64) -> f64 {
        adjusted(confidence, self.of_mut(family).map_or(1, |drawn| *drawn))
    }
}

/// The confidence each of several verdicts is held to (Bonferroni); intervals are shown as they are.
pub(crate) fn adjusted(confidence: f64, verdicts: usize) -> f64 {
    1.0 - (1.0 - confidence) / verdicts.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{MetricId, all_work};

    #[test]
    fn a_family_is_counted_for_every_candidate_and_adjusted_for_its_own_number() {
        let verdicts = Verdicts::of(&all_work(), 2);
        // pp512, tg128, pp512+tg128, pp512x8, tg128x8, load and peak memory; the first three at a depth; pp and tg of one category.
        assert_eq!(verdicts, Verdicts { primary: 14, depths: 6, categories: 4, energy: 4, overall: 4 });
        assert!((verdicts.level(Family::Primary, 0.95) - (1.0 - 0.05 / 14.0)).abs() < 1e-12);
        assert!((verdicts.level(Family::Overall, 0.95) - 0.9875).abs() < 1e-12);
        assert!((verdicts.level(Family::Quality, 0.95) - 0.95).abs() < 1e-12);
    }

    #[test]
    fn memory_of_a_device_is_exact_and_draws_no_verdict() {
        let all = of_workloads(&all_work());
        assert!(all.contains(&MetricId::DeviceMemory));
        let primary = all.iter().filter(|id| id.spec().family == Family::Primary);
        assert!(primary.clone().all(|id| *id != MetricId::DeviceMemory));
        assert_eq!(Verdicts::of(&all_work(), 6).primary, 6 * primary.count());
    }
}
