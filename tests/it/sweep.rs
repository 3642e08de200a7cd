//! sweep and demo: quantizing by llama.cpp, then comparing.

use std::fs;

use crate::support::{Bench, POCKET, quants};

#[test]
fn a_sweep_makes_the_types_it_was_asked_for() {
    let ran = Bench::new(
        "sweep {pocket} --types Q8_0,Q4_0 --keep kept --quick --pp 16 --tg 8 --prompts none --no-quality --json a.json",
    )
    .run()
    .ok();
    let analysis = ran.json("a.json");
    let quants: Vec<&str> =
        analysis["models"].as_array().unwrap().iter().map(|m| m["quant"].as_str().unwrap()).collect();
    assert_eq!(quants, ["F16", "Q8_0", "Q4_0"]);
    // The size llama-quantize makes, as in the model's own documentation.
    let size = std::fs::metadata(ran.folder.path().join("kept/pocket-4m-Q8_0.gguf")).unwrap().len();
    assert_eq!(size, 4_601_952);
    assert!(
        !ran.folder
            .path()
            .join("kept")
            .read_dir()
            .unwrap()
            .any(|f| f.unwrap().path().extension().unwrap() == "partial")
    );
}

#[test]
fn a_requantized_checkpoint_is_labelled() {
    let ran = Bench::new(
        "sweep --types Q4_0 --allow-requantize --quick --pp 8 --tg 0 --prompts none --no-quality --json a.json",
    )
    .arg(&crate::support::quants()[0])
    .run()
    .ok();
    let analysis = ran.json("a.json");
    let warnings = analysis["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|w| w["kind"] == "requantized"), "{warnings:?}");
}

#[test]
fn the_demo_needs_nothing_but_the_binary() {
    let ran = Bench::new("demo --quick --pp 32 --tg 8 --inner 2 --max-new-tokens 8 --out out").run().ok();
    assert!(ran.says("Q4_K_M") && ran.says("report.html"), "{}", ran.stdout);
    let page = ran.read("out/report.html");
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn what_cannot_be_made_is_three_different_sentences() {
    for (types, words) in [
        ("IQ2_XXS", "IQ2_XXS needs an importance matrix"),
        ("Q8_0,Q2_K_S", "Q2_K_S needs an importance matrix"),
        ("MXFP4_MOE", "MXFP4_MOE is no type that sweep makes"),
        ("q4km", "there is no type \"q4km\"; near it: Q4_K_M"),
    ] {
        let ran = Bench::new(&format!("sweep {{pocket}} --types {types} --keep kept --out out")).run();
        assert!(ran.code == 1 && ran.tells(words), "{types}: {}", ran.stderr);
        assert!(!ran.folder.path().join("kept").exists() && !ran.folder.path().join("out").exists(), "{types}");
    }
    let line = "sweep {pocket} --types Q4_K_M, --dry-run --prompts none --no-quality";
    assert!(Bench::new(line).run().ok().says("to be made of it: Q4_K_M "), "a comma at the end is nothing");
}

#[test]
fn a_dry_run_ends_as_the_run_would_and_tells_the_bytes() {
    let ends = |line: &str| {
        let ran = Bench::new(&format!("{line} --dry-run --prompts none --no-quality")).run();
        (ran.code, ran.stdout, ran.stderr)
    };
    let (code, text, _) = ends("sweep {pocket} --types Q8_0,Q4_0 --keep kept");
    // As llama-quantize makes them: 4 601 952 and 2 775 136 bytes.
    assert!(code == 0 && text.contains("Q8_0 4.39 MiB, Q4_0 2.65 MiB; 7.04 MiB in all, in kept"), "{code} {text}");
    let (code, _, error) = ends("compare nope.gguf nope2.gguf");
    assert!(code == 1 && error.contains("nope.gguf does not exist") && error.contains("nope2.gguf"), "{error}");
    let (code, _, error) = ends("compare nope.gguf {pocket}");
    assert!(code == 1 && error.contains("the original can't be measured"), "{error}");
    assert_eq!(ends("compare nope.gguf {pocket} --force").0, 5);
    assert_eq!(ends("compare {pocket} nope.gguf").0, 5);
    let (code, _, error) = ends(&format!("sweep {} --types Q4_0", quants()[0].display()));
    assert!(code == 1 && error.contains("is already quantized (Q8_0)"), "{error}");
    let (code, _, error) = ends("compare {pocket} {pocket} -fa off -ctv q8_0");
    assert_eq!(code, 1);
    assert_eq!(error.matches("needs flash attention").count(), 1, "it is no model's fault: {error}");
    assert_eq!(ends("compare {pocket} {pocket} --device cuda").0, 1);
}

#[test]
fn a_quantized_v_cache_without_flash_attention_is_refused_before_anything_is_loaded() {
    let line = "compare {pocket} {pocket} -fa off -ctv q8_0 --quick --prompts none --no-quality --out out";
    let ran = Bench::new(line).run();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        "error: a quantized V cache (-ctv q8_0) needs flash attention: leave out -fa off, or take -ctv f16\n"
    );
    assert!(!ran.folder.path().join("out").exists(), "nothing was begun");
}

#[cfg(unix)]
#[test]
fn what_is_made_of_a_split_original_is_named_without_its_part() {
    use crate::support::gguf::Gguf;
    let bench = Bench::new(
        "sweep x-F16-00001-of-00002.gguf --types Q8_0 --keep kept --quick --pp 8 --tg 0 --prompts none --no-quality",
    );
    let [first, second] = Gguf::pocket().split_in_two();
    let bench = bench.file("x-F16-00001-of-00002.gguf", &first).file("x-F16-00002-of-00002.gguf", &second);
    let ran = bench.run().ok();
    assert!(ran.tells("To be made: Q8_0 4.39 MiB"), "{}", ran.stderr);
    let made: Vec<_> = fs::read_dir(ran.folder.path().join("kept")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(made, ["x-Q8_0.gguf"]);
    assert_eq!(fs::metadata(ran.folder.path().join("kept/x-Q8_0.gguf")).unwrap().len(), 4_601_952);
    assert!(fs::metadata(POCKET).is_ok());
}
