//! The benchmarking guide, line by line: copied by hand, with its models on a small Hub and in folders of those names.

#![cfg(unix)]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    POCKET,
    hub::{Hub, Manner},
    quants, untouched, words_of,
};

/// Where the guide's programs are, and what is added to their lines to be quick.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("run-benchmark", env!("CARGO_BIN_EXE_run-benchmark"), QUICKLY),
    ("benchmark-model", env!("CARGO_BIN_EXE_benchmark-model"), QUICKLY),
    ("visualize-benchmark", env!("CARGO_BIN_EXE_visualize-benchmark"), ""),
];
const QUICKLY: &str = "--no-quality --num-prompts 1 -t 1";

/// A folder in which the guide's lines work.
struct Desk {
    folder: TempDir,
    hub: Hub,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let desk = folder.path();
        let [q8, q4, q2] = quants();
        let folders = [
            ("phi4-mini-gptq-4bit", q4),
            ("phi4-mini-gptq-8bit", q8),
            ("phi4-mini-bnb-4bit", q2),
            ("phi4-mini-bnb-8bit", q8),
            ("gemma-2b-quantized", q4),
            ("quantized-model", q4),
            ("quantized-model-gptq-4bit", q4),
            ("quantized-model-gptq-8bit", q8),
            ("models/one", q8),
            ("models/two", q2),
        ];
        for (name, model) in folders {
            fs::create_dir_all(desk.join(name)).unwrap();
            symlink(model, desk.join(name).join("model.gguf")).unwrap();
        }
        fs::create_dir(desk.join("bin")).unwrap();
        for (name, program, more) in PROGRAMS {
            // The suite's prompts are long: one short prompt unless the line brings its own. Lengths are timed where a line needs them.
            // Into a card goes what has intervals.
            let rounds =
                "case \"$*\" in *--quick*) ;; *--update*) set -- \"$@\" --rounds 6;; *) set -- \"$@\" --quick;; esac\n";
            let rounds = if more.is_empty() { "" } else { rounds };
            let script = format!(
                "#!/bin/sh\n\
                 case \"$*\" in *--prompts*|*--input*|*--help*) ;; *) set -- \"$@\" --prompts short.json;; esac\n\
                 case \"$*\" in *--batch-size*|*--update*) set -- \"$@\" --pp 8 --tg 4;; *--input*) ;; *) set -- \"$@\" --pp 0 --tg 0;; esac\n\
                 {rounds}exec {program} \"$@\" {more}\n"
            );
            write_script(&desk.join("bin").join(name), &script);
        }
        // What macOS has; elsewhere the guide's reader has another word for it.
        write_script(&desk.join("bin/open"), "#!/bin/sh\ntest -s \"$1\"\n");
        let custom = r#"// custom_prompts.json
[
  {
    "category": "short_factual",
    "text": "What is the capital of France?"
  },
  {
    "category": "medium_creative",
    "text": "Write a short poem about artificial intelligence."
  },
  {
    "category": "long_reasoning",
    "text": "Explain the theory of relativity in detail, covering both special and general relativity. Include the key equations and their implications."
  }
]
"#;
        for name in ["custom_prompts.json", "complex_prompts.json"] {
            fs::write(desk.join(name), custom).unwrap();
        }
        for name in ["short.json", "scientific_prompts.json", "creative_prompts.json"] {
            fs::write(desk.join(name), r#"["And it came to pass"]"#).unwrap();
        }
        let model = fs::read(POCKET).unwrap();
        let hub = Hub::start()
            .with("microsoft/Phi-4-mini-instruct", Manner::Good, &[("Phi-4-mini-instruct-F16.gguf", &model)])
            .with("google/gemma-2b", Manner::Good, &[("gemma-2b-F16.gguf", &model)]);
        Self { folder, hub }
    }

    fn sh(&self, line: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("sh");
        untouched(&mut command)
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("HF_ENDPOINT", &self.hub.endpoint)
            .env("HF_HOME", self.folder.path().join("hf"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.output().unwrap()
    }

    /// What is said, in one line.
    fn ok(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.sh(line);
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{line}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        words_of(&stdout)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.folder.path().join(name)).unwrap()).unwrap()
    }

    /// Paths below the folder, to look for what a line promises.
    fn has(&self, pattern: &str) -> bool {
        self.sh(&format!("test -s {pattern}")).status.success()
    }
}

/// By another process: of a file that this one has open to write, a process that another test starts at the moment has it open, too, and
/// then nobody can run it.
fn write_script(path: &Path, text: &str) {
    let mut cat = Command::new("sh");
    let mut cat = cat.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    cat.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(cat.wait().unwrap().success());
}

/// The guide's lines in its order, and the file each promises.
const LINES: &[(&str, &str)] = &[
    (
        "run-benchmark --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-gptq-4bit --device cpu --max_tokens 50 --output_dir benchmark_results",
        "benchmark_results/report_*/benchmark_report.html",
    ),
    (
        "run-benchmark --original google/gemma-2b --quantized ./gemma-2b-quantized --device auto --max_tokens 100 --output_dir presentation_benchmarks",
        "presentation_benchmarks/benchmark_results_*.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-gptq-4bit --device cpu --max_new_tokens 100 --temperature 0.7 --top_p 0.9 --output custom_benchmark.json",
        "custom_benchmark.json",
    ),
    (
        "benchmark-model --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-4bit --output gptq_comparison.json",
        "gptq_comparison.json",
    ),
    (
        "benchmark-model --original ./phi4-mini-bnb-8bit --quantized ./phi4-mini-bnb-4bit --output bnb_comparison.json",
        "bnb_comparison.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-gptq-4bit --prompts-file scientific_prompts.json --output scientific_benchmark.json",
        "scientific_benchmark.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-gptq-4bit --prompts-file creative_prompts.json --output creative_benchmark.json",
        "creative_benchmark.json",
    ),
    (
        "for model in ./models/*; do\n    benchmark-model --original microsoft/Phi-4-mini-instruct --quantized $model --output results/$(basename $model).json\ndone",
        "results/two.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --device cpu",
        "benchmark_results_*.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --prompts-file custom_prompts.json",
        "benchmark_results_*.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --output benchmark_results.json",
        "benchmark_results.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized microsoft/Phi-4-mini-instruct --output original_results.json",
        "original_results.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model-gptq-4bit --output gptq_4bit_results.json",
        "gptq_4bit_results.json",
    ),
    (
        "benchmark-model --original ./quantized-model-gptq-8bit --quantized ./quantized-model-gptq-4bit --output comparison_results.json",
        "comparison_results.json",
    ),
    (
        "visualize-benchmark --input benchmark_results.json --output_dir benchmark_report",
        "benchmark_report/benchmark_report.html",
    ),
    ("open benchmark_report/benchmark_report.html", "benchmark_report/benchmark_report.html"),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --max-new-tokens 100 --temperature 0.7 --top-p 0.9",
        "benchmark_results_*.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --batch-size 4",
        "benchmark_results_*.json",
    ),
    (
        "benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --max-new-tokens 1024 --prompts-file complex_prompts.json",
        "benchmark_results_*.json",
    ),
    (
        "DATE=$(date +\"%Y%m%d_%H%M%S\")\nbenchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./quantized-model --output benchmark_$DATE.json",
        "benchmark_2*.json",
    ),
];

#[test]
fn every_line_of_the_guide_works_and_leaves_what_it_promises() {
    let desk = Desk::new();
    for (line, promised) in LINES {
        // A promise is kept by this line, not by one before.
        let _ = desk.sh("rm -f benchmark_results_*.json");
        let said = desk.ok(line);
        assert!(desk.has(promised), "{line}\nleft no {promised}");
        if line.starts_with("run-benchmark") {
            assert!(said.contains("Report: ") && said.contains("benchmark_report.html"), "{said}");
        }
    }
    // The guide's prompts keep their own categories.
    let record = desk.json("custom_benchmark.json");
    assert_eq!(record["plan"]["sampling"]["top_p"]["top_p"].as_f64().map(|p| (p * 100.0).round()), Some(90.0));
    for model in desk.json("gptq_comparison.json")["metrics"]["models"].as_array().unwrap() {
        for metric in [
            "initial_memory_bytes",
            "min_memory_bytes",
            "max_memory_bytes",
            "avg_memory_bytes",
            "memory_increase_bytes",
            "load_time_s",
        ] {
            assert!(model[metric].as_f64().is_some(), "{metric} in {model}");
        }
        for metric in
            ["prompt_tokens", "prompt_eval_time_s", "prompt_tokens_per_second", "generated_tokens", "generation_time_s"]
        {
            assert!(model["overall"][metric].as_f64().is_some(), "{metric} in {model}");
        }
    }
    // A device this machine has not is said to be missing, and nothing else is computed on in its place.
    for device in ["cuda", "mps"] {
        let line =
            format!("benchmark-model --original ./phi4-mini-gptq-8bit --quantized ./quantized-model --device {device}");
        let Output { status, stdout, stderr } = desk.sh(&line);
        let said = [stdout, stderr].map(|out| String::from_utf8_lossy(&out).into_owned()).concat();
        assert!(status.success() || said.contains("device"), "{line}: {said}");
    }
}

#[test]
fn the_terminal_says_the_guides_metrics() {
    let desk = Desk::new();
    let said = desk.ok("benchmark-model --original ./phi4-mini-gptq-8bit/ --quantized ./phi4-mini-bnb-4bit/ --prompts_file custom_prompts.json");
    for name in [
        "Initial memory",
        "Min memory",
        "Max memory",
        "Avg memory",
        "Memory increase",
        "Load time",
        "Prompt tokens",
        "Prompt eval time",
        "Prompt tokens/sec",
        "Generated tokens",
        "Generation time",
        "Generation tokens/sec",
        "difference",
        "ratio",
        "Memory reduction",
        "Expected reduction",
    ] {
        assert!(said.contains(name), "{name} in\n{said}");
    }
}

/// The keys of a card's head, by a YAML parser.
fn is_yaml(card: &str) -> Vec<String> {
    use saphyr::{LoadableYamlNode, Yaml};
    let head = card.strip_prefix("---\n").unwrap().split("\n---\n").next().unwrap();
    let documents = Yaml::load_from_str(head).unwrap();
    documents[0].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_card_beside_the_quantized_model_is_updated_once() {
    let desk = Desk::new();
    let card = desk.folder.path().join("phi4-mini-gptq-4bit/README.md");
    fs::write(&card, "---\nlicense: mit # ours\n---\n# Phi\n\nText.\n").unwrap();
    let line = "run-benchmark --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-4bit --update-model-card --no-open --output_dir out";
    let before = fs::read_to_string(&card).unwrap();
    let said = desk.ok(&format!("{line}-quick --quick"));
    assert!(said.contains("not changed, since the run was a quick look"), "{said}");
    assert_eq!(fs::read_to_string(&card).unwrap(), before);
    assert!(!desk.has("phi4-mini-gptq-4bit/gguf-bench-*.svg"), "nor is there a badge");
    desk.ok(line);
    let first = fs::read_to_string(&card).unwrap();
    assert_eq!(is_yaml("---\nlicense: mit # ours\n---\n"), ["license"]);
    desk.ok(line);
    let second = fs::read_to_string(&card).unwrap();
    for text in [&first, &second] {
        assert!(text.starts_with("---\nlicense: mit # ours\nmodel-index:\n"), "{text}");
        assert_eq!(text.matches("gguf-bench:begin").count(), 1, "{text}");
        assert!(text.contains("\n# Phi\n\nText.\n") && text.contains("## Benchmark"));
        assert_eq!(is_yaml(text), ["license", "model-index"]);
        assert!(!text.contains(&desk.folder.path().display().to_string()), "no local path");
    }
    assert!(desk.has("phi4-mini-gptq-4bit/gguf-bench-*.svg"));
}

#[test]
fn a_record_of_an_older_version_is_drawn() {
    let desk = Desk::new();
    let record = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/runs/v1.json");
    desk.ok(&format!("visualize-benchmark --input {record}"));
    assert!(desk.has("benchmark_report/benchmark_report.html"));
}

#[test]
fn help_shows_the_guides_examples() {
    let desk = Desk::new();
    let help = |program: &str| desk.ok(&format!("{program} --help"));
    assert!(help("run-benchmark").contains("--output_dir presentation_benchmarks"));
    assert!(help("benchmark-model").contains("--temperature 0.7 --top_p 0.9"));
    assert!(help("visualize-benchmark").contains("--input benchmark_results.json"));
}

#[test]
fn batch_sizes_are_swept_and_drawn() {
    let desk = Desk::new();
    desk.ok("run-benchmark --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-4bit --batch-size 1,4 --output out.json --output_dir out");
    let record = desk.json("out.json");
    let ids: Vec<&str> =
        record["plan"]["workloads"].as_array().unwrap().iter().map(|w| w["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["pp8", "tg4", "pp8x1", "tg4x1", "pp8x4", "tg4x4", "custom"]);
    let samples = record["rounds"][0]["visits"][0]["samples"].as_array().unwrap();
    let tokens = |id: &str| {
        let workload = ids.iter().position(|other| *other == id).unwrap();
        samples.iter().find(|s| s["workload"] == workload).unwrap()["n_tokens"].as_u64().unwrap()
    };
    // As llama-batched-bench counts: the tokens of all sequences.
    assert_eq!([tokens("pp8x1"), tokens("tg4x1"), tokens("pp8x4"), tokens("tg4x4")], [8, 4, 32, 16]);
    assert!(desk.has("out/report_*/benchmark_report.html"));
    assert!(desk.sh("grep -q chart-together out/report_*/benchmark_report.html").status.success());
}

#[test]
fn what_the_guides_commands_measure_is_held_to_limits() {
    let desk = Desk::new();
    let line = "benchmark-model --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-4bit --batch-size 1 --output out.json \
                --fail-if 'tg4<-3%' --junit gate.xml";
    // A quick run has no interval that a limit could be held to.
    let Output { status, stderr, .. } = desk.sh(line);
    assert_eq!(status.code(), Some(6), "{}", String::from_utf8_lossy(&stderr));
    assert!(desk.sh("grep -q 'skipped=\"1\"' gate.xml").status.success());
    // Gone on with after an end that nobody saw, it has the guide's metrics again.
    let metrics = desk.json("out.json")["metrics"].clone();
    assert!(metrics.is_array() || metrics.is_object(), "{metrics}");
    fs::remove_file(desk.folder.path().join("out.json")).unwrap();
    let resumed = desk.sh(&format!("{} resume out.jsonl", env!("CARGO_BIN_EXE_gguf-bench")));
    assert_eq!(resumed.status.code(), Some(6), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(desk.json("out.json")["metrics"], metrics);
}

#[test]
fn a_prompt_too_long_for_the_model_is_a_row_and_the_others_are_asked() {
    let desk = Desk::new();
    let long = "word ".repeat(3000);
    let prompts = format!(
        r#"[{{"name":"long","category":"a","text":"{long}"}},{{"name":"short","category":"b","text":"And it came"}}]"#
    );
    fs::write(desk.folder.path().join("p.json"), prompts).unwrap();
    let said = desk.ok("benchmark-model --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-4bit --prompts-file p.json --output o.json");
    let visit = &desk.json("o.json")["rounds"][0]["visits"][0];
    assert_eq!(visit["skipped"][0]["workload"], 0);
    assert_eq!(visit["skipped"][0]["n_ctx_train"], 2048);
    assert_eq!(visit["generations"].as_array().unwrap().len(), 1);
    assert!(said.contains("The prompt long was not asked: it has"), "{said}");
}

#[test]
fn sampled_answers_repeat_with_their_seed_and_differ_without() {
    let desk = Desk::new();
    let text = |seed: u32| {
        desk.ok(&format!("benchmark-model --original ./phi4-mini-gptq-8bit --quantized ./phi4-mini-gptq-8bit --temperature 2 --max_tokens 24 --seed {seed} --overwrite --output s.json"));
        let record = desk.json("s.json");
        let visits: Vec<&Value> =
            record["rounds"].as_array().unwrap().iter().flat_map(|r| r["visits"].as_array().unwrap()).collect();
        let texts: Vec<String> =
            visits.iter().map(|v| v["generations"][0]["text"].as_str().unwrap().to_owned()).collect();
        assert!(texts.iter().all(|t| *t == texts[0]), "the same seed, the same answer: {texts:?}");
        texts[0].clone()
    };
    assert_ne!(text(1), text(2));
}
