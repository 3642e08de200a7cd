//! How KLD is distributed over tokens: the empirical distribution function of each candidate on a logarithmic axis.

use super::cells::compared;
use crate::{
    analysis::{Analysis, DomainFigures, ModelAnalysis, QualityAnalysis},
    record::Percentiles,
    report::{
        document::Figure,
        draw::{
            axis::{Axis, grid_across, grid_up},
            canvas::{Anchor, DrawError, Face, Ink, Size, svg},
            plot::{LEFT, MARGIN, legend, legend_height, line, mark},
        },
        number::nats,
        section::names::name,
        text::shorten,
    },
};

const PLOT: i32 = 220;
const FOOT: i32 = 40;
/// Where the axis begins at the latest: less is rounding.
const LEAST: f64 = 1e-7;
const MARKED: [(f64, &str); 3] = [(0.5, "median"), (0.9, "90 %"), (0.99, "99 %")];

/// (KLD, share of tokens up to it) of one domain, both ascending.
type Curve = Vec<(f64, f64)>;

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let right = size.width - MARGIN;
    let of = |(m, q): (&ModelAnalysis, &QualityAnalysis)| {
        let texts: Vec<Curve> = q.domains.iter().filter_map(curve).collect();
        (!texts.is_empty()).then(|| (shorten(&name(m), 24), texts))
    };
    let series: Vec<(String, Vec<Curve>)> = compared(analysis).filter_map(of).collect();
    let values = || series.iter().flat_map(|(_, texts)| texts).flatten().filter(|(_, p)| *p >= 0.01);
    let top = legend_height(series.len()) + 8;
    let Some(x) = Axis::holding(values().map(|(v, _)| v.max(LEAST)), (LEFT, right)) else { return Ok(None) };
    let y = Axis::up_to(1.0, (top + PLOT, top));
    let title = "Distribution of KLD over tokens";
    let texts: Vec<String> = series.iter().map(|(label, texts)| format!("{label}: {}", quantiles(texts, &x))).collect();
    let svg =
        svg(&size.id("chart-kld-distribution"), title, &texts.join("; "), (size.width, top + PLOT + FOOT), |canvas| {
            legend(canvas, &texts);
            grid_across(canvas, &x.decades(), top, top + PLOT);
            grid_up(canvas, &y.ticks([0.0, 0.25, 0.5, 0.75, 1.0], |share| format!("{:.0} %", share * 100.0)), right);
            canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, top + PLOT + 30), "KLD of a token, nats");
            for (i, (_, texts)) in series.iter().enumerate() {
                let points: Vec<(i32, i32)> = x.steps(120).map(|v| (x.at(v), y.at(share(texts, v)))).collect();
                line(canvas, i, &points);
                for (p, _) in MARKED {
                    if let Some(v) = quantile(texts, p, &x) {
                        mark(canvas, i, (x.at(v), y.at(p)));
                    }
                }
            }
        })?;
    let note = "Share of tokens with at most that KLD. Farther left is better. Marks: median, 90 %, 99 %. Domains count equally. Lines run \
                through the percentiles in the record, and above the 95th through the tokens themselves."
        .into();
    Ok(Some(Figure { id: "chart-kld-distribution".into(), title: title.into(), note, svg, narrow: None }))
}

/// Percentiles up to the 95th, then every token above it that the record is sure to hold.
fn curve(text: &DomainFigures) -> Option<Curve> {
    let summary = text.summary.as_ref()?;
    let Percentiles { p0_1, p1, p5, p10, p25, median, p75, p90, p95, p99, p99_9, maximum, .. } =
        summary.kld_percentiles_nats;
    let mut points = vec![(p0_1, 0.001), (p1, 0.01), (p5, 0.05), (p10, 0.1), (p25, 0.25), (median, 0.5), (p75, 0.75)];
    points.extend([(p90, 0.9), (p95, 0.95)]);
    let tail = &text.kld_tail_nats;
    let (n, tokens) = (tail.len(), summary.tokens.max(1) as f64);
    if tail.is_empty() {
        points.extend([(p99, 0.99), (p99_9, 0.999), (maximum, 1.0)]);
    }
    points.extend(tail.iter().enumerate().map(|(i, v)| (*v, 1.0 - (n - 1 - i) as f64 / tokens)));
    points.retain(|(v, _)| v.is_finite());
    Some(points)
}

/// Share of tokens with at most this KLD, domains counting equally.
fn share(texts: &[Curve], value: f64) -> f64 {
    texts.iter().map(|curve| share_of_text(curve, value)).sum::<f64>() / texts.len().max(1) as f64
}

/// Between two points the share rises evenly with the logarithm of KLD.
fn share_of_text(curve: &Curve, value: f64) -> f64 {
    let at = curve.partition_point(|(v, _)| *v <= value);
    let Some(&(after, p_after)) = curve.get(at) else { return 1.0 };
    let Some(&(before, p_before)) = at.checked_sub(1).and_then(|i| curve.get(i)) else { return 0.0 };
    let ln = |v: f64| v.max(LEAST / 1e3).ln();
    let width = ln(after) - ln(before);
    let way = if width > 0.0 { ((ln(value) - ln(before)) / width).clamp(0.0, 1.0) } else { 1.0 };
    p_before + (p_after - p_before) * way
}

/// The KLD that this share of tokens does not exceed, to a two-hundredth of the axis.
fn quantile(texts: &[Curve], p: f64, axis: &Axis) -> Option<f64> {
    axis.steps(800).find(|v| share(texts, *v) >= p)
}

fn quantiles(texts: &[Curve], axis: &Axis) -> String {
    let all = MARKED.iter().filter_map(|(p, what)| Some(format!("{what} {}", nats(quantile(texts, *p, axis)?))));
    all.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_interpolated_in_the_logarithm_and_averaged_over_texts() {
        let curve: Curve = vec![(0.01, 0.1), (1.0, 0.9), (2.0, 1.0)];
        assert!((share_of_text(&curve, 0.1) - 0.5).abs() < 1e-12);
        assert!(share_of_text(&curve, 0.001).abs() < 1e-12 && (share_of_text(&curve, 5.0) - 1.0).abs() < 1e-12);
        let other: Curve = vec![(10.0, 0.5), (20.0, 1.0)];
        assert!((share(&[curve, other], 0.1) - 0.25).abs() < 1e-12);
    }
}
