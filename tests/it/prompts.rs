//! The prompt suite's lengths are what their names say, by a common LLM tokenizer (`SmolLM2`'s).

use std::path::PathBuf;

use gguf_bench::testing::{
    engine::Engine,
    prompts::{LengthClass, suite},
    record::{Device, Settings},
};

use crate::support::engine;

#[test]
fn the_suite_has_the_lengths_it_names_and_an_instruct_model_gets_its_template() {
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf");
    assert!(model.exists(), "run `make models` first: {} is not there", model.display());
    let config = Settings { device: Device::Cpu, n_gpu_layers: 0, n_batch: 512, ..Settings::defaults(1) };
    let model = engine().load(&model, &config).unwrap();
    for prompt in suite() {
        let seen = model.tokenize_prompt(&prompt.text);
        assert_eq!(Some(LengthClass::of_tokens(seen.tokens.len())), prompt.length_class(), "{}", prompt.name);
        assert!(seen.form.is_templated());
    }
}
