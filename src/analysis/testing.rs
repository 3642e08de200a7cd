//! What the tests of this folder share.

use crate::record::Protocol;

/// Ten rounds at 95 %, differences of 1 % relevant.
pub(super) fn protocol() -> Protocol {
    serde_json::from_value(serde_json::json!({
        "min_rounds": 10, "max_rounds": 10, "inner_samples": 1, "prompt_rounds": 0, "warmup_ms": 1,
        "precision": 0.01, "confidence": 0.95, "equivalence": 0.01, "budget_s": null, "quick": false
    }))
    .expect("a protocol")
}
