//! What is the matter with answers: prompts that did not become the same thing for every model.

use super::kind::{Warning, WarningKind, of_model, of_run, original};
use crate::{
    analysis::model::ModelAnalysis,
    record::{PromptForm, Run},
    text::stopped,
};

fn form(model: &ModelAnalysis) -> Option<&PromptForm> {
    model.behaviour.as_ref()?.prompt_form.as_ref()
}

fn in_words(form: &PromptForm) -> &'static str {
    match form {
        PromptForm::Rendered => "through its chat template",
        PromptForm::Matched { .. } => "in llama.cpp's own form of its chat template",
        PromptForm::Plain { .. } => "as plain text",
    }
}

/// Answers to different questions differ without any quantizing.
pub(super) fn forms(run: &Run, models: &[ModelAnalysis]) -> Option<Warning> {
    let base = models.get(original(run))?;
    let asked = form(base)?;
    let differs = |model: &&ModelAnalysis| form(model).is_some_and(|own| !own.is_like(asked));
    let other = models.iter().find(differs)?;
    let of_other = form(other).map_or("", in_words);
    let evidence = format!("{} was asked {}, and {} {of_other}.", base.name, in_words(asked), other.name);
    Some(of_run(
        WarningKind::PromptFormsDiffer,
        evidence,
        "Their answers are not held against each other. Compare checkpoints that carry the same chat template.",
    ))
}

/// An instruct model that is asked in plain text answers as nobody will use it.
pub(super) fn template_unused(model: &ModelAnalysis) -> Option<Warning> {
    let PromptForm::Plain { reason: Some(reason) } = form(model)? else { return None };
    let evidence = format!("The chat template could not be applied, so prompts were plain text: {}", stopped(reason));
    Some(of_model(
        WarningKind::ChatTemplateUnused,
        &model.name,
        evidence,
        "Take these answers for those of a base model, or mend the template in the file.",
    ))
}
