//! One record held against the first: what of it may be compared, and how it came out.

use super::Standing;
use crate::{
    analysis::{
        comparable::{Difference, Pair, Scope, Weight, pair_models},
        diff::{self, Diff},
    },
    metric::{Family, MetricId},
    record::Run,
};

/// A record and the first.
pub(super) struct Held<'a> {
    run: &'a Run,
    diff: Diff,
    /// Those of the models of `diff`, in its order.
    pairs: Vec<Pair>,
}

impl<'a> Held<'a> {
    /// Verdicts are held to a confidence for `family` of them, or for as many as this record alone has.
    pub(super) fn new(first: &Run, run: &'a Run, family: Option<usize>) -> Self {
        Self { run, diff: diff::held_to(first, run, family), pairs: pair_models(first, run) }
    }

    pub(super) fn differences(&self) -> &[Difference] {
        &self.diff.differences
    }

    /// Verdicts on what may be compared.
    pub(super) fn verdicts(&self) -> usize {
        let of_pair = |(pair, model): (&Pair, &diff::ModelDiff)| {
            let judged = model.metrics.iter().filter(|m| m.verdict.is_some());
            judged.filter(|m| self.forbidden(pair.new, &m.metric).is_none()).count()
        };
        self.pairs.iter().zip(&self.diff.models).map(of_pair).sum()
    }

    /// How a metric of a model stands, which is `old` in the first record and `new` in this one.
    pub(super) fn standing(&self, old: Option<usize>, new: Option<usize>, metric: &MetricId) -> Standing {
        let is = |pair: &Pair| Some(pair.old) == old && Some(pair.new) == new;
        let found = self.pairs.iter().zip(&self.diff.models).find(|(pair, _)| is(pair));
        let Some((pair, model)) = found else { return Standing::NothingToCompare };
        let Some(row) = model.metrics.iter().find(|m| m.metric == *metric) else { return Standing::NothingToCompare };
        match self.forbidden(pair.new, metric) {
            Some(difference) => Standing::Forbidden { by: difference.what.clone() },
            None => Standing::Compared { change: row.change, verdict: row.verdict },
        }
    }

    /// The first difference that forbids to compare a metric of a model of this record.
    fn forbidden(&self, model: usize, metric: &MetricId) -> Option<&Difference> {
        let output = metric.spec().family == Family::Quality;
        let category = match metric {
            MetricId::Category { category, .. } => Some(category),
            _ => None,
        };
        let named = |index: usize, name: &str| self.run.subjects.get(index).is_some_and(|m| m.name == name);
        let concerns = |scope: &Scope| match scope {
            Scope::Everything => true,
            // Outputs are compared with the original's.
            Scope::Model(name) => named(model, name) || (output && self.run.original().is_some_and(|o| named(o, name))),
            Scope::Category(name) => category == Some(name),
            Scope::Prompts => category.is_some(),
            Scope::Outputs => output,
        };
        self.differences().iter().find(|d| d.weight == Weight::Meaningless && concerns(&d.scope))
    }
}
