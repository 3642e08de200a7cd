//! The sign test: whether one of two was preferred more often than chance explains.

use super::{Error, check};

/// The two-sided p-value of `wins` against `losses` where both were equally likely; ties are left out before (Dixon & Mood 1946).
///
/// ```text
/// p = min(1, 2 · Σ_{i ≤ min(wins, losses)} C(n, i) / 2ⁿ),  n = wins + losses
/// ```
///
/// Exact. Assumes independent trials. Smallest n: 1, whose p is 1.
///
/// # Errors
///
/// [`Error::TooFew`] without wins and losses.
pub(crate) fn sign_test(wins: u32, losses: u32) -> Result<f64, Error> {
    let n = u64::from(wins) + u64::from(losses);
    check::at_least("sign_test", 1, usize::try_from(n).unwrap_or(usize::MAX))?;
    let n = n as f64;
    // Logarithms, since 2ⁿ and the largest terms leave the range of a float from n = 1024 on.
    let mut ln_term = -n * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for i in 0..wins.min(losses) {
        ln_term += ((n - f64::from(i)) / (f64::from(i) + 1.0)).ln();
        tail += ln_term.exp();
    }
    Ok((2.0 * tail).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed forms: binomial coefficients by hand.
    #[test]
    fn tails_of_the_binomial_distribution() {
        let near = |a: u32, b: u32, p: f64| {
            let found = sign_test(a, b).expect("trials");
            assert!((found - p).abs() < 1e-12, "{a} to {b}: {found}");
        };
        near(0, 5, 2.0 / 32.0);
        near(5, 0, 2.0 / 32.0);
        near(1, 8, 2.0 * (1.0 + 9.0) / 512.0);
        near(3, 9, 2.0 * (1.0 + 12.0 + 66.0 + 220.0) / 4096.0);
        near(4, 4, 1.0);
        near(1, 0, 1.0);
        assert!(sign_test(900, 1100).is_ok_and(|p| (1e-6..1e-4).contains(&p)), "far beyond the range of 2ⁿ");
        assert!(sign_test(0, 0).is_err());
    }
}
