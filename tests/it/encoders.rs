//! Models that give no next token: what can be measured of them is, by llama.cpp itself, and what can't is said.

use serde_json::Value;

use crate::support::{
    Bench,
    gguf::{Gguf, TEXT, U32, string},
};

const F32: u32 = 0;
const F16: u32 = 1;
const Q8_0: u32 = 8;
const FLOAT: u32 = 6;
const BOOL: u32 = 7;

const WIDTH: u64 = 64;
const INNER: u64 = 128;
const TRAINED: u64 = 1024;
const VOCABULARY: u64 = 4096;
/// 2⁻⁷ as half precision.
const SCALE: u16 = 0x2000;

/// How the weights of a tiny model are stored; they are the same numbers.
#[derive(Clone, Copy)]
enum Stored {
    F16,
    Q8_0,
}

/// Small integers, always the same, to be scaled.
fn integers(name: &str, count: u64) -> impl Iterator<Item = i8> {
    let mut state = name.bytes().fold(0x9E37_79B9_u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i8::try_from(state >> 27).unwrap() - 16
    })
}

/// A small integer times the scale, as half precision, which holds it exactly.
fn half(integer: i8) -> u16 {
    let magnitude = u16::from(integer.unsigned_abs());
    let Some(exponent) = magnitude.checked_ilog2() else { return 0 };
    let exponent = u16::try_from(exponent).unwrap();
    let fraction = (magnitude << (10 - exponent)) & 0x3FF;
    (u16::from(integer < 0) << 15) | ((exponent + 15 - 7) << 10) | fraction
}

fn matrix(file: Gguf, name: &str, dims: [u64; 2], stored: Stored) -> Gguf {
    let all: Vec<i8> = integers(name, dims[0] * dims[1]).collect();
    match stored {
        Stored::F16 => {
            let bytes: Vec<u8> = all.iter().flat_map(|&integer| half(integer).to_le_bytes()).collect();
            file.and(name, &dims, F16, &bytes)
        }
        Stored::Q8_0 => {
            let block = |block: &[i8]| {
                let values = block.iter().map(|value| value.to_le_bytes()[0]);
                SCALE.to_le_bytes().into_iter().chain(values).collect::<Vec<u8>>()
            };
            let bytes: Vec<u8> = all.chunks(32).flat_map(block).collect();
            file.and(name, &dims, Q8_0, &bytes)
        }
    }
}

fn vector(file: Gguf, name: &str, value: f32) -> Gguf {
    file.and(name, &[WIDTH], F32, &value.to_le_bytes().repeat(usize::try_from(WIDTH).unwrap()))
}

/// The bundled model's tokenizer, and what every architecture's header has.
fn bare(architecture: &str) -> Gguf {
    let number = |file: Gguf, name: &str, value: u64| {
        file.with(format!("{architecture}.{name}"), U32, &u32::try_from(value).unwrap().to_le_bytes())
    };
    let start = Gguf::pocket()
        .without_keys("llama.")
        .set("general.architecture", TEXT, &string(architecture))
        .without_if_there("general.file_type")
        .only(&[]);
    [
        ("context_length", TRAINED),
        ("embedding_length", WIDTH),
        ("block_count", 2),
        ("feed_forward_length", INNER),
        ("attention.head_count", 2),
    ]
    .into_iter()
    .fold(start, |file, (name, value)| number(file, name, value))
}

/// An embedding model of two layers, which takes the mean over a text's tokens.
fn bert(stored: Stored) -> Vec<u8> {
    let file = bare("bert")
        .with("bert.attention.layer_norm_epsilon", FLOAT, &1e-5_f32.to_le_bytes())
        .with("bert.attention.causal", BOOL, &[0])
        .with("bert.pooling_type", U32, &1_u32.to_le_bytes())
        .with("tokenizer.ggml.token_type_count", U32, &2_u32.to_le_bytes());
    let file = matrix(file, "token_embd.weight", [WIDTH, VOCABULARY], stored);
    let file = matrix(file, "position_embd.weight", [WIDTH, TRAINED], Stored::F16);
    // What is added to another tensor is in full precision.
    let types = 0.25_f32.to_le_bytes().repeat(usize::try_from(2 * WIDTH).unwrap());
    let file = file.and("token_types.weight", &[WIDTH, 2], F32, &types);
    let norm = |file, name: &str| vector(vector(file, &format!("{name}.weight"), 1.0), &format!("{name}.bias"), 0.0);
    let layer = |file, layer: u32| {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let file = ["attn_q", "attn_k", "attn_v", "attn_output"]
            .into_iter()
            .fold(file, |file, part| matrix(file, &name(&format!("{part}.weight")), [WIDTH, WIDTH], stored));
        let file = matrix(file, &name("ffn_up.weight"), [WIDTH, INNER], stored);
        let file = matrix(file, &name("ffn_down.weight"), [INNER, WIDTH], stored);
        norm(norm(file, &name("attn_output_norm")), &name("layer_output_norm"))
    };
    (0..2).fold(norm(file, "token_embd_norm"), layer).bytes()
}

/// The encoder of a T5, which llama.cpp reads texts with by a function of its own.
fn t5_encoder(stored: Stored) -> Vec<u8> {
    let file = bare("t5encoder")
        .with("t5encoder.attention.layer_norm_rms_epsilon", FLOAT, &1e-6_f32.to_le_bytes())
        .with("t5encoder.attention.relative_buckets_count", U32, &32_u32.to_le_bytes());
    let file = matrix(file, "token_embd.weight", [WIDTH, VOCABULARY], stored);
    let file = vector(file, "enc.output_norm.weight", 1.0);
    let file = matrix(file, "enc.blk.0.attn_rel_b.weight", [2, 32], Stored::F16);
    let layer = |file, layer: u32| {
        let name = |part: &str| format!("enc.blk.{layer}.{part}.weight");
        let file = ["attn_q", "attn_k", "attn_v", "attn_o"]
            .into_iter()
            .fold(file, |file, part| matrix(file, &name(part), [WIDTH, WIDTH], stored));
        let file = matrix(file, &name("ffn_up"), [WIDTH, INNER], stored);
        let file = matrix(file, &name("ffn_down"), [INNER, WIDTH], stored);
        vector(vector(file, &name("attn_norm"), 1.0), &name("ffn_norm"), 1.0)
    };
    (0..2).fold(file, layer).bytes()
}

fn metric<'a>(model: &'a Value, id: &str) -> Option<&'a Value> {
    model["metrics"].get(id)
}

/// Measured: pp, load and memory; said: that nothing else was. `pp` is longer than the usual micro-batch.
fn is_measured_and_said(report: &Value, record: &Value, words: &str) {
    for model in report["models"].as_array().unwrap() {
        assert_eq!(model["outcome"], "done", "{model}");
        for id in ["pp600", "load", "memory_peak"] {
            let value = metric(model, id).unwrap_or_else(|| panic!("{id}: {model}"))["value"].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{id}");
        }
        assert!(metric(model, "tg128").is_none() && model["quality"].is_null(), "{model}");
    }
    let not_done = report["not_done"].as_array().unwrap();
    let said = not_done.iter().filter(|one| one["part"] == "kind");
    let said: Vec<&str> = said.map(|one| one["reason"].as_str().unwrap()).collect();
    assert!(said[0].starts_with("Not measured: tg128, ") && said[0].contains("prompts, output quality: "), "{said:?}");
    assert!(said[0].contains(words), "{said:?}");
    assert!(said[1].starts_with("Not measured: pp600 @ d64") && said[1].contains("as a whole"), "{said:?}");
    let left_out = record["plan"]["left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|own| own["work"]["workload"]["id"] == "pp600 @ d64"), "{left_out:?}");
    for subject in record["subjects"].as_array().unwrap() {
        assert_eq!((&subject["settings"]["n_batch"], &subject["settings"]["n_ubatch"]), (&2048.into(), &600.into()));
    }
}

#[test]
fn embedding_models_are_measured_as_far_as_they_go() {
    let bench = |line: &str| {
        let line = format!("compare bert-F16.gguf bert-Q8_0.gguf {line}");
        Bench::new(&line).file("bert-F16.gguf", &bert(Stored::F16)).file("bert-Q8_0.gguf", &bert(Stored::Q8_0))
    };
    let dry = bench("--quick --dry-run").run().ok().stdout;
    assert!(dry.contains("workloads  pp512; 0 prompts"), "{dry}");
    assert!(dry.contains("not done   tg128, ") && dry.contains("an embedding model"), "{dry}");
    assert!(!dry.contains("quality    "), "{dry}");
    let ran = bench("--quick --pp 600 --depth 0,64 --out out --json out.json").run().ok();
    assert!(ran.tells("Not measured: tg128, "), "{}", ran.stderr);
    assert!(ran.says("No recommendation. What quantizing cost in output can't be measured of an embedding"));
    let record = ran.json("out/run.json");
    is_measured_and_said(&ran.json("out.json"), &record, "an embedding model, which gives a vector");
    assert_eq!(record["subjects"][0]["settings"]["embeddings"], true);
    assert!(record["subjects"][0]["facts"]["no_next_token"] == "embedding");
    let again = Bench::at(ran.folder, "report out/run.json --format md").run().ok();
    assert!(again.says("pp600"), "{}", again.stdout);
}

#[test]
fn an_encoder_reads_by_llama_encode() {
    let ran = Bench::new("compare t5-F16.gguf t5-Q8_0.gguf --quick --pp 600 --depth 0,64 --out out --json out.json")
        .file("t5-F16.gguf", &t5_encoder(Stored::F16))
        .file("t5-Q8_0.gguf", &t5_encoder(Stored::Q8_0))
        .run()
        .ok();
    is_measured_and_said(&ran.json("out.json"), &ran.json("out/run.json"), "an encoder alone, which gives vectors");
}

#[test]
fn what_sees_later_tokens_reads_a_prompt_in_one_batch() {
    let file = Gguf::pocket().with("llama.attention.causal", BOOL, &[0]).bytes();
    let ran = Bench::new("compare a.gguf b.gguf --quick --pp 600 --depth 0,64 --out out --json out.json")
        .file("a.gguf", &file)
        .file("b.gguf", &file)
        .run()
        .ok();
    let record = ran.json("out/run.json");
    is_measured_and_said(&ran.json("out.json"), &record, "a model with non-causal attention");
    assert_ne!(record["subjects"][0]["settings"]["embeddings"], true);
}

#[test]
fn models_of_two_sorts_are_not_held_against_each_other() {
    let bench = |line: &str| Bench::new(line).file("bert.gguf", &bert(Stored::F16));
    let quick = "--quick --pp 16 --tg 4 --prompts none --no-quality --out out --json out.json";
    let ran = bench(&format!("compare {{pocket}} bert.gguf {quick}")).run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let models = ran.json("out.json")["models"].clone();
    let reason = models[1]["outcome"]["failed"]["reason"].as_str().unwrap();
    assert!(reason.contains("can't be held against a model that generates"), "{reason}");
    assert!(metric(&models[0], "tg4").is_some());
    let ran = bench(&format!("compare bert.gguf {{pocket}} {quick}")).run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let reason = ran.json("out.json")["models"][1]["outcome"]["failed"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("can't be held against the original, an embedding model"), "{reason}");
}

#[test]
fn a_plan_of_which_nothing_is_left_is_refused() {
    let bench = |line: &str| Bench::new(line).file("bert.gguf", &bert(Stored::F16));
    for (line, words) in [
        ("compare bert.gguf bert.gguf --pp 0 --tg 8", "nothing can be measured: tg8, "),
        ("compare bert.gguf bert.gguf --pp 2000 --tg 0 --no-quality --prompts none", "trained for 1024 tokens"),
        ("quality bert.gguf bert.gguf", "output quality: an embedding model"),
        ("reference bert.gguf --out x.gbref", "output quality: an embedding model"),
    ] {
        let ran = bench(line).run();
        assert!(ran.code == 1 && ran.tells(words), "{line}: {}", ran.stderr);
    }
}
