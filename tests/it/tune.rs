//! tune through the real program: races, what is dropped, and the commands it ends with.

use serde_json::Value;

use crate::support::{Bench, Ran};

fn tune(line: &str) -> Ran {
    Bench::new(&format!("tune {{pocket}} -p 64 -n 8 -t 1 --out out {line}")).run()
}

/// What became of each value of a race.
fn fates(record: &Value, race: usize) -> Vec<String> {
    let tried = record["tuning"]["stages"][race]["tried"].as_array().unwrap();
    tried.iter().map(|tried| format!("{}: {}", tried["name"].as_str().unwrap(), tried["fate"])).collect()
}

#[test]
fn settings_are_raced_confirmed_and_end_as_commands() {
    let ran = tune("--over fa,ubatch,ngl -ub 64,32 --budget 10m --json a.json");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let record = ran.json("out/run.json");
    assert_eq!(record["purpose"], "tuning");
    let races: Vec<&str> =
        record["tuning"]["stages"].as_array().unwrap().iter().map(|race| race["flags"].as_str().unwrap()).collect();
    assert_eq!(races, ["-fa", "-ub"]);
    assert_eq!(fates(&record, 1).len(), 2, "{:?}", fates(&record, 1));
    let not_tried = record["tuning"]["not_tried"].to_string();
    assert!(not_tried.contains("-ngl") || cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal")));
    for file in ["race-1-fa.json", "race-2-ub.json"] {
        let race = ran.json(&format!("out/{file}"));
        assert!(race["purpose"] == "tuning" && race["plan"]["race"].is_object() && race["tuning"].is_null(), "{file}");
    }
    let analysis = ran.json("a.json");
    let take = usize::try_from(analysis["tuning"]["take"].as_u64().unwrap()).unwrap();
    let settings = &record["subjects"][take]["settings"];
    let ub = settings["n_ubatch"].to_string();
    for (program, first) in [("llama-server", "-t 1 -tb 1"), ("llama-bench", "-p 64 -n 8 -t 1")] {
        let line = ran.stdout.lines().find(|line| line.contains(program)).expect("a command");
        assert!(line.contains(first) && line.contains(&format!("-ub {ub} ")), "{line}");
    }
    assert!(ran.says("What was tried") && ran.read("out/report.html").contains("What was tried"));
    // A race is a record like any other, and so is the confirmation.
    let again = Bench::at(ran.folder, "report out/race-1-fa.json --format md").run().ok();
    assert!(again.says("-fa off"), "{}", again.stdout);
}

#[test]
fn what_llama_cpp_refuses_is_a_row_and_nothing_to_confirm_is_no_error() {
    let ran = tune("--over kv -fa off -ctv f16,q8_0");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let record = ran.json("out/run.json");
    assert!(fates(&record, 0)[1].contains("needs flash attention"), "{:?}", fates(&record, 0));
    assert!(ran.says("Keep the settings as given") && ran.says("failed: a quantized V cache"));
}

#[test]
fn a_limit_that_nothing_keeps_is_said_and_a_context_is_held() {
    let ran = tune("--over fa --max-memory 1MB --min-ctx 512");
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.says("Nothing that was tried keeps --max-memory"), "{}", ran.stdout);
    let race = ran.json("out/race-1-fa.json");
    assert_eq!((&race["plan"]["min_ctx"], race["rounds"].as_array().unwrap().len()), (&Value::from(512), 0));
    let long = Bench::new("tune {pocket} --min-ctx 9999999").run();
    assert!(long.code == 1 && long.tells("the model was trained for"), "{}", long.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_tuning_goes_on_as_a_whole_and_measures_nothing_twice() {
    use crate::support::processes::{send, wait_until};

    let interrupted = |seconds: u32| {
        let line = "tune {pocket} -p 1024 -n 64 -t 1 --over fa,ubatch -ub 512,256 --equivalence 50% --out out --quiet";
        let bench = Bench::new(&format!("{line} --budget {seconds}s"));
        let mut child = bench.spawn();
        let begun = bench.folder.path().join("out/tune.state");
        let is_begun = || std::fs::read_to_string(&begun).is_ok_and(|text| text.contains("race-2"));
        wait_until("the second race", || is_begun() || child.try_wait().unwrap().is_some());
        send(child.id(), rustix::process::Signal::INT);
        bench.ran(child)
    };
    // This process may be stopped until the race or all of it is over, and a slow machine has no time for two races in the first of these.
    let ran = [40, 40, 120, 400]
        .into_iter()
        .map(interrupted)
        .find(|ran| ran.code == 130 && ran.says("Best so far, not confirmed"));
    let ran = ran.expect("one was interrupted in its race");
    assert!(ran.tells("To go on: gguf-bench resume out"), "{}", ran.stderr);
    assert!(ran.says("Best so far, not confirmed: -fa") && ran.says("llama-server -m"), "{}", ran.stdout);
    let first = ran.read("out/race-1-fa.jsonl");
    // What began there is not begun again, unless the person wants that.
    let again = Bench::at(ran.folder, "tune {pocket} --over fa --out out").run();
    assert!(again.code == 1 && again.tells("a tuning that is not finished"), "{}", again.stderr);
    let ran = Bench::at(again.folder, "resume out").run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.read("out/race-1-fa.jsonl"), first, "it was finished");
    let record = ran.json("out/run.json");
    assert_eq!(record["tuning"]["stages"].as_array().unwrap().len(), 2);
    assert_eq!(record["command"][1], "tune", "the command that began it");
    assert!(ran.says("What was tried") && ran.says("llama-server -m"), "{}", ran.stdout);
    let done = Bench::at(ran.folder, "resume out").run().ok();
    assert!(done.says("Nothing was left to measure"), "{}", done.stdout);
}

#[test]
fn a_dry_run_says_what_would_be_raced_and_what_not() {
    let ran = Bench::new("tune {pocket} --dry-run -t 1,2 -p 300 --budget 1m").run().ok();
    for words in ["-t 1 | -t 2", "-fa auto | -fa off", "-ub 512 | -ub 256 | -ub 128", "it ends within 60 s"] {
        assert!(ran.says(words), "{words}: {}", ran.stdout);
    }
    let refused = Bench::new("tune {pocket} --dry-run --prio 0,1").run();
    assert!(refused.code == 1 && refused.tells("compare takes lists"), "{}", refused.stderr);
    let none = Bench::new("tune {pocket} --dry-run --over ubatch -p 16").run();
    assert!(none.code == 1 && none.tells("nothing can be tuned here"), "{}", none.stderr);
}
