//! What is no model that generates text is named as what it is, by every command and before anything is made of it.

use std::fs;

use crate::support::{
    Bench,
    gguf::{Gguf, TEXT, U32, string},
};

const F32: u32 = 0;
const MXFP4: u32 = 39;
const QUICK: &str = "--quick --pp 4 --tg 2 --prompts none --no-quality --out out --json out.json";

/// Without a tokenizer, of this type and architecture, with these tensors.
fn bare(general_type: &str, architecture: &str, tensors: &[&str]) -> Gguf {
    let start = Gguf::pocket()
        .without_keys("tokenizer.")
        .without_if_there("general.type")
        .with("general.type", TEXT, &string(general_type))
        .set("general.architecture", TEXT, &string(architecture))
        .only(&[]);
    tensors.iter().fold(start, |file, name| file.and(name, &[8], F32, &[0; 32]))
}

fn cases() -> Vec<(&'static str, Gguf)> {
    vec![
        ("a projector (mmproj)", bare("mmproj", "clip", &["v.blk.0.attn_q.weight", "mm.0.weight"])),
        (
            "an adapter (LoRA), not a model: it needs its base model",
            bare("adapter", "llama", &["blk.0.attn_q.weight.lora_a"]),
        ),
        ("an importance matrix", bare("imatrix", "llama", &["blk.0.attn_q.weight.in_sum2"])),
        ("a draft head", Gguf::pocket().set("general.architecture", TEXT, &string("gemma4-assistant"))),
        ("a draft head", Gguf::pocket().set("general.architecture", TEXT, &string("eagle3"))),
        ("a vocabulary alone", Gguf::pocket().only(&[])),
        (
            "Ollama's own packing",
            Gguf::pocket().and("v.blk.0.attn_q.weight", &[8], F32, &[0; 32]).and(
                "mm.input_projection.weight",
                &[8],
                F32,
                &[0; 32],
            ),
        ),
    ]
}

/// Models, and what they are, that give no next token.
fn without_next_token() -> Vec<(&'static str, Gguf)> {
    vec![
        ("an embedding model, which gives a vector", Gguf::pocket().set("general.architecture", TEXT, &string("bert"))),
        ("an encoder-decoder model", Gguf::pocket().set("general.architecture", TEXT, &string("t5"))),
        ("not autoregressive", Gguf::pocket().with("llama.attention.causal", 7, &[0])),
        ("an embedding model", Gguf::pocket().with("llama.pooling_type", U32, &1_u32.to_le_bytes())),
    ]
}

fn all() -> Vec<(&'static str, Gguf)> {
    [cases(), without_next_token()].concat()
}

#[test]
fn inspect_begins_with_the_kind() {
    for (words, file) in all() {
        let text = Bench::new("inspect x.gguf").file("x.gguf", &file.bytes()).run().ok().stdout;
        let kind = text.lines().nth(1).unwrap();
        assert!(kind.starts_with("kind") && kind.contains(words), "{words}: {text}");
    }
    let model = Bench::new("inspect {pocket}").run().ok().stdout;
    assert!(model.contains("kind               a language model\n"), "{model}");
}

#[test]
fn compare_names_the_kind_in_its_row() {
    let bench = Bench::new(&format!("compare {{pocket}} {QUICK}"));
    let ran = all().iter().enumerate().fold(bench, |bench, (n, (_, file))| {
        let name = format!("x{n}.gguf");
        bench.file(&name, &file.bytes()).arg(name)
    });
    let ran = ran.run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let models = ran.json("out.json")["models"].clone();
    for (n, (words, _)) in all().iter().enumerate() {
        let failed = &models[n + 1]["outcome"]["failed"];
        let reason = failed["reason"].as_str().unwrap();
        assert!(failed["stage"] == "inspect" && reason.contains(words), "{words}: {reason}");
    }
}

#[test]
fn sweep_refuses_them_before_anything_is_made() {
    for (words, file) in cases() {
        let ran = Bench::new("sweep x.gguf --types Q4_0 --keep kept").file("x.gguf", &file.bytes()).run();
        assert_eq!(ran.code, 1, "{words}");
        assert!(ran.tells(words) && ran.stderr.matches("x.gguf").count() == 1, "{}", ran.stderr);
        let made = fs::read_dir(ran.folder.path().join("kept")).map_or(0, Iterator::count);
        assert_eq!(made, 0, "{words}");
    }
}

#[test]
fn a_folder_of_a_projector_alone_holds_no_model() {
    let bench = Bench::new("inspect d");
    fs::create_dir(bench.folder.path().join("d")).unwrap();
    let ran = bench.file("d/vision.gguf", &cases()[0].1.bytes()).run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("there is no language model in this folder"), "{}", ran.stderr);
}

#[test]
fn types_of_other_programs_and_withdrawn_ones_are_named() {
    for (id, words) in [
        (139, "IQ4_K (139) of ik_llama.cpp"),
        (156, "IQ3_KS (156)"),
        (31, "Q4_0_4_4 (31), which llama.cpp has withdrawn"),
    ] {
        let file = Gguf::pocket().entry("blk.0.attn_q.weight", |tensor| tensor.ty = id);
        let ran = Bench::new("inspect x.gguf").file("x.gguf", &file.bytes()).run();
        assert!(ran.code == 1 && ran.tells(words), "{}", ran.stderr);
    }
}

#[test]
fn quantized_tensors_decide_over_a_statement() {
    let hidden = Gguf::pocket()
        .retyped(&["ffn_up", "ffn_gate", "ffn_down"], MXFP4, |params| usize::try_from(params / 32 * 17).unwrap());
    let text = Bench::new("inspect x.gguf").file("x.gguf", &hidden.bytes()).run().ok().stdout;
    assert!(
        text.contains("MXFP4_MOE (MXFP4 MoE) by its tensors; F16 by its file type; 25 % of its bytes are MXFP4"),
        "{text}"
    );
    let ran = Bench::new("sweep x.gguf --types Q4_0 --keep kept").file("x.gguf", &hidden.bytes()).run();
    assert!(ran.code == 1 && ran.tells("is already quantized (F16 by its file type; 25 %"), "{}", ran.stderr);
    for id in [7_u32, 38, 43, 99] {
        let plain = Gguf::pocket().set("general.file_type", U32, &id.to_le_bytes());
        let text = Bench::new("inspect x.gguf").file("x.gguf", &plain.bytes()).run().ok().stdout;
        assert!(text.contains("F16 (F16) by its tensors;"), "{id}: {text}");
        let dry = Bench::new("sweep x.gguf --types Q4_0 --dry-run --prompts none --no-quality")
            .file("x.gguf", &plain.bytes())
            .run();
        assert_eq!(dry.code, 0, "{id}: {}", dry.stderr);
    }
    let none = Gguf::pocket().without("general.file_type");
    let text = Bench::new("inspect x.gguf").file("x.gguf", &none.bytes()).run().ok().stdout;
    assert!(text.contains("F16 (F16), guessed from its tensors"), "{text}");
}

#[test]
fn layers_for_speculation_are_left_out() {
    let file = Gguf::pocket()
        .set("llama.block_count", U32, &5_u32.to_le_bytes())
        .with("llama.nextn_predict_layers", U32, &1_u32.to_le_bytes())
        .and("blk.4.nextn.eh_proj.weight", &[8], F32, &[0; 32]);
    let text = Bench::new("inspect x.gguf").file("x.gguf", &file.bytes()).run().ok().stdout;
    assert!(text.contains("5, 1 of them not run") && text.contains("32.0 B, not loaded"), "{text}");
}

#[test]
fn ollamas_own_packing_is_named_through_its_manifest_too() {
    let packed = Gguf::pocket().and("v.blk.0.attn_q.weight", &[8], F32, &[0; 32]).and(
        "mm.input_projection.weight",
        &[8],
        F32,
        &[0; 32],
    );
    let store = |bench: Bench| {
        let root = bench.folder.path().join("store");
        fs::create_dir_all(root.join("blobs")).unwrap();
        fs::write(root.join("blobs/sha256-ab12"), packed.bytes()).unwrap();
        let manifest = root.join("manifests/registry.ollama.ai/library/x/latest");
        fs::create_dir_all(manifest.parent().unwrap()).unwrap();
        let layers = r#"{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:ab12"}]}"#;
        fs::write(manifest, layers).unwrap();
        let at = format!("OLLAMA_MODELS={}", root.display());
        bench.through(&["env", &at])
    };
    let inspected = store(Bench::new("inspect ollama:x")).run().ok().stdout;
    assert!(inspected.contains("Ollama's own packing"), "{inspected}");
    let ran = store(Bench::new(&format!("compare {{pocket}} ollama:x {QUICK}"))).run();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let reason = ran.json("out.json")["models"][1]["outcome"]["failed"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("Ollama's own packing") && reason.contains("Hub"), "{reason}");
}

#[test]
fn shards_that_were_joined_with_cat_are_told_with_the_way_out() {
    let whole = Gguf::pocket().split_in_two().concat();
    let ran = Bench::new("inspect whole.gguf").file("whole.gguf", &whole).run();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.tells("cat") && ran.tells("llama-gguf-split --merge"), "{}", ran.stderr);
}

#[test]
fn parts_in_upper_case_are_parts() {
    let [first, second] = Gguf::pocket().split_in_two();
    for name in ["inspect .", "inspect A-00001-of-00002.GGUF"] {
        let bench = Bench::new(name).file("A-00001-of-00002.GGUF", &first).file("A-00002-of-00002.GGUF", &second);
        let ran = bench.run().ok();
        assert!(ran.says("a language model"), "{name}: {}", ran.stdout);
    }
}

#[test]
fn warnings_of_llama_cpp_reach_the_report() {
    let file = Gguf::pocket().without("tokenizer.ggml.pre").bytes();
    let bench = Bench::new(&format!("compare a.gguf b.gguf {QUICK}")).file("a.gguf", &file).file("b.gguf", &file);
    let ran = bench.run().ok();
    let report = ran.json("out.json");
    let told: Vec<&str> = report["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|warning| warning["kind"] == "llama_cpp_warned")
        .map(|warning| warning["evidence"].as_str().unwrap())
        .collect();
    assert_eq!(told.len(), 1, "once for both: {told:?}");
    assert!(told[0].contains("GENERATION QUALITY WILL BE DEGRADED"), "{told:?}");
    assert!(ran.says("llama.cpp warned of every model: missing pre-tokenizer type"), "{}", ran.stdout);
    // The bundled model as it is gives none.
    let ran = Bench::new(&format!("compare {{pocket}} {{pocket}} {QUICK}")).run().ok();
    assert!(!ran.says("llama.cpp warned"), "{}", ran.stdout);
}
