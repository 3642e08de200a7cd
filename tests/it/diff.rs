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
    let ran = diff(&old, &old, "--fail-if tg4<-3% --fail-if peak>5% --json out.json --md out.md").ok();
    assert!(ran.stdout.contains("no relevant difference"), "{}", ran.stdout);
    assert!(ran.stdout.contains("✓ tg4<-3% passed: b changed by 0.0"), "{}", ran.stdout);
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
    assert!(ran.stdout.contains("✗ tg4<-3% failed: b changed by −9.1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("✓ tg4<-3% passed: a changed by 0.0"), "{}", ran.stdout);
    assert!(ran.stdout.contains("slower"), "{}", ran.stdout);
    // Neither a limit that is not reached nor none at all fails.
    diff(&old, &new, "--fail-if tg4<-20% --fail-if pp8<-3%").ok();
    diff(&old, &new, "").ok();
    // The other way round it is faster.
    assert!(diff(&new, &old, "--fail-if tg4<-3%").ok().stdout.contains("faster"));
}

#[test]
fn two_rounds_can_fail_nothing_and_say_so() {
    let (old, new) = (run(5000, "--quick"), run(9000, "--quick"));
    let ran = diff(&old, &new, "--fail-if tg4<-3%").ok();
    assert!(ran.stdout.contains("? tg4<-3% can't fail: b changed by −44.4"), "{}", ran.stdout);
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
        assert!(ran.stderr.contains(told), "{told} in\n{}", ran.stderr);
    }
    assert!(ran.stdout.is_empty());
    let forced = diff(&old, &new, "--force").ok();
    assert!(forced.stdout.contains("pp8") && forced.stdout.contains("! threads for prompts"), "{}", forced.stdout);
}

#[test]
fn limits_that_mean_nothing_are_usage_errors() {
    let old = run(5000, "--rounds 6");
    let unknown = diff(&old, &old, "--fail-if tg999<-3%");
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("pp8, tg4, load, memory_peak"), "{}", unknown.stderr);
    let bad = diff(&old, &old, "--fail-if tg4=3%");
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("no < or >"), "{}", bad.stderr);
    let nothing = Bench::new("diff nowhere.json neither.json").run();
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("nowhere.json"), "{}", nothing.stderr);
}
