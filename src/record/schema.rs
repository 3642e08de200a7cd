//! JSON Schemas (draft 2020-12) of the record and of what is printed as JSON, made from the types and their documentation.

use schemars::{
    JsonSchema,
    generate::{Contract, SchemaSettings},
};

use super::Run;

/// The schema of run.json in the format of today; that of format 1 is frozen in schema/run-1.schema.json.
pub(crate) fn of_record() -> Result<String, serde_json::Error> {
    document::<Run>("run", "A record of gguf-bench: run.json", Contract::Deserialize)
}

/// The schema of a type as `name`.schema.json: indented, with a line end.
pub(crate) fn document<T: JsonSchema>(
    name: &str,
    title: &str,
    contract: Contract,
) -> Result<String, serde_json::Error> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.contract = contract;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let at = concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/schema/");
    schema.insert("$id".into(), format!("{at}{name}.schema.json").into());
    schema.insert("title".into(), title.into());
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    // Links of the documentation lead nowhere from here.
    Ok(text.replace("[`", "`").replace("`]", "`"))
}
