//! How prompts are put to a model, and what is said of its answers.
#![cfg(unix)]

use serde_json::Value;

use crate::support::{
    Bench, Ran,
    gguf::{BOOL, Gguf, TEXT, string},
};

const ASKED: &str = "--rounds 1 --inner 1 --pp 0 --tg 0 --prompts ask.txt --max-new-tokens 40 --no-quality --out out";

/// The two models asked one prompt.
fn asked(original: &Gguf, candidate: &Gguf) -> Ran {
    Bench::new(&format!("compare a.gguf b.gguf {ASKED}"))
        .file("a.gguf", &original.bytes())
        .file("b.gguf", &candidate.bytes())
        .file("ask.txt", b"And it came to pass in those days")
        .run()
        .ok()
}

fn with_template(template: &str) -> Gguf {
    Gguf::pocket().without_if_there("tokenizer.chat_template").with("tokenizer.chat_template", TEXT, &string(template))
}

/// The first answer of each model.
fn answers(ran: &Ran) -> [Value; 2] {
    let visits = ran.json("out/run.json")["rounds"][0]["visits"].as_array().unwrap().clone();
    let of = |model: u64| visits.iter().find(|v| v["model"] == model).unwrap()["generations"][0].clone();
    [of(0), of(1)]
}

#[test]
fn a_template_that_llama_cpp_does_not_know_is_rendered_and_forms_that_differ_are_told() {
    let rendered =
        with_template("{% for m in messages %}<turn>{{ m.role | upper }}: {{ m.content }}\n{% endfor %}MODEL:");
    let refusing = with_template("{{ raise_exception('tools only') }}");
    let ran = asked(&rendered, &refusing);
    let [first, second] = answers(&ran);
    assert_eq!(first["prompt_form"], "rendered");
    let reason = second["prompt_form"]["plain"]["reason"].as_str().unwrap();
    assert!(reason.contains("tools only"), "{reason}");
    assert!(first["n_prompt"].as_u64() > second["n_prompt"].as_u64(), "the template has its tokens");
    let findings = Bench::at(ran.folder, "report out --format json").run().ok();
    let json = findings.stdout_json();
    let kinds: Vec<&str> = json["warnings"].as_array().unwrap().iter().map(|w| w["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"prompt_forms_differ") && kinds.contains(&"chat_template_unused"), "{kinds:?}");
    assert!(json["models"][1]["answers"][0]["agreement"].is_null(), "they were not asked the same");
    let csv = Bench::at(findings.folder, "report out --format csv").run().ok();
    for defect in ["empty", "loops", "other_script", "cut_json", "invalid_json", "broken_characters"] {
        assert_eq!(csv.stdout.matches(&format!("answers_{defect},")).count(), 2, "{}", csv.stdout);
    }
    let text = Bench::at(csv.folder, "report out --format text").run().ok();
    assert!(text.says("Behaviour of the answers") && text.says("not rendered"), "{}", text.stdout);
}

#[test]
fn a_prompt_never_ends_in_an_end_token_nor_begins_with_two_of_the_beginning() {
    let pocket = Gguf::pocket();
    let ending = Gguf::pocket().without_if_there("tokenizer.ggml.add_eos_token").with(
        "tokenizer.ggml.add_eos_token",
        BOOL,
        &[1],
    );
    let [plain, ended] = answers(&asked(&pocket, &ending));
    assert_eq!((&plain["n_prompt"], &plain["tokens"]), (&ended["n_prompt"], &ended["tokens"]));
    assert!(!plain["tokens"].as_array().unwrap().is_empty());
    let twice = with_template("{{ bos_token }}{{ messages[0].content }}");
    let once = with_template("{{ messages[0].content }}");
    let [twice, once] = answers(&asked(&twice, &once));
    assert_eq!((&twice["prompt_form"], &twice["n_prompt"]), (&once["prompt_form"], &once["n_prompt"]));
}
