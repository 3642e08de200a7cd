//! Percentiles as llama-perplexity interpolates them: linearly at f·(n − 1) of the sorted values, which is type 7 of
//! Hyndman and Fan (1996).

use serde::{Deserialize, Serialize};

/// The order statistics of a quantity over tokens, in the unit its field names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is its percentile")]
pub struct Percentiles {
    pub minimum: f64,
    pub p0_1: f64,
    pub p1: f64,
    pub p5: f64,
    pub p10: f64,
    pub p25: f64,
    pub median: f64,
    pub p75: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub maximum: f64,
}

impl Percentiles {
    /// Percentiles of values, which must be finite and not empty.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |fraction| interpolate(&values, fraction);
        Self {
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
        let result = Percentiles::of(vec![4.0, 1.0, 2.0, 3.0]);
        close(result.median, 2.5);
        close(result.p10, 1.3);
        close(result.p99_9, 3.997);
        close(result.minimum, 1.0);
        close(result.maximum, 4.0);
        let odd = Percentiles::of((0..=1000).rev().map(f64::from).collect());
        close(odd.median, 500.0);
        close(odd.p0_1, 1.0);
        close(odd.p95, 950.0);
        close(Percentiles::of(vec![7.0]).p25, 7.0);
    }
}
