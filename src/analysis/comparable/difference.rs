//! What differs between two records, and what that does to a comparison.

use std::fmt::Display;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// Something that is not the same in two records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Difference {
    /// What it does to a comparison.
    pub weight: Weight,
    /// What of a comparison it makes meaningless, where it does.
    pub scope: Scope,
    /// What differs, in words.
    pub what: String,
    /// As it is in the older record.
    pub old: String,
    /// As it is in the newer one.
    pub new: String,
}

/// What a difference does to a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weight {
    /// Other work was done, or in another way: a ratio would say nothing of build, machine or day.
    Meaningless,
    /// It may be the very thing that is compared, and belongs beside the result.
    Noteworthy,
}

/// What of a comparison a difference concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// All of it.
    Everything,
    /// One model, by its name in the newer record; as the original, what is compared with it, too.
    Model(String),
    /// The prompts of one category.
    Category(String),
    /// All prompts.
    Prompts,
    /// What quantizing did to the output.
    Outputs,
}

/// The differences found so far.
#[derive(Default)]
pub(super) struct Found(pub(super) Vec<Difference>);

impl Found {
    /// Two values as people read them; equal ones are no difference.
    pub(super) fn compare(&mut self, weight: Weight, what: impl Into<String>, old: impl Display, new: impl Display) {
        self.compare_some(Scope::Everything, weight, what, old, new);
    }

    /// The same where a part of the comparison hangs on it.
    pub(super) fn compare_some(
        &mut self,
        scope: Scope,
        weight: Weight,
        what: impl Into<String>,
        old: impl Display,
        new: impl Display,
    ) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            self.0.push(Difference { weight, scope, what: what.into(), old, new });
        }
    }
}

/// A value as the record names it: `f16`, `auto`.
pub(super) fn named(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => "?".into(),
    }
}

pub(super) fn or_unknown<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "unknown".into(), |value| value.to_string())
}
