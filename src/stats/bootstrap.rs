//! A seeded bootstrap over windows, for statistics without a formula, such as percentiles.

use super::order::Sorted;
use super::{Error, Estimate, SplitMix64, check};

/// Resamples drawn: each end of a 95 % interval rests on 50 of them.
const RESAMPLES: usize = 1_999;

/// With fewer windows the interval is too narrow to be shown: around the mean of 10 normal values by √(9/10) and for want of
/// Student's t, which makes 90 % of 95 %.
const FEWEST_WINDOWS: usize = 10;

/// The percentile interval of any statistic of independent windows, drawn with replacement within each of their strata (Efron
/// 1979; stratified as in Davison & Hinkley 1997).
///
/// Whole windows are drawn, since tokens inside one depend on each other (Künsch 1989). Stratum `i` has `sizes[i]` windows and
/// brings as many to each resample. `statistic` gets the indices of the windows to use in each stratum; the first call gets each
/// window once, in order, and gives the value.
///
/// Assumes a statistic that is smooth in the windows' weights. The order of the windows matters as much as the seed. Smallest n:
/// 10 in all and 2 in each stratum.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::Probability`], and [`Error::NotFinite`] with the resample, counted from 0, of which the statistic
/// was not finite.
pub(crate) fn stratified_bootstrap(
    sizes: &[usize],
    seed: u64,
    confidence: f64,
    mut statistic: impl FnMut(&[Vec<usize>]) -> f64,
) -> Result<Estimate, Error> {
    const FUNCTION: &str = "stratified_bootstrap";
    let alpha = check::alpha(confidence)?;
    check::at_least(FUNCTION, FEWEST_WINDOWS, sizes.iter().sum())?;
    for &size in sizes {
        check::at_least(FUNCTION, 2, size)?;
    }
    let mut drawn: Vec<Vec<usize>> = sizes.iter().map(|&size| (0..size).collect()).collect();
    let value = statistic(&drawn);
    let mut rng = SplitMix64::new(seed);
    let mut replicates = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for (drawn, &size) in drawn.iter_mut().zip(sizes) {
            drawn.fill_with(|| rng.below(size));
        }
        replicates.push(statistic(&drawn));
    }
    let replicates = Sorted::of(FUNCTION, replicates)?;
    let (low, high) = (replicates.quantile(alpha / 2.0)?, replicates.quantile(1.0 - alpha / 2.0)?);
    Ok(Estimate { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close, assert_estimate};

    #[test]
    fn agrees_with_an_independent_implementation_and_roughly_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/bootstrap.json"));
        for case in fixture["mean_of_means"].as_array().expect("cases") {
            let strata: Vec<Vec<f64>> =
                case["strata"].as_array().expect("strata").iter().map(fixture::numbers).collect();
            let sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
            let mean_of_means = |drawn: &[Vec<usize>]| {
                let mean = |(values, drawn): (&Vec<f64>, &Vec<usize>)| {
                    drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64
                };
                strata.iter().zip(drawn).map(mean).sum::<f64>() / strata.len() as f64
            };
            let seed = case["seed"].as_u64().expect("seed");
            let confidence = fixture::number(&case["confidence"]);
            let estimate = stratified_bootstrap(&sizes, seed, confidence, mean_of_means).expect("enough windows");
            assert_estimate(&estimate, case, 1e-12);
            // An end from 1,999 resamples has a standard error of about 0.03 half-widths.
            let monte_carlo = 0.1 * estimate.half_width();
            assert!((estimate.low - fixture::number(&case["scipy_low"])).abs() < monte_carlo);
            assert!((estimate.high - fixture::number(&case["scipy_high"])).abs() < monte_carlo);
        }
    }

    #[test]
    fn same_seed_same_interval_other_seed_another() {
        let first = |drawn: &[Vec<usize>]| drawn[0].iter().sum::<usize>() as f64;
        let run = |seed| stratified_bootstrap(&[300], seed, 0.95, first).expect("enough windows");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn every_stratum_brings_as_many_windows_as_it_has() {
        let mut calls = 0;
        let estimate = stratified_bootstrap(&[3, 7], 1, 0.95, |drawn| {
            calls += 1;
            assert_eq!(drawn.iter().map(Vec::len).collect::<Vec<_>>(), [3, 7]);
            assert!(drawn[0].iter().all(|&at| at < 3) && drawn[1].iter().all(|&at| at < 7));
            0.0
        });
        assert_close("half width", estimate.expect("enough windows").half_width(), 0.0, 0.0);
        assert_eq!(calls, 1 + RESAMPLES);
    }

    #[test]
    fn refuses_few_windows_and_statistics_that_fail() {
        let few = |required, actual| Error::TooFew { function: "stratified_bootstrap", required, actual };
        assert_eq!(stratified_bootstrap(&[9], 1, 0.95, |_| 0.0), Err(few(10, 9)));
        assert_eq!(stratified_bootstrap(&[20, 1], 1, 0.95, |_| 0.0), Err(few(2, 1)));
        let mut calls = 0;
        let fails_fourth = |_: &[Vec<usize>]| {
            calls += 1;
            if calls == 4 { f64::NAN } else { 0.0 }
        };
        let error = Error::NotFinite { function: "stratified_bootstrap", index: 2 };
        assert_eq!(stratified_bootstrap(&[10], 1, 0.95, fails_fourth), Err(error));
    }
}
