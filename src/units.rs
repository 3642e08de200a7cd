//! Conversions between the units the record keeps (bytes, nanoseconds, tokens) and the ones people read.

/// Bytes in a GiB.
pub(crate) const GIB: f64 = 1_073_741_824.0;
/// Bytes in a KiB.
pub(crate) const KIB: f64 = 1024.0;
/// Bytes in a MiB.
pub const MIB: f64 = 1_048_576.0;
/// Nanoseconds in a second.
pub const NS_PER_S: f64 = 1e9;
/// Nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: f64 = 1e6;

/// A size in GiB, for a number with decimals.
#[must_use]
pub(crate) fn in_gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

/// Total tokens over total time, in tokens per second; `None` when no time passed or nothing was done.
pub(crate) fn tokens_per_second(tokens: u64, ns: u64) -> Option<f64> {
    (tokens > 0 && ns > 0).then(|| tokens as f64 * NS_PER_S / ns as f64)
}

/// Whole nanoseconds, 0 of less than one.
pub(crate) fn whole_ns(ns: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, and the cast saturates")]
    {
        ns as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_totals_over_totals() {
        assert_eq!(tokens_per_second(512, 2_000_000_000), Some(256.0));
        assert_eq!(tokens_per_second(0, 5), None);
        assert_eq!(tokens_per_second(5, 0), None);
    }
}
