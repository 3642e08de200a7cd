//! Ratios paired by round, and verdicts on them: an interval held against the region of equivalence, never the central value alone.

#[cfg(test)]
use std::borrow::Cow;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::series::{OfMetric, Series};
use crate::{
    metric::{Better, Family, MetricId, Verdicts, Word},
    record::{Protocol, Run, Workload, round_value::log_ratios},
    stats,
};

/// What may be concluded about a candidate's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies inside the region of equivalence.
    NoRelevantDifference,
    /// The interval crosses a border of the region.
    NotResolved,
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
            Self::NotResolved => "not_resolved",
        }
    }
}

#[cfg(test)]
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
            /// The interval crosses a border of the region.
            NotResolved,
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// The smallest difference that this run would have called relevant in 80 % of cases, as a fraction: 0.04 = 4 %. From the spread of
    /// its own rounds, at the confidence of its verdict; `None` under the rounds it needs.
    pub detectable: Option<f64>,
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
        let judged =
            Some(spec.family).filter(|family| *family != Family::Exact).and(stats::paired_effect(&d, strict).ok());
        Comparison {
            id: own.id.clone(),
            ratio,
            low: interval.as_ref().map(|e| e.low),
            high: interval.as_ref().map(|e| e.high),
            verdict: judged.map(|e| judge(&e, protocol.equivalence, &own.id)),
            detectable: judged.and_then(|e| detectable(&e, strict, d.len() - 1, protocol.equivalence)),
            better: spec.better,
            n: d.len(),
        }
    };
    paired(own, original).map(compare_one).collect()
}

/// Every metric both have and that means the same in both, with its log ratios.
fn paired<'a>(own: &'a [Series], original: &'a [Series]) -> impl Iterator<Item = (&'a Series, Vec<f64>)> {
    let pairs = own.iter().filter_map(|s| {
        let other = original.iter().find(|o| o.id == s.id && o.cache == s.cache)?;
        Some((s, log_ratios(&s.by_round, &other.by_round)))
    });
    pairs.filter(|(_, d)| !d.is_empty())
}

/// Holds the interval of a log ratio against the region of equivalence.
pub(super) fn judge(interval: &stats::Estimate, equivalence: f64, of: &MetricId) -> Verdict {
    let border = equivalence.ln_1p();
    if interval.low > border {
        more(of)
    } else if interval.high < -border {
        less(of)
    } else if -border < interval.low && interval.high < border {
        Verdict::NoRelevantDifference
    } else {
        Verdict::NotResolved
    }
}

/// The smallest relative difference that an interval of a log ratio as wide as this one would have been called relevant for, with 80 %
/// power: beyond the border of the region by its reach.
pub(super) fn detectable(interval: &stats::Estimate, confidence: f64, freedom: usize, equivalence: f64) -> Option<f64> {
    let reach = stats::reach(interval, confidence, freedom).ok()?;
    Some((equivalence.ln_1p() + reach).exp_m1())
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
        Series { id: id(of), by_round, best: None, cost_s: None, cache: None }
    }

    fn comparison_of(ratio: f64, noise: f64, n: u32, of: &str) -> Comparison {
        let values: Vec<f64> = (0..n).map(|i| ratio * (1.0 + noise * (f64::from(i % 5) - 2.0))).collect();
        let (own, one) = (series(&values, of), series(&vec![1.0; n as usize], of));
        let protocol = crate::record::Protocol { confidence: 0.95, equivalence: 0.01, ..protocol() };
        compare(&[own], &[one], Verdicts::default(), &protocol).swap_remove(0)
    }

    fn protocol() -> crate::record::Protocol {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        crate::record::read_run(&path).expect("the fixture is a record").plan.protocol
    }

    fn verdict_of(ratio: f64, noise: f64, n: u32, of: &str) -> Verdict {
        comparison_of(ratio, noise, n, of).verdict.expect("rounds enough")
    }

    #[test]
    fn verdicts_hold_the_interval_against_the_region() {
        assert_eq!(verdict_of(1.5, 0.01, 10, "tg128"), Verdict::Better(Word::Faster));
        assert_eq!(verdict_of(0.5, 0.01, 10, "tg128"), Verdict::Worse(Word::Slower));
        assert_eq!(verdict_of(1.5, 0.01, 10, "load"), Verdict::Worse(Word::Slower));
        assert_eq!(verdict_of(0.5, 0.01, 10, "memory_peak"), Verdict::Better(Word::Smaller));
        assert_eq!(verdict_of(1.001, 0.001, 10, "tg128"), Verdict::NoRelevantDifference);
        assert_eq!(verdict_of(1.01, 0.05, 10, "tg128"), Verdict::NotResolved);
    }

    #[test]
    fn under_six_rounds_nothing_is_concluded() {
        let few = comparison_of(1.5, 0.001, 5, "tg128");
        assert_eq!((few.low, few.high, few.verdict, few.detectable), (None, None, None, None));
        assert!(few.ratio.is_some_and(|ratio| (ratio - 1.5).abs() < 0.01));
    }

    #[test]
    fn what_could_be_seen_follows_the_spread_and_the_region() {
        let seen = |noise, n| comparison_of(1.0, noise, n, "tg128").detectable.expect("rounds enough");
        // A spread of 1.5 % a round: an interval of ±1.1 % at 95 %, and half as much again for four runs of five.
        assert!((0.02..0.03).contains(&seen(0.01, 10)), "{}", seen(0.01, 10));
        assert!((seen(0.0, 10) - 0.01).abs() < 1e-12, "nothing but the region");
        assert!(seen(0.02, 10) > seen(0.01, 10) && seen(0.01, 40) < seen(0.01, 10));
        let far = comparison_of(1.5, 0.01, 10, "tg128").detectable.expect("rounds enough");
        assert!((far - seen(0.01, 10)).abs() < 1e-9, "whatever was found");
    }

    #[test]
    fn json_has_the_word_alone() {
        let json = |verdict: Verdict| serde_json::to_value(verdict).expect("it can be written");
        assert_eq!(json(Verdict::Worse(Word::Larger)), "larger");
        for verdict in [Verdict::Better(Word::Faster), Verdict::NoRelevantDifference, Verdict::NotResolved] {
            assert_eq!(json(verdict), verdict.name());
        }
    }
}
