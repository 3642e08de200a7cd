//! How a model behaved when it answered: defects that stand in the answers themselves, counted. What the original does too, no
//! quantizing did.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{answers::AnswerRow, defects::Defect};
use crate::record::{FinishReason, PromptForm};

/// Answers of a model by what is wrong with them, the first answer to each prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Behaviour {
    /// How its prompts became what it saw: of several ways the one that is furthest from rendering. `None` in older records.
    pub prompt_form: Option<PromptForm>,
    /// Answers.
    pub answers: usize,
    /// Of these, cut at the most tokens allowed: no defect.
    pub cut_by_length: usize,
    /// Nothing but white space.
    pub empty: usize,
    /// Ending in the same few tokens over and over.
    pub loops: usize,
    /// In a script that the prompt has no letter of.
    pub other_script: usize,
    /// JSON that was not at its end.
    pub cut_json: usize,
    /// No JSON where it was asked for or begun.
    pub invalid_json: usize,
    /// With bytes that are no text.
    pub broken_characters: usize,
}

impl Behaviour {
    /// What the answers of a model amount to; `None` without any.
    pub(super) fn of(answers: &[AnswerRow]) -> Option<Self> {
        if answers.is_empty() {
            return None;
        }
        let mut counts = Self { prompt_form: form(answers), answers: answers.len(), ..Self::default() };
        for answer in answers {
            counts.cut_by_length += usize::from(answer.finish == FinishReason::Length);
            for defect in &answer.defects {
                *counts.count_of(*defect) += 1;
            }
        }
        Some(counts)
    }

    fn count_of(&mut self, defect: Defect) -> &mut usize {
        match defect {
            Defect::Empty => &mut self.empty,
            Defect::Loop { .. } => &mut self.loops,
            Defect::ReplacementCharacters { .. } => &mut self.broken_characters,
            Defect::OtherScript { .. } => &mut self.other_script,
            Defect::InvalidJson => &mut self.invalid_json,
            Defect::CutJson => &mut self.cut_json,
        }
    }

    /// The counts of defects with their names, in the order of the tables.
    pub(crate) fn defects(&self) -> [(&'static str, usize); 6] {
        let Self {
            prompt_form: _,
            answers: _,
            cut_by_length: _,
            empty,
            loops,
            other_script,
            cut_json,
            invalid_json,
            broken_characters,
        } = *self;
        [
            ("empty", empty),
            ("loops", loops),
            ("other_script", other_script),
            ("cut_json", cut_json),
            ("invalid_json", invalid_json),
            ("broken_characters", broken_characters),
        ]
    }
}

fn form(answers: &[AnswerRow]) -> Option<PromptForm> {
    let distance = |form: &&PromptForm| match form {
        PromptForm::Rendered => 0,
        PromptForm::Matched { .. } => 1,
        PromptForm::Plain { .. } => 2,
    };
    answers.iter().filter_map(|answer| answer.prompt_form.as_ref()).max_by_key(distance).cloned()
}
