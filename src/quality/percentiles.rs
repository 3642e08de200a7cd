//! Percentiles as llama-perplexity interpolates them: linearly at f·(n − 1) of the sorted values, which is type 7 of
//! Hyndman and Fan (1996).

use crate::record::Percentiles;

/// Percentiles of values, which must be finite and not empty.
pub(super) fn percentiles(mut values: Vec<f64>) -> Percentiles {
    values.sort_unstable_by(f64::total_cmp);
    let at = |fraction| interpolate(&values, fraction);
    Percentiles {
        minimum: at(0.0),
        p0_1: at(0.001),
        p1: at(0.01),
        p5: at(0.05),
        p10: at(0.1),
        p25: at(0.25),
        median: at(0.5),
        p75: at(0.75),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p99_9: at(0.999),
        maximum: at(1.0),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
fn interpolate(sorted: &[f64], fraction: f64) -> f64 {
    let place = fraction * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }

    #[test]
    fn interpolates_between_neighbours() {
        let result = percentiles(vec![4.0, 1.0, 2.0, 3.0]);
        close(result.median, 2.5);
        close(result.p10, 1.3);
        close(result.p99_9, 3.997);
        close(result.minimum, 1.0);
        close(result.maximum, 4.0);
        let odd = percentiles((0..=1000).rev().map(f64::from).collect());
        close(odd.median, 500.0);
        close(odd.p0_1, 1.0);
        close(odd.p95, 950.0);
        close(percentiles(vec![7.0]).p25, 7.0);
    }
}
