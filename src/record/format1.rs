//! Records of format 1 in today's shape. There, every model was run with the settings of the plan, and facts were sentences.

use serde_json::{Map, Value};

use super::{Decision, MadeFrom, Mark, Purpose};

/// Changes a record of format 1 into one of today's; any other is left as it is. What does not fit is left for reading to refuse.
pub(super) fn upgrade(record: &mut Value) {
    let Some(fields) = record.as_object_mut().filter(|fields| fields.get("format") == Some(&Value::from(1))) else {
        return;
    };
    let settings = fields.get_mut("plan").and_then(Value::as_object_mut).and_then(|plan| plan.remove("engine"));
    let mut models = fields.remove("models").unwrap_or_default();
    for model in objects(&mut models) {
        if let Some(settings) = &settings {
            model.insert("settings".into(), settings.clone());
        }
        if let Some(made_from) = model.get_mut("facts").and_then(|facts| facts.get_mut("made_from")) {
            typed(made_from, MadeFrom::told);
        }
    }
    fields.insert("subjects".into(), models);
    if fields.get("command").and_then(|command| command.get(1)) == Some(&Value::from("selfcheck")) {
        fields.insert("purpose".into(), value(&Purpose::SelfCheck));
    }
    if let Some(course) = fields.remove("course") {
        fields.insert("adaptation".into(), adaptation(course));
    }
    let ids = fields.get("plan").and_then(|plan| plan.get("workloads")).and_then(Value::as_array);
    let ids: Vec<String> =
        ids.into_iter().flatten().map(|w| w.get("id").and_then(Value::as_str).unwrap_or_default().into()).collect();
    for round in fields.get_mut("rounds").map(objects).into_iter().flatten() {
        upgrade_round(round, &ids);
    }
    fields.insert("format".into(), super::FORMAT.into());
}

/// The same for a line of a journal of format 1 after the first; `ids` are those of the plan's workloads. A line that a newer program
/// added to it is left as it is.
pub(super) fn upgrade_entry(entry: &mut Value, ids: &[String]) {
    let Some(fields) = entry.as_object_mut() else { return };
    if let Some(course) = fields.remove("course") {
        fields.insert("adaptation".into(), adaptation(course));
    }
    for name in ["round", "cut_round"] {
        if let Some(round) = fields.get_mut(name).and_then(Value::as_object_mut) {
            upgrade_round(round, ids);
        }
    }
}

fn adaptation(mut course: Value) -> Value {
    if let Some(fields) = course.as_object_mut() {
        if let Some(samples) = fields.remove("inner") {
            fields.insert("samples_per_round".into(), samples);
        }
        if let Some(mut reasons) = fields.remove("reasons") {
            for reason in reasons.as_array_mut().into_iter().flatten() {
                typed(reason, |words| Decision::Told(words.into()));
            }
            fields.insert("decisions".into(), reasons);
        }
    }
    course
}

fn upgrade_round(round: &mut Map<String, Value>, ids: &[String]) {
    for visit in round.get_mut("visits").map(objects).into_iter().flatten() {
        let marks = visit.get_mut("memory").and_then(|memory| memory.pointer_mut("/series/marks"));
        for what in marks.and_then(Value::as_array_mut).into_iter().flatten().filter_map(|mark| mark.get_mut(1)) {
            typed(what, |words| mark(words, ids));
        }
    }
}

fn mark(words: &str, ids: &[String]) -> Mark {
    let workload = |name: &str| ids.iter().position(|id| id == name);
    match words {
        "load" => Mark::Load,
        "loaded" => Mark::Loaded,
        _ => workload(words)
            .map(Mark::Workload)
            .or_else(|| workload(words.strip_suffix(" warm-up")?).map(Mark::WarmUp))
            .unwrap_or_else(|| Mark::Told(words.into())),
    }
}

/// Puts what words say in their place.
fn typed<T: serde::Serialize>(words: &mut Value, of: impl Fn(&str) -> T) {
    if let Some(fact) = words.as_str().map(of) {
        *words = value(&fact);
    }
}

/// Null of what JSON has no form for, which reading refuses; the facts here have one.
fn value(fact: &impl serde::Serialize) -> Value {
    serde_json::to_value(fact).unwrap_or_default()
}

fn objects(list: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;
    use crate::record::{FORMAT, Run, from_value};

    /// The fixture, which is of format 1, after it was changed.
    fn read(change: impl FnOnce(&mut Value)) -> Run {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut record = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut record);
        from_value(record).unwrap()
    }

    /// A record that a real run wrote.
    #[test]
    fn a_real_record_loses_nothing() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/smollm2.json");
        let old: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(old["format"], 1);
        let run = from_value(old.clone()).unwrap();
        let adaptation = run.adaptation.unwrap();
        let reasons: Vec<String> = adaptation.decisions.iter().map(ToString::to_string).collect();
        assert_eq!(value(&reasons), old["course"]["reasons"]);
        let samples: Vec<u32> = adaptation.samples_per_round.iter().map(|choice| choice.samples).collect();
        let inner = old["course"]["inner"].as_array().unwrap();
        assert_eq!(value(&samples), value(&inner.iter().map(|choice| &choice["samples"]).collect::<Vec<_>>()));
        let marks = run.rounds.iter().flat_map(|r| &r.visits).flat_map(|v| &v.memory).flat_map(|m| &m.series.marks);
        assert!(marks.clone().count() > 100 && marks.clone().all(|(_, what)| !matches!(what, Mark::Told(_))));
    }

    #[test]
    fn every_subject_has_the_settings_of_the_plan() {
        let mut engine = Value::Null;
        let run = read(|record| engine = record["plan"]["engine"].clone());
        assert_eq!((run.format, run.subjects.len()), (FORMAT, 5));
        assert!(run.subjects.iter().all(|subject| value(&subject.settings) == engine));
    }

    #[test]
    fn sentences_become_facts_that_say_the_same() {
        let sentences = ["quantized here from F16", "requantized here from Q8_0", "another's words"];
        let run = read(|record| {
            for (model, sentence) in sentences.iter().enumerate() {
                record["models"][model]["facts"]["made_from"] = (*sentence).into();
            }
        });
        let made_from = |model: usize| run.subjects[model].model.facts.as_ref().unwrap().made_from.clone().unwrap();
        assert_eq!(made_from(0), MadeFrom::Quantized { from: "F16".into() });
        assert_eq!(made_from(1), MadeFrom::Requantized { from: "Q8_0".into() });
        assert_eq!([0, 1, 2].map(|model| made_from(model).to_string()), sentences);
    }

    #[test]
    fn what_a_run_was_for_is_seen_by_its_command() {
        assert_eq!(read(|_| ()).purpose, Purpose::Comparison);
        assert_eq!(read(|record| record["command"][1] = "selfcheck".into()).purpose, Purpose::SelfCheck);
    }

    #[test]
    fn marks_name_workloads_by_index() {
        let words = ["load", "loaded", "tg128 warm-up", "tg128", "short/capital", "start", "none warm-up"];
        let marks: Vec<Value> = words.iter().zip(0..).map(|(word, ms)| json!([ms, word])).collect();
        let run = read(|record| record["rounds"][0]["visits"][0]["memory"]["series"]["marks"] = marks.into());
        let at = |id: &str| run.plan.workloads.iter().position(|workload| workload.id == id).unwrap();
        let marks = &run.rounds[0].visits[0].memory.as_ref().unwrap().series.marks;
        let expected = [
            Mark::Load,
            Mark::Loaded,
            Mark::WarmUp(at("tg128")),
            Mark::Workload(at("tg128")),
            Mark::Workload(at("short/capital")),
            Mark::Told("start".into()),
            Mark::Told("none warm-up".into()),
        ];
        assert_eq!(*marks, (0..).zip(expected).collect::<Vec<_>>());
    }

    #[test]
    fn the_course_and_its_reasons_become_decisions() {
        let choice = json!({"workload": 0, "samples": 4, "pilot_rounds": 2, "within": 0.1, "between": 0.2,
            "sample_ns": 3, "round_ns": 4});
        let course = json!({"arrangement": "alternating", "resident_from_round": 4, "inner": [choice],
            "reasons": ["workers are kept"]});
        let run = read(|record| record["course"] = course.clone());
        let adaptation = run.adaptation.unwrap();
        assert_eq!((adaptation.samples_per_round.len(), adaptation.samples_per_round[0].samples), (1, 4));
        assert_eq!(adaptation.decisions[0], Decision::Told("workers are kept".into()));
        assert!(adaptation.decisions[1].to_string().contains("from round 5 on"), "{:?}", adaptation.decisions);

        let mut entry = json!({"course": course});
        upgrade_entry(&mut entry, &[]);
        let mut upgraded = entry.clone();
        crate::record::retired::upgrade(&mut upgraded);
        assert_eq!(
            serde_json::from_value::<crate::record::Adaptation>(upgraded["adaptation"].take()).unwrap(),
            adaptation
        );
        let todays = entry.clone();
        upgrade_entry(&mut entry, &[]);
        assert_eq!(entry, todays, "what is of today stays");
    }
}
