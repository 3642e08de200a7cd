//! Spread and outliers that a few wild samples cannot distort.

use super::order::Sorted;
use super::{Error, check};

/// 1/Φ⁻¹(¾), which makes the MAD of a normal distribution its standard deviation.
const NORMAL: f64 = 1.482_602_218_505_602;

/// Distance from the median, in robust standard deviations, beyond which a value is flagged.
const FLAGGED_BEYOND: f64 = 5.0;

const FEWEST: usize = 3;

/// Indices of the values further than five robust standard deviations from the median, ascending;
/// to be shown, never dropped.
///
/// |x − median| > 5 · 1.4826 · max(MAD, `resolution`), after Iglewicz & Hoaglin (1993).
/// `resolution`, in the unit of the values, is what the instrument can tell apart: without it,
/// values that mostly tie would make every other an outlier. Smallest n: 3.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::NotPositive`] for the resolution.
pub(crate) fn outliers(values: &[f64], resolution: f64) -> Result<Vec<usize>, Error> {
    check::sample("outliers", values, FEWEST)?;
    check::positive("resolution", resolution)?;
    let (median, mad) = deviation("outliers", values)?;
    let limit = FLAGGED_BEYOND * NORMAL * mad.max(resolution);
    Ok(values.iter().enumerate().filter(|(_, x)| (*x - median).abs() > limit).map(|(i, _)| i).collect())
}

/// The median and the median absolute deviation from it.
fn deviation(function: &'static str, values: &[f64]) -> Result<(f64, f64), Error> {
    let median = Sorted::of(function, values.to_vec())?.median();
    let mad = Sorted::of(function, values.iter().map(|x| (x - median).abs()).collect())?.median();
    Ok((median, mad))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/robust.json"));
        for case in fixture["mad_sigma"].as_array().expect("cases") {
            let values = fixture::numbers(&case["values"]);
            let mad = deviation("MAD", &values).expect("enough").1;
            assert_close("MAD σ", NORMAL * mad, fixture::number(&case["sigma"]), 1e-13);
        }
    }

    #[test]
    fn flags_only_what_is_far() {
        let values = [10.0, 10.1, 9.9, 10.2, 9.8, 30.0, 10.0, -5.0];
        assert_eq!(outliers(&values, 1e-9), Ok(vec![5, 7]));
        assert_eq!(outliers(&values, 10.0), Ok(vec![]));
    }

    #[test]
    fn resolution_keeps_ties_from_flagging_the_rest() {
        let ticks = [1.0, 1.0, 1.0, 1.0, 1.001];
        assert_eq!(outliers(&ticks, 1e-9), Ok(vec![4]));
        assert_eq!(outliers(&ticks, 0.001), Ok(vec![]));
        assert_eq!(outliers(&ticks, 0.0), Err(Error::NotPositive { what: "resolution", value: 0.0 }));
    }

    #[test]
    fn two_values_have_no_robust_spread() {
        let error = Error::TooFew { function: "outliers", required: 3, actual: 2 };
        assert_eq!(outliers(&[1.0, 2.0], 1e-9), Err(error));
    }
}
