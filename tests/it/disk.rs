//! A disk that takes no more, at every place where something is written: no half file under a final name, the path is named, what
//! was measured is told all the same, and the exit code is not 0.
#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::FileTypeExt, path::Path};

use crate::support::{
    Bench, POCKET, Ran,
    hub::{Hub, Manner},
    processes::wait_until,
    quants, skipped,
};

const SCRIPT: &str = r#"{"models":{
  "a.gguf":{"load_ns":1000000,"prefill_ns_per_token":3000000,"decode_ns_per_token":60000000,"answer":"one two three"},
  "b.gguf":{"load_ns":1000000,"prefill_ns_per_token":2000000,"decode_ns_per_token":40000000,"answer":"one two three"}}}"#;

const RUN: &str = "--prompts none --no-quality --script script.json --out out --quiet";

/// No file may become longer than so many blocks of 512 bytes; writing on is an error, not a signal.
fn up_to(blocks: u32) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")
}

/// What a shell runs, where `"$@"` is the command.
fn sh(script: &str) -> [&str; 4] {
    ["sh", "-c", script, "sh"]
}

/// The same where this script may mount what the command alone sees; it ends with 77 where it may not.
fn apart(script: &str) -> [&str; 6] {
    ["unshare", "-rm", "sh", "-c", script, "sh"]
}

fn scripted(options: &str) -> Bench {
    let pocket = fs::read(POCKET).unwrap();
    Bench::new(&format!("compare a.gguf b.gguf {RUN} {options}"))
        .file("script.json", SCRIPT.as_bytes())
        .file("a.gguf", &pocket)
        .file("b.gguf", &pocket)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The error names the file and the reason, and the terminal has the table.
fn assert_told(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(words.iter().all(|word| ran.tells(word)), "{words:?}: {}", ran.stderr);
    assert!(ran.says("tg128") && ran.says("rounds"), "{}", ran.stdout);
}

#[test]
fn a_journal_that_cannot_grow_ends_the_run_and_what_there_is_is_told() {
    let ran = scripted("--rounds 200 --precision 0%").through(&sh(&up_to(160))).run();
    assert_told(&ran, &["out/run.jsonl", "File too large", "gguf-bench resume out", "out/report.html"]);
    let out = ran.folder.path().join("out");
    assert!(!out.join("report.html").exists(), "a report that did not fit is not there");
    assert!(names(&out).iter().all(|name| !name.starts_with('.')), "no half file: {:?}", names(&out));
    let text = fs::read_to_string(out.join("run.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "no half line");
    let rounds = text.lines().filter(|line| line.starts_with("{\"round\"")).count();
    assert!(rounds >= 2 && text.len() <= 160 * 512, "{rounds} rounds, {} bytes", text.len());
    // The record that fitted is whole, and older than the journal at most.
    if let Ok(record) = fs::read_to_string(out.join("run.json")) {
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["ended"], "unfinished");
    }
    // With room again, it goes on.
    let again = Bench::at(ran.folder, "resume out --quiet");
    let mut child = again.spawn();
    let grown = || fs::read_to_string(again.folder.path().join("out/run.jsonl")).unwrap().len() > text.len() + 100_000;
    wait_until("it has grown", grown);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_full_disk_under_the_folder_is_the_same() {
    // The mount is seen by the command alone; its files are copied out when it is over.
    let script = "mkdir out kept && mount -t tmpfs -o size=128k full out || exit 77; \"$@\"; code=$?; cp -r out/. kept; exit $code";
    let ran = scripted("--rounds 200 --precision 0%").through(&apart(script)).run();
    if ran.code == 77 || ran.tells("unshare") {
        // Not everyone may mount; the limit on a file's size above is the same error at the same places.
        return;
    }
    assert_told(&ran, &["out/", "No space left on device", "gguf-bench resume out"]);
    let kept = ran.folder.path().join("kept");
    let text = fs::read_to_string(kept.join("run.jsonl")).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|line| line.ends_with('}')), "whole lines only");
    assert!(names(&kept).iter().all(|name| !name.starts_with('.')), "no half file: {:?}", names(&kept));
}

#[test]
fn a_folder_that_is_read_only_is_told_before_anything_starts() {
    let script = "mkdir out && mount -t tmpfs -o ro none out || exit 77; exec \"$@\"";
    let ran = scripted("--rounds 2").through(&apart(script)).run();
    if ran.code == 77 || ran.tells("unshare") {
        return;
    }
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.tells("write to out") && ran.tells("Read-only file system"), "{}", ran.stderr);
    assert!(ran.tells("--out") && ran.stdout.is_empty(), "{}", ran.stderr);
}

#[test]
fn a_report_that_cannot_be_written_costs_itself_only() {
    let ran = scripted("--rounds 2 --json /dev/full --md out.md").run();
    assert_told(&ran, &["/dev/full", "No space left on device"]);
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device(), "a device stays one");
    assert!(ran.read("out.md").contains("tg128"), "the others are written");
    assert_eq!(ran.json("out/run.json")["ended"], "rounds_done");
    let ran = scripted("--rounds 2").through(&sh("exec \"$@\" > /dev/full")).run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells("write to stdout: No space left on device"), "{}", ran.stderr);
    assert_eq!(ran.json("out/run.json")["ended"], "rounds_done");
}

/// What is told names the file as it was typed, what was to be done with it, and at its end the system's reason, once.
#[test]
fn each_file_that_fails_is_named_with_what_was_to_be_done_and_why() {
    let record = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/runs/smollm2.json")).unwrap();
    let (gone, full, folder) = (
        "No such file or directory (os error 2)",
        "No space left on device (os error 28)",
        "Is a directory (os error 21)",
    );
    for (line, words, reason) in [
        ("report none.json", "read none.json", gone),
        ("report run.json --out none/x.html", "write none/x.html", gone),
        ("report run.json --out /dev/full", "write /dev/full", full),
        ("report run.json --out here", "write here", folder),
        ("report run.json --template none", "read the template none", gone),
        ("report run.json --votes none", "read the votes in none", gone),
        ("report run.json run.json --out none/x.html", "write none/x.html", gone),
        ("card run.json --model Q8_0 --update none/README.md", "write none/", gone),
        ("card run.json --model Q8_0 --update here", "read here", folder),
        ("diff run.json run.json --force --json none/x.json", "write none/x.json", gone),
        ("man --dir run.json", "make the folder run.json", "File exists (os error 17)"),
        ("resume here", "open here/run.jsonl", gone),
        ("compare {pocket} {pocket} --prompts none.json --no-quality", "read none.json", gone),
        ("quality {pocket} {pocket} --text none.txt", "read none.txt", gone),
        ("quality {pocket} --logits none.kld", "read none.kld", gone),
        ("quality {pocket} --reference none.gbref", "none.gbref: cannot read it", gone),
        ("compare {pocket} {pocket} --task none.txt", "read none.txt", gone),
        ("sweep {pocket} --types Q8_0 --imatrix none.gguf", "none.gguf is no importance matrix", gone),
        ("compare {pocket} {pocket} --out run.json/x", "make the folder run.json/x", "Not a directory (os error 20)"),
    ] {
        let bench = Bench::new(line).file("run.json", &record);
        fs::create_dir(bench.folder.path().join("here")).unwrap();
        let ran = bench.run();
        let told = ran.stderr.trim_end();
        assert!(ran.code == 1 && ran.tells(words), "{line}: {} {told}", ran.code);
        assert!(told.ends_with(reason) && told.matches("(os error").count() == 1, "{line}: {told}");
    }
    // Where temporary files go nothing is named by the person: the variable is.
    for line in ["compare {pocket} {pocket} --no-quality", "sweep {pocket} --types Q8_0", "demo"] {
        let ran = Bench::new(line).through(&["env", "TMPDIR=/dev/null"]).run();
        assert!(ran.code == 1 && ran.tells("in /dev/null (TMPDIR names another place)"), "{line}: {}", ran.stderr);
        assert!(ran.stderr.trim_end().ends_with("Not a directory (os error 20)"), "{line}: {}", ran.stderr);
    }
    // What could not be written in the end is told before anything is measured.
    for (option, other) in [("--json", ""), ("--junit", "--fail-if tg4<-3%"), ("--save-logits", "")] {
        let (command, text) = if option == "--save-logits" {
            ("quality", "--text run.json")
        } else {
            ("compare", "--no-quality --pp 8 --tg 4")
        };
        let line = format!("{command} {{pocket}} {{pocket}} {text} {option} none/file {other} --out out");
        let ran = Bench::new(&line).file("run.json", &record).run();
        assert!(
            ran.code == 1 && ran.tells(&format!("there is no folder none to write none/file to ({option})")),
            "{}",
            ran.stderr
        );
        assert!(!ran.folder.path().join("out/run.json").exists(), "{line}");
    }
}

#[test]
fn hashes_that_cannot_be_remembered_cost_nothing() {
    // The cache's folder would lie under a file.
    scripted("--rounds 2").file("cache", b"").run().ok();
}

#[test]
fn a_checkpoint_that_does_not_fit_is_a_row_and_no_file() {
    let line =
        "sweep {pocket} --types Q8_0,Q2_K --keep kept --quick --pp 8 --tg 4 --prompts none --no-quality --out out";
    // Q8_0 takes 4.6 MB, Q2_K 2 MB.
    let ran = Bench::new(line).through(&sh(&up_to(8000))).run();
    assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
    let run = ran.json("out/run.json");
    let failed = &run["subjects"][1]["outcome"]["failed"];
    assert_eq!(failed["stage"], "quantize");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("kept/pocket-4m-Q8_0.gguf") && reason.contains("disk is full"), "{reason}");
    assert_eq!(names(&ran.folder.path().join("kept")), ["pocket-4m-Q2_K.gguf"]);
    assert!(run["subjects"][2]["outcome"] == "done" && ran.says("Q2_K"));
}

#[test]
fn checkpoints_that_will_not_fit_are_known_before_any_is_made_and_memory_is_named() {
    let script = "mkdir tmp && mount -t tmpfs -o size=5m small tmp || exit 77; export TMPDIR=\"$PWD/tmp\"; exec \"$@\"";
    let line = "sweep {pocket} --types Q8_0,Q4_0 --quick --pp 8 --tg 0 --prompts none --no-quality --out out";
    let ran = Bench::new(line).through(&apart(script)).run();
    if ran.code == 77 || ran.tells("unshare") {
        skipped("nobody may mount here");
        return;
    }
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for words in ["the files to be made take 7.04 MiB in all", "tmp, which is memory (tmpfs), has", "--keep", "TMPDIR"]
    {
        assert!(ran.tells(words), "{words} in {}", ran.stderr);
    }
    assert!(!ran.folder.path().join("out").exists(), "nothing was begun");
    let fits = Bench::new(&line.replace("Q8_0,Q4_0", "Q4_0 --dry-run")).through(&apart(script)).run().ok();
    assert!(fits.says("that is memory (tmpfs), which the models need too"), "{}", fits.stdout);
}

#[test]
fn log_probabilities_that_do_not_fit_leave_no_file() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/quality/pocket");
    let text = fs::read_dir(text).unwrap().next().unwrap().unwrap().path();
    for candidate in [None, Some(&quants()[0])] {
        let line = "quality {pocket} --save-logits base.bin --max-windows 8 --out out -t 1 --text";
        let bench = Bench::new(line).arg(&text);
        let bench = if let Some(candidate) = candidate { bench.arg(candidate) } else { bench };
        let ran = bench.through(&sh(&up_to(2000))).run();
        assert!(ran.code == 1 || ran.code == 5, "{} {}", ran.code, ran.stderr);
        let told = ran.read("out/run.json");
        assert!(told.contains("base.bin") && told.contains("File too large"), "{}", ran.stdout);
        let left = names(ran.folder.path());
        assert!(left.iter().all(|name| !name.starts_with("base.bin")), "{left:?}");
    }
}

#[test]
fn a_download_that_does_not_fit_is_named_with_its_place() {
    let hub = Hub::start().with("owner/big-GGUF", Manner::Good, &[("big-Q4_K_M.gguf", &vec![7; 60_000])]);
    let script = format!("export HF_ENDPOINT={} HF_HOME=\"$PWD/hf\"; {}", hub.endpoint, up_to(32));
    let ran = Bench::new("compare owner/big-GGUF owner/big-GGUF --quick --out out").through(&sh(&script)).run();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.tells("hf/hub") && ran.tells("File too large"), "{}", ran.stderr);
    let snapshots = ran.folder.path().join("hf/hub/models--owner--big-GGUF/snapshots");
    assert!(!snapshots.exists(), "no file under its final name");
    assert!(!ran.folder.path().join("out").exists(), "nothing was begun");
}
