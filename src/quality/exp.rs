//! Branch-free `f32` exponentials that the compiler vectorises.
//!
//! Range reduction is Cody and Waite's (1980): x = k·ln 2 + r with |r| ≤ ln 2 / 2, so e^x = 2^k·e^r. The polynomials are
//! near-minimax fits made for this file (Chebyshev, 40 digits); each carries its range and error.

/// Below this the result is no normal `f32`; e^−87 ≈ 1.6e-38 is the floor.
const LOWEST: f32 = -87.0;
/// Adding and subtracting 1.5·2²³ rounds to the nearest integer, and leaves it in the low mantissa bits.
const ROUNDING: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of so few bits that its product with k is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// (e^r − 1 − r) / r² on |r| ≤ 0.3467, highest power first, error 1.4e-9.
const TAIL: [f32; 6] = [1.989_101_7e-4, 1.393_367_4e-3, 8.333_311e-3, 4.166_646_5e-2, 1.666_666_7e-1, 0.5];

/// a·b + c, fused where the target has the instruction; elsewhere `mul_add` would be a library call.
#[inline]
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
#[inline]
pub(super) fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = fma(sum, x, *coefficient);
    }
    sum
}

/// x, or the lowest argument the reduction can take. Minus infinity becomes that too, NaN stays.
#[inline]
pub(super) fn clamp(x: f32) -> f32 {
    if x < LOWEST { LOWEST } else { x }
}

/// e^x for x ≤ 0, relative error under 1.3e-7; exactly 1 at 0, never under e^−87.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let x = clamp(x);
    let shifted = fma(x, std::f32::consts::LOG2_E, ROUNDING);
    let k = shifted - ROUNDING;
    let r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    fma(power, r + r * r * polynomial(TAIL, r), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_follows_the_double_precision_one() {
        for step in 0..=870_000_i32 {
            let x = -1e-4 * step as f32;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 1.5e-7, "x = {x}, error {error:e}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
    }
}
