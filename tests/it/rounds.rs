//! How long a run lasts and what it does with its time: stopping, budgets, samples, arrangement, workers, self-check.

use serde_json::Value;

use crate::support::{Bench, Ran, quants};

/// Two scripted models on a machine without noise, `b` half as fast again.
const STEADY: &str = r#"{"models":{
  "a.gguf":{"load_ns":1000000,"prefill_ns_per_token":3000,"decode_ns_per_token":6000,"answer":"one two three"},
  "b.gguf":{"load_ns":1000000,"prefill_ns_per_token":2000,"decode_ns_per_token":4000,"answer":"one two three"}}}"#;

fn scripted(options: &str) -> Ran {
    let pocket = std::fs::read(crate::support::POCKET).unwrap();
    Bench::new(&format!("compare a.gguf b.gguf --script script.json --no-quality --out out {options}"))
        .file("script.json", STEADY.as_bytes())
        .file("a.gguf", &pocket)
        .file("b.gguf", &pocket)
        .run()
        .ok()
}

fn record(ran: &Ran) -> Value {
    ran.json("out/run.json")
}

fn visits(record: &Value) -> impl Iterator<Item = &Value> {
    record["rounds"].as_array().unwrap().iter().flat_map(|round| round["visits"].as_array().unwrap())
}

#[test]
fn it_stops_as_soon_as_every_ratio_is_known_well_enough() {
    let ran = scripted("--rounds 8..40 --prompts none --json out.json");
    let analysis = ran.json("out.json");
    assert_eq!(analysis["rounds"], 8);
    assert_eq!(analysis["ended"], "precise");
    let tg = &analysis["models"][1]["vs_original"]["tg128"];
    assert_eq!(tg["verdict"], "faster");
    assert!((tg["ratio"].as_f64().unwrap() - 1.5).abs() < 1e-9);
    let all = &analysis["models"][1]["vs_original"]["all_workloads"];
    assert!((all["ratio"].as_f64().unwrap() - 1.5).abs() < 1e-9, "{all}");
    assert!(analysis["models"][1]["metrics"]["tg128"]["cost_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn every_prompt_has_its_turn_and_long_ones_come_least_often() {
    let ran = scripted("--rounds 10");
    let record = record(&ran);
    let prompts: Vec<usize> = record["plan"]["workloads"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(_, w)| w["kind"]["prompt"].is_object())
        .map(|(index, _)| index)
        .collect();
    let asked = |workload: usize| {
        let generations = visits(&record).flat_map(|v| v["generations"].as_array().unwrap());
        generations.filter(|g| g["workload"] == workload).count()
    };
    assert!(prompts.len() >= 12);
    assert!(prompts.iter().all(|&p| asked(p) >= 4), "each by both models in both rounds of a pair");
    let kind = |p: usize| &record["plan"]["workloads"][p]["kind"]["prompt"];
    let of = |category: &Value| -> usize {
        prompts.iter().filter(|&&p| kind(p)["category"] == *category).map(|&p| asked(p)).sum()
    };
    let by_length = |&&p: &&usize| kind(p)["text"].as_str().unwrap().len();
    let longest = &kind(*prompts.iter().max_by_key(by_length).unwrap())["category"];
    let shortest = &kind(*prompts.iter().min_by_key(by_length).unwrap())["category"];
    assert!(of(longest) < of(shortest), "{longest} {shortest}");
}

#[test]
fn a_budget_ends_a_run_after_a_whole_pair_and_the_report_says_so() {
    let line = "compare {pocket} --prompts none --no-quality --pp 64 --tg 16 --budget 1s --out out --json out.json";
    let ran = Bench::new(line).arg(&quants()[0]).run().ok();
    let analysis = ran.json("out.json");
    assert_eq!(analysis["ended"], "budget");
    let rounds = analysis["rounds"].as_u64().unwrap();
    assert!(rounds >= 2 && rounds.is_multiple_of(2), "{rounds}");
    assert!(ran.stdout.contains("budget"), "{}", ran.stdout);
}

#[test]
fn when_the_time_is_spent_the_fewest_windows_are_enough_and_the_report_says_so() {
    let line = "compare {pocket} --prompts none --pp 64 --tg 16 --budget 1s --quality-precision 0.1% --out out";
    let ran = Bench::new(line).arg(&quants()[0]).run().ok();
    let quality = &record(&ran)["quality"];
    assert_eq!(quality["results"][0]["stopped"], "time_spent");
    let worker = &quality["workers"][0];
    let n_windows = worker["n_windows"].as_u64().unwrap();
    let in_all: u64 = quality["texts"].as_array().unwrap().iter().map(|text| text["n_windows"].as_u64().unwrap()).sum();
    assert!((20..in_all).contains(&n_windows), "{n_windows} of {in_all}");
    let page = ran.read("out/report.md");
    assert!(page.contains(&format!("compared on {n_windows} windows only, for the time was spent")), "{page}");
    assert!(ran.read("out/report.html").contains("the time of the run was spent (--budget gives it more)"));
}

#[test]
fn the_pilot_chooses_the_samples_of_the_rounds_after_it_and_the_record_says_why() {
    let line = "compare {pocket} --prompts none --no-quality --pp 32 --tg 8 --rounds 6 --out out";
    let ran = Bench::new(line).arg(&quants()[0]).run().ok();
    let record = record(&ran);
    let chosen = record["adaptation"]["samples_per_round"].as_array().unwrap();
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    let count = |round: usize, workload: u64| {
        let samples = record["rounds"][round]["visits"][0]["samples"].as_array().unwrap();
        samples.iter().filter(|s| s["workload"] == workload).count() as u64
    };
    for choice in chosen {
        let workload = choice["workload"].as_u64().unwrap();
        assert_eq!(count(0, workload), 2);
        assert_eq!(count(5, workload), choice["samples"].as_u64().unwrap());
        assert!(choice["within"].as_f64().unwrap() > 0.0);
    }
    let fixed = Bench::new(&format!("{line} --inner 3")).arg(&quants()[0]).run().ok();
    let record = self::record(&fixed);
    assert!(record["adaptation"]["samples_per_round"].as_array().unwrap().is_empty());
    assert_eq!(record["rounds"][5]["visits"][1]["samples"].as_array().unwrap().len(), 6);
}

/// The models of the samples of a round, in time order.
fn order(record: &Value, round: usize) -> Vec<u64> {
    let mut samples: Vec<(u64, u64)> = record["rounds"][round]["visits"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|v| {
            v["samples"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| (s["at_ns"].as_u64().unwrap(), v["model"].as_u64().unwrap()))
        })
        .collect();
    samples.sort_unstable();
    samples.into_iter().map(|(_, model)| model).collect()
}

#[test]
fn samples_alternate_forwards_and_backwards_or_models_follow_each_other() {
    let line =
        "compare {pocket} --prompts none --no-quality --pp 8 --tg 4 --rounds 2 --inner 2 --out out --arrangement";
    let alternating = record(&Bench::new(&format!("{line} alternating")).arg(&quants()[0]).run().ok());
    let first = order(&alternating, 0);
    let (a, b) = (first[0], 1 - first[0]);
    assert_eq!(first, [a, b, b, a, a, b, b, a]);
    assert_eq!(order(&alternating, 1), [b, a, a, b, b, a, a, b], "the next round is its mirror image");
    assert_eq!(alternating["adaptation"]["arrangement"], "alternating");
    let sequential = record(&Bench::new(&format!("{line} sequential")).arg(&quants()[0]).run().ok());
    let first = order(&sequential, 0);
    assert_eq!(first[..4], [first[0]; 4]);
    assert_eq!(first[4..], [1 - first[0]; 4]);
}

#[test]
fn resident_workers_load_once_and_the_record_says_from_when() {
    let line =
        "compare {pocket} --prompts none --no-quality --pp 8 --tg 4 --rounds 4 --inner 2 --workers resident --out out";
    let record = record(&Bench::new(line).arg(&quants()[0]).run().ok());
    let loads = |round: usize| {
        record["rounds"][round]["visits"].as_array().unwrap().iter().filter(|v| v["load"].is_object()).count()
    };
    assert_eq!([loads(0), loads(1), loads(2), loads(3)], [2, 0, 0, 0]);
    assert_eq!(record["adaptation"]["resident_from_round"], 0);
    assert!(visits(&record).all(|v| v["samples"].as_array().unwrap().len() == 4));
}

#[test]
fn options_that_make_no_sense_are_told() {
    for (options, word) in [
        ("--rounds 9..4", "at least 9"),
        ("--budget soon", "10m"),
        ("--confidence 2", "confidence"),
        ("--quick --rounds 4", "cannot be used with"),
    ] {
        let ran = Bench::new(&format!("compare {{pocket}} {{pocket}} {options}")).run();
        assert_eq!(ran.code, 2, "{options}");
        assert!(ran.stderr.contains(word), "{options}: {}", ran.stderr);
    }
}

#[test]
fn a_model_does_not_differ_from_itself_where_nothing_is_noisy() {
    let pocket = std::fs::read(crate::support::POCKET).unwrap();
    let ran = Bench::new("selfcheck a.gguf --script script.json --rounds 8..20 --out out")
        .file("script.json", STEADY.as_bytes())
        .file("a.gguf", &pocket)
        .run()
        .ok();
    assert!(ran.stdout.contains("Self-check passed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("tg128: the same, 1.000× [1.000, 1.000] in 8 rounds"), "{}", ran.stdout);
    assert!(ran.stdout.contains("every candidate is a copy of the original"), "{}", ran.stdout);
    assert_eq!(record(&ran)["ended"], "precise");
}

#[test]
fn a_self_check_that_could_not_have_found_anything_does_not_pass() {
    let pocket = std::fs::read(crate::support::POCKET).unwrap();
    let ran = Bench::new("selfcheck a.gguf --script script.json --rounds 4 --out out")
        .file("script.json", STEADY.as_bytes())
        .file("a.gguf", &pocket)
        .run();
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("Self-check NOT RESOLVED: 4 rounds are too few"), "{}", ran.stdout);
    assert!(ran.stdout.contains("What helps") && ran.stdout.contains("--rounds"), "{}", ran.stdout);
}
