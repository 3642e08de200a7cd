//! What the page needs to have answers judged blind: which two texts of it to show on which side, and whose they are.

use serde::Serialize;
use serde_json::json;

use super::names::name;
use crate::{
    analysis::{
        Analysis, ModelAnalysis,
        votes::{self, Question},
    },
    record::{Run, Workload},
    report::embed::inert,
};

/// Answers to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ballot {
    /// Pairs that are asked.
    pub pairs: usize,
    /// Pairs of the same text, which are not.
    pub same: usize,
    /// For the page's script, as JSON that no parser of HTML can mistake: places of texts on the page, sides, names.
    pub json: String,
}

/// The ballot of a record; `None` when there is nothing to judge.
pub(super) fn ballot(run: &Run, analysis: &Analysis) -> Option<Ballot> {
    let votes::Ballot { id, questions, same } = votes::ballot(run)?;
    let original = run.original()?;
    let shown = |q: &Question| {
        Some(json!({
            "workload": q.workload,
            "candidate": q.candidate,
            "original": q.original,
            "prompt": prompt(run, analysis, q.workload)?,
            "answers": { "original": answer(run, analysis, q.workload, original)?, "candidate": answer(run, analysis, q.workload, q.candidate)? },
        }))
    };
    let questions: Vec<serde_json::Value> = questions.iter().filter_map(shown).collect();
    let names: Vec<String> = analysis.models.iter().map(name).collect();
    let json = json!({ "id": id, "original": original, "models": names, "questions": questions, "same": same });
    let ballot = Ballot { pairs: questions.len(), same: same.len(), json: inert(&json.to_string()) };
    (ballot.pairs > 0).then_some(ballot)
}

/// Whether a model's answer to a prompt is on the page.
fn on_page(model: &ModelAnalysis, workload: &Workload) -> bool {
    model.answers.iter().any(|a| a.prompt == workload.id)
}

/// Which of the page's prompts it is.
fn prompt(run: &Run, analysis: &Analysis, workload: usize) -> Option<usize> {
    let shown = |w: &Workload| analysis.models.iter().any(|m| on_page(m, w));
    let before = run.plan.workloads.get(..workload)?;
    shown(run.plan.workloads.get(workload)?).then(|| before.iter().filter(|w| shown(w)).count())
}

/// Which of that prompt's answers it is.
fn answer(run: &Run, analysis: &Analysis, workload: usize, model: usize) -> Option<usize> {
    let workload = run.plan.workloads.get(workload)?;
    let before = analysis.models.get(..model)?;
    on_page(analysis.models.get(model)?, workload).then(|| before.iter().filter(|m| on_page(m, workload)).count())
}
