//! diff: two runs of the scripted engine, whose times are exact, against each other.

use std::fs;

use crate::support::{Bench, Ran, quants};

/// A run of one original and one candidate, whose generation takes so long a token, in the folder `out`.
fn run(decode_ns_per_token: u64, more: &str) -> Ran {
    let model = |ns| {
        format!(
            r#"{{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":{ns},"answer":"one two three"}}"#
        )
    };
    let script = format!(r#"{{"models":{{"a.gguf":{},"b.gguf":{}}}}}"#, model(5000), model(decode_ns_per_token));
    let [q8, _, q2] = quants();
    Bench::new(&format!(
        "compare a.gguf b.gguf --prompts none --no-quality --quiet --out out --script script.json --pp 8 --tg 4 {more}"
    ))
    .file("a.gguf", &fs::read(q8).unwrap())
    .file("b.gguf", &fs::read(q2).unwrap())
    .file("script.json", script.as_bytes())
    .run()
    .ok()
}

fn diff(old: &Ran, new: &Ran, options: &str) -> Ran {
    let folder = |ran: &Ran| ran.folder.path().join("out");
    // Words of the options may hold the folder's files; records are given as a folder and as a file.
    Bench::new(&format!("diff {options}")).arg(folder(old)).arg(folder(new).join("run.json")).run()
}

#[test]
fn a_record_against_itself_is_fine_and_says_so_in_every_form() {
    let old = run(5000, "--rounds 6");
    let ran = diff(&old, &old, "--fail-if tg4<-3% --fail-if peak>50% --json out.json --md out.md").ok();
    assert!(ran.begins("PASS: all 4 conditions are kept by their whole intervals."), "{}", ran.stdout);
    assert!(ran.says("no relevant difference"), "{}", ran.stdout);
    assert!(ran.says("✓ tg4<-3% passed: b changed by 0.0"), "{}", ran.stdout);
    let json = ran.json("out.json");
    let tg = json["models"][1]["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "tg4").unwrap().clone();
    assert_eq!((tg["change"]["value"].as_f64(), tg["change"]["kind"].as_str()), (Some(1.0), Some("ratio")));
    assert_eq!(tg["verdict"], "no_relevant_difference");
    assert_eq!((tg["n_old"].as_u64(), tg["n_new"].as_u64()), (Some(6), Some(6)));
    assert!(json["differences"].as_array().unwrap().is_empty());
    assert!(ran.read("out.md").contains("| tg4 |"));
}

#[test]
fn a_slower_build_passes_the_limit_and_exits_with_3() {
    let (old, new) = (run(5000, "--rounds 6"), run(5500, "--rounds 6"));
    let ran = diff(&old, &new, "--fail-if tg4<-3%");
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.says("✗ tg4<-3% failed: b changed by −9.1"), "{}", ran.stdout);
    assert!(ran.says("✓ tg4<-3% passed: a changed by 0.0"), "{}", ran.stdout);
    assert!(ran.says("slower"), "{}", ran.stdout);
    // Neither a limit that is not reached nor none at all fails.
    diff(&old, &new, "--fail-if tg4<-20% --fail-if pp8<-3%").ok();
    diff(&old, &new, "").ok();
    // The other way round it is faster.
    assert!(diff(&new, &old, "--fail-if tg4<-3%").ok().says("faster"));
}

#[test]
fn two_rounds_decide_nothing_and_say_what_would() {
    let (old, new) = (run(5000, "--quick"), run(9000, "--quick"));
    let ran = diff(&old, &new, "--fail-if tg4<-3%");
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.begins("INCONCLUSIVE: 2 of 2 conditions could not be decided: tg4<-3%: a changed"), "{}", ran.stdout);
    assert!(ran.says("? tg4<-3% is not decided: b changed by −44.4"), "{}", ran.stdout);
    assert!(ran.says("More rounds (--rounds) would give an interval."), "{}", ran.stdout);
}

#[test]
fn every_form_of_a_gate_begins_with_its_verdict() {
    let (old, new) = (run(5000, "--rounds 6"), run(5500, "--rounds 6"));
    let ran = diff(
        &old,
        &new,
        "--fail-if tg4<-3% --fail-if peak>50% --json out.json --md out.md --html out.html --junit out.xml",
    );
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let first = "FAIL: 1 of 4 conditions failed: tg4<-3%: b changed by −9.1";
    assert!(ran.begins(first), "{}", ran.stdout);
    assert!(ran.read("out.md").starts_with("**FAIL: 1 of 4 conditions failed: tg4&lt;-3%: b changed by −9.1"));
    assert!(ran.read("out.html").contains("<p class=\"lead\">FAIL: 1 of 4 conditions failed: tg4&lt;-3%"));
    let gate = ran.json("out.json")["gate"].clone();
    assert_eq!((gate["verdict"].as_str(), gate["cases"].as_array().unwrap().len()), (Some("fail"), 4));
    assert!(gate["sentence"].as_str().unwrap().starts_with(first));
    let text = ran.read("out.json");
    assert!(text.find("\"gate\"") < text.find("\"old\""), "it comes first");
    let xml = ran.read("out.xml");
    assert!(
        xml.contains("<testsuite name=\"gguf-bench diff\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"0\">"),
        "{xml}"
    );
    assert!(xml.contains("<testcase classname=\"b\" name=\"tg4&lt;-3%\">\n      <failure type=\"limit\""), "{xml}");
    assert_eq!(diff(&old, &new, "--junit out.xml").code, 2, "there is nothing to write");
    assert_eq!(diff(&old, &new, "--fail-if tg4<-3% --junit -").code, 2);
}

#[test]
fn three_records_of_each_side_are_held_against_what_varies_between_them() {
    let speeds = |ns: [u64; 3]| ns.map(|ns| run(ns, "--rounds 6"));
    let (old, same, slower) = (speeds([5000, 5200, 5100]), speeds([5150, 5020, 5180]), speeds([7000, 7200, 7100]));
    let many = |new: &[Ran], options: &str| {
        let folder = |ran: &Ran| ran.folder.path().join("out");
        let mut bench = Bench::new(&format!("diff {options}"));
        for ran in &old {
            bench = bench.arg(folder(ran));
        }
        bench = bench.arg("--new");
        for ran in new {
            bench = bench.arg(folder(ran));
        }
        bench.run()
    };
    let open = many(&same, "--fail-if tg4<-3% --json out.json");
    assert_eq!(open.code, 6, "{}{}", open.stdout, open.stderr);
    assert!(open.says("OLD 3 2") && open.says("NEW 1 2"), "{}", open.stdout);
    assert!(open.says("times as many records of each side would decide it"), "{}", open.stdout);
    let json = open.json("out.json");
    assert_eq!((json["scatter"].as_str(), json["old"].as_array().unwrap().len()), (Some("between_runs"), 3));
    assert_eq!(many(&slower, "--fail-if tg4<-3%").code, 3);
    many(&same, "--fail-if tg4<-20%").ok();
    // One of each is sure of what two runs differ by.
    assert_eq!(diff(&old[0], &same[0], "--fail-if tg4<-2.5%").code, 3);
    assert_eq!(many(&same[..2], "").code, 2);
}

#[test]
fn compare_is_a_gate_of_its_own() {
    let script = |ns: u32| {
        let model = |ns| {
            format!(r#"{{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":{ns},"answer":"one"}}"#)
        };
        format!(r#"{{"models":{{"a.gguf":{},"b.gguf":{}}}}}"#, model(5000), model(ns))
    };
    let [q8, _, q2] = quants();
    let compare = |ns: u32, options: &str| {
        Bench::new(&format!(
            "compare a.gguf b.gguf --prompts none --no-quality --quiet --out out --script script.json --pp 8 --tg 4 {options}"
        ))
        .file("a.gguf", &fs::read(q8).unwrap())
        .file("b.gguf", &fs::read(q2).unwrap())
        .file("script.json", script(ns).as_bytes())
        .run()
    };
    let pass = compare(5000, "--rounds 6 --fail-if tg4<-3% --junit out.xml").ok();
    assert!(pass.begins("PASS: the condition is kept by the whole interval."), "{}", pass.stdout);
    assert!(pass.read("out.xml").contains("tests=\"1\" failures=\"0\""), "{}", pass.read("out.xml"));
    let fail = compare(6000, "--rounds 6 --fail-if tg4<-3% --json out.json");
    assert_eq!(fail.code, 3, "{}", fail.stderr);
    assert!(fail.begins("FAIL: the condition failed: tg4<-3%: b is −16.7"), "{}", fail.stdout);
    assert_eq!(fail.json("out.json")["gate"]["verdict"], "fail");
    let quick = compare(6000, "--quick --fail-if tg4<-3%");
    assert_eq!(quick.code, 6, "{}", quick.stderr);
    assert!(quick.begins("INCONCLUSIVE: the condition could not be decided"), "{}", quick.stdout);
    // What is not in the plan is refused before anything is measured.
    for limit in ["tg5<-3%", "kld>0.01", "tg4<-3"] {
        let refused = compare(5000, &format!("--rounds 6 --fail-if {limit}"));
        assert_eq!(
            (refused.code, refused.folder.path().join("out").exists()),
            (2, false),
            "{limit}: {}",
            refused.stderr
        );
    }
}

#[test]
fn other_work_is_refused_by_name_unless_forced() {
    let (old, new) = (run(5000, "--rounds 6"), run(5000, "--rounds 6 --tg 8 -ub 256 -tb 2"));
    let ran = diff(&old, &new, "");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for told in [
        "threads for prompts (-tb): 1 in OLD, 2 in NEW",
        "physical batch (-ub): 512 in OLD, 256 in NEW",
        "lengths timed: pp8, tg4 in OLD, pp8, tg4, tg8 in NEW",
        "--force",
    ] {
        assert!(ran.tells(told), "{told} in\n{}", ran.stderr);
    }
    assert!(ran.stdout.is_empty());
    let forced = diff(&old, &new, "--force").ok();
    assert!(forced.says("pp8") && forced.says("! threads for prompts"), "{}", forced.stdout);
}

#[test]
fn limits_that_mean_nothing_are_usage_errors() {
    let old = run(5000, "--rounds 6");
    let unknown = diff(&old, &old, "--fail-if tg999<-3%");
    assert_eq!(unknown.code, 2);
    assert!(unknown.tells("pp8, tg4, load, memory_peak"), "{}", unknown.stderr);
    let bad = diff(&old, &old, "--fail-if tg4=3%");
    assert_eq!(bad.code, 2);
    assert!(bad.tells("no < or >"), "{}", bad.stderr);
    let nothing = Bench::new("diff nowhere.json neither.json").run();
    assert_eq!(nothing.code, 1);
    assert!(nothing.tells("nowhere.json"), "{}", nothing.stderr);
}
