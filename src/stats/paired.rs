//! The effect in a paired comparison: what rounds say of a ratio at a given confidence, be they few or many.

use super::distribution::{fewest_signs, student_quantile};
use super::{Error, Estimate, check, hodges_lehmann, mean::mean_of, mean::variance, signed_rank};

/// The fewest rounds that have an interval, whatever its confidence. Of six differences the exact interval has 95 %; of fewer
/// Student's factor is above 2.8, and the spread behind it is hardly known.
pub(super) const FEWEST_ROUNDS: usize = 6;

/// The effect in `differences`, ln ratios one a round, and its interval at `confidence`. This is the one function by which runs
/// stop and verdicts are drawn:
///
/// ```text
/// let level = verdicts.level(family, protocol.confidence);           // metric::Verdicts::of_run(run)
/// let half_width = stats::paired_effect(&d, level)?.half_width();    // the run stops at equivalence / 2
/// ```
///
/// The value is the Hodges–Lehmann estimate at every confidence. The interval is [`hodges_lehmann`]'s exact one where n rounds
/// have the confidence asked for, 2·2⁻ⁿ ≤ α. One verdict of twelve has none below nine rounds: there it is Student's t interval
/// of the mean, d̄ ± t₁₋α/₂,ₙ₋₁ · s/√n, stretched where need be to hold the range of what was seen.
///
/// Simulated (20,000 runs a case; 6 to 9 rounds; 1, 4, 12 and 20 verdicts; normal, Laplace, bimodal, and bursts that hit one of
/// the two), the t interval alone errs at most as often as it says, and it is narrower than the exact one where both exist. The
/// range costs up to a tenth of the width. It makes intervals nest: one that is asked to be surer is never narrower, so that no
/// verdict says what the interval shown beside it leaves open.
///
/// Assumes rounds that are independent and differences that are symmetric about their centre. Neighbours that resemble each other
/// make it too narrow; at ten rounds that can't be seen in the data, and the order of the rounds has to prevent it.
///
/// # Errors
///
/// [`Error::TooFew`] below six rounds, [`Error::NotFinite`], [`Error::Probability`].
pub fn paired_effect(differences: &[f64], confidence: f64) -> Result<Estimate, Error> {
    const FUNCTION: &str = "paired_effect";
    let alpha = check::alpha(confidence)?;
    check::sample(FUNCTION, differences, FEWEST_ROUNDS)?;
    let n = differences.len();
    if fewest_signs(alpha) <= n {
        return hodges_lehmann(differences, confidence);
    }
    let (mean, s) = (mean_of(differences), variance(differences).sqrt());
    let half_width = student_quantile(alpha / 2.0, (n - 1) as f64) * s / (n as f64).sqrt();
    let (least, greatest) =
        differences.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &d| (least.min(d), most.max(d)));
    Ok(Estimate {
        value: signed_rank::centre(differences)?,
        low: (mean - half_width).min(least),
        high: (mean + half_width).max(greatest),
    })
}

/// The same from two rounds on, for who must decide early and not for who reports: below six rounds Student's t interval of the mean,
/// which is so wide of two or three that only large differences stand out.
///
/// # Errors
///
/// [`Error::TooFew`] below two rounds, [`Error::NotFinite`], [`Error::Probability`].
pub(crate) fn early_effect(differences: &[f64], confidence: f64) -> Result<Estimate, Error> {
    if differences.len() >= FEWEST_ROUNDS {
        return paired_effect(differences, confidence);
    }
    let alpha = check::alpha(confidence)?;
    check::sample("early_effect", differences, 2)?;
    let n = differences.len();
    let (value, s) = (mean_of(differences), variance(differences).sqrt());
    let half_width = student_quantile(alpha / 2.0, (n - 1) as f64) * s / (n as f64).sqrt();
    Ok(Estimate { value, low: value - half_width, high: value + half_width })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the same arithmetic gives the same bits")]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;
    use crate::stats::fixture::assert_close;

    /// One of so many verdicts.
    fn level(verdicts: u32) -> f64 {
        1.0 - 0.05 / f64::from(verdicts)
    }

    fn normal(rng: &mut SplitMix64) -> f64 {
        (-2.0 * (1.0 - rng.unit()).ln()).sqrt() * (std::f64::consts::TAU * rng.unit()).cos()
    }

    #[test]
    fn it_is_the_exact_interval_wherever_there_is_one() {
        let d: Vec<f64> = (0..12).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 } + f64::from(i) * 1e-3).collect();
        for (n, confidence) in [(12, 0.95), (6, 0.95), (9, level(12)), (6, 0.9)] {
            assert_eq!(paired_effect(&d[..n], confidence), hodges_lehmann(&d[..n], confidence), "{n} at {confidence}");
        }
    }

    #[test]
    fn six_rounds_have_an_interval_at_every_confidence_and_five_at_none() {
        for confidence in [0.5, 0.95, level(12), 0.9999] {
            assert!(paired_effect(&[0.1; 6], confidence).is_ok());
            let few = Error::TooFew { function: "paired_effect", required: 6, actual: 5 };
            assert_eq!(paired_effect(&[0.1; 5], confidence), Err(few));
        }
    }

    #[test]
    fn two_rounds_tell_what_is_large_and_steady_and_nothing_else() {
        let early = |d: &[f64]| early_effect(d, 0.95).expect("two rounds or more");
        // t₁ = 12.7: ±0.09 of two rounds that differ by 1.4 %.
        let steady = early(&[-0.300, -0.314]);
        assert!(steady.high < -0.2 && steady.low > -0.42, "{steady:?}");
        assert!(early(&[-0.10, -0.14]).contains(0.0));
        assert_eq!(early_effect(&[0.1], 0.95), Err(Error::TooFew { function: "early_effect", required: 2, actual: 1 }));
        let six = [0.1, 0.2, 0.1, 0.15, 0.12, 0.11];
        assert_eq!(early(&six), paired_effect(&six, 0.95).expect("six rounds"));
    }

    #[test]
    fn a_few_rounds_of_thirty_per_cent_are_told_among_twelve_verdicts() {
        // Spread 5 % a round: ±10 % at 99.58 %, by t₅ = 4.98.
        let d = [0.05, -0.05, 0.05, -0.05, 0.045, -0.045].map(|noise| 0.262 + noise);
        let effect = paired_effect(&d, level(12)).expect("six rounds");
        assert!(effect.low > 0.1 && effect.high < 0.4, "{effect:?}");
        assert_close("half width", effect.half_width(), 4.98 * 0.053 / 6.0_f64.sqrt(), 0.02);
    }

    #[test]
    fn surer_intervals_hold_the_less_sure_ones() {
        let mut rng = SplitMix64::new(31);
        for _ in 0..500 {
            let n = 6 + rng.below(5);
            let d: Vec<f64> = (0..n).map(|i| if i == 0 { 8.0 } else { 1.0 } * normal(&mut rng)).collect();
            let mut inner: Option<Estimate> = None;
            for verdicts in [1, 2, 4, 8, 12, 20, 40] {
                let effect = paired_effect(&d, level(verdicts)).expect("six rounds");
                assert!(effect.contains(effect.value));
                assert!(inner.is_none_or(|e| effect.low <= e.low && e.high <= effect.high), "{inner:?} {effect:?}");
                assert!(inner.is_none_or(|e| e.value == effect.value), "the ratio is the same at every confidence");
                inner = Some(effect);
            }
        }
    }

    #[test]
    fn few_rounds_err_no_more_often_than_they_say() {
        const RUNS: u32 = 4000;
        let mut rng = SplitMix64::new(32);
        let mut delay = |share: f64| if rng.unit() < share { -3.0 * (1.0 - rng.unit()).ln() } else { 0.0 };
        let bursts: Vec<f64> = (0..RUNS * 8).map(|_| delay(0.15) - delay(0.15)).collect();
        let mut rng = SplitMix64::new(33);
        for n in [6, 8] {
            for verdicts in [1, 4, 12] {
                for hit in [0.0, 1.0] {
                    let mut missed = 0;
                    for run in bursts.chunks_exact(8).take(RUNS as usize) {
                        let d: Vec<f64> = run[..n].iter().map(|burst| normal(&mut rng) + hit * burst).collect();
                        missed += u32::from(!paired_effect(&d, level(verdicts)).expect("six rounds").contains(0.0));
                    }
                    let (said, saw) = (1.0 - level(verdicts), f64::from(missed) / f64::from(RUNS));
                    // Three standard errors of a share of `said`.
                    let most = said + 3.0 * (said / f64::from(RUNS)).sqrt();
                    assert!(saw <= most, "{n} rounds, {verdicts} verdicts, bursts {hit}: missed in {saw}");
                }
            }
        }
    }

    #[test]
    fn equal_values_are_known_exactly() {
        for confidence in [0.95, level(12)] {
            let effect = paired_effect(&[0.02; 8], confidence).expect("enough values");
            assert_eq!((effect.value, effect.low, effect.high), (0.02, 0.02, 0.02));
        }
    }
}
