//! Tasks with right answers: the likelihoods are those of the whole texts, whatever was shared to get them, and every report tells them.

use std::path::Path;

use gguf_bench::testing::{
    engine::Engine,
    record::{Device, Settings},
};
use serde_json::Value;

use crate::support::{Bench, POCKET, Ran, engine, quants};

const HELLASWAG: &str = "\
And it came to pass: The king went up the hill. He
1
sat in the box.
saw the whole land.
ate the door of it.
was a cup.
In those days: She gave him bread and
2
wine, for he was a hungry man.
stone.
water to drink.
the sun.
";
const JSONL: &str = r#"{"question": "Where did he go?", "choices": ["To the house.", "To the city of the king, far away.", "Up."], "answer": 1}
{"context": "The child said", "endings": ["nothing.", "that he was not afraid."], "answer": "A"}
"#;
const CSV: &str =
    "0,\"The man, who was old, saw the boy, so _ sat down by the way.\",the man,the boy,1\n1,He met _ ,her,him,2\n";

fn settings() -> Settings {
    Settings { device: Device::Cpu, n_gpu_layers: 0, n_batch: 512, ..Settings::defaults(1) }
}

fn asked(options: &str) -> Ran {
    let [q8_0, _, q2_k] = quants();
    Bench::new(&format!("compare {{pocket}} --pp 0 --tg 0 --prompts none --no-quality --out out {options}"))
        .arg(q8_0)
        .arg(q2_k)
        .file("swag.txt", HELLASWAG.as_bytes())
        .file("qa.jsonl", JSONL.as_bytes())
        .file("wino.csv", CSV.as_bytes())
        .run()
}

fn nats(record: &Value, subject: usize, task: usize) -> Vec<Vec<f64>> {
    let scores = &record["tasks"]["results"][subject]["tasks"][task]["choices_nats"];
    serde_json::from_value(scores.clone()).unwrap()
}

/// The mean log-probability of a text's tokens from one on, each after all before it, in a context of its own.
fn mean_nats(text: &str, from: impl Fn(&[i32]) -> usize) -> f64 {
    let model = engine().load(Path::new(POCKET), &settings()).unwrap();
    let mut session = model.open(256).unwrap();
    let tokens = model.tokenize_text(text);
    let from = from(&tokens);
    let mut sum = 0.0;
    for (at, token) in tokens.iter().enumerate() {
        if at >= from {
            let logits: Vec<f64> = session.last_logits().unwrap().iter().map(|&logit| f64::from(logit)).collect();
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let all: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
            sum += logits[usize::try_from(*token).unwrap()] - most - all.ln();
        }
        session.prefill(&[*token]).unwrap();
    }
    sum / (tokens.len() - from) as f64
}

fn tokens_in_common(texts: &[String]) -> usize {
    let model = engine().load(Path::new(POCKET), &settings()).unwrap();
    let tokens: Vec<Vec<i32>> = texts.iter().map(|text| model.tokenize_text(text)).collect();
    (0..tokens[0].len()).take_while(|&at| tokens.iter().all(|t| t.get(at) == tokens[0].get(at))).count()
}

#[test]
fn likelihoods_are_those_of_the_whole_texts() {
    let ran = asked("--task swag.txt --task qa.jsonl --task w=wino.csv --recall 256 --task-items 10").ok();
    let record = ran.json("out/run.json");
    let names: Vec<&str> =
        record["tasks"]["plans"].as_array().unwrap().iter().map(|plan| plan["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["swag", "qa", "w", "recall 256"]);
    let lines: Vec<&str> = HELLASWAG.lines().collect();
    for (item, lines) in lines.chunks(6).enumerate() {
        let texts: Vec<String> = lines[2..].iter().map(|ending| format!("{} {ending}", lines[0])).collect();
        let same = tokens_in_common(&texts);
        for (choice, text) in texts.iter().enumerate() {
            let (found, expected) = (nats(&record, 0, 0)[item][choice], mean_nats(text, |_| same));
            assert!((found - expected).abs() < 0.02, "item {item}, choice {choice}: {found} where {expected} is right");
        }
    }
    // The words of the gap are not weighed, nor is the last token.
    let sentence = |who: &str| format!("The man, who was old, saw the boy, so {who} sat down by the way");
    let given = |who: &str| tokens_in_common(&[format!("The man, who was old, saw the boy, so {who}"), sentence(who)]);
    for (choice, who) in ["the man", "the boy"].into_iter().enumerate() {
        let (found, expected) = (nats(&record, 0, 2)[0][choice], mean_nats(&sentence(who), |_| given(who)));
        assert!((found - expected).abs() < 0.02, "{who}: {found} where {expected} is right");
    }
    assert_eq!(nats(&record, 2, 3).len(), 10);
    assert_ne!(nats(&record, 0, 0), nats(&record, 2, 0), "Q2_K is another model");
}

#[test]
fn every_report_tells_scores_flips_and_what_would_have_been_shown() {
    let ran = asked("--task swag.txt --recall 256 --json out.json --csv out.csv").ok();
    let json = ran.json("out.json");
    let task = &json["tasks"][0];
    assert_eq!(
        (task["name"].as_str(), task["items"].as_u64(), task["models"].as_array().unwrap().len()),
        (Some("swag"), Some(2), 3)
    );
    assert!(task["models"][0]["vs_original"].is_null() && task["models"][1]["vs_original"]["items"] == 2);
    assert!(task["models"][1]["vs_original"]["smallest_difference"].is_null(), "two items can show nothing");
    let recall = &json["tasks"][1]["models"][0];
    assert_eq!((recall["groups"].as_array().unwrap().len(), recall["answered"].as_u64()), (5, Some(40)));
    let longest = recall["longest_tokens"].as_u64().unwrap();
    assert!((180..500).contains(&longest), "256 tokens were meant: {longest}");
    let csv = ran.read("out.csv");
    assert_eq!(csv.matches("task swag,").count(), 3, "{csv}");
    assert_eq!(csv.matches("task swag lost,").count(), 2, "{csv}");
    assert!(ran.says("Tasks: right answers") && ran.says("Recall by depth"), "{}", ran.stdout);
    let markdown = Bench::at(ran.folder, "report out --format md").run().ok();
    assert!(markdown.says("**Tasks: right answers") && markdown.says("| recall 256 |"));
    let page = Bench::at(markdown.folder, "report out --format html --out -").run().ok();
    assert!(page.says("id=\"tasks\"") && page.says("Recall by depth"));
}

#[test]
fn a_malformed_file_is_refused_by_its_line_before_anything_is_loaded() {
    for (file, text, says) in [
        ("swag.txt", format!("{HELLASWAG}one line too many"), "swag.txt, line 13: an item has six lines"),
        ("qa.jsonl", format!("{JSONL}{{\"question\": \"q\"}}"), "qa.jsonl, line 3: it has none of the fields endings"),
        ("wino.csv", CSV.replace(",2\n", ",3\n"), "wino.csv, line 2: the right choice is 1 or 2"),
    ] {
        let ran = Bench::new(&format!("compare no.gguf neither.gguf --out out --task {file}"))
            .file(file, text.as_bytes())
            .run();
        assert!(ran.code == 1 && ran.tells(says), "{}: {}", ran.code, ran.stderr);
        assert!(!ran.folder.path().join("out").exists());
    }
}
