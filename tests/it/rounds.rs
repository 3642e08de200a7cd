//! How long a run lasts and what it does with its time: stopping, budgets, samples, arrangement, self-check.

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

/// Of a run, in seconds from its beginning: when the first looks were over, when the last thing that was measured, and the longest time
/// in which nothing was begun or ended, but for the comparison of outputs.
fn times_s(record: &Value) -> [f64; 3] {
    let ns = |v: &Value, name: &str| v[name].as_f64().unwrap();
    let span = |v: &Value| [ns(v, "started_ns"), ns(v, "started_ns") + ns(v, "duration_ns")];
    let sample = |v: &Value| [ns(v, "at_ns"), ns(v, "at_ns") + ns(v, "wall_ns")];
    let looks = record["probes"].as_array().into_iter().flatten().flat_map(span);
    let looked = looks.clone().fold(0.0, f64::max);
    let samples = visits(record).flat_map(|v| v["samples"].as_array().unwrap()).flat_map(sample);
    let mut moments: Vec<f64> = looks.chain(visits(record).flat_map(span)).chain(samples).collect();
    moments.sort_by(f64::total_cmp);
    let longest = moments.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let workers = record["quality"]["workers"].as_array().into_iter().flatten();
    let compared = workers.filter_map(|worker| worker["ended_ns"].as_f64());
    [looked, moments.into_iter().chain(compared).fold(0.0, f64::max), longest].map(|ns| ns / 1e9)
}

#[test]
fn a_budget_is_kept_between_samples_and_what_it_can_not_give_is_said_beforehand() {
    // A sample takes a tenth of a second on an idle machine, a load less. On another it takes what the record says.
    const SAMPLE_S: f64 = 2.0;
    // What 3 s give depends on the machine; the words and the record agree on it.
    for (budget_s, words, rounds, is_quick_look) in
        [(1, "1 s", "", Some(true)), (3, "3 s", "", None), (600, "10 min", "--rounds 6", Some(false))]
    {
        let line = format!(
            "compare {{pocket}} --prompts none --pp 512 --tg 128 {rounds} --budget {budget_s}s --out out --json out.json"
        );
        let ran = Bench::new(&line).arg(&quants()[0]).run();
        let record = record(&ran);
        let [looked_s, took_s, longest_s] = times_s(&record);
        let limit_s = f64::from(budget_s).max(looked_s) + SAMPLE_S + 2.0 * longest_s;
        assert!(took_s <= limit_s, "{budget_s} s: {took_s}, where {longest_s} s were the longest");
        let told = [format!("of the {words} allowed (--budget)"), format!("it ends after {words}")];
        assert!(told.iter().any(|words| ran.tells(words)), "{}", ran.stderr);
        let said_quick = ran.tells("a quick look, without intervals");
        assert!(is_quick_look.is_none_or(|expected| expected == said_quick), "{budget_s} s: {}", ran.stderr);
        let analysis = ran.json("out.json");
        assert_eq!((&analysis["quick"], &analysis["time"]["asked_s"]), (&said_quick.into(), &budget_s.into()));
        if !said_quick {
            assert!(analysis["time"]["planned"]["rounds_ns"].as_u64().unwrap() > 0);
            assert!(analysis["time"]["taken"]["probe_ns"].as_u64().unwrap() > 0);
        }
        assert!(ran.says(&format!("{words} allowed")), "{}", ran.stdout);
    }
}

#[test]
fn the_plan_chooses_the_samples_of_a_round_by_what_it_costs_once() {
    let line = "compare {pocket} --prompts none --no-quality --pp 32 --tg 8 --rounds 6 --out out";
    let ran = Bench::new(line).arg(&quants()[0]).run().ok();
    let record = record(&ran);
    let chosen = record["time_plan"]["samples"].as_array().unwrap();
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    let count = |round: usize, workload: u64| {
        let samples = record["rounds"][round]["visits"][0]["samples"].as_array().unwrap();
        samples.iter().filter(|s| s["workload"] == workload).count() as u64
    };
    for choice in chosen {
        let workload = choice["workload"].as_u64().unwrap();
        let samples = choice["samples"].as_u64().unwrap();
        assert_eq!([count(0, workload), count(5, workload)], [samples; 2]);
        // The greatest even number up to the root of how many samples cost what a round costs once; 32 and three seconds of them at most.
        let [sample_ns, round_ns] = ["sample_ns", "round_ns"].map(|name| choice[name].as_f64().unwrap());
        assert!(sample_ns > 0.0 && round_ns > 0.0, "{choice}");
        let (most, chosen) = ((round_ns / sample_ns).sqrt().min(3e9 / sample_ns).min(32.0), samples as f64);
        assert!(samples == 1 || (samples.is_multiple_of(2) && chosen < most + 0.01), "{choice}: {most}");
        assert!((chosen / 2.0).floor() * 2.0 + 2.0 > most - 0.01, "{choice}: {most}");
    }
    let fixed = Bench::new(&format!("{line} --inner 3")).arg(&quants()[0]).run().ok();
    let record = self::record(&fixed);
    assert!(record["time_plan"]["samples"].as_array().unwrap().is_empty());
    assert_eq!(record["rounds"][5]["visits"][1]["samples"].as_array().unwrap().len(), 6);
}

#[test]
fn every_visit_is_a_fresh_process_and_long_generations_alternate_in_blocks() {
    let line = "compare {pocket} --prompts none --no-quality --pp 8 --tg 70 --rounds 6 --inner 1 --out out";
    let record = record(&Bench::new(line).arg(&quants()[0]).run().ok());
    assert!(visits(&record).all(|v| v["load"].is_object()), "each loads");
    for sample in visits(&record).flat_map(|v| v["samples"].as_array().unwrap()).filter(|s| s["workload"] == 1) {
        assert_eq!(sample["n_tokens"], 70, "the blocks of a sample add up");
        let (native, wall) = (sample["native_ns"].as_u64().unwrap(), sample["wall_ns"].as_u64().unwrap());
        assert!(native > 0 && native <= wall, "{sample}");
    }
    // Both begin before either is done: a sample ends after the other's began. Had one followed the other, that could be in no round; where
    // they alternate, it is in all but those in which the machine stopped between two blocks.
    let alternate = |round: &Value| {
        let spans = |model: usize| {
            let visit = round["visits"].as_array().unwrap().iter().find(|v| v["model"] == model).unwrap();
            let sample = visit["samples"].as_array().unwrap().iter().find(|s| s["workload"] == 1).unwrap().clone();
            (sample["at_ns"].as_u64().unwrap(), sample["wall_ns"].as_u64().unwrap())
        };
        let (first, second) = (spans(0), spans(1));
        first.0.abs_diff(second.0) < first.1.min(second.1)
    };
    assert!(record["rounds"].as_array().unwrap().iter().any(alternate), "they alternate within a sample");
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
fn options_that_make_no_sense_are_told() {
    for (options, word) in [
        ("--rounds 9..4", "at least 9"),
        ("--budget soon", "10m"),
        ("--confidence 2", "confidence"),
        ("--quick --rounds 4", "cannot be used with"),
    ] {
        let ran = Bench::new(&format!("compare {{pocket}} {{pocket}} {options}")).run();
        assert_eq!(ran.code, 2, "{options}");
        assert!(ran.tells(word), "{options}: {}", ran.stderr);
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
    assert!(ran.says("Self-check passed"), "{}", ran.stdout);
    assert!(ran.says("tg128: the same, 1.000× [1.000, 1.000] in 8 rounds"), "{}", ran.stdout);
    assert!(ran.says("Every candidate is a copy of the original"), "{}", ran.stdout);
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
    assert!(ran.says("Self-check NOT RESOLVED: 4 rounds are too few"), "{}", ran.stdout);
    assert!(ran.says("What helps") && ran.says("--rounds"), "{}", ran.stdout);
}
