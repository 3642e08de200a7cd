//! The grounds of a recommendation: asked again with other limits and another preference, they answer by the same rule.

use super::{
    model::ModelAnalysis,
    pareto::{self, Field},
    recommend::{self, Advice, Candidate, Limit, Rule, Timed},
    series::Series,
};
use crate::record::{Phase, Prefer, Role, Run, Subject};

/// Everything that a recommendation rests on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grounds {
    candidates: Vec<Candidate>,
    /// Each preference with the run's own limits, and how the models stand where it decides.
    by: [(Rule, Field); Prefer::ALL.len()],
}

/// The limits that a model must keep; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) max_kld_nats: f64,
    pub(crate) min_tg_tps: Option<f64>,
    pub(crate) max_memory_bytes: Option<f64>,
}

impl Grounds {
    pub(super) fn of(run: &Run, series: &[Vec<Series>], models: &[ModelAnalysis]) -> Self {
        let timed = Timed {
            pp: pareto::first(run, Phase::Prefill),
            tg: pareto::first(run, Phase::Decode),
            energy: pareto::first_energy(run),
        };
        let original = run.original().map(|original| &run.subjects[original]);
        let is_copy = |subject: &Subject| {
            let is_same = |o: &&Subject| subject.model.holds_the_bytes_of(&o.model) && subject.settings == o.settings;
            subject.role == Role::Candidate && original.as_ref().is_some_and(is_same)
        };
        let candidate = |(model, own): (usize, &ModelAnalysis)| {
            let weights = pareto::weights_in(run, model);
            Candidate::of(own, is_copy(&run.subjects[model]), &timed, &weights)
        };
        let field = |prefer| {
            let field = Field::of(run, series, models, prefer);
            (recommend::rule(run, prefer, &field), field)
        };
        Self { candidates: models.iter().enumerate().map(candidate).collect(), by: Prefer::ALL.map(field) }
    }

    /// The recommendation by a preference and the run's own limits.
    pub(super) fn own(&self, prefer: Prefer) -> Advice {
        let (rule, field) = &self.by[prefer as usize];
        recommend::advise(*rule, &self.candidates, field)
    }

    /// The recommendation by a preference and other limits.
    pub(crate) fn advise(&self, limits: &Limits, prefer: Prefer) -> Advice {
        let (rule, field) = &self.by[prefer as usize];
        let Limits { max_kld_nats, min_tg_tps, max_memory_bytes } = *limits;
        let rule = Rule { max_kld_nats, min_tg_tps, max_memory_bytes, ..*rule };
        recommend::advise(rule, &self.candidates, field)
    }

    /// Where moving a limit can change anything: the ends of the models' own intervals, in order and each once.
    pub(crate) fn turns(&self, limit: Limit) -> Vec<f64> {
        let size = self.by[0].1.size();
        let ends = self.candidates.iter().filter_map(|candidate| candidate.interval(limit, size));
        let mut all: Vec<f64> = ends.flat_map(|(low, high)| [low, high]).filter(|end| end.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        all.dedup_by(|a, b| a.total_cmp(b).is_eq());
        all
    }

    /// Of models alone, without what was measured round by round.
    #[cfg(test)]
    pub(crate) fn of_models(run: &Run, models: &[ModelAnalysis]) -> Self {
        Self::of(run, &vec![Vec::new(); models.len()], models)
    }
}
