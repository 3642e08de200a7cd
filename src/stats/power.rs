//! What could have been seen: the smallest effect that an interval as wide as the one at hand would have told from nothing.

use super::distribution::{normal_quantile, student_quantile};
use super::{Error, Estimate, check};

/// How often an effect of the size named would have been found.
const POWER: f64 = 0.80;

/// How far the true effect has to lie beyond a border for the interval at `confidence` to lie beyond it in 80 % of runs like this
/// one, by the interval's own width. The spread behind it is known with `freedom` degrees of freedom: n − 1 of n rounds.
///
/// ```text
/// h · (1 + z₀.₈ · √(1/t² + 1/(2ν))),   h the half-width, t = t₁₋α/₂,ν, ν = freedom
/// ```
///
/// h/t is the estimate's standard error. The estimate must exceed the border by the half-width it will have then: both vary from
/// run to run, the estimate by h/t, the half-width by h/√(2ν). This is the normal approximation to the noncentral t (Johnson &
/// Welch 1940). Like every figure of one run it is an estimate: of equal runs, each names another size.
///
/// # Errors
///
/// [`Error::TooFew`] without a degree of freedom, [`Error::Probability`].
pub(crate) fn reach(interval: &Estimate, confidence: f64, freedom: usize) -> Result<f64, Error> {
    let alpha = check::alpha(confidence)?;
    check::at_least("reach", 1, freedom)?;
    let t = student_quantile(alpha / 2.0, freedom as f64);
    let varies = (1.0 / (t * t) + 1.0 / (2.0 * freedom as f64)).sqrt();
    Ok(interval.half_width() * (1.0 + normal_quantile(1.0 - POWER) * varies))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{SplitMix64, fixture::assert_close, mean, paired_effect};

    fn normal(rng: &mut SplitMix64) -> f64 {
        (-2.0 * (1.0 - rng.unit()).ln()).sqrt() * (std::f64::consts::TAU * rng.unit()).cos()
    }

    /// Of equal runs, how often the size they name on average is found, and that size in standard deviations of a round.
    fn found(n: usize, verdicts: u32) -> (f64, f64) {
        const RUNS: usize = 3000;
        let confidence = 1.0 - 0.05 / f64::from(verdicts);
        let mut rng = SplitMix64::new(41);
        let mut effect = || {
            let d: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
            paired_effect(&d, confidence).expect("six rounds")
        };
        let runs: Vec<Estimate> = (0..RUNS).map(|_| effect()).collect();
        let named: Vec<f64> = runs.iter().map(|e| reach(e, confidence, n - 1).expect("a width")).collect();
        let truth = mean(&named).expect("runs");
        let seen = runs.iter().filter(|e| e.low + truth > 0.0).count();
        (seen as f64 / RUNS as f64, truth)
    }

    #[test]
    fn the_size_named_is_found_in_four_runs_of_five() {
        for n in [6, 8, 10, 20, 40] {
            for verdicts in [1, 4, 12] {
                let (share, _) = found(n, verdicts);
                assert!((0.74..=0.88).contains(&share), "{n} rounds, {verdicts} verdicts: found in {share}");
            }
        }
    }

    #[test]
    fn more_rounds_see_less_and_more_verdicts_need_more() {
        let size = |n, verdicts| found(n, verdicts).1;
        assert!(size(6, 4) > size(10, 4) && size(10, 4) > size(40, 4));
        assert!(size(10, 12) > size(10, 1));
    }

    #[test]
    fn many_rounds_give_the_textbook_sum_of_two_quantiles() {
        let wide = Estimate { value: 0.0, low: -1.959_964, high: 1.959_964 };
        assert_close("reach", reach(&wide, 0.95, 1_000_000).expect("a width"), 1.959_964 + 0.841_621, 1e-4);
        let none = Estimate { value: 0.0, low: 0.0, high: 0.0 };
        assert_close("reach of nothing", reach(&none, 0.95, 5).expect("a width"), 0.0, 0.0);
        assert!(reach(&none, 0.95, 0).is_err());
    }
}
