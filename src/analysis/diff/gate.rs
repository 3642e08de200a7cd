//! Limits to a change, as a person writes them for CI: `tg128<-3%`, `memory_peak>5%`, `kld_mean>0.01`.
//!
//! ```text
//! limit  = metric ("<" | ">") number ["%"]
//! metric = as in the output: pp512, tg128, load, memory_peak (or peak), short/tg, ppl, kld_mean (or kld), top1_agreement
//! number = a change: of the ratio new/old in per cent; of kld_mean and top1_agreement, which may be 0, in their own unit
//! ```

use std::str::FromStr;

use thiserror::Error;

use super::compare::{Change, ChangeKind, Diff, Gate, MetricDiff, Passing};
use crate::metric::MetricId;

/// A limit to the change of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limit {
    text: String,
    metric: MetricId,
    side: Side,
    at: f64,
    kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

/// A limit that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no limit: {why}; write METRIC<-3%, METRIC>5% or, for kld_mean and top1_agreement, METRIC>0.01")]
pub(crate) struct BadLimit {
    pub text: String,
    pub why: &'static str,
}

/// A limit to a metric that the records don't have, or in terms that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum UnknownMetric {
    /// No model has it in both records.
    #[error("no model has the metric {metric} of {limit:?} in both records; they have {known}")]
    NotThere {
        limit: String,
        /// What was asked for.
        metric: MetricId,
        known: String,
    },
    /// It changes in other terms.
    #[error("{limit:?} must be {terms}")]
    OtherTerms { limit: String, terms: &'static str },
}

impl FromStr for Limit {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let bad = |why| BadLimit { text: text.into(), why };
        let at = text.find(['<', '>']).ok_or_else(|| bad("there is no < or >"))?;
        let (metric, rest) = text.split_at(at);
        let side = if rest.starts_with('<') { Side::Below } else { Side::Above };
        let number = rest[1..].trim();
        let metric = match metric.trim() {
            "" => return Err(bad("there is no metric before the sign")),
            name => name.parse().map_err(|_| bad("there is no such metric"))?,
        };
        let (digits, kind) = match number.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), ChangeKind::Ratio),
            None => (number, ChangeKind::Difference),
        };
        let value: f64 = digits.parse().map_err(|_| bad("after the sign there is no number"))?;
        if !value.is_finite() {
            return Err(bad("the number is not finite"));
        }
        let at = if kind == ChangeKind::Ratio { 1.0 + value / 100.0 } else { value };
        Ok(Self { text: text.into(), metric, side, at, kind })
    }
}

impl Limit {
    fn judge(&self, change: &Change) -> Passing {
        let Some((low, high)) = change.low.zip(change.high) else { return Passing::NoInterval };
        let past = match self.side {
            Side::Below => high < self.at,
            Side::Above => low > self.at,
        };
        if past { Passing::Failed } else { Passing::Passed }
    }
}

impl Diff {
    /// Holds every model against the limits.
    ///
    /// # Errors
    /// When a limit is to a metric that no model has in both records, or in other terms than it changes in.
    pub(crate) fn hold_against(&mut self, limits: &[Limit]) -> Result<(), UnknownMetric> {
        self.gates.clear();
        for limit in limits {
            let rows = || self.models.iter().flat_map(|m| m.metrics.iter().map(move |row| (m, row)));
            let mut own = rows().filter(|(_, row)| row.metric == limit.metric).peekable();
            let Some((_, first)) = own.peek() else {
                let known = known(rows().map(|(_, row)| row));
                return Err(UnknownMetric::NotThere { limit: limit.text.clone(), metric: limit.metric.clone(), known });
            };
            if first.change.kind != limit.kind {
                let terms = match first.change.kind {
                    ChangeKind::Ratio => "in per cent, as in tg128<-3%",
                    ChangeKind::Difference => "in the metric's own unit, as in kld_mean>0.01",
                };
                return Err(UnknownMetric::OtherTerms { limit: limit.text.clone(), terms });
            }
            let gates = own.map(|(model, row)| Gate {
                limit: limit.text.clone(),
                model: model.name.clone(),
                metric: row.metric.clone(),
                passing: limit.judge(&row.change),
            });
            let gates: Vec<Gate> = gates.collect();
            self.gates.extend(gates);
        }
        Ok(())
    }

    /// Whether a limit was passed, wholly and surely.
    #[must_use]
    pub(crate) fn fails(&self) -> bool {
        self.gates.iter().any(|gate| gate.passing == Passing::Failed)
    }
}

fn known<'a>(rows: impl Iterator<Item = &'a MetricDiff>) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in rows.map(|row| row.metric.to_string()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
