//! Records of format 1 in today's shape: there, every model was run with the settings of the plan.

use serde_json::{Map, Value};

/// Changes a record of format 1 into one of today's; any other is left as it is. What does not fit is left for reading to refuse.
pub(super) fn upgrade(record: &mut Value) {
    let Some(fields) = record.as_object_mut().filter(|fields| fields.get("format") == Some(&Value::from(1))) else {
        return;
    };
    let settings = fields.get_mut("plan").and_then(Value::as_object_mut).and_then(|plan| plan.remove("engine"));
    let Some(mut models) = fields.remove("models") else { return };
    for model in models.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        give(model, settings.as_ref());
    }
    fields.insert("subjects".into(), models);
    fields.insert("format".into(), super::FORMAT.into());
}

fn give(model: &mut Map<String, Value>, settings: Option<&Value>) {
    if let Some(settings) = settings {
        model.insert("settings".into(), settings.clone());
    }
}
