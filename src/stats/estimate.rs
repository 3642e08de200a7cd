//! `Estimate`, the one currency between statistics and whatever shows them.

/// A value with the interval that contains it, in the unit of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Half the interval's width. With an asymmetric interval the value need not lie in its middle.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether the closed interval contains `x`.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Whether the value is known to this fraction of itself. A value of 0 that never varied is.
    pub(crate) fn is_precise(&self, fraction: f64) -> bool {
        self.half_width() <= fraction * self.value.abs()
    }

    /// The same statement about eˣ: turns an effect on the log scale into a ratio.
    #[must_use]
    pub fn exp(&self) -> Self {
        Self { value: self.value.exp(), low: self.low.exp(), high: self.high.exp() }
    }

    /// Both arms stretched by `factor`, which is what dependence between the data calls for.
    /// A factor of 1 or less changes nothing.
    #[must_use]
    pub fn widened(&self, factor: f64) -> Self {
        if factor <= 1.0 {
            return *self;
        }
        Self {
            value: self.value,
            low: self.value - (self.value - self.low) * factor,
            high: self.value + (self.high - self.value) * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::assert_close;

    fn estimate() -> Estimate {
        Estimate { value: 0.1, low: 0.0, high: 0.4 }
    }

    #[test]
    fn both_ends_belong_to_the_interval() {
        let e = estimate();
        assert!(e.contains(0.0) && e.contains(0.4));
        assert!(!e.contains(-1e-9) && !e.contains(0.4 + 1e-9));
        assert_close("half width", e.half_width(), 0.2, 1e-15);
    }

    #[test]
    fn exp_makes_a_ratio_of_a_log() {
        let ratio = estimate().exp();
        assert_close("value", ratio.value, 1.105_170_918_075_647_6, 1e-15);
        assert_close("low", ratio.low, 1.0, 1e-15);
    }

    #[test]
    fn widening_keeps_the_asymmetry() {
        let wide = estimate().widened(2.0);
        assert_close("low", wide.low, -0.1, 1e-15);
        assert_close("high", wide.high, 0.7, 1e-15);
        assert_eq!(estimate().widened(0.5), estimate());
    }
}
