//! Names of models and of what was not measured, fit to be shown.

use crate::{
    analysis::{Analysis, Context, ModelAnalysis},
    record::{ComparisonFault, Ended, Outcome, Role, Stage, Subject},
    report::text::{counted, inert_line, shorten},
};

/// Most characters of a name in a table: a file's, and what varies of its settings.
const MOST: usize = 80;

/// A model's name, harmless and not too long.
#[must_use]
pub(crate) fn name(model: &ModelAnalysis) -> String {
    let name = shorten(&inert_line(&model.name), MOST);
    if name.is_empty() { "(no name)".into() } else { name }
}

/// The original, when there is one.
#[must_use]
pub(crate) fn original(analysis: &Analysis) -> Option<&ModelAnalysis> {
    analysis.models.iter().find(|m| m.role == Role::Original)
}

/// What the others are held against, in a word: the original, or the base where settings of one file are compared.
#[must_use]
pub(crate) fn baseline(context: &Context) -> &'static str {
    let Some(base) = context.subjects.iter().find(|subject| subject.role == Role::Original) else { return ORIGINAL };
    let mut others = context.subjects.iter().filter(|subject| subject.role == Role::Candidate).peekable();
    let settings_differ = |own: &Subject| own.model.is_same_file(&base.model) && own.settings != base.settings;
    if others.peek().is_some() && others.all(settings_differ) { "base" } else { ORIGINAL }
}

const ORIGINAL: &str = "original";

/// Why a model has no figures, in a few words; `None` when it did not fail.
#[must_use]
pub(crate) fn failure(model: &ModelAnalysis) -> Option<String> {
    words(&model.outcome)
}

/// Why a model that was measured was not compared; `None` when it was, or nothing was to be. What lies at the original stands there, and
/// what lies at what was asked for stands at no model.
#[must_use]
pub(crate) fn comparison_failure(analysis: &Analysis, model: &ModelAnalysis) -> Option<String> {
    if model.outcome != Outcome::Done {
        return None;
    }
    match analysis.context.comparison_fault {
        None => words(&model.quality.as_ref()?.outcome),
        Some(ComparisonFault::Asked) => None,
        Some(ComparisonFault::Original) if model.role == Role::Candidate => None,
        Some(ComparisonFault::Original) => {
            let failed = analysis.models.iter().filter_map(|m| m.quality.as_ref()).find_map(|q| words(&q.outcome))?;
            // It is named already.
            Some(failed.replacen("the original: ", "", 1))
        }
    }
}

fn words(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Done => None,
        Outcome::Failed { stage, reason } => {
            Some(format!("failed {}: {}", doing(*stage), shorten(&inert_line(reason), 600)))
        }
    }
}

/// What was being done at a stage.
#[must_use]
pub(crate) fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Inspect => "while its header was read",
        Stage::Quantize => "while it was quantized",
        Stage::Launch => "when its worker was started",
        Stage::Load => "while it was loaded",
        Stage::Context => "while its context was made",
        Stage::Warmup => "while it was warmed up",
        Stage::Prefill => "while a prompt was evaluated",
        Stage::Decode => "while it generated",
        Stage::Quality => "while outputs were compared",
        Stage::Server => "when an RPC server was needed",
    }
}

/// Why a figure of a model is missing.
#[must_use]
pub(crate) fn why_missing(model: &ModelAnalysis) -> &'static str {
    if model.outcome == Outcome::Done { "not measured" } else { "failed" }
}

/// How much was measured: rounds, or where outputs alone are compared, windows of documents.
#[must_use]
pub(crate) fn amount(analysis: &Analysis) -> String {
    if analysis.context.plan.has_rounds() {
        return counted(analysis.rounds as usize, "round");
    }
    let compared = analysis.models.iter().filter_map(|m| m.quality.as_ref());
    match compared.max_by_key(|quality| quality.windows) {
        Some(quality) if quality.windows > 0 => {
            format!("{} of {}", counted(quality.windows, "window"), counted(quality.documents, "document"))
        }
        _ => "no outputs compared".into(),
    }
}

/// Why no more was measured.
#[must_use]
pub(crate) fn ended_of(analysis: &Analysis) -> &'static str {
    match analysis.ended {
        Ended::RoundsDone if !analysis.context.plan.has_rounds() => "everything planned was done",
        other => ended(other),
    }
}

/// Why no more rounds were run.
#[must_use]
pub(crate) fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::RoundsDone => "every planned round was run",
        Ended::Precise => "every primary metric was as precise as asked",
        Ended::OneLeft => "one subject was left in the race",
        Ended::Budget => "the time was spent",
        Ended::Interrupted => "it was interrupted",
        Ended::NothingLeft => "no model was left that could be measured",
        Ended::OriginalFailed => "the original failed, and without it the others answer nothing",
        Ended::ServerLost => "an RPC server was not there any more",
        Ended::Unfinished => "the record is unfinished",
    }
}
