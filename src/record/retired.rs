//! What records of this format held before and is no more: kept workers, and samples that were cut to the time.

use serde_json::{Map, Value, json};

/// Puts what was decided by rules that are no more into words, in a record or a line of a journal.
pub(super) fn upgrade(record: &mut Value) {
    let Some(adaptation) = record.get_mut("adaptation").and_then(Value::as_object_mut) else { return };
    let kept = adaptation.remove("resident_from_round").as_ref().and_then(Value::as_u64);
    let Some(decisions) = adaptation.get_mut("decisions").and_then(Value::as_array_mut) else { return };
    for decision in decisions.iter_mut() {
        if let Some(words) = told(decision) {
            *decision = json!({ "told": words });
        }
    }
    if let Some(round) = kept {
        let words = format!(
            "workers were kept from round {} on: later rounds share a process, so intervals are too narrow",
            round.saturating_add(1)
        );
        decisions.push(json!({ "told": words }));
    }
}

/// The words of a decision that is no more. [`upgrade`] adds from when workers were kept.
fn told(decision: &Value) -> Option<String> {
    if decision.as_str() == Some("workers_kept_as_asked") {
        return Some("workers were to be kept, as asked".into());
    }
    let (name, fields) = decision.as_object()?.iter().next()?;
    let seconds = |field: &str| fields_ns(fields.as_object()?, field);
    match name.as_str() {
        "workers_kept" => Some(format!(
            "a load took {:.2} s, the samples of a round {:.2} s",
            seconds("load_ns")?,
            seconds("samples_ns")?
        )),
        "workers_not_kept" => {
            Some(format!("every round loaded again although a load took {:.2} s", seconds("load_ns")?))
        }
        "fewer_samples" => Some(format!(
            "fewer samples were taken in a round: the best number would have taken {:.0} s, and {:.0} s were left",
            seconds("needed_ns")?,
            seconds("left_ns")?
        )),
        _ => None,
    }
}

fn fields_ns(fields: &Map<String, Value>, field: &str) -> Option<f64> {
    Some(fields.get(field)?.as_f64()? / crate::units::NS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_of_kept_workers_is_told() {
        let mut record = json!({"adaptation": {"arrangement": "alternating", "resident_from_round": 4, "decisions": [
            "workers_kept_as_asked",
            {"workers_kept": {"from_round": 4, "load_ns": 1_500_000_000, "samples_ns": 250_000_000}},
            {"one_after_the_other": {"needed_bytes": 3, "available_bytes": 2}},
            {"fewer_samples": {"needed_ns": 90_000_000_000_u64, "left_ns": 15_000_000_000_u64}},
        ]}});
        upgrade(&mut record);
        let decisions = &record["adaptation"]["decisions"];
        assert_eq!(decisions[0]["told"], "workers were to be kept, as asked");
        assert_eq!(decisions[1]["told"], "a load took 1.50 s, the samples of a round 0.25 s");
        assert!(decisions[2]["one_after_the_other"].is_object(), "what is still decided stays as it is");
        assert!(decisions[3]["told"].as_str().is_some_and(|words| words.contains("90 s") && words.contains("15 s")));
        assert!(decisions[4]["told"].as_str().is_some_and(|words| words.contains("from round 5 on")));
        assert!(record["adaptation"].get("resident_from_round").is_none());
    }
}
