//! The difference between two groups of runs, from one value a run: what varies from run to run is in its interval.

use super::distribution::student_quantile;
use super::mean::{mean_of, variance};
use super::{Error, Estimate, check};

/// The fewest runs of each side that say something of the scatter between runs.
pub(crate) const FEWEST_RUNS: usize = 3;

/// By how much the mean of `after` lies above that of `before`, one value a run.
///
/// ```text
/// d ± t₁₋α/₂,ν · √(s₁²/m + s₂²/n),   ν = (s₁²/m + s₂²/n)² / ((s₁²/m)²/(m−1) + (s₂²/n)²/(n−1))
/// ```
///
/// Welch 1947, with Satterthwaite's degrees of freedom. A run's value holds whatever that run was given: rounds and samples within
/// it, and the state of the machine, which they have in common. Both are in the scatter of the values, so that runs may differ in
/// their rounds; this is the summary-measures analysis of a mixed model with runs as random effects.
///
/// Assumes runs that are independent and values that are about normal. Smallest n: 3 and 3.
///
/// # Errors
///
/// [`Error::TooFew`], [`Error::NotFinite`], [`Error::Probability`].
pub(crate) fn between_runs(before: &[f64], after: &[f64], confidence: f64) -> Result<Estimate, Error> {
    const FUNCTION: &str = "between_runs";
    let alpha = check::alpha(confidence)?;
    for runs in [before, after] {
        check::sample(FUNCTION, runs, FEWEST_RUNS)?;
    }
    let value = mean_of(after) - mean_of(before);
    let [one, other] = [before, after].map(|runs| variance(runs) / runs.len() as f64);
    let squared = one + other;
    if squared <= 0.0 {
        return Ok(Estimate { value, low: value, high: value });
    }
    let of = |part: f64, runs: &[f64]| part * part / (runs.len() - 1) as f64;
    let freedom = squared * squared / (of(one, before) + of(other, after));
    let half_width = student_quantile(alpha / 2.0, freedom) * squared.sqrt();
    Ok(Estimate { value, low: value - half_width, high: value + half_width })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{SplitMix64, fixture, fixture::assert_estimate};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/runs.json"));
        let cases = fixture["between_runs"].as_array().expect("cases");
        assert!(cases.len() > 5);
        for case in cases {
            let (before, after) = (fixture::numbers(&case["before"]), fixture::numbers(&case["after"]));
            let estimate = between_runs(&before, &after, fixture::number(&case["confidence"])).expect("three each");
            assert_estimate(&estimate, case, 1e-9);
        }
    }

    #[test]
    fn two_runs_of_a_side_say_nothing_of_what_varies_between_them() {
        let few = Error::TooFew { function: "between_runs", required: 3, actual: 2 };
        assert_eq!(between_runs(&[1.0, 2.0, 3.0], &[1.0, 2.0], 0.95), Err(few));
    }

    #[test]
    fn runs_that_are_equal_are_known_exactly() {
        let same = between_runs(&[1.5; 3], &[2.0; 4], 0.95).expect("enough");
        assert_eq!([same.value, same.low, same.high].map(f64::to_bits), [0.5_f64.to_bits(); 3]);
    }

    fn normal(rng: &mut SplitMix64) -> f64 {
        (-2.0 * (1.0 - rng.unit()).ln()).sqrt() * (std::f64::consts::TAU * rng.unit()).cos()
    }

    /// Rounds scatter within a run, and runs among each other: the interval holds the truth as often as it says, whichever is larger,
    /// and also where the sides have different numbers of runs and scatter.
    #[test]
    fn it_covers_as_it_says_whatever_varies_more() {
        const RUNS: u32 = 4000;
        let mut rng = SplitMix64::new(71);
        for (before, after, between, within) in
            [(3, 3, 0.04, 0.0), (3, 3, 0.04, 0.05), (3, 3, 0.0, 0.05), (3, 5, 0.04, 0.02), (8, 3, 0.01, 0.05)]
        {
            let mut covered = 0;
            for _ in 0..RUNS {
                let mut run = || {
                    let own = between * normal(&mut rng);
                    own + (0..6).map(|_| within * normal(&mut rng)).sum::<f64>() / 6.0
                };
                let before: Vec<f64> = (0..before).map(|_| run()).collect();
                let after: Vec<f64> = (0..after).map(|_| run()).collect();
                covered += u32::from(between_runs(&before, &after, 0.95).expect("three each").contains(0.0));
            }
            let share = f64::from(covered) / f64::from(RUNS);
            // Of three and three it errs to the safe side, of many and three by a point to the other.
            assert!((0.93..0.985).contains(&share), "{before} and {after}, {between}, {within}: {share}");
        }
    }
}
