//! The prompt suite's lengths are what their names say, by a common LLM tokenizer (`SmolLM2`'s).

use std::path::PathBuf;

use gguf_bench::prompts::{LengthClass, suite};

use crate::support::Bench;

#[test]
fn the_suite_has_the_lengths_it_names() {
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf");
    assert!(model.exists(), "run `make models` first: {} is not there", model.display());
    let ran = Bench::new("compare --quick --pp 0 --tg 0 --max-new-tokens 1 --no-quality --out out")
        .arg(&model)
        .arg(&model)
        .run()
        .ok();
    let run = ran.json("out/run.json");
    let workloads = run["plan"]["workloads"].as_array().unwrap();
    let generations = run["rounds"][0]["visits"][0]["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 12);
    for generation in generations {
        let id = workloads[usize::try_from(generation["workload"].as_u64().unwrap()).unwrap()]["id"].as_str().unwrap();
        let tokens = generation["n_prompt"].as_u64().unwrap();
        let named = suite().into_iter().find(|p| p.name == id).unwrap().length_class().unwrap();
        assert_eq!(LengthClass::of_tokens(usize::try_from(tokens).unwrap()), named, "{id} has {tokens} tokens");
        assert_eq!(generation["templated"], true, "an instruct model gets its chat template");
    }
}
