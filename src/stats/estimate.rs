//! `Estimate`, the one currency between statistics and whatever shows them.

use serde::{Deserialize, Serialize};

/// A value with the interval that contains it, and what the interval rests on. Unit: that of the
/// data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// The confidence asked for, between 0 and 1.
    pub confidence: f64,
    /// The confidence an exact method reaches, at least the one asked for; `None` where the method
    /// approximates.
    pub achieved: Option<f64>,
    /// Independent data behind the estimate; of two samples, both together.
    pub n: usize,
    /// How the interval was made.
    pub method: Method,
}

/// The methods that make intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Median with order statistics.
    OrderStatistics,
    /// Hodges–Lehmann with the Wilcoxon signed-rank distribution.
    SignedRank,
    /// Hodges–Lehmann shift with the Mann–Whitney distribution.
    RankSum,
    /// Mean with Student's t.
    StudentT,
    /// Percentiles of a seeded bootstrap.
    Bootstrap,
    /// Wilson's score interval of a proportion.
    Wilson,
}

impl Estimate {
    /// Half the interval's width. With an asymmetric interval the value need not lie in its middle.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether the closed interval contains `x`.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// The same statement about eˣ: turns an effect on the log scale into a ratio.
    #[must_use]
    pub fn exp(&self) -> Self {
        Self { value: self.value.exp(), low: self.low.exp(), high: self.high.exp(), ..self.clone() }
    }

    /// Both arms stretched by `factor`, which is what dependence between the data calls for.
    ///
    /// The result is no longer exact, so `achieved` becomes `None` unless the factor is 1 or less,
    /// which changes nothing.
    #[must_use]
    pub fn widened(&self, factor: f64) -> Self {
        if factor <= 1.0 {
            return self.clone();
        }
        Self {
            low: self.value - (self.value - self.low) * factor,
            high: self.value + (self.high - self.value) * factor,
            achieved: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::assert_close;

    fn estimate() -> Estimate {
        Estimate {
            value: 0.1,
            low: 0.0,
            high: 0.4,
            confidence: 0.95,
            achieved: Some(0.96),
            n: 12,
            method: Method::SignedRank,
        }
    }

    #[test]
    fn both_ends_belong_to_the_interval() {
        let e = estimate();
        assert!(e.contains(0.0) && e.contains(0.4));
        assert!(!e.contains(-1e-9) && !e.contains(0.4 + 1e-9));
        assert_close("half width", e.half_width(), 0.2, 1e-15);
    }

    #[test]
    fn exp_makes_a_ratio_of_a_log() {
        let ratio = estimate().exp();
        assert_close("value", ratio.value, 1.105_170_918_075_647_6, 1e-15);
        assert_close("low", ratio.low, 1.0, 1e-15);
    }

    #[test]
    fn widening_keeps_the_asymmetry_and_gives_up_exactness() {
        let wide = estimate().widened(2.0);
        assert_close("low", wide.low, -0.1, 1e-15);
        assert_close("high", wide.high, 0.7, 1e-15);
        assert_eq!(wide.achieved, None);
        assert_eq!(estimate().widened(0.5), estimate());
    }

    #[test]
    fn json_round_trip_names_the_method() {
        let json = serde_json::to_string(&estimate()).expect("an estimate is JSON");
        assert!(json.contains(r#""method":"signed_rank""#), "{json}");
        assert_eq!(serde_json::from_str::<Estimate>(&json).expect("its own output"), estimate());
    }
}
