//! How a metric changed: from one record to another, or from the original to a candidate.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// How a metric changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Change {
    /// In which terms.
    pub kind: ChangeKind,
    /// The estimate.
    pub value: f64,
    /// Lower end of its interval; `None` when there was too little for one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The terms of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    /// New over old.
    Ratio,
    /// New less old, in the metric's unit: for what may be 0.
    Difference,
}
