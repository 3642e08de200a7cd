//! Files that lie, through the real program: each is a row with its reason, the others are measured, and nothing hangs or ends the run.
#![cfg(unix)]

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{
    Bench, POCKET, Ran,
    gguf::{ARRAY, Gguf, TEXT, U32, array, string},
};

const SHORT: &str =
    "--rounds 1 --inner 1 --pp 4 --tg 2 --prompts none --no-quality --timeout 60 --out out --json out.json";
/// What hangs takes for ever, and what is only slow no longer than this anywhere.
const LONGEST: Duration = Duration::from_mins(10);
const EMBEDDING: &str = "token_embd.weight";

/// `compare` of the bundled model with `bad.gguf`, which is what `lay` leaves in the folder.
fn run_with(options: &str, lay: impl FnOnce(&Bench)) -> Ran {
    let bench = Bench::new(&format!("compare {{pocket}} bad.gguf {options}"));
    lay(&bench);
    in_time(bench)
}

/// One run of the bundled model and all of these beside it.
fn run_of(files: &[(&str, Gguf)]) -> Ran {
    let bench = Bench::new(&format!("compare {{pocket}} {SHORT}"));
    in_time(files.iter().enumerate().fold(bench, |bench, (n, (_, file))| {
        let name = format!("bad{n}.gguf");
        bench.file(&name, &file.bytes()).arg(name)
    }))
}

fn in_time(bench: Bench) -> Ran {
    let start = Instant::now();
    let ran = bench.run();
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());
    ran
}

/// Where and why the candidate of this number failed; the original was measured.
fn failed(ran: &Ran, candidate: usize, what: &str) -> (String, String) {
    assert_eq!(ran.code, 5, "{what}: {}\n{}", ran.stdout, ran.stderr);
    let analysis = ran.json("out.json");
    assert!(analysis["models"][0]["metrics"]["pp4"]["value"].is_number(), "{what}: the original is measured");
    let bad = &analysis["models"][candidate];
    let failed = &bad["outcome"]["failed"];
    let text = |field: &str| failed[field].as_str().unwrap_or_else(|| panic!("{what}: {bad}")).to_owned();
    assert!(!text("reason").contains("panicked"), "{what}: {failed}");
    (text("stage"), text("reason"))
}

/// Each fails at this stage, and its reason says this.
fn all_fail(stage: &str, cases: &[(&str, Gguf)]) -> Ran {
    let ran = run_of(cases);
    for (n, (words, _)) in cases.iter().enumerate() {
        let (at, reason) = failed(&ran, n + 1, words);
        assert!(at == stage && reason.contains(words), "{words}: {at}: {reason}");
    }
    ran
}

fn dims(at: usize, n: u64) -> impl FnOnce(&mut crate::support::gguf::Tensor) {
    move |tensor| tensor.dims[at] = n
}

/// Every string of an array.
fn strings(elements: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut found) = (elements, Vec::new());
    while let Some((length, after)) = rest.split_at_checked(8) {
        let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
        found.push(&after[..length]);
        rest = &after[length..];
    }
    found
}

/// The bundled model with its last tokens gone from the tokenizer, but not from the weights.
fn fewer_tokens() -> Gguf {
    let file = Gguf::pocket();
    let tokens = file.keys.iter().find(|key| key.name == b"tokenizer.ggml.tokens").unwrap().value[12..].to_vec();
    let tokens = strings(&tokens);
    let kept: Vec<u8> = tokens[..tokens.len() - 10].iter().flat_map(string).collect();
    let value = array(TEXT, tokens.len() as u64 - 10, &kept);
    file.set("tokenizer.ggml.tokens", ARRAY, &value)
}

#[test]
fn a_header_that_lies_is_a_row_that_says_how() {
    let huge = u64::MAX.to_le_bytes();
    let pocket = Gguf::pocket;
    let cases: Vec<(&str, Gguf)> = vec![
        ("not a GGUF file", Gguf { magic: *b"GGUX", ..pocket() }),
        ("big-endian", Gguf { magic: *b"FUGG", ..pocket() }),
        ("GGUF version 99", Gguf { version: 99, ..pocket() }),
        ("18446744073709551615 tensors", Gguf { tensor_count: Some(u64::MAX), ..pocket() }),
        ("18446744073709551615 metadata keys", Gguf { key_count: Some(u64::MAX), ..pocket() }),
        ("18446744073709551615 array elements", pocket().with("a", ARRAY, &array(U32, u64::MAX, &[]))),
        ("metadata string of 18446744073709551615 bytes", pocket().with("a", TEXT, &huge)),
        ("`a` is there twice", pocket().with("a", U32, &[0; 4]).with("a", U32, &[0; 4])),
        ("`a` has the unknown type 77", pocket().with("a", 77, &[])),
        ("`a` is an array of arrays", pocket().with("a", ARRAY, &array(ARRAY, 1, &array(U32, 0, &[])))),
        ("metadata string is not UTF-8", pocket().with("a", TEXT, &string(b"\xff\xfe"))),
        ("general.alignment is 3", pocket().with("general.alignment", U32, &3_u32.to_le_bytes())),
        ("shape too large to exist", pocket().entry(EMBEDDING, dims(1, 1 << 62))),
        ("unknown or removed type 9999", pocket().entry(EMBEDDING, |tensor| tensor.ty = 9999)),
        ("not a multiple of 32", pocket().entry(EMBEDDING, |tensor| tensor.offset += 1)),
        ("inside the data before it", pocket().entry("output_norm.weight", |tensor| tensor.offset = 0)),
        ("is there twice", pocket().entry("output_norm.weight", |tensor| tensor.name = EMBEDDING.into())),
    ];
    all_fail("inspect", &cases);
}

#[test]
fn what_only_llama_cpp_can_refuse_is_a_row_with_its_words() {
    let cases: [(&str, Gguf); 5] = [
        ("block_count", Gguf::pocket().without("llama.block_count")),
        ("architecture", Gguf::pocket().without("general.architecture")),
        ("token_embd", fewer_tokens()),
        (
            "blk.0.attn_q",
            Gguf::pocket().entry("blk.0.attn_q.weight", |tensor| tensor.name = "blk.0.attn_x.weight".into()),
        ),
        ("not enough memory", Gguf::pocket().set("llama.block_count", U32, &u32::MAX.to_le_bytes())),
    ];
    all_fail("load", &cases);
}

#[test]
fn weights_that_are_no_numbers_give_a_failure_and_never_a_number() {
    let nan_f16 = [0x00, 0x7e];
    let infinite_f32 = f32::INFINITY.to_le_bytes();
    // All of the embedding, one norm whole, and a single weight.
    let cases = [
        ("is not a number", Gguf::pocket().weights(EMBEDDING, &nan_f16, 256 * 4_000)),
        ("is not a number", Gguf::pocket().weights("output_norm.weight", &infinite_f32, 256)),
        ("is not a number", Gguf::pocket().weights("blk.0.attn_norm.weight", &f32::NAN.to_le_bytes(), 1)),
    ];
    let ran = all_fail("prefill", &cases);
    for n in 1..=cases.len() {
        let bad = &ran.json("out.json")["models"][n];
        assert!(bad["metrics"]["pp4"]["value"].is_null() && bad["metrics"]["tg2"]["value"].is_null(), "{bad}");
    }
}

#[test]
fn outputs_that_are_no_numbers_are_not_compared() {
    let nan = Gguf::pocket().weights("output_norm.weight", &f32::NAN.to_le_bytes(), 256);
    let ran = Bench::new("quality {pocket} bad.gguf -t 1 --ctx 64 --max-windows 2 --json out.json --out out")
        .file("bad.gguf", &nan.bytes())
        .run();
    assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
    let bad = &ran.json("out.json")["models"][1];
    assert!(bad["metrics"]["kld_mean"]["value"].is_null() && bad["metrics"]["ppl"]["value"].is_null(), "{bad}");
    assert!(ran.says("not a number"), "{}", ran.stdout);
}

#[test]
fn what_is_not_a_file_is_never_waited_for() {
    let folder = run_with(SHORT, |bench| fs::create_dir(bench.folder.path().join("bad.gguf")).unwrap());
    assert!(failed(&folder, 1, "a folder").1.contains("holds no .gguf file"));
    let fifo = |path: &std::path::Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let ran = run_with(SHORT, |bench| fifo(&bench.folder.path().join("bad.gguf")));
    assert!(failed(&ran, 1, "a FIFO").1.contains("neither a file nor a folder"));
    let bench = Bench::new("inspect bad.gguf");
    fifo(&bench.folder.path().join("bad.gguf"));
    let ran = bench.run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("must be a regular file"), "{}", ran.stderr);
    let ran = Bench::new("quality --logits bad.logits {pocket} -t 1 --out out --json out.json --timeout 60");
    fifo(&ran.folder.path().join("bad.logits"));
    let ran = ran.run();
    assert!([1, 5].contains(&ran.code), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_bad_original_costs_its_row_only_where_that_is_asked_for() {
    let ran = Bench::new(&format!("compare bad.gguf {{pocket}} {SHORT} --force"))
        .file("bad.gguf", &Gguf::pocket().without("llama.block_count").bytes())
        .run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let models = &ran.json("out.json")["models"];
    assert_eq!(models[0]["outcome"]["failed"]["stage"], "load");
    assert!(models[1]["metrics"]["pp4"]["value"].is_number());
    assert!(models[1]["vs_original"].as_object().unwrap().is_empty(), "there is nothing to compare with: {models}");
}

fn with_template(text: &str) -> Gguf {
    Gguf::pocket().without_if_there("tokenizer.chat_template").with("tokenizer.chat_template", TEXT, &string(text))
}

/// What can't be rendered llama.cpp's C interface may know by its marks; it runs none.
#[test]
fn a_chat_template_that_loops_or_is_huge_runs_no_loop() {
    let loops = "{% for a in range(1000000000) %}{% for b in range(1000000000) %}x{% endfor %}{% endfor %}";
    let marked = format!("<|im_start|>{loops}");
    let huge = format!("{{# {} #}}<|im_start|>", "x".repeat(10 << 20));
    let cases = [("loops", loops, false), ("loops, marked", marked.as_str(), true), ("huge", huge.as_str(), true)];
    for (what, template, templated) in cases {
        let file = with_template(template);
        let options = "--rounds 1 --inner 1 --pp 0 --tg 0 --prompts ask.txt --max-new-tokens 2 --no-quality \
                       --timeout 60 --out out";
        let ran = run_with(options, |bench| {
            fs::write(bench.folder.path().join("ask.txt"), "And it came to pass").unwrap();
            fs::write(bench.folder.path().join("bad.gguf"), file.bytes()).unwrap();
        });
        assert_eq!(ran.code, 0, "{what}: {}\n{}", ran.stdout, ran.stderr);
        let visits = ran.json("out/run.json")["rounds"][0]["visits"].as_array().unwrap().clone();
        let visit = visits.iter().find(|visit| visit["model"] == 1).unwrap();
        assert_eq!(visit["generations"][0]["templated"], templated, "{what}");
        assert!(visit["generations"][0]["n_prompt"].as_u64().unwrap() < 200, "{what}");
    }
    let ran = Bench::new("inspect bad.gguf").file("bad.gguf", &with_template(&huge).bytes()).run().ok();
    assert!(ran.says(&format!("yes ({} bytes)", huge.len())), "{}", ran.stdout);
}

#[test]
fn a_file_cut_at_any_boundary_is_called_truncated() {
    let file = Gguf::pocket();
    let head = file.head().len();
    let mut cuts = file.fields.clone();
    cuts.extend(file.tensors.iter().map(|tensor| head + usize::try_from(tensor.offset).unwrap()));
    cuts.sort_unstable();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    fs::copy(POCKET, &path).unwrap();
    let cut_at = File::options().write(true).open(&path).unwrap();
    assert!(cuts.len() > 300, "{}", cuts.len());
    for cut in cuts.into_iter().rev() {
        cut_at.set_len(cut as u64).unwrap();
        let ran = Bench::new("inspect").arg(&path).run();
        assert_eq!(ran.code, 1, "cut at {cut}: {}", ran.stdout);
        let words = if cut == 0 { "the file is empty" } else { "the file is truncated: " };
        assert!(ran.tells(words), "cut at {cut}: {}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_shrinks_while_it_is_mapped_costs_its_worker_only() {
    use rustix::process::Signal;

    use crate::support::processes::{held, send, ticks, wait_until};

    // Both are loaded for as long as the round lasts.
    let line = "compare {pocket} shrinks.gguf --rounds 100 --inner 100 --pp 64 --tg 16 --prompts none --no-quality \
                --out out --json out.json --quiet";
    let bench = Bench::new(line).file("shrinks.gguf", &fs::read(POCKET).unwrap());
    let mut child = bench.spawn();
    let out = bench.folder.path().join("out");
    // What is saved after a round is in one of these.
    let saved = |word: &str| {
        ["run.json", "run.jsonl"]
            .iter()
            .any(|name| fs::read_to_string(out.join(name)).is_ok_and(|text| text.contains(word)))
    };
    wait_until("it is planned", || saved("\"time_plan\""));
    let maps = |pid| fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("/shrinks.gguf"));
    let held =
        held(child.id(), "it is mapped", |pid| maps(pid) && ticks(pid).is_some_and(|ticks| ticks > 10), || false);
    let file = File::options().write(true).open(bench.folder.path().join("shrinks.gguf")).unwrap();
    file.set_len(100_000).unwrap();
    drop(held.expect("the run is long"));
    wait_until("its end is saved", || saved("signal"));
    send(child.id(), Signal::INT);
    child.wait().unwrap();
    let record: serde_json::Value = serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    let reason = record["subjects"][1]["outcome"]["failed"]["reason"].as_str().unwrap();
    assert!(reason.contains("signal 7") && reason.contains("shrank"), "{reason}");
    assert_eq!(record["probes"].as_array().unwrap().len(), 2, "what was measured before stays");
}
