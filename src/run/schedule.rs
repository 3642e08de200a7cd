//! The order of models: a seeded shuffle in round 2j, its mirror image in round 2j+1.
//!
//! In a mirrored pair any two models have opposite distances in time, so a linear drift and the effect of
//! coming second cancel for every pair of models.

use crate::stats::SplitMix64;

/// The order in which round `round` visits `n` models.
#[must_use]
pub fn order(n: usize, round: u32, seed: u64) -> Vec<usize> {
    let pair = u64::from(round / 2);
    let mut order: Vec<usize> = (0..n).collect();
    SplitMix64::new(seed ^ pair.wrapping_mul(0x9E37_79B9_7F4A_7C15)).shuffle(&mut order);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rounds_mirror_even_ones() {
        for n in 1..6 {
            for pair in 0..10 {
                let first = order(n, 2 * pair, 7);
                let mut second = order(n, 2 * pair + 1, 7);
                second.reverse();
                assert_eq!(first, second);
                let mut sorted = first.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn pairs_differ_and_seeds_repeat() {
        let orders = |seed| (0..20).map(|r| order(4, r, seed)).collect::<Vec<_>>();
        assert_eq!(orders(1), orders(1));
        assert_ne!(orders(1), orders(2));
        let firsts: std::collections::BTreeSet<usize> = orders(1).iter().map(|o| o[0]).collect();
        assert_eq!(firsts.len(), 4, "every model comes first at some time");
    }
}
