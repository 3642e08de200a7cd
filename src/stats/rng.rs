//! The seeded random stream behind schedules and resampling, fixed for ever.

/// `SplitMix64` (Steele, Lea & Flood, *Fast splittable pseudorandom number generators*, OOPSLA
/// 2014).
///
/// A Weyl sequence with the odd increment ⌊2⁶⁴/φ⌋, each step scrambled by Stafford's thirteenth
/// variant of the `MurmurHash3` finalizer. Period 2⁶⁴, every seed equally good. Not for secrets.
/// Written here rather than taken from a crate because a schedule in a record must be repeatable by
/// every later version.
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// An index in `0..bound`, without bias: the high half of a 128-bit product, repeated in the
    /// few cases that would favour some index (Lemire, *Fast random integer generation in an
    /// interval*, 2019).
    ///
    /// # Panics
    ///
    /// With a bound of 0, which has no index.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "no index is below 0");
        let bound = bound as u64;
        let rejected = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let (high, low) = ((product >> 64) as u64, product & u128::from(u64::MAX));
            if low >= u128::from(rejected) {
                return usize::try_from(high).expect("below a bound that was a usize");
            }
        }
    }

    /// Puts `items` into a uniformly random order (Fisher & Yates 1938, in the form of Durstenfeld
    /// 1964).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_an_independent_implementation() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/rng.json"));
        for case in fixture["streams"].as_array().expect("cases") {
            let mut rng = SplitMix64::new(case["seed"].as_u64().expect("seed"));
            for expected in case["next_u64"].as_array().expect("stream") {
                assert_eq!(Some(rng.next_u64()), expected.as_u64());
            }
        }
        for case in fixture["shuffles"].as_array().expect("cases") {
            let mut items: Vec<usize> = (0..fixture::count(&case["length"])).collect();
            SplitMix64::new(case["seed"].as_u64().expect("seed")).shuffle(&mut items);
            assert_eq!(items, fixture::counts(&case["order"]));
        }
    }

    #[test]
    fn first_output_of_seed_zero_is_the_published_one() {
        assert_eq!(SplitMix64::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut rng = SplitMix64::new(3);
        let mut seen = BTreeMap::<[u8; 3], u32>::new();
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *seen.entry(items).or_default() += 1;
        }
        assert_eq!(seen.len(), 6);
        // 1000 expected, standard deviation 29.
        assert!(seen.values().all(|count| (870..1130).contains(count)), "{seen:?}");
    }

    #[test]
    fn indices_and_units_stay_in_range() {
        let mut rng = SplitMix64::new(4);
        for bound in [1, 2, 3, 7, 1000] {
            assert!((0..1000).all(|_| rng.below(bound) < bound));
        }
        assert!((0..1000).map(|_| rng.unit()).all(|u| (0.0..1.0).contains(&u)));
    }
}
