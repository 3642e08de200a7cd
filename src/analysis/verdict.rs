//! Ratios paired by round, and verdicts on them: an interval held against the region of equivalence, never the central value alone.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::series::{OfMetric, Series};
use crate::{
    metric::{Better, MetricId, Verdicts, Word},
    record::{Protocol, Run, Workload, round_value::log_ratios},
    stats,
};

/// What may be concluded about a candidate's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    NoRelevantDifference,
    NotResolved {
        /// Rounds it would take, as an estimate from the interval's width.
        rounds_needed: u32,
    },
    /// Relevantly better, and what that is called.
    #[serde(untagged)]
    Better(Word),
    /// Relevantly worse, and what that is called.
    #[serde(untagged)]
    Worse(Word),
}

impl Verdict {
    /// As JSON and CSV name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Better(word) | Self::Worse(word) => word.name(),
            Self::NoRelevantDifference => "no_relevant_difference",
            Self::NotResolved { .. } => "not_resolved",
        }
    }
}

impl JsonSchema for Verdict {
    fn schema_name() -> Cow<'static, str> {
        "Verdict".into()
    }

    /// The words for a difference, then what is none: in JSON they are one list.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        #[derive(JsonSchema)]
        #[schemars(rename_all = "snake_case")]
        #[expect(dead_code, reason = "only its schema is used")]
        enum NoDifference {
            /// The whole interval lies inside the region of equivalence.
            NoRelevantDifference,
            /// The interval crosses a border of the region; about so many rounds would settle it.
            NotResolved {
                /// Rounds it would take, as an estimate from the interval's width.
                rounds_needed: u32,
            },
        }
        let mut schema = Word::json_schema(generator);
        let mut none = NoDifference::json_schema(generator);
        let rest = none.remove("oneOf").and_then(|rest| rest.as_array().cloned()).unwrap_or_default();
        if let Some(words) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) {
            words.extend(rest);
        }
        schema.insert("description".into(), "What may be concluded about a candidate's metric.".into());
        schema
    }
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

impl OfMetric for Comparison {
    fn id(&self) -> &MetricId {
        &self.id
    }
}

/// Compares every metric that both models have, paired by round. Intervals are shown as they are, verdicts are adjusted.
pub(super) fn compare(own: &[Series], original: &[Series], verdicts: Verdicts, protocol: &Protocol) -> Vec<Comparison> {
    let compare_one = |(own, d): (&Series, Vec<f64>)| {
        let interval = stats::paired_effect(&d, protocol.confidence).ok().map(|e| e.exp());
        let ratio = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp));
        let spec = own.id.spec();
        let strict = verdicts.level(spec.family, protocol.confidence);
        Comparison {
            id: own.id.clone(),
            ratio,
            low: interval.as_ref().map(|e| e.low),
            high: interval.as_ref().map(|e| e.high),
            verdict: interval.is_some().then(|| verdict(&d, strict, protocol.equivalence, &own.id)),
            better: spec.better,
            n: d.len(),
        }
    };
    paired(own, original).map(compare_one).collect()
}

/// Every metric both have, with its log ratios.
fn paired<'a>(own: &'a [Series], original: &'a [Series]) -> impl Iterator<Item = (&'a Series, Vec<f64>)> {
    own.iter().filter_map(|s| {
        let other = original.iter().find(|o| o.id == s.id)?;
        Some((s, log_ratios(&s.by_round, &other.by_round)))
    })
}

fn verdict(d: &[f64], confidence: f64, equivalence: f64, of: &MetricId) -> Verdict {
    judge(&stats::paired_effect(d, confidence), d.len(), equivalence, of)
}

/// Holds the interval of a log ratio, which rests on `n` rounds, against the region of equivalence.
pub(super) fn judge(
    interval: &Result<stats::Estimate, stats::Error>,
    n: usize,
    equivalence: f64,
    of: &MetricId,
) -> Verdict {
    let border = (1.0 + equivalence).ln();
    match interval {
        Ok(e) if e.low > border => more(of),
        Ok(e) if e.high < -border => less(of),
        Ok(e) if -border < e.low && e.high < border => Verdict::NoRelevantDifference,
        Ok(e) => {
            // Half-widths shrink with the root of the rounds; resolved is when the nearer border is out of reach.
            let reach = (e.value.abs() - border).abs();
            let needed = n as f64 * (e.half_width() / reach).powi(2);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a sane range")]
            let rounds_needed = needed.ceil().clamp(n as f64 + 2.0, 10_000.0) as u32;
            Verdict::NotResolved { rounds_needed }
        }
        Err(stats::Error::TooFew { required, .. }) => {
            Verdict::NotResolved { rounds_needed: u32::try_from(*required).unwrap_or(u32::MAX) }
        }
        Err(_) => Verdict::NotResolved { rounds_needed: u32::try_from(n + 2).unwrap_or(u32::MAX) },
    }
}

fn more(of: &MetricId) -> Verdict {
    let spec = of.spec();
    match spec.better {
        Better::Higher => Verdict::Better(spec.more),
        Better::Lower => Verdict::Worse(spec.more),
    }
}

fn less(of: &MetricId) -> Verdict {
    let spec = of.spec();
    match spec.better {
        Better::Higher => Verdict::Worse(spec.less),
        Better::Lower => Verdict::Better(spec.less),
    }
}

/// Speed at a depth over speed at the least depth of the same work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Retained {
    /// The metric's key: `tg128 @ d4096`.
    pub key: MetricId,
    /// The key it is held against: `tg128`.
    pub of: MetricId,
    /// Tokens in the context before.
    pub n_depth: u32,
    /// Share of the speed that is left, as a fraction.
    pub share: f64,
    /// Lower end of its interval; `None` under the rounds it needs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Rounds in which both were measured.
    pub n: usize,
}

/// Every depth but the least, in the plan's order.
pub(super) fn retained(run: &Run, own: &[Series]) -> Vec<Retained> {
    let of = |workload: &Workload| {
        let n_depth = workload.kind.depth()?;
        let key = workload.kind.metric()?;
        let is_same =
            |w: &&Workload| w.kind.metric().is_some_and(|other| other.without_layout() == key.without_layout());
        let shallower = |w: &&Workload| w.kind.depth().is_some_and(|depth| depth < n_depth);
        let base = run.plan.workloads.iter().filter(is_same).filter(shallower).min_by_key(|w| w.kind.depth())?;
        let of = base.kind.metric()?;
        let series = |id: &MetricId| own.iter().find(|s| s.id == *id);
        let d = log_ratios(&series(&key)?.by_round, &series(&of)?.by_round);
        let interval = stats::paired_effect(&d, run.plan.protocol.confidence).ok().map(|e| e.exp());
        let share = interval.as_ref().map(|e| e.value).or_else(|| stats::median(&d).ok().map(f64::exp))?;
        let (low, high) = interval.map_or((None, None), |e| (Some(e.low), Some(e.high)));
        Some(Retained { key, of, n_depth, share, low, high, n: d.len() })
    };
    run.plan.workloads.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::id;

    fn series(values: &[f64], of: &str) -> Series {
        let by_round = (0..).zip(values.iter().copied()).collect();
        Series { id: id(of), by_round, best: None, cost_s: None }
    }

    fn verdict_of(ratio: f64, noise: f64, n: u32, of: &str) -> Verdict {
        let values: Vec<f64> = (0..n).map(|i| ratio * (1.0 + noise * (f64::from(i % 5) - 2.0))).collect();
        let (own, one) = (series(&values, of), series(&vec![1.0; n as usize], of));
        verdict(&log_ratios(&own.by_round, &one.by_round), 0.95, 0.01, &own.id)
    }

    #[test]
    fn verdicts_hold_the_interval_against_the_region() {
        assert_eq!(verdict_of(1.5, 0.01, 10, "tg128"), Verdict::Better(Word::Faster));
        assert_eq!(verdict_of(0.5, 0.01, 10, "tg128"), Verdict::Worse(Word::Slower));
        assert_eq!(verdict_of(1.5, 0.01, 10, "load"), Verdict::Worse(Word::Slower));
        assert_eq!(verdict_of(0.5, 0.01, 10, "memory_peak"), Verdict::Better(Word::Smaller));
        assert_eq!(verdict_of(1.001, 0.001, 10, "tg128"), Verdict::NoRelevantDifference);
        assert!(matches!(verdict_of(1.01, 0.05, 10, "tg128"), Verdict::NotResolved { rounds_needed: 12.. }));
        // An effect far from the border needs few more rounds, however wide the interval still is.
        assert!(matches!(verdict_of(1.3, 0.25, 10, "tg128"), Verdict::NotResolved { rounds_needed: 12..60 }));
    }

    #[test]
    fn json_has_the_word_alone() {
        let json = |verdict: Verdict| serde_json::to_value(verdict).expect("it can be written");
        assert_eq!(json(Verdict::Worse(Word::Larger)), "larger");
        for verdict in [Verdict::Better(Word::Faster), Verdict::NoRelevantDifference] {
            assert_eq!(json(verdict), verdict.name());
        }
        let open = Verdict::NotResolved { rounds_needed: 12 };
        assert_eq!(json(open), serde_json::json!({ open.name(): { "rounds_needed": 12 } }));
    }
}
