//! Quantiles and tails of the normal and Student's t distribution.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf;

/// z such that a standard normal variable exceeds it with probability `upper`, 0 < upper < 1.
pub(super) fn normal_quantile(upper: f64) -> f64 {
    std::f64::consts::SQRT_2 * erf::erfc_inv(2.0 * upper)
}

/// P(|Z| ≥ |z|) of a standard normal variable, to ten digits, far into the tail too.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    erf::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// t such that Student's t with `freedom` degrees of freedom exceeds it with probability `upper`,
/// 0 < upper < 1/2; to ten digits up to a thousand degrees of freedom, to six beyond.
pub(super) fn student_quantile(upper: f64, freedom: usize) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom as f64).expect("callers pass at least one degree of freedom");
    // The lower tail by symmetry: 1 − upper would lose the digits of a small `upper`.
    -student.inverse_cdf(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{self, assert_close};

    #[test]
    fn agrees_with_scipy() {
        let fixture = fixture::load(include_str!("../../tests/fixtures/stats/distribution.json"));
        for case in fixture["normal_quantile"].as_array().expect("cases") {
            assert_close("z", normal_quantile(fixture::number(&case["upper"])), fixture::number(&case["z"]), 1e-12);
        }
        for case in fixture["normal_two_sided"].as_array().expect("cases") {
            assert_close("p", normal_two_sided(fixture::number(&case["z"])), fixture::number(&case["p"]), 2e-10);
        }
        for case in fixture["student_quantile"].as_array().expect("cases") {
            let t = student_quantile(fixture::number(&case["upper"]), fixture::count(&case["freedom"]));
            let tolerance = if fixture::count(&case["freedom"]) > 1000 { 1e-6 } else { 1e-10 };
            assert_close("t", t, fixture::number(&case["t"]), tolerance);
        }
    }
}
