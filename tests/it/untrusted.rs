//! Text that others wrote, in models, names of files, prompts and records, on its way to a person: it steers no terminal, runs nothing,
//! and names no file.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::{
    Bench, Ran,
    gguf::{ARRAY, Gguf, TEXT, array, string},
};

/// Clears the screen, renames the window, in one byte and in two, hides and turns text, breaks out of HTML, YAML, Markdown and tables.
const ATTACK: &str = "=x\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{7f}\r\u{202e}\u{200b}<script>alert(1)</script>\"'|`\nlicense: evil\n../../../etc/x";

/// What stdout and stderr may hold: nothing that steers.
fn check_inert(ran: &Ran, what: &str) {
    // CSV ends its lines in both.
    for text in [&ran.stdout, &ran.stderr].map(|text| text.replace("\r\n", "\n")) {
        let found = text.chars().find(|&c| {
            (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        });
        assert_eq!(found, None, "{what}:\n{text:?}");
    }
}

fn attacked_model() -> Gguf {
    let text = |file: Gguf, key: &str| file.without_if_there(key).with(key, TEXT, &string(ATTACK));
    let keys = ["general.name", "tokenizer.ggml.pre", "quantize.imatrix.file", "tokenizer.chat_template"];
    let file = keys.into_iter().fold(Gguf::pocket(), text);
    file.with(ATTACK, TEXT, &string(ATTACK)).with("general.tags", ARRAY, &array(TEXT, 1, &string(ATTACK)))
}

#[test]
fn metadata_of_a_model() {
    for options in ["", "--json"] {
        let ran = Bench::new(&format!("inspect m.gguf {options}")).file("m.gguf", &attacked_model().bytes()).run().ok();
        check_inert(&ran, options);
        assert!(ran.says("owned"), "it is shown, but inert: {}", ran.stdout);
    }
    let json = Bench::new("inspect m.gguf --json").file("m.gguf", &attacked_model().bytes()).run().ok().stdout_json();
    assert_eq!(json["name"], ATTACK, "for programs it is what the file says");
    // llama.cpp does not know the pre-tokenizer, and says so in the worker's log.
    let ran =
        Bench::new("compare {pocket} m.gguf --rounds 1 --inner 1 --pp 4 --tg 0 --prompts none --no-quality --out out")
            .file("m.gguf", &attacked_model().bytes())
            .run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    check_inert(&ran, "a worker's last log lines");
    for file in ["report.html", "report.md", "summary.csv"] {
        let text = ran.read(&format!("out/{file}"));
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{file}");
    }
    let broken = attacked_model().with(ATTACK, TEXT, &string("again"));
    let ran = Bench::new("inspect m.gguf").file("m.gguf", &broken.bytes()).run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("is there twice"), "{}", ran.stderr);
    check_inert(&ran, "an error");
}

#[test]
fn names_of_files() {
    let name = "a\u{1b}[2J\u{9b}31m\u{202e}.gguf";
    let pocket = fs::read(crate::support::POCKET).unwrap();
    let folder = |options: &str| Bench::new(options).file(name, &pocket).file("b\u{1b}[31m.gguf", &pocket);
    let ran = folder("compare . .").run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("holds 2 models"), "{}", ran.stderr);
    check_inert(&ran, "an error that lists a folder");
    check_inert(&folder("compare {pocket} a.ggu --dry-run").run(), "names that are near");
    check_inert(&folder("inspect").arg(name).run().ok(), "inspect");
    check_inert(&folder("compare {pocket} --dry-run").arg(name).run().ok(), "a dry run");
    let ran =
        folder("compare {pocket} --rounds 1 --inner 1 --pp 4 --tg 0 --prompts none --no-quality").arg(name).run().ok();
    check_inert(&ran, "a run");
}

#[test]
fn prompts_and_scripts() {
    // Control characters of ASCII are no JSON; the others are.
    let prompts = "[{\"text\": \"a\"}, {\"\u{9b}31m\u{202e}\": 2}]";
    let ran = Bench::new("compare {pocket} {pocket} --prompts p.json").file("p.json", prompts.as_bytes()).run();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    check_inert(&ran, "fields of a prompt file");
    let ran = Bench::new("report r.json").file("r.json", format!("{{\"{ATTACK}\"").as_bytes()).run();
    assert_eq!(ran.code, 1);
    check_inert(&ran, "what is no record");
}

/// A record with every text that is free replaced by an attack.
fn attacked_record() -> Value {
    fn attack(value: &mut Value, key: &str, n: &mut usize) {
        const FREE: &str = "name file title text category id cpu governor os kernel class ggml_type quant pre model \
                            architecture made_from version target system_info started_utc git_revision ggml llama_cpp_2 \
                            llama_cpp_sys_2 command reason marks";
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| attack(value, &key.clone(), n)),
            Value::Array(items) => items.iter_mut().for_each(|item| attack(item, key, n)),
            Value::String(text) if FREE.split_whitespace().any(|free| free == key) => {
                *n += 1;
                *text = format!("{ATTACK}{n}");
            }
            _ => {}
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    let mut record = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut n = 0;
    attack(&mut record, "", &mut n);
    assert!(n > 100, "{n} texts attack");
    record
}

#[test]
fn a_record_sent_by_someone() {
    let record = serde_json::to_vec(&attacked_record()).unwrap();
    let template = "{{ view.title }} {% for m in analysis.models %}{{ m.name }}{% endfor %}";
    let bench = |line: &str| Bench::new(line).file("r.json", &record).file("t.txt", template.as_bytes());
    let formats =
        "html md csv json text llama-bench-md llama-bench-csv llama-bench-json llama-bench-jsonl llama-bench-sql";
    for format in formats.split(' ') {
        let ran = bench(&format!("report r.json --out - --format {format}")).run().ok();
        check_inert(&ran, format);
        if format == "csv" || format == "llama-bench-csv" {
            let cells = ran.stdout.split(['\n', ',']).map(|cell| cell.trim_start_matches('"'));
            assert!(cells.clone().all(|cell| !cell.starts_with("=x")), "{format}:\n{}", ran.stdout);
            assert!(cells.clone().any(|cell| cell.starts_with("'=x")), "{format}:\n{}", ran.stdout);
        }
        if format == "md" || format == "llama-bench-md" {
            // In a block of code nothing is markup.
            let outside = ran.stdout.split("```sh\n").next().unwrap();
            assert!(!outside.contains("<script"), "{format}:\n{}", ran.stdout);
        }
    }
    for line in [
        "report r.json --recommend",
        "report r.json --template t.txt",
        "diff r.json r.json",
        "diff r.json r.json --json -",
    ] {
        check_inert(&bench(line).run().ok(), line);
    }
    let no_such = bench("card r.json --model none").run();
    assert_eq!(no_such.code, 1);
    check_inert(&no_such, "the names of a record");
}

#[test]
fn a_card_of_a_record_sent_by_someone_stays_in_its_folder() {
    let record = attacked_record();
    let candidate = record["models"][1]["name"].as_str().unwrap().to_owned();
    let bench = |line: &str| {
        let bench =
            Bench::new(line).file("r.json", &serde_json::to_vec(&record).unwrap()).arg("--model").arg(&candidate);
        fs::create_dir(bench.folder.path().join("card")).unwrap();
        bench.file("card/README.md", b"---\nlicense: mit\n---\n\n# Mine\n")
    };
    check_inert(&bench("card r.json --print").run().ok(), "a section");
    check_inert(&bench("card r.json --update card/README.md --dry-run").run().ok(), "a dry run");
    let ran = bench("card r.json --update card/README.md").run().ok();
    let card = ran.read("card/README.md");
    let (head, body) = card.split_once("\n---\n").unwrap();
    assert!(head.contains("\nlicense: mit") && !head.contains("\nlicense: evil"), "{head}");
    assert!(!body.contains("<script") && !card.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{card}");
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(&ran.folder.path().join("card")).len(), 2, "the card and its picture");
    assert_eq!(names(ran.folder.path()), BTreeSet::from(["card", "r.json"].map(str::to_owned)));
}
