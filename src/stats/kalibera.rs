//! How many inner samples a round is worth: variance components of a pilot, and the optimum.

use super::mean::{mean_of, variance};
use super::{Error, check};

/// A variance needs two values, at each level.
const FEWEST: usize = 2;

/// Where the variance of a pilot comes from, in the squared unit of its values.
///
/// Kalibera & Jones, *Rigorous benchmarking in reasonable time* (ISMM 2013), for two levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Components {
    /// T₁²: variance between the inner samples of one round.
    pub within: f64,
    /// T₂²: variance between rounds beyond what `within` explains. The estimate is unbiased and so
    /// may be negative, which says that rounds do not differ.
    pub between: f64,
}

impl Components {
    /// From a pilot of rounds, each with the same number r of inner samples:
    ///
    /// ```text
    /// S₁² = mean of the rounds' variances      T₁² = S₁²
    /// S₂² = variance of the rounds' means      T₂² = S₂² − S₁²/r
    /// ```
    ///
    /// with the authors' corrected form of Tᵢ².
    ///
    /// Give logarithms of times, after removing what all models of a round share, so that the
    /// components are those of the quantity that is estimated. Assumes independent rounds and one
    /// variance within all of them. Smallest pilot: 2 rounds of 2 inner samples.
    pub(crate) fn of_pilot(rounds: &[Vec<f64>]) -> Result<Self, Error> {
        check::at_least("Components::of_pilot (rounds)", FEWEST, rounds.len())?;
        let inner = rounds[0].len();
        for (round, samples) in rounds.iter().enumerate() {
            check::sample("Components::of_pilot (inner samples)", samples, FEWEST)?;
            if samples.len() != inner {
                return Err(Error::Unbalanced { round, expected: inner, actual: samples.len() });
            }
        }
        let within = mean_of(&rounds.iter().map(|samples| variance(samples)).collect::<Vec<_>>());
        let means: Vec<f64> = rounds.iter().map(|samples| mean_of(samples)).collect();
        Ok(Self { within, between: variance(&means) - within / inner as f64 })
    }

    /// The number of inner samples that gives the narrowest interval for its time.
    ///
    /// ```text
    /// k* = ⌈√((c₂/c₁) · (T₁²/T₂²))⌉,   at least 1 and at most `most`
    /// ```
    ///
    /// c₁ is `sample_cost`, the time of one inner sample, and c₂ `round_cost`, that of loading and
    /// warming up, in the same unit. When rounds do not differ beyond their samples (T₂² ≤ 0), a
    /// new round buys nothing that a sample does not: `most`. When samples do not differ at all
    /// (T₁² = 0): 1.
    pub(crate) fn optimal_inner(&self, sample_cost: f64, round_cost: f64, most: usize) -> Result<usize, Error> {
        check::positive("sample cost", sample_cost)?;
        check::positive("round cost", round_cost)?;
        check::positive("largest number of inner samples", most as f64)?;
        if self.within <= 0.0 {
            return Ok(1);
        }
        if self.between <= 0.0 {
            return Ok(most);
        }
        let optimum = (round_cost / sample_cost * (self.within / self.between)).sqrt().ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, then limited")]
        Ok((optimum as usize).clamp(1, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close};

    #[test]
    fn agrees_with_numpy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/kalibera.json"));
        for case in fixture["pilots"].as_array().expect("cases") {
            let rounds: Vec<Vec<f64>> =
                case["rounds"].as_array().expect("rounds").iter().map(fixture::numbers).collect();
            let components = Components::of_pilot(&rounds).expect("a balanced pilot");
            assert_close("T₁²", components.within, fixture::number(&case["within"]), 1e-12);
            assert_close("T₂²", components.between, fixture::number(&case["between"]), 1e-10);
            let (sample, round) = (fixture::number(&case["sample_cost"]), fixture::number(&case["round_cost"]));
            let most = fixture::count(&case["most"]);
            assert_eq!(components.optimal_inner(sample, round, most), Ok(fixture::count(&case["optimal_inner"])));
        }
    }

    #[test]
    fn the_optimum_is_the_cheapest_of_its_neighbours() {
        let components = Components { within: 4.0, between: 0.3 };
        let (sample_cost, round_cost) = (0.5, 7.0);
        let k = components.optimal_inner(sample_cost, round_cost, 1000).expect("valid costs");
        // Variance of the estimate times the cost of a round: what a given time buys.
        let price = |k: usize| (0.3 + 4.0 / k as f64) * (7.0 + 0.5 * k as f64);
        assert_eq!(k, 14);
        assert!(price(k) < price(k / 2) && price(k) < price(2 * k));
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(Components { within: 1.0, between: -0.1 }.optimal_inner(1.0, 1.0, 20), Ok(20));
        assert_eq!(Components { within: 0.0, between: 0.0 }.optimal_inner(1.0, 1.0, 20), Ok(1));
        assert_eq!(Components { within: 1.0, between: 1e-30 }.optimal_inner(1.0, 1.0, 20), Ok(20));
        let free = Components { within: 1.0, between: 1.0 }.optimal_inner(0.0, 1.0, 20);
        assert_eq!(free, Err(Error::NotPositive { what: "sample cost", value: 0.0 }));
    }

    #[test]
    fn a_torn_pilot_names_the_round() {
        let torn = [vec![1.0, 2.0], vec![1.0, 2.0, 3.0]];
        assert_eq!(Components::of_pilot(&torn), Err(Error::Unbalanced { round: 1, expected: 2, actual: 3 }));
        assert!(matches!(Components::of_pilot(&torn[..1]), Err(Error::TooFew { required: 2, actual: 1, .. })));
    }
}
