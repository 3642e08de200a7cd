//! Limits to a change, as a person writes them for CI: `tg128<-3%`, `memory_peak>5%`, `kld_mean>0.01`.
//!
//! ```text
//! limit  = metric ("<" | ">") number ["%"]
//! metric = as in the output: pp512, tg128, load, memory_peak (or peak), short/tg, ppl, kld_mean (or kld), top1_agreement
//! number = a change: of a ratio in per cent; of kld_mean and top1_agreement, which may be 0, in their own unit
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    analysis::change::{Change, ChangeKind},
    metric::MetricId,
};

/// A limit to the change of a metric; its text is what is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Limit {
    text: String,
    pub(super) metric: MetricId,
    side: Side,
    /// Where it lies, in the terms of the change: a ratio of 0.97 for −3 %.
    pub(super) at: f64,
    pub(super) kind: ChangeKind,
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

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.text
    }
}

impl TryFrom<String> for Limit {
    type Error = BadLimit;

    fn try_from(text: String) -> Result<Self, BadLimit> {
        text.parse()
    }
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
    /// Whether the whole interval lies past it.
    pub(super) fn is_passed_by(&self, (low, high): (f64, f64)) -> bool {
        match self.side {
            Side::Below => high < self.at,
            Side::Above => low > self.at,
        }
    }

    /// Whether the whole interval lies on the side that is asked for.
    pub(super) fn is_kept_by(&self, (low, high): (f64, f64)) -> bool {
        match self.side {
            Side::Below => low >= self.at,
            Side::Above => high <= self.at,
        }
    }

    /// How many times as much evidence would probably bring the end of the interval that is past the limit back to it, or the other
    /// end beyond: a width falls as the root of the evidence. `None` where the change itself lies at the limit.
    pub(super) fn evidence_wanted(&self, change: &Change) -> Option<f64> {
        let scale = |v: f64| if self.kind == ChangeKind::Ratio { v.ln() } else { v };
        let (low, high) = (scale(change.low?), scale(change.high?));
        let distance = scale(change.value) - scale(self.at);
        let half_width = if distance > 0.0 { scale(change.value) - low } else { high - scale(change.value) };
        let factor = (half_width / distance).powi(2);
        factor.is_finite().then_some(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_exactly() {
        for (text, why) in [
            ("tg128", "there is no < or >"),
            ("<3%", "there is no metric before the sign"),
            ("tg128<", "after the sign there is no number"),
            ("tg128<three%", "after the sign there is no number"),
            ("tg128<inf%", "the number is not finite"),
        ] {
            assert_eq!(text.parse::<Limit>().map_err(|e| e.why), Err(why), "{text}");
        }
        let limit: Limit = "tg128 < -3 %".parse().expect("a limit");
        assert!((limit.at - 0.97).abs() < 1e-12 && limit.to_string() == "tg128 < -3 %");
        assert_eq!(
            "kld>0.01".parse::<Limit>().map(|l| (l.at.to_bits(), l.kind)),
            Ok((0.01_f64.to_bits(), ChangeKind::Difference))
        );
    }

    #[test]
    fn an_interval_that_holds_the_limit_is_on_no_side() {
        let (below, above): (Limit, Limit) = ("tg128<-3%".parse().expect("one"), "peak>5%".parse().expect("one"));
        assert!(below.is_passed_by((0.9, 0.96)) && !below.is_kept_by((0.9, 0.96)));
        assert!(below.is_kept_by((0.98, 1.2)) && !below.is_passed_by((0.98, 1.2)));
        assert!(!below.is_kept_by((0.96, 0.98)) && !below.is_passed_by((0.96, 0.98)));
        assert!(above.is_passed_by((1.06, 1.1)) && above.is_kept_by((0.9, 1.05)));
    }

    #[test]
    fn half_the_width_takes_four_times_the_evidence() {
        let limit: Limit = "tg128<-10%".parse().expect("a limit");
        let wide = 2.0 * (1.0_f64 / 0.9).ln();
        let change = |low: f64, value: f64| Change { kind: ChangeKind::Ratio, value, low: Some(low), high: Some(1.3) };
        let factor = limit.evidence_wanted(&change((-wide).exp(), 1.0)).expect("it lies off the limit");
        assert!((factor - 4.0).abs() < 1e-9, "{factor}");
        assert_eq!(limit.evidence_wanted(&change(0.8, limit.at)), None);
    }
}
