//! Work at a depth of context, and generation against the memory: on real files, by llama-bench's names.

use std::path::Path;

use gguf_bench::testing::engine::Engine;

use crate::support::{Bench, POCKET, engine, quants, skipped};

#[test]
fn every_length_is_measured_at_every_depth_the_model_was_trained_for() {
    let [q8, _, _] = quants();
    let ran = Bench::new(
        "compare {pocket} --rounds 2 --inner 2 --pp 32 --tg 8 --depth 64,0,4096 --prompts none --no-quality --json a.json --out out",
    )
    .arg(q8)
    .run()
    .ok();
    let run = ran.json("out/run.json");
    let ids: Vec<&str> =
        run["plan"]["workloads"].as_array().unwrap().iter().map(|w| w["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["pp32", "tg8", "pp32 @ d64", "tg8 @ d64", "pp32 @ d4096", "tg8 @ d4096"]);
    assert_eq!(run["plan"]["workloads"][3]["kind"]["tg"]["n_depth"], 64);
    for visit in run["rounds"].as_array().unwrap().iter().flat_map(|r| r["visits"].as_array().unwrap()) {
        let samples = visit["samples"].as_array().unwrap();
        let of = |workload: usize| -> Vec<u64> {
            let own = samples.iter().filter(|s| s["workload"] == workload);
            own.map(|s| s["n_tokens"].as_u64().unwrap()).collect()
        };
        // Only the tokens after the depth are timed.
        assert_eq!([of(0), of(1), of(2), of(3)], [vec![32; 2], vec![8; 2], vec![32; 2], vec![8; 2]]);
        assert!(of(4).is_empty() && of(5).is_empty());
        let skipped: Vec<(u64, u64)> = visit["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| (s["workload"].as_u64().unwrap(), s["n_ctx_needed"].as_u64().unwrap()))
            .collect();
        assert_eq!(skipped, [(4, 4128), (5, 4104)]);
    }

    let analysis = ran.json("a.json");
    let (original, candidate) = (&analysis["models"][0], &analysis["models"][1]);
    assert!(candidate["vs_original"]["tg8 @ d64"]["ratio"].as_f64().unwrap() > 0.0);
    let retained = original["retained"].as_array().unwrap();
    let pairs: Vec<(&str, &str)> =
        retained.iter().map(|r| (r["key"].as_str().unwrap(), r["of"].as_str().unwrap())).collect();
    assert_eq!(pairs, [("pp32 @ d64", "pp32"), ("tg8 @ d64", "tg8")]);
    let not_done = analysis["not_done"].as_array().unwrap();
    let deep: Vec<&str> =
        not_done.iter().filter(|one| one["part"] == "depth").map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(deep.len(), 2, "once for both models");
    assert!(
        deep[0].contains(
            "pp32 @ d4096 was not measured: it needs a context of 4128 tokens, and the model was trained for 2048."
        ),
        "{}",
        deep[0]
    );

    // The memory was measured, and what generation reads of it is weights and cache.
    let page = ran.read("out/report.html");
    for there in ["id=\"chart-depth\"", "id=\"depth-table\""] {
        assert!(page.contains(there), "{there}");
    }
    if let Some(bandwidth) = run["machine"]["memory_bandwidth"]["bytes_per_s"].as_f64() {
        let row = &analysis["roofline"]["rows"][0];
        let bytes = row["weights_bytes"].as_f64().unwrap() + row["kv_bytes"].as_f64().unwrap();
        let tps = original["metrics"]["tg8"]["value"].as_f64().unwrap();
        assert!((row["share"].as_f64().unwrap() / (tps * bytes / bandwidth) - 1.0).abs() < 1e-9);
        // The embedding is the output, too: all weights are read.
        assert_eq!(row["weights_bytes"], run["subjects"][0]["facts"]["weights_bytes"]);
        for there in ["id=\"chart-bandwidth\"", "id=\"bandwidth-table\""] {
            assert!(page.contains(there), "{there}");
        }
    } else {
        skipped("less than four times what a look at the bandwidth takes is free: it was not measured");
    }
    let rows = Bench::new("report --format llama-bench-jsonl").arg(ran.folder.path().join("out")).run().ok();
    let rows: Vec<serde_json::Value> = rows.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let depths: Vec<(u64, u64, u64)> = rows
        .iter()
        .take(4)
        .map(|r| (r["n_prompt"].as_u64().unwrap(), r["n_gen"].as_u64().unwrap(), r["n_depth"].as_u64().unwrap()))
        .collect();
    assert_eq!(depths, [(32, 0, 0), (0, 8, 0), (32, 0, 64), (0, 8, 64)]);
}

#[test]
fn the_context_is_cut_back_to_the_depth_and_not_further() {
    let config = serde_json::from_value(serde_json::json!({
        "device": "cpu", "n_gpu_layers": 0, "n_threads": 1, "n_threads_batch": 1, "n_batch": 512, "n_ubatch": 512,
        "type_k": "f16", "type_v": "f16", "flash_attention": "auto"
    }))
    .unwrap();
    let model = engine().load(Path::new(POCKET), &config).unwrap();
    let mut session = model.open(256).unwrap();
    assert!(!session.keep_first(64), "nothing is in it");
    session.prefill(&[5; 64]).unwrap();
    session.decode(&[6; 8]).unwrap();
    assert!(!session.keep_first(73), "so many are not there");
    assert!(session.keep_first(64));
    // The context holds 256: the 8 are gone, the 64 are not.
    session.decode(&[7; 192]).unwrap();
    assert!(session.decode(&[8]).is_err(), "full");
    drop(model);
    assert!(session.keep_first(64), "a context keeps its model");
}

#[test]
fn a_dry_run_counts_the_depth_and_names_what_is_too_deep() {
    let line = |depth: &str| {
        format!("compare {{pocket}} {{pocket}} --dry-run --pp 32 --tg 8 --prompts none --no-quality --depth {depth}")
    };
    let plain = Bench::new(&line("0")).run().ok().stdout;
    let deep = Bench::new(&line("0,1024,2048")).run().ok().stdout;
    assert!(deep.contains("pp32, tg8, pp32 @ d1024, tg8 @ d1024, pp32 @ d2048, tg8 @ d2048"), "{deep}");
    assert!(deep.contains("tg8 @ d2048 needs a context of 2056, which it was not trained for"), "{deep}");
    let cache = |text: &str| text.split("KV cache ").nth(1).unwrap().split(" = ").next().unwrap().to_owned();
    assert_ne!(cache(&plain), cache(&deep), "the cache of the longest context");
}

#[test]
fn depths_that_no_model_was_trained_for_are_refused_at_once() {
    let ran = Bench::new("compare {pocket} {pocket} --depth 4096 --prompts none --no-quality --out out").run();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.tells("every --depth exceeds the 2048 tokens"), "{}", ran.stderr);
    assert!(!ran.folder.path().join("out").exists(), "nothing was begun");
}

#[test]
fn a_thorough_run_goes_deep_and_a_usual_one_does_not() {
    let plan = |options: &str| Bench::new(&format!("compare {{pocket}} {{pocket}} --dry-run {options}")).run().ok();
    let full = plan("--full");
    assert!(full.says("pp512 @ d4096, tg128 @ d4096, pp512 @ d16384, tg128 @ d16384; 12 prompts"), "{}", full.stdout);
    assert!(full.says("about 30 min have passed"), "{}", full.stdout);
    // This model was trained for less, which is said and not tried.
    assert!(full.says("pp512 @ d4096 needs a context of 4608, which it was not trained for"), "{}", full.stdout);
    let typed = plan("--full -d 0,512 --budget 5m --prompts none");
    assert!(typed.says("tg128 @ d512") && !typed.says("d4096") && !typed.says("12 prompts"), "{}", typed.stdout);
    assert!(!plan("").says("@ d"));
}
