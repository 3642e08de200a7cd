//! Two shares of the same items: how far they lie apart, and which difference so many items could have shown.

use super::{Error, Estimate, check, proportion::wilson};

/// Items by who was right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PairedCounts {
    pub(crate) both: u32,
    /// The first alone.
    pub(crate) lost: u32,
    /// The second alone.
    pub(crate) gained: u32,
    pub(crate) neither: u32,
}

impl PairedCounts {
    pub(crate) fn items(self) -> u32 {
        self.both + self.lost + self.gained + self.neither
    }
}

/// The second share less the first, with Newcombe's interval for paired shares (Newcombe 1998, method 10).
///
/// Wilson's intervals of the two shares, put together as if squared, less what their correlation φ takes away; φ with a correction for
/// continuity where it is positive. Smallest n: 1.
pub(crate) fn paired_share_difference(counts: PairedCounts, confidence: f64) -> Result<Estimate, Error> {
    let PairedCounts { both, lost, gained, neither } = counts;
    let items = counts.items();
    let first = wilson(u64::from(both + lost), u64::from(items), confidence)?;
    let second = wilson(u64::from(both + gained), u64::from(items), confidence)?;
    let all = f64::from(items);
    let [both, lost, gained, neither] = [both, lost, gained, neither].map(f64::from);
    let product = (both + lost) * (gained + neither) * (both + gained) * (lost + neither);
    let cross = both * neither - lost * gained;
    let cross = if cross > 0.0 { (cross - all / 2.0).max(0.0) } else { cross };
    let phi = if product > 0.0 { cross / product.sqrt() } else { 0.0 };
    let reach = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let value = (gained - lost) / all;
    let low = value - reach(second.value - second.low, first.high - first.value);
    let high = value + reach(second.high - second.value, first.value - first.low);
    Ok(Estimate { value, low: low.max(-1.0), high: high.min(1.0) })
}

/// The smallest difference of two shares of `items` that the exact McNemar test at `alpha` would have found with this `power`, when a
/// share `flips` of the items turns out differently; where the difference is larger than that, all flips go one way. `None` when even a
/// difference of 1 would not be found.
pub(crate) fn smallest_share_difference(items: u32, flips: f64, alpha: f64, power: f64) -> Result<Option<f64>, Error> {
    check::at_least("smallest_share_difference", 1, items as usize)?;
    for (what, value) in [("power", power), ("alpha", alpha)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(Error::Probability { what, value });
        }
    }
    if !(0.0..=1.0).contains(&flips) {
        return Err(Error::Probability { what: "share of flips", value: flips });
    }
    // The largest number of the rarer kind of flips that is still rejected, by the number of flips.
    let rejected: Vec<Option<u32>> = (0..=items).map(|n| largest_rejected(n, alpha)).collect();
    if found(items, 1.0, 1.0, &rejected) < power {
        return Ok(None);
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        let finds = found(items, middle, flips.max(middle), &rejected) >= power;
        (low, high) = if finds { (low, middle) } else { (middle, high) };
    }
    Ok(Some(high))
}

/// The most of the rarer kind among `n` flips with 2·P(Bin(n, ½) ≤ k) ≤ α.
fn largest_rejected(n: u32, alpha: f64) -> Option<u32> {
    let mut below = 0.0;
    let mut most = None;
    for (k, term) in (0..=n / 2).zip(binomial(n, 0.5)) {
        below += term;
        if 2.0 * below > alpha {
            break;
        }
        most = Some(k);
    }
    most
}

/// How often the test rejects, in the direction of the difference, when a share `flips` of the items flips and the two kinds of flips
/// differ by `difference`.
fn found(items: u32, difference: f64, flips: f64, rejected: &[Option<u32>]) -> f64 {
    let rarer = ((1.0 - difference / flips) / 2.0).clamp(0.0, 0.5);
    let likely = |n: u32, p: f64| {
        let (mean, sd) = (f64::from(n) * p, (f64::from(n) * p * (1.0 - p)).sqrt());
        move |k: u32| (f64::from(k) - mean).abs() <= 8.0 * sd + 8.0
    };
    let near = likely(items, flips);
    let of = |(n, share): (u32, f64)| {
        let most = rejected[n as usize]?;
        let tail: f64 = (0..=most).zip(binomial(n, rarer)).map(|(_, term)| term).sum();
        Some(share * tail)
    };
    (0..=items).zip(binomial(items, flips)).filter(|(n, _)| near(*n)).filter_map(of).sum()
}

/// P(Bin(n, p) = 0), P(… = 1), …
fn binomial(n: u32, p: f64) -> impl Iterator<Item = f64> {
    let (ln_p, ln_q) = (p.ln(), (1.0 - p).ln());
    let mut ln_choose = 0.0;
    (0..=n).map(move |k| {
        if k > 0 {
            ln_choose += (f64::from(n - k + 1) / f64::from(k)).ln();
        }
        // 0·ln 0 is 0 here.
        let times = |count: u32, ln: f64| if count == 0 { 0.0 } else { f64::from(count) * ln };
        (ln_choose + times(k, ln_p) + times(n - k, ln_q)).exp()
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::stats::{SplitMix64, sign_test};

    fn counts(both: u32, lost: u32, gained: u32, neither: u32) -> PairedCounts {
        PairedCounts { both, lost, gained, neither }
    }

    /// By the formulas of the paper, calculated apart with 16 digits.
    #[test]
    fn agrees_with_newcombes_formulas() {
        let found = paired_share_difference(counts(36, 12, 2, 0), 0.95).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 5e-5, "{found:?}");
        near(found.value, -0.2);
        near(found.low, -0.340_43);
        near(found.high, -0.056_93);
    }

    #[test]
    fn the_interval_holds_the_difference_about_as_often_as_it_says() {
        let mut rng = SplitMix64::new(5);
        for (n, lost, gained, right) in [(50, 8, 2, 40), (100, 5, 5, 30), (100, 12, 4, 60), (400, 3, 1, 45)] {
            let (mut held, runs) = (0, 4000);
            for _ in 0..runs {
                let mut seen = PairedCounts::default();
                for _ in 0..n {
                    match rng.below(100) {
                        x if x < lost => seen.lost += 1,
                        x if x < lost + gained => seen.gained += 1,
                        x if x < lost + gained + right => seen.both += 1,
                        _ => seen.neither += 1,
                    }
                }
                let truth = (gained as f64 - lost as f64) / 100.0;
                let found = paired_share_difference(seen, 0.95).unwrap();
                held += usize::from(found.low <= truth && truth <= found.high);
            }
            let share = held as f64 / f64::from(runs);
            assert!((0.93..0.99).contains(&share), "{n} items: {share}");
        }
    }

    #[test]
    fn the_smallest_difference_is_found_that_often() {
        let mut rng = SplitMix64::new(6);
        for (items, flips) in [(100, 0.1), (100, 0.3), (50, 0.0), (400, 0.15)] {
            let difference = smallest_share_difference(items, flips, 0.05, 0.8).unwrap().unwrap();
            let flips = f64::max(flips, difference);
            let (mut found, runs) = (0, 2000);
            for _ in 0..runs {
                let (mut lost, mut gained) = (0, 0);
                for _ in 0..items {
                    let x = rng.below(1 << 30) as f64 / f64::from(1 << 30);
                    if x < f64::midpoint(flips, difference) {
                        lost += 1;
                    } else if x < flips {
                        gained += 1;
                    }
                }
                found += usize::from(lost > gained && sign_test(gained, lost).unwrap() <= 0.05);
            }
            let share = f64::from(u32::try_from(found).unwrap()) / f64::from(runs);
            assert!((0.77..0.83).contains(&share), "{items} items, {flips}: {difference} was found in {share}");
        }
    }

    #[test]
    fn too_few_items_show_nothing() {
        assert_eq!(smallest_share_difference(5, 0.0, 0.05, 0.8), Ok(None));
        assert!(smallest_share_difference(6, 0.0, 0.05, 0.8).unwrap().is_some_and(|d| d > 0.9));
        assert!(smallest_share_difference(0, 0.0, 0.05, 0.8).is_err());
        assert!(smallest_share_difference(9, 2.0, 0.05, 0.8).is_err());
        assert!(paired_share_difference(PairedCounts::default(), 0.95).is_err());
    }
}
