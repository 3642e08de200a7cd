//! Facts of the bundled model and of small made ones.

use super::super::fixture::{Fixture, string};
use super::super::{
    Facts, GgmlType, Heads, Model,
    kv_cache::KvUnknown,
    metadata::{Text, Value, ValueType},
    mix::Class,
    types::FileTypeSource,
};
use super::{bundled, facts_of, parse};

fn pocket() -> Facts {
    Model::read(&bundled()).unwrap().facts()
}

#[test]
fn the_bundled_model_is_what_its_readme_says() {
    let facts = pocket();
    assert_eq!(facts.name.as_deref(), Some("Pocket 4M"));
    assert_eq!(facts.weights.params, 4_196_608);
    assert_eq!(facts.file_bytes, 8_534_112);
    assert_eq!((facts.weights.tensors, facts.gguf_version, facts.files), (38, 3, 1));
    assert_eq!(facts.data_offset + facts.weights.bytes, 8_534_112);
    assert_eq!(facts.file_type.map(|ty| (ty.short, ty.source)), Some(("F16", FileTypeSource::Stated)));
    let shape = facts.shape;
    assert_eq!(shape.architecture.as_deref(), Some("llama"));
    assert_eq!(
        (shape.n_ctx_train, shape.n_layer, shape.n_embd, shape.n_vocab),
        (Some(2048), Some(4), Some(256), Some(4096))
    );
    assert_eq!((shape.n_head, shape.n_head_kv), (Some(Heads::Same(4)), Some(Heads::Same(2))));
    assert_eq!((shape.key_length, shape.value_length), (Some(64), Some(64)));
    let tokenizer = facts.tokenizer.unwrap();
    assert_eq!((tokenizer.model.as_deref(), tokenizer.pre.as_deref()), (Some("gpt2"), Some("gpt-2")));
    assert_eq!((tokenizer.add_bos, tokenizer.add_eos), (Some(true), Some(false)));
    assert_eq!((tokenizer.bos_id, tokenizer.eos_id, tokenizer.tokens), (Some(0), Some(0), Some(4096)));
    assert_eq!(facts.chat_template, None);
    assert_eq!(facts.imatrix, None);
    assert_eq!((facts.k_quants.matrices, facts.k_quants.fallback.tensors), (29, 0));
}

#[test]
fn types_and_parts_of_the_model_add_up() {
    let facts = pocket();
    let f32s = facts.by_type[&GgmlType::F32];
    let f16s = facts.by_type[&GgmlType::F16];
    assert_eq!((f32s.tensors, f32s.params, f32s.bytes), (9, 9 * 256, 9 * 1024));
    assert_eq!(f16s.params + f32s.params, facts.weights.params);
    let expected = 8.0 * (2 * f16s.params + 4 * f32s.params) as f64 / 4_196_608.0;
    assert!((facts.bits_per_weight.unwrap() - expected).abs() < 1e-12);
    assert_eq!(facts.mix.iter().map(|row| row.totals.bytes).sum::<u64>(), facts.weights.bytes);
    let embedding = facts.mix.iter().find(|row| row.class == Class::TokenEmbd).unwrap();
    assert_eq!((embedding.ty, embedding.totals.params), (GgmlType::F16, 4096 * 256));
    assert!(facts.mix.iter().all(|row| row.class != Class::Other), "{:?}", facts.mix);
}

#[test]
fn the_cache_has_llama_cpps_size() {
    let shape = pocket().shape;
    // 4 layers, 2 heads of 64, keys and values.
    assert_eq!(shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16), Ok(512 * 4 * 2 * 64 * 2 * 2));
    assert_eq!(shape.kv_cache_bytes(257, GgmlType::Q8_0, GgmlType::Q8_0), Ok(512 * 4 * 2 * 128 / 32 * 34));
    let refused = shape.kv_cache_bytes(512, GgmlType::Q4_K, GgmlType::F16);
    assert_eq!(refused, Err(KvUnknown::PartialBlock { row: 128, ty: GgmlType::Q4_K }));
}

#[test]
fn the_cache_is_unknown_where_the_header_does_not_tell() {
    let shape = facts_of(&Fixture::default().text("general.architecture", "mamba")).shape;
    let unknown = KvUnknown::Architecture { architecture: "mamba".to_owned() };
    assert_eq!(shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16), Err(unknown));
    let shape = facts_of(&Fixture::default().text("general.architecture", "llama")).shape;
    assert_eq!(
        shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16),
        Err(KvUnknown::Missing { what: "the number of layers" })
    );
    let phi3 = Fixture::default().text("general.architecture", "phi3").u32("phi3.attention.sliding_window", 2047);
    assert_eq!(
        facts_of(&phi3).shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16),
        Err(KvUnknown::SlidingWindow { window: 2047 })
    );
}

#[test]
fn absurd_dimensions_overflow_into_an_error() {
    let mut fixture = Fixture::default().text("general.architecture", "llama").u32("llama.attention.head_count", 0);
    for key in
        ["block_count", "embedding_length", "attention.key_length", "attention.value_length", "attention.head_count_kv"]
    {
        fixture = fixture.raw(format!("llama.{key}"), ValueType::U64 as u32, &u64::MAX.to_le_bytes());
    }
    let shape = facts_of(&fixture).shape;
    assert_eq!(shape.kv_cache_bytes(u32::MAX, GgmlType::F32, GgmlType::F32), Err(KvUnknown::Overflow));
}

#[test]
fn heads_may_differ_by_layer() {
    let heads = [4_i32, 0, 2].map(i32::to_le_bytes).concat();
    let fixture = Fixture::default()
        .text("general.architecture", "llama")
        .u32("llama.block_count", 3)
        .u32("llama.embedding_length", 256)
        .u32("llama.attention.head_count", 4)
        .array("llama.attention.head_count_kv", ValueType::I32, 3, &heads);
    let shape = facts_of(&fixture).shape;
    assert_eq!(shape.n_head_kv, Some(Heads::PerLayer(vec![4, 0, 2])));
    assert_eq!(shape.kv_cache_bytes(256, GgmlType::F16, GgmlType::F16), Ok(256 * 6 * 64 * 2 * 2));
}

#[test]
fn file_type_is_guessed_only_where_none_is_stated() {
    let facts = facts_of(&Fixture::llama().tensor("output.weight", &[256, 3], GgmlType::Q4_K));
    assert_eq!(facts.file_type.map(|ty| (ty.short, ty.source)), Some(("Q4_K_M", FileTypeSource::Guessed)));
    let stated = |id| facts_of(&Fixture::llama().u32("general.file_type", id)).file_type.map(|ty| (ty.name, ty.source));
    assert_eq!(stated(14), Some(("Q4_K - Small", FileTypeSource::Stated)));
    // It has no tensor of Q5_K, and no program knows 99.
    assert_eq!(stated(17), Some(("Q4_K - Medium", FileTypeSource::Tensors)));
    assert_eq!(stated(99), Some(("Q4_K - Medium", FileTypeSource::Tensors)));
}

#[test]
fn layers_for_speculation_and_tables_of_rows_have_classes_of_their_own() {
    let with_heads = Fixture::llama()
        .u32("llama.nextn_predict_layers", 1)
        .tensor("per_layer_token_embd.weight", &[256, 8], GgmlType::F16)
        .tensor("blk.1.attn_q.weight", &[256, 256], GgmlType::F16)
        .tensor("blk.1.nextn.eh_proj.weight", &[256, 512], GgmlType::F16);
    let mut two = with_heads.clone();
    // One layer runs, the second predicts further.
    let keys = String::from_utf8_lossy(&two.keys.1).into_owned();
    let at = keys.find("llama.block_count").unwrap() + "llama.block_count".len() + 4;
    two.keys.1[at] = 2;
    let facts = facts_of(&two);
    assert_eq!((facts.shape.n_layer, facts.shape.n_layer_unused), (Some(2), 1));
    assert_eq!((facts.unused.tensors, facts.unused.bytes), (2, 2 * (256 * 256 + 256 * 512)));
    assert_eq!(facts.weights.tensors, 4);
    assert!(facts.mix.iter().any(|row| row.class == Class::PerLayerEmbd));
    let of_one = facts_of(&Fixture::llama()).shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16);
    assert_eq!(facts.shape.kv_cache_bytes(512, GgmlType::F16, GgmlType::F16), of_one);
}

#[test]
fn rows_that_break_k_quants_are_counted() {
    let fits = facts_of(&Fixture::llama().tensor("blk.0.ffn_up.weight", &[96, 10], GgmlType::F16)).k_quants;
    assert_eq!((fits.matrices, fits.fallback.tensors, fits.fallback.params), (3, 1, 960));
}

#[test]
fn imatrix_and_chat_template_are_reported() {
    let template = "{{ messages }}".repeat(30_000);
    let facts = facts_of(
        &Fixture::llama()
            .text("quantize.imatrix.file", "imatrix.gguf")
            .raw("quantize.imatrix.entries_count", ValueType::I32 as u32, &224_i32.to_le_bytes())
            .text("tokenizer.chat_template", &template),
    );
    let imatrix = facts.imatrix.unwrap();
    assert_eq!((imatrix.file.as_deref(), imatrix.entries, imatrix.chunks), (Some("imatrix.gguf"), Some(224), None));
    let found = facts.chat_template.unwrap();
    assert_eq!((found.bytes, found.text.len()), (template.len() as u64, Text::MAX_KEPT));
    assert_ne!(
        found.sha256,
        facts_of(&Fixture::llama().text("tokenizer.chat_template", "x")).chat_template.unwrap().sha256
    );
}

#[test]
fn the_fingerprint_sees_the_tokenizer_and_nothing_else() {
    let fingerprint = |fixture: &Fixture| facts_of(fixture).tokenizer.unwrap().fingerprint;
    let base = fingerprint(&Fixture::llama());
    assert_eq!(base, fingerprint(&Fixture::llama().text("tokenizer.chat_template", "x").u32("general.file_type", 15)));
    assert_ne!(base, fingerprint(&Fixture::llama().u32("tokenizer.ggml.eos_token_id", 2)));
    assert_ne!(base, fingerprint(&Fixture::llama().text("tokenizer.ggml.pre", "gpt-2")));
    assert_ne!(
        base,
        fingerprint(&Fixture::llama().array("tokenizer.ggml.merges", ValueType::String, 1, &string("a b")))
    );
    assert_eq!(facts_of(&Fixture::default()).tokenizer, None);
}

#[test]
fn version_2_and_other_alignments_are_read() {
    let mut fixture = Fixture::llama();
    fixture.version = 2;
    assert_eq!(parse(&fixture.bytes()).unwrap().version, 2);
    let aligned = Fixture::default().u32("general.alignment", 64);
    assert_eq!(parse(&aligned.bytes()).unwrap().metadata.unsigned("general.alignment"), Some(64));
}

#[test]
fn short_arrays_are_kept_and_vocabularies_are_digests() {
    let fixture = Fixture::llama().array("general.tags", ValueType::String, 2, &[string("x"), string("y")].concat());
    let metadata = parse(&fixture.bytes()).unwrap().metadata;
    assert_eq!(metadata.get("general.tags").unwrap().summary(), "[x, y]");
    let Some(Value::Digest(digest)) = metadata.get("tokenizer.ggml.tokens") else { panic!("tokens are kept") };
    assert_eq!((digest.elements, digest.count, digest.bytes), (ValueType::String, 3, 27));
}

#[test]
fn facts_serialize_with_names() {
    let json = serde_json::to_value(pocket()).unwrap();
    assert_eq!(json["by_type"]["F16"]["tensors"], 29);
    assert_eq!(json["mix"][0]["class"], "token_embd");
    assert_eq!(json["shape"]["n_head_kv"], 2);
}
