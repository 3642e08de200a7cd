//! How a prompt became what a model saw.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a prompt became what a model saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptForm {
    /// The model's chat template was rendered.
    Rendered,
    /// It could not be rendered. llama.cpp knows the template by its marks and has a form of its own for it.
    Matched {
        /// Why it could not be rendered.
        reason: String,
    },
    /// The text stood alone.
    Plain {
        /// Why the chat template was not applied; `None` where there is none.
        reason: Option<String>,
    },
}

impl PromptForm {
    /// Whether the model's chat template was applied, by whichever means.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        match self {
            Self::Rendered | Self::Matched { .. } => true,
            Self::Plain { .. } => false,
        }
    }

    /// Whether prompts were put in the same way: reasons aside, which name lines of templates.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
