//! Metrics: what is summarised for each model, in which unit, which way is better, and how it is serialized.

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{series::Series, verdict::Verdict};
use crate::{record::Protocol, stats};

/// Unit of a metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Unit {
    /// Tokens per second.
    #[serde(rename = "t/s")]
    TokensPerSecond,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// Perplexity.
    #[serde(rename = "ppl")]
    Perplexity,
    /// Nats.
    #[serde(rename = "nats")]
    Nats,
    /// A fraction of 1.
    #[serde(rename = "fraction")]
    Fraction,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// A metric of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricSummary {
    /// `pp512`, `tg128`, `load`, `memory_peak`, `short/tg`, ...
    #[serde(skip)]
    pub key: String,
    /// Median over rounds.
    pub value: Option<f64>,
    /// Lower end of the order-statistic interval; `None` under the rounds it needs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Best seen in any sample. For looking; never compared.
    pub best: Option<f64>,
    /// Unit of all four.
    pub unit: Unit,
    /// Rounds.
    pub n: usize,
    /// Which way is better.
    pub better: Better,
    /// What it took to know: wall time spent on it for this model over all rounds, warm-up included, seconds. `None` of what came
    /// with other work.
    pub cost_s: Option<f64>,
}

/// A metric of a candidate over the original's, paired by round.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// As `key` of a [`MetricSummary`].
    #[serde(skip)]
    pub key: String,
    /// Candidate over original, of the value as it is printed (2.0 for `tg128` = twice the tokens per second).
    pub ratio: Option<f64>,
    /// Lower end of the interval of the ratio; `None` under the rounds it needs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// What may be concluded; `None` under the rounds it needs.
    pub verdict: Option<Verdict>,
    /// Which way is better.
    pub better: Better,
    /// Rounds in which both were measured.
    pub n: usize,
}

/// Things serialized as a map from their key, in order.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

impl Keyed for MetricSummary {
    fn key(&self) -> &str {
        &self.key
    }
}

impl Keyed for Comparison {
    fn key(&self) -> &str {
        &self.key
    }
}

/// Serializes a list as a map, keeping its order.
pub(super) fn by_key<T: Keyed + Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for item in list {
        map.serialize_entry(item.key(), item)?;
    }
    map.end()
}

/// Median over rounds with its interval where there are rounds enough.
pub(super) fn summarise(series: &Series, protocol: &Protocol) -> MetricSummary {
    let values: Vec<f64> = series.by_round.iter().map(|(_, v)| *v).collect();
    let interval = stats::median_interval(&values, protocol.confidence).ok();
    MetricSummary {
        key: series.key.clone(),
        value: stats::median(&values).ok(),
        low: interval.as_ref().map(|i| i.low),
        high: interval.as_ref().map(|i| i.high),
        best: series.best,
        unit: series.unit,
        n: values.len(),
        better: series.better,
        cost_s: series.cost_s,
    }
}
