//! CSV: one row a metric, plain numbers, RFC 4180 quoting, formula injection closed.

use super::text::inert_line;
use crate::analysis::{Analysis, Comparison, MetricSummary, ModelAnalysis, Unit, Verdict};

const HEAD: &str = "model,metric,value,low,high,best,unit,n,ratio,ratio_low,ratio_high,verdict";

/// Every metric of every model; empty fields are unknown.
pub(super) fn render(analysis: &Analysis) -> String {
    let mut out = String::from(HEAD);
    out.push_str("\r\n");
    for model in &analysis.models {
        for metric in &model.metrics {
            out.push_str(&row(model, metric, model.comparison(&metric.key)).join(","));
            out.push_str("\r\n");
        }
    }
    out
}

fn row(model: &ModelAnalysis, m: &MetricSummary, c: Option<&Comparison>) -> [String; 12] {
    [
        field(&model.name),
        field(&m.key),
        number(m.value),
        number(m.low),
        number(m.high),
        number(m.best),
        unit(m.unit).into(),
        m.n.to_string(),
        number(c.and_then(|c| c.ratio)),
        number(c.and_then(|c| c.low)),
        number(c.and_then(|c| c.high)),
        c.and_then(|c| c.verdict).map(verdict).unwrap_or_default().into(),
    ]
}

/// As JSON names it; likewise below.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::TokensPerSecond => "t/s",
        Unit::Seconds => "s",
        Unit::Bytes => "bytes",
        Unit::Perplexity => "ppl",
        Unit::Nats => "nats",
        Unit::Fraction => "fraction",
    }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Smaller => "smaller",
        Verdict::Larger => "larger",
        Verdict::NoRelevantDifference => "no_relevant_difference",
        Verdict::NotResolved { .. } => "not_resolved",
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map(|v| v.to_string()).unwrap_or_default()
}

/// A spreadsheet takes a field that begins like a formula for one: an apostrophe before it makes it text.
pub(super) fn field(text: &str) -> String {
    let mut text = inert_line(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=HYPERLINK(1,2)"), "\"'=HYPERLINK(1,2)\"");
        assert_eq!(field(" @x\n"), "'@x");
        assert_eq!(number(None), "");
        assert_eq!(number(Some(f64::NAN)), "");
    }
}
