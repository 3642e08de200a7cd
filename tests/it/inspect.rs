//! inspect: the header alone, as text and as JSON.

use crate::support::{Bench, quants};

#[test]
fn the_bundled_models_facts_are_told() {
    let text = Bench::new("inspect {pocket}").run().ok().stdout;
    for word in ["llama", "F16", "4.20 M", "gpt-2", "chat template"] {
        assert!(text.contains(word), "{word} in\n{text}");
    }
    let facts = Bench::new("inspect {pocket} --json").run().ok().stdout_json();
    assert_eq!(facts["weights"]["params"], 4_196_608);
    assert_eq!(facts["file_bytes"], 8_534_112);
    let bits = facts["bits_per_weight"].as_f64().unwrap();
    assert!((16.0..16.1).contains(&bits), "{bits}");
}

#[test]
fn real_bits_per_weight_fall_from_quant_to_quant() {
    let bits: Vec<f64> = quants()
        .iter()
        .map(|q| Bench::new("inspect --json").arg(q).run().ok().stdout_json()["bits_per_weight"].as_f64().unwrap())
        .collect();
    assert!(bits[0] > bits[1] && bits[1] > bits[2], "{bits:?}");
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let ran = Bench::new("inspect notes.gguf").file("notes.gguf", b"not a model at all, just text").run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("notes.gguf"), "{}", ran.stderr);
}

#[test]
fn what_a_model_will_take_is_told_by_context() {
    let ran = Bench::new("fit {pocket} --ctx 256,512 --json").run().ok();
    let rows = ran.stdout_json();
    let of = |row: usize, name: &str| rows[row][name].as_u64().unwrap();
    assert_eq!(of(0, "weights_bytes"), of(1, "weights_bytes"));
    assert_eq!(2 * of(0, "kv_bytes"), of(1, "kv_bytes"));
    assert!(rows[1]["how"].as_str().unwrap().starts_with("fits"), "{rows}");
    let told = Bench::new("fit {pocket} --types Q8_0").run();
    assert!(told.code == 1 && told.tells("--types looks at quants of a repository"), "{}", told.stderr);
}
