//! compare on real files: the record, the analysis and the reports agree with each other and with the files.

use crate::support::{Bench, quants};

#[test]
fn an_original_and_two_quants_are_measured_and_reported() {
    let [q8, _, q2] = quants();
    let ran = Bench::new(
        "compare {pocket} --rounds 2 --pp 64,32 --tg 16 --inner 2 --prompts two.txt --max-new-tokens 8 --no-quality --out out",
    )
    .file("two.txt", b"And it came to pass\n\nhacker: n. A person who enjoys\n")
    .arg(q8)
    .arg(q2)
    .run()
    .ok();
    let run = ran.json("out/run.json");
    assert_eq!(run["format"], 2);
    assert_eq!(run["ended"], "rounds_done");
    assert_eq!(run["subjects"][0]["facts"]["n_params"], 4_196_608);
    assert_eq!(run["subjects"][0]["facts"]["file_bytes"], 8_534_112);
    assert_eq!(
        run["subjects"][0]["facts"]["sha256"],
        "904be898215c07e82eba03808ca9ab1fe498cbedbd330b32b5f871058cf22877"
    );
    let rounds = run["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    let order = |round: usize| -> Vec<u64> {
        rounds[round]["visits"].as_array().unwrap().iter().map(|v| v["model"].as_u64().unwrap()).collect()
    };
    assert_eq!(order(0).into_iter().rev().collect::<Vec<_>>(), order(1), "the second round mirrors the first");

    for visit in rounds.iter().flat_map(|r| r["visits"].as_array().unwrap()) {
        assert_eq!(visit["outcome"], "done");
        // pp64, pp32 and tg16 twice each, and two prompts of up to two phases.
        let samples = visit["samples"].as_array().unwrap();
        assert!((3 * 2 + 2..=3 * 2 + 4).contains(&samples.len()), "{}", samples.len());
        for sample in samples {
            let (native, wall) = (sample["native_ns"].as_u64().unwrap(), sample["wall_ns"].as_u64().unwrap());
            assert!(native > 0 && native <= wall, "llama.cpp's clock runs inside ours: {sample}");
        }
        let memory = &visit["memory"];
        let (peak, initial) =
            (memory["peak_rss_bytes"].as_u64().unwrap(), memory["initial"]["rss_bytes"].as_u64().unwrap());
        assert!(peak > initial);
        // As many readings as the machine gave time for: one at least where something was begun.
        let series = &memory["series"];
        let (at, marks) = (series["at_ms"].as_array().unwrap(), series["marks"].as_array().unwrap());
        assert!(at.len() >= marks.len().max(2) && series["rss_kib"].as_array().unwrap().len() == at.len(), "{memory}");
        assert!(series["rss_kib"].as_array().unwrap().iter().all(|kib| kib.as_u64().unwrap() * 1024 <= peak));
        assert_eq!(visit["generations"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn the_buffers_llama_cpp_accounts_for_hold_the_weights() {
    let ran =
        Bench::new("compare {pocket} {pocket} --quick --pp 64 --tg 0 --prompts none --no-quality --out out").run().ok();
    let run = ran.json("out/run.json");
    let weights = run["subjects"][0]["facts"]["weights_bytes"].as_u64().unwrap() as f64;
    let kv = run["subjects"][0]["facts"]["expected_kv_bytes"].as_u64().unwrap() as f64;
    let buffers = run["rounds"][0]["visits"][0]["buffers"].as_array().unwrap();
    let sum = |field: &str| buffers.iter().map(|b| b[field].as_u64().unwrap() as f64).sum::<f64>();
    assert!((sum("weights_bytes") / weights - 1.0).abs() < 0.02, "{} against {weights}", sum("weights_bytes"));
    // The output row lies beside the KV cache.
    assert!(
        sum("context_bytes") >= kv && sum("context_bytes") < kv + 200_000.0,
        "{} against {kv}",
        sum("context_bytes")
    );
    assert!(sum("compute_bytes") > 0.0);
}

#[test]
fn the_analysis_has_the_shape_scripts_rely_on() {
    let [q8, ..] = quants();
    let ran = Bench::new("compare {pocket} --rounds 6 --pp 16 --tg 8 --prompts none --no-quality --quiet --json -")
        .arg(q8)
        .run()
        .ok();
    let analysis = ran.stdout_json();
    assert_eq!(analysis["format"], 2);
    let models = analysis["models"].as_array().unwrap();
    assert_eq!((models[0]["role"].as_str(), models[1]["role"].as_str()), (Some("original"), Some("candidate")));
    for key in ["pp16", "tg8", "load", "memory_peak"] {
        let metric = &models[1]["metrics"][key];
        let number = |field: &str| metric[field].as_f64();
        // Where the page cache was lost between rounds, too few loads are of one kind, and where memory was short, too few peaks.
        let may_be_open = ["load", "memory_peak"].contains(&key);
        match (number("low"), number("high")) {
            (Some(low), Some(high)) => assert!((low..=high).contains(&number("value").unwrap()), "{key}: {metric}"),
            none => assert!(may_be_open && none == (None, None), "{key}: {metric}"),
        }
        assert!(metric["unit"].is_string());
        let versus = &models[1]["vs_original"][key];
        let number = |field: &str| versus[field].as_f64();
        match (number("low"), number("high")) {
            (Some(low), Some(high)) => {
                assert!((low..=high).contains(&number("ratio").unwrap()), "{key}: {versus}");
                assert!(!versus["verdict"].is_null());
            }
            none => assert!(may_be_open && none == (None, None) && versus["verdict"].is_null(), "{key}: {versus}"),
        }
    }
    assert!(models[0]["vs_original"].as_object().unwrap().is_empty());
}

#[test]
fn two_rounds_give_no_interval_and_no_verdict() {
    let ran =
        Bench::new("compare {pocket} {pocket} --quick --pp 16 --tg 0 --prompts none --no-quality --json -").run().ok();
    let candidate = &ran.stdout_json()["models"][1];
    assert!(candidate["metrics"]["pp16"]["value"].is_number());
    for (place, field) in [("metrics", "low"), ("metrics", "high"), ("vs_original", "low"), ("vs_original", "verdict")]
    {
        assert!(candidate[place]["pp16"][field].is_null(), "{place} {field}");
    }
}

#[test]
fn a_record_renders_again_to_the_same_bytes() {
    let ran =
        Bench::new("compare {pocket} {pocket} --quick --pp 16 --tg 8 --prompts none --no-quality --out out").run().ok();
    let record = ran.folder.path().join("out/run.json");
    for (format, file) in [("html", "out/report.html"), ("md", "out/report.md"), ("csv", "out/summary.csv")] {
        let again = Bench::new(&format!("report --format {format} --out -")).arg(&record).run().ok();
        assert_eq!(again.stdout, ran.read(file), "{format}");
    }
}

#[test]
fn a_folder_stands_for_its_one_model_and_results_have_a_default_place() {
    let bench = Bench::new("compare {pocket} models/ --quick --pp 16 --tg 0 --prompts none --no-quality");
    std::fs::create_dir(bench.folder.path().join("models")).unwrap();
    std::fs::copy(&quants()[0], bench.folder.path().join("models/one.gguf")).unwrap();
    let ran = bench.run().ok();
    let results: Vec<_> = std::fs::read_dir(ran.folder.path().join("results")).unwrap().collect();
    assert_eq!(results.len(), 1);
    assert!(ran.says("report.html"));
}

#[test]
fn a_dry_run_measures_nothing() {
    let ran = Bench::new("compare {pocket} {pocket} --dry-run").run().ok();
    for word in ["pp512", "rounds", "KV cache", "Time"] {
        assert!(ran.says(word), "{word} in\n{}", ran.stdout);
    }
    assert!(!ran.folder.path().join("results").exists());
}

#[test]
fn native_and_our_clock_agree_within_one_per_cent() {
    let ran =
        Bench::new("compare {pocket} {pocket} --quick --pp 512 --tg 0 --inner 5 --prompts none --no-quality --out out")
            .run()
            .ok();
    let run = ran.json("out/run.json");
    let mut apart: Vec<f64> = run["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r["visits"].as_array().unwrap())
        .flat_map(|v| v["samples"].as_array().unwrap())
        .map(|s| 1.0 - s["native_ns"].as_f64().unwrap() / s["wall_ns"].as_f64().unwrap())
        .collect();
    // What they differ in by construction they differ in each time; a machine that is busy adds what it likes between the two.
    apart.sort_by(f64::total_cmp);
    assert!((0.0..0.01).contains(&apart[0]), "{apart:?}");
}
