//! sweep and demo: quantizing by llama.cpp, then comparing.

use crate::support::Bench;

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
    assert!(ran.stdout.contains("Q4_K_M") && ran.stdout.contains("report.html"), "{}", ran.stdout);
    let page = ran.read("out/report.html");
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}
