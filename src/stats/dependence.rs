//! Dependence between neighbours in a series, as a machine that drifts leaves it, and what it does to an interval.
//!
//! Used where nothing cancels a drift, between two records. Rounds of one run are guarded by their mirrored order instead: at ten
//! rounds ρ̂ would have to exceed 0.63 to be notable.

use super::{Error, check, mean::Sum, mean::mean_of};

/// With fewer, 2/√n is above 0.75, and hardly any dependence would be notable.
const FEWEST: usize = 8;

/// The lag-1 autocorrelation of a series and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dependence {
    /// ρ̂, strictly between −1 and 1.
    pub lag1: f64,
    pub n: usize,
}

impl Dependence {
    /// ρ̂ = Σ (xₜ − x̄)(xₜ₊₁ − x̄) / Σ (xₜ − x̄)² (Box & Jenkins 1970).
    ///
    /// Assumes a series in time order without a trend; a trend shows as dependence. Biased towards
    /// −1/n. Ties need no special case, a constant series is an error. Smallest n: 8.
    pub(crate) fn of(series: &[f64]) -> Result<Self, Error> {
        const FUNCTION: &str = "Dependence::of";
        check::sample(FUNCTION, series, FEWEST)?;
        let mean = mean_of(series);
        let deviations: Vec<f64> = series.iter().map(|x| x - mean).collect();
        let total: Sum = deviations.iter().map(|d| d * d).collect();
        // Equality of the values, not a zero sum: the mean of equal values may be off by a
        // rounding.
        if series.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq()) || total.total() <= 0.0 {
            return Err(Error::NoVariation { function: FUNCTION });
        }
        let lagged: Sum = deviations.windows(2).map(|pair| pair[0] * pair[1]).collect();
        Ok(Self { lag1: lagged.total() / total.total(), n: series.len() })
    }

    /// Whether ρ̂ exceeds 2/√n, about what independent values reach in one series of forty.
    ///
    /// Only positive dependence counts: negative makes intervals too wide, which harms nobody.
    pub(crate) fn is_notable(&self) -> bool {
        self.lag1 > 2.0 / (self.n as f64).sqrt()
    }

    /// The factor by which an interval made for independent values is too narrow: √((1+ρ̂)/(1−ρ̂)),
    /// or 1 when the dependence is not notable. For
    /// [`Estimate::widened`](super::Estimate::widened).
    pub(crate) fn widening(&self) -> f64 {
        if self.is_notable() { ((1.0 + self.lag1) / (1.0 - self.lag1)).sqrt() } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;
    use crate::stats::fixture::{self, assert_close};

    #[test]
    fn agrees_with_numpy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/dependence.json"));
        for case in fixture["lag1"].as_array().expect("cases") {
            let dependence = Dependence::of(&fixture::numbers(&case["series"])).expect("enough values");
            assert_close("ρ̂", dependence.lag1, fixture::number(&case["lag1"]), 1e-12);
        }
    }

    #[test]
    fn half_dependent_series_widen_by_the_root_of_three() {
        let dependence = Dependence { lag1: 0.5, n: 30 };
        assert!(dependence.is_notable());
        assert_close("widening", dependence.widening(), 3.0_f64.sqrt(), 1e-15);
    }

    #[test]
    fn slight_or_negative_dependence_changes_nothing() {
        for lag1 in [-0.9, 0.0, 0.49] {
            let dependence = Dependence { lag1, n: 16 };
            assert_close("widening", dependence.widening(), 1.0, 0.0);
        }
    }

    #[test]
    fn independent_series_are_seldom_notable() {
        let mut rng = SplitMix64::new(11);
        let mut notable =
            || Dependence::of(&std::array::from_fn::<f64, 20, _>(|_| rng.unit())).expect("20 values").is_notable();
        let count = (0..1000).filter(|_| notable()).count();
        assert!(count < 40, "{count} of 1000");
    }

    #[test]
    fn constant_and_short_series_are_refused() {
        assert_eq!(Dependence::of(&[0.1; 9]), Err(Error::NoVariation { function: "Dependence::of" }));
        let few = Error::TooFew { function: "Dependence::of", required: 8, actual: 2 };
        assert_eq!(Dependence::of(&[1.0, 2.0]), Err(few));
    }
}
