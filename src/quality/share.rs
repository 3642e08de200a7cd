//! How the time of a comparison is shared between models that are scored one after the other.

/// Of an equal share, in tenths, what the first pass may take: it decides on what windows the others are scored, and those must
/// get through as many although none is exactly as fast.
const FIRST_TENTHS: u64 = 9;

/// When a pass must end, on the clock by which it is `now_ns` and all must be over at `end_ns`; `passes` are left, this one
/// included.
pub(crate) fn fair_share(now_ns: u64, end_ns: u64, passes: usize, first: bool) -> u64 {
    let equal = end_ns.saturating_sub(now_ns) / (passes.max(1) as u64);
    // With nobody after it a pass has all there is.
    let own = if first && passes > 1 { equal / 10 * FIRST_TENTHS } else { equal };
    now_ns.saturating_add(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_leaves_the_others_more_than_it_took() {
        let end = 1_000_000;
        let first = fair_share(0, end, 4, true);
        let second = fair_share(first, end, 3, false);
        assert!(first < end / 4 && second - first > first, "{first} {second}");
        assert_eq!(fair_share(600, 1000, 1, true), 1000);
        assert_eq!(fair_share(1200, 1000, 2, false), 1200, "late is late");
    }
}
