//! The published JSON Schemas: what the program prints, and what real documents hold to.

use std::{fs, path::Path};

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::support::{Bench, quants};

const SATIRE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/quality/pocket/satire.txt");

fn at_root(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What a document breaks of its schema; `None` when it holds to it. A schema that is none itself fails the test.
fn broken(name: &str, document: &Value) -> Option<String> {
    let schema: Value = serde_json::from_str(&at_root(&format!("schema/{name}.schema.json"))).unwrap();
    let address = schema["$id"].as_str().unwrap().to_owned();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource(&address, schema).unwrap();
    let index = compiler.compile(&address, &mut schemas).unwrap();
    schemas.validate(document, index).err().map(|error| format!("{error:#}"))
}

#[test]
fn the_committed_schemas_are_those_the_program_prints() {
    for name in ["run", "report", "records"] {
        let printed = Bench::new(&format!("schema {name}")).run().ok().stdout;
        let committed = at_root(&format!("schema/{name}.schema.json"));
        assert!(printed == committed, "{name} of this build is another one than the file in schema/");
    }
}

#[test]
fn older_records_and_those_made_now_hold_to_the_schema() {
    for file in ["v1", "smollm2"] {
        let old: Value = serde_json::from_str(&at_root(&format!("tests/fixtures/runs/{file}.json"))).unwrap();
        assert_eq!(broken("run-1", &old), None);
    }

    let [q8, ..] = quants();
    let line = "compare {pocket} --quick --pp 16 --tg 8 --num-prompts 1 --max-new-tokens 8 --ctx 128 --max-windows 4 --quiet --out out --json out.json";
    let ran = Bench::new(line).arg(q8).arg("--text").arg(SATIRE).run().ok();
    let record = ran.json("out/run.json");
    assert!(record["quality"].is_object(), "every part of a record is there");
    assert_eq!(broken("run", &record), None);
    let analysis = ran.json("out.json");
    assert_eq!(broken("report", &analysis), None);
    // llama.cpp has nothing to say of how its contexts are asked for.
    assert!(!analysis["warnings"].to_string().contains("llama.cpp warns"), "{}", analysis["warnings"]);
    let record = ran.folder.path().join("out");
    let several = Bench::new("report --format json").arg(&record).arg(&record).run().ok().stdout_json();
    assert_eq!(broken("records", &several), None);
}

#[test]
fn what_is_no_record_breaks_the_schema() {
    let whole: Value = serde_json::from_str(&at_root("tests/fixtures/runs/v1.json")).unwrap();
    let after = |change: fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        broken("run-1", &changed)
    };
    assert!(after(|r| r["rounds"][0]["visits"][0]["samples"][0]["wall_ns"] = Value::Null).is_some());
    assert!(after(|r| r["plan"]["engine"]["type_k"] = "f61".into()).is_some());
    assert!(after(|r| r["models"][0]["role"] = 1.into()).is_some());
    assert!(after(|r| _ = r.as_object_mut().unwrap().remove("machine")).is_some());
    // What a newer program of the same format adds is passed over.
    assert_eq!(after(|r| r["later"] = true.into()), None);
}
