//! Reference values for the tests: reading `tests/fixtures/stats` and comparing with them.

use serde_json::Value;

use super::Estimate;

pub(super) fn load(json: &str) -> Value {
    serde_json::from_str(json).expect("the fixture is JSON")
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

pub(super) fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a count")).expect("a small count")
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(number).collect()
}

pub(super) fn counts(value: &Value) -> Vec<usize> {
    value.as_array().expect("counts").iter().map(count).collect()
}

/// Equal up to `tolerance`, relative to the expected value or, where that is under a thousandth, to
/// a thousandth.
#[track_caller]
pub(super) fn assert_close(what: &str, actual: f64, expected: f64, tolerance: f64) {
    let scale = expected.abs().max(1e-3);
    let error = (actual - expected).abs();
    assert!(error <= tolerance * scale, "{what}: {actual:e}, expected {expected:e}, off by {error:e}");
}

#[track_caller]
pub(super) fn assert_estimate(estimate: &Estimate, case: &Value, tolerance: f64) {
    for (name, actual) in [("value", estimate.value), ("low", estimate.low), ("high", estimate.high)] {
        assert_close(name, actual, number(&case[name]), tolerance);
    }
}
