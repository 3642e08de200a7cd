//! Numbers to text: three significant digits, one unit, a proper minus sign. Unknown is "n/a", never 0.

use serde::Serialize;

use crate::{
    analysis::{Comparison, MetricSummary, Unit},
    units::{GIB, KIB, MIB},
};

/// What stands for a number that is not known.
pub(crate) const UNKNOWN: &str = "n/a";
/// Between groups of three digits: narrow and without a line break.
const THIN: char = '\u{202f}';

/// `value` with so many decimals, groups of three digits and U+2212 as minus.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, part) = text.split_once('.').map_or((text.as_str(), None), |(w, p)| (w, Some(p)));
    let mut out = String::new();
    if value < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) && whole.len() > 4 {
            out.push(THIN);
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// Decimals that give three significant digits.
fn decimals3(value: f64) -> usize {
    match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        v if v >= 0.099_95 => 3,
        v if v > 0.0 => 4,
        _ => 0,
    }
}

pub(crate) fn sig3(value: f64) -> String {
    fixed(value, decimals3(value))
}

pub(crate) fn count(n: u64) -> String {
    fixed(n as f64, 0)
}

/// How values of a unit are scaled for people. A column of a table has one for all its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    divisor: f64,
    /// `t/s`, `ms`, `GiB`.
    pub suffix: &'static str,
}

impl Scale {
    /// The scale that suits `largest`.
    pub(crate) fn of(unit: Unit, largest: f64) -> Self {
        let (divisor, suffix) = match unit {
            Unit::TokensPerSecond => (1.0, "t/s"),
            Unit::Seconds if largest.abs() < 0.9995 => (1e-3, "ms"),
            Unit::Seconds => (1.0, "s"),
            Unit::Bytes if largest.abs() >= 0.9995 * GIB => (GIB, "GiB"),
            Unit::Bytes if largest.abs() >= 0.9995 * MIB => (MIB, "MiB"),
            Unit::Bytes if largest.abs() >= KIB => (KIB, "KiB"),
            Unit::Bytes => (1.0, "B"),
            Unit::JoulesPerToken if largest.abs() < 0.9995 => (1e-3, "mJ/token"),
            Unit::JoulesPerToken => (1.0, "J/token"),
            Unit::Perplexity => (1.0, ""),
            Unit::Nats => (1.0, "nats"),
            Unit::Fraction => (0.01, "%"),
        };
        Self { divisor, suffix }
    }

    /// The scale that suits the largest of the values.
    pub(crate) fn for_all(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        Self::of(unit, values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max))
    }

    /// The number alone, three significant digits.
    pub(crate) fn number(self, value: f64) -> String {
        sig3(value / self.divisor)
    }

    /// A metric with its interval, numbers alone; `None` when there is no value.
    pub(crate) fn spread(self, m: &MetricSummary) -> Option<Spread> {
        let value = m.value.filter(|v| v.is_finite())? / self.divisor;
        Some(spread(value, m.low.zip(m.high).map(|(l, h)| (l / self.divisor, h / self.divisor)), decimals3(value), ""))
    }
}

/// `45.6 t/s`, `1.23 GiB`, `120 ms`.
pub(crate) fn quantity(unit: Unit, value: f64) -> String {
    let scale = Scale::of(unit, value);
    format!("{} {}", scale.number(value), scale.suffix)
}

/// Bytes in the binary unit that fits.
pub(crate) fn bytes(value: f64) -> String {
    quantity(Unit::Bytes, value)
}

/// Seconds, or milliseconds under one.
pub(crate) fn seconds(value: f64) -> String {
    quantity(Unit::Seconds, value)
}

/// Small divergences need digits, large ones don't.
pub(crate) fn nats(nats: f64) -> String {
    if nats.abs() < 1e-12 {
        "0".into()
    } else if nats.abs() < 0.01 {
        fixed(nats, 5)
    } else {
        fixed(nats, 4)
    }
}

/// A limit as it was typed: without zeros at its end.
pub(crate) fn limit_nats(limit: f64) -> String {
    let text = nats(limit);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(crate) fn ms(value: f64) -> String {
    seconds(value / 1e3)
}

pub(crate) fn rate(value: f64) -> String {
    quantity(Unit::TokensPerSecond, value)
}

/// `some` formatted, or "n/a".
pub(crate) fn or_unknown(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| UNKNOWN.into(), format)
}

/// A value and its interval at the same scale and precision: `45.62`, `[45.31, 45.90]`, `± 0.31`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    pub value: String,
    /// The interval in brackets, no unit; `None` without one.
    pub brackets: Option<String>,
    /// The larger of the two half-widths, no unit; `None` without an interval.
    pub plus_minus: Option<String>,
}

fn spread(value: f64, interval: Option<(f64, f64)>, decimals: usize, unit: &str) -> Spread {
    let finite = interval.filter(|(l, h)| l.is_finite() && h.is_finite());
    let half = finite.map(|(l, h)| (h - value).max(value - l));
    // A half-width that would be printed as zero gets up to two more decimals.
    let decimals = match half {
        Some(h) if h > 0.0 => {
            (decimals..decimals + 2).find(|d| h >= 0.5 * 0.1_f64.powi(i32::try_from(*d).unwrap_or(0)))
        }
        _ => Some(decimals),
    }
    .unwrap_or(decimals + 2);
    Spread {
        value: format!("{}{unit}", fixed(value, decimals)),
        brackets: finite.map(|(l, h)| format!("[{}, {}]", fixed(l, decimals), fixed(h, decimals))),
        plus_minus: half.map(|h| format!("± {}", fixed(h, decimals))),
    }
}

/// Candidate over original: `1.90×`, `[1.85, 1.95]`.
pub(crate) fn comparison(c: &Comparison) -> Option<Spread> {
    let ratio = c.ratio.filter(|r| r.is_finite())?;
    Some(spread(ratio, c.low.zip(c.high), ratio_decimals(ratio), "×"))
}

/// A share of one with its interval as percent, without the sign: `36`, `[31, 42]`.
pub(crate) fn in_percent(share: f64, interval: Option<(f64, f64)>) -> Spread {
    let percent = share * 100.0;
    let decimals = decimals3(percent).min(if percent.abs() >= 9.95 { 1 } else { 2 });
    spread(percent, interval.map(|(low, high)| (low * 100.0, high * 100.0)), decimals, "")
}

fn ratio_decimals(ratio: f64) -> usize {
    if ratio >= 9.995 {
        1
    } else if ratio >= 0.0995 {
        2
    } else {
        3
    }
}

/// `1.90×`.
pub(crate) fn ratio(value: f64) -> String {
    format!("{}×", fixed(value, ratio_decimals(value)))
}

/// A share of one as percent: 0.36 is `36 %`.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = if value.abs() >= 9.95 {
        0
    } else if value.abs() >= 0.0995 {
        1
    } else {
        2
    };
    format!("{}\u{a0}%", fixed(value, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Better;

    #[test]
    fn three_significant_digits() {
        let shown = [0.012_34, 0.1234, 1.234, 12.34, 99.96, 123.4, 12_345.6].map(sig3);
        assert_eq!(shown, ["0.0123", "0.123", "1.23", "12.3", "100", "123", "12\u{202f}346"]);
        assert_eq!((sig3(-0.5).as_str(), sig3(0.0).as_str()), ("−0.500", "0"));
        assert_eq!(fixed(-0.000_1, 2), "0.00");
        assert_eq!(sig3(f64::NAN), "n/a");
    }

    #[test]
    fn units_follow_the_value() {
        assert_eq!(bytes(1.23 * GIB), "1.23 GiB");
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(2.5), "2.50 s");
        assert_eq!(rate(45.6), "45.6 t/s");
    }

    #[test]
    fn intervals_share_the_scale_and_precision_of_their_value() {
        let m = |value, low, high, unit| MetricSummary {
            id: crate::metric::id("load"),
            value: Some(value),
            low,
            high,
            best: None,
            unit,
            n: 8,
            better: Better::Lower,
            cost_s: None,
        };
        let shown = |m: &MetricSummary| Scale::for_all(m.unit, m.value).spread(m).expect("it has a value");
        let load = shown(&m(0.9, Some(0.85), Some(1.1), Unit::Seconds));
        assert_eq!((load.value.as_str(), load.brackets.as_deref()), ("900", Some("[850, 1100]")));
        let tight = shown(&m(45.62, Some(45.6), Some(45.65), Unit::TokensPerSecond));
        assert_eq!((tight.value.as_str(), tight.plus_minus.as_deref()), ("45.62", Some("± 0.03")));
        let quick = shown(&m(45.62, None, None, Unit::TokensPerSecond));
        assert_eq!((quick.value.as_str(), quick.brackets), ("45.6", None));
    }

    #[test]
    fn shares_and_ratios() {
        assert_eq!(percent(0.969 - 1.0), "−3.1\u{a0}%");
        assert_eq!(percent(0.0), "0.00\u{a0}%");
        assert_eq!(percent(0.36), "36\u{a0}%");
        assert_eq!(ratio(0.054), "0.054×");
    }
}
