//! report on several records, through the binary; and how long a page of ten models takes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Bench, Ran};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/runs/v1.json")).unwrap()
}

/// A real record: four models, ten rounds, outputs compared on eight texts, memory and prompts.
fn real() -> Value {
    serde_json::from_str(include_str!("../fixtures/runs/smollm2.json")).unwrap()
}

/// `report` on files `0.json`, `1.json`, ... in its folder.
fn report(options: &str, records: &[Value]) -> Ran {
    let bench = Bench::new(&format!("report {options}"));
    let write = |bench: Bench, (i, record): (usize, &Value)| {
        let name = format!("{i}.json");
        bench.file(&name, record.to_string().as_bytes()).arg(name)
    };
    records.iter().enumerate().fold(bench, write).run()
}

fn another_day() -> Value {
    let mut record = fixture();
    record["started_utc"] = "2026-02-03T04:05:06Z".into();
    record
}

#[test]
fn records_are_put_side_by_side_in_every_format() {
    let records = [fixture(), another_day()];
    let page = report("", &records).ok();
    assert_eq!(page.stdout, "records.html\n");
    let page = page.read("records.html");
    assert!(page.contains("on one machine, 2026-01-02 to 2026-02-03") && page.contains("chart-date-tg"));
    let text = report("--format text", &records).ok().stdout;
    assert!(text.contains("B against A, 8 speeds compared: 8 not resolved."), "{text}");
    assert!(report("--format md", &records).ok().says("| Q8\\_0 | tg128, t/s |"));
    assert!(report("--format csv", &records).ok().stdout.lines().count() > 50);
    let json: Value = report("--format json", &records).ok().stdout_json();
    let reading = &json["models"][1]["metrics"][1]["readings"][1];
    let ratio = reading["against_first"]["compared"]["change"]["value"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 1e-9, "{reading}");
    let named = report("--format md --out both.md", &records).ok();
    assert!(named.read("both.md").starts_with("### ") && named.stdout.is_empty());
}

#[test]
fn other_parameters_are_named_and_their_values_shown() {
    let mut other = another_day();
    other["plan"]["engine"]["n_threads"] = 8.into();
    let text = report("--format text", &[fixture(), other]).ok().stdout;
    assert!(text.contains("! threads for generation (-t): 4 in A, 8 in B"), "{text}");
    assert!(text.contains("No speed of B is compared with A: threads for generation (-t) differs."), "{text}");
    assert!(!text.contains('×'), "{text}");
}

#[test]
fn records_are_read_as_carefully_as_one_alone() {
    let mut broken = another_day();
    broken["rounds"][0]["visits"][0]["model"] = 99.into();
    let ran = report("--format text", &[fixture(), broken]);
    assert_eq!(ran.code, 1);
    assert!(ran.tells("1.json contradicts itself"), "{}", ran.stderr);
    // JSON knows no NaN, and what must be a number can't be null.
    let numbers: [(&str, &str); 2] = [("NaN", "is not a gguf-bench record"), ("null", "is not a gguf-bench record")];
    for (number, told) in numbers {
        let text = fixture().to_string().replacen("\"confidence\":0.95", &format!("\"confidence\":{number}"), 1);
        assert!(text.contains(number));
        let ran = Bench::new("report --format text a.json b.json")
            .file("a.json", fixture().to_string().as_bytes())
            .file("b.json", text.as_bytes())
            .run();
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(ran.tells(told), "{}", ran.stderr);
    }
}

#[test]
fn a_folder_is_a_page_of_the_records_below_it_and_names_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let put = |at: &str, record: &Value| {
        let path = folder.path().join(at);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, record.to_string()).unwrap();
    };
    put("b/run.json", &another_day());
    put("a/deep/run.json", &fixture());
    put("a/package.json", &serde_json::json!({ "name": "foreign" }));
    std::fs::write(folder.path().join("cut.json"), "{\"format\": 2").unwrap();
    let ran = Bench::new("report --format json").arg(folder.path()).run();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.tells("package.json") && ran.tells("cut.json"), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let against: Vec<&Value> = found["records"].as_array().unwrap().iter().map(|record| &record["against"]).collect();
    assert_eq!(against, [&Value::Null, &Value::from(0)]);
    assert_eq!(found["left_out"].as_array().unwrap().len(), 2);
    let days: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|r| r["started_utc"].as_str().unwrap()).collect();
    assert!(days.is_sorted(), "{days:?}");
    let refused = Bench::new("report --recommend").arg(folder.path()).run();
    assert!(refused.code == 2 && refused.tells("one record"), "{}", refused.stderr);
    std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    std::fs::remove_dir_all(folder.path().join("b")).unwrap();
    let none = Bench::new("report").arg(folder.path()).run();
    assert!(none.code == 1 && none.tells("there is no record"), "{}", none.stderr);
}

#[test]
fn what_is_of_one_record_is_refused_for_several() {
    let records = [fixture(), another_day()];
    for options in ["--recommend", "--format llama-bench-md", "--max-kld 0.1", "--prefer size", "--fail-if pp512<-3%"] {
        let ran = report(options, &records);
        assert_eq!(ran.code, 2, "{options}: {}", ran.stderr);
        assert!(ran.tells("one record"), "{}", ran.stderr);
    }
    assert_eq!(Bench::new("report").run().code, 2);
}

#[test]
fn one_record_is_held_to_limits_after_the_run() {
    let held = |options: &str| report(&format!("--format text {options}"), &[real()]);
    let fast = held("--fail-if pp512<-90% --fail-if kld<-1 --junit gate.xml").ok();
    assert!(fast.begins("PASS: all 6 conditions"), "{}", fast.stdout);
    assert!(fast.read("gate.xml").contains("tests=\"6\" failures=\"0\""), "{}", fast.read("gate.xml"));
    let fail = held("--fail-if kld>0.001");
    assert!(fail.code == 3 && fail.begins("FAIL"), "{}\n{}", fail.code, fail.stdout);
    let unknown = held("--fail-if pp9<-3%");
    assert!(unknown.code == 2 && unknown.tells("there are pp512"), "{}", unknown.stderr);
    let nowhere = held("--fail-if pp512<-3% --junit none/gate.xml");
    assert!(nowhere.code == 1 && nowhere.tells("there is no folder none"), "{}", nowhere.stderr);
}

/// The real record with its candidates repeated until there are ten models, and with the memory readings that its page leaves out: fifty a
/// second while a worker works, as the sampler takes them.
fn ten_models() -> Value {
    let mut record = real();
    for visit in record["rounds"].as_array_mut().unwrap().iter_mut().flat_map(|r| r["visits"].as_array_mut().unwrap()) {
        let warmup = visit["warmup"]["samples"].as_array().unwrap();
        let worked = visit["samples"].as_array().unwrap().iter().chain(warmup).map(|s| s["wall_ns"].as_u64().unwrap());
        let readings = worked.sum::<u64>() / 20_000_000;
        let series = &mut visit["memory"]["series"];
        series["at_ms"] = (0..readings).map(|i| i * 20).collect();
        series["rss_kib"] = (0..readings).map(|i| 100_000 + 500 * i.min(300)).collect();
        series["anon_kib"] = (0..readings).map(|i| 20_000 + i).collect();
    }
    let mut add = |from: usize, to: usize| {
        let mut model = record["models"][from].clone();
        model["name"] = format!("Q{to}_K_X").into();
        record["models"].as_array_mut().unwrap().push(model);
        let result = record["quality"]["results"].as_array().unwrap().iter().find(|r| r["candidate"] == from);
        let mut result = result.unwrap().clone();
        result["candidate"] = to.into();
        record["quality"]["results"].as_array_mut().unwrap().push(result);
        for round in record["rounds"].as_array_mut().unwrap() {
            let visits = round["visits"].as_array_mut().unwrap();
            let mut visit = visits.iter().find(|v| v["model"] == from).unwrap().clone();
            visit["model"] = to.into();
            visits.push(visit);
        }
    };
    for to in 4..10 {
        add(1 + to % 3, to);
    }
    record
}

/// Drawing and writing, against the reading and analysing that every format needs, on the same machine at the same time. The best of several
/// counts: other work on the machine only adds.
#[test]
fn a_page_of_ten_models_with_everything_is_quick_and_small() {
    let record = ten_models();
    assert!(!record["rounds"][0]["visits"][0]["generations"].as_array().unwrap().is_empty(), "prompts are there");
    let text = record.to_string();
    let once = |format: &str| {
        let bench =
            Bench::new(&format!("report ten.json --format {format} --out out")).file("ten.json", text.as_bytes());
        let begun = Instant::now();
        let ran = bench.run().ok();
        (begun.elapsed(), ran.read("out"))
    };
    let (_, page) = once("html");
    // The record itself is in it, and every figure is drawn for a desk and for a telephone.
    assert!(page.len() < 1_900_000, "{} bytes", page.len());
    assert!(page.contains("id=\"chart-memory-time\"") && page.contains("id=\"chart-kld-domain\""));
    assert_eq!(page.matches("<li class=\"card").count(), 10);
    let times: Vec<[Duration; 2]> = (0..7).map(|_| ["html", "csv"].map(|format| once(format).0)).collect();
    let [drawn, read] = [0, 1].map(|format: usize| times.iter().map(|times| times[format]).min().unwrap());
    assert!(drawn < 8 * read, "{drawn:?} where {read:?} are reading and analysing");
}
