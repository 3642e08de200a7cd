//! What is said of a metric: its summary over the rounds and its comparison with the original, each under its own text in JSON.

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{series::Series, verdict::Verdict};
use crate::{
    metric::{Better, MetricId, Unit},
    record::Protocol,
    stats,
};

/// A metric of one model over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricSummary {
    /// Which metric.
    #[serde(skip)]
    pub id: MetricId,
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
    /// Which metric.
    #[serde(skip)]
    pub id: MetricId,
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

/// Things serialized as a map from their metric, in order.
pub(super) trait OfMetric {
    fn id(&self) -> &MetricId;
}

impl OfMetric for MetricSummary {
    fn id(&self) -> &MetricId {
        &self.id
    }
}

impl OfMetric for Comparison {
    fn id(&self) -> &MetricId {
        &self.id
    }
}

/// Serializes a list as a map, keeping its order.
pub(super) fn by_id<T: OfMetric + Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for item in list {
        map.serialize_entry(item.id(), item)?;
    }
    map.end()
}

/// Median over rounds with its interval where there are rounds enough.
pub(super) fn summarise(series: &Series, protocol: &Protocol) -> MetricSummary {
    let values: Vec<f64> = series.by_round.iter().map(|(_, v)| *v).collect();
    let interval = stats::median_interval(&values, protocol.confidence).ok();
    let spec = series.id.spec();
    MetricSummary {
        id: series.id.clone(),
        value: stats::median(&values).ok(),
        low: interval.as_ref().map(|i| i.low),
        high: interval.as_ref().map(|i| i.high),
        best: series.best,
        unit: spec.unit,
        n: values.len(),
        better: spec.better,
        cost_s: series.cost_s,
    }
}
