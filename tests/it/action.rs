//! The GitHub Action: its own steps, run by bash as a runner would, on small runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use saphyr::{LoadableYamlNode, Yaml};
use tempfile::TempDir;

use crate::support::{quants, untouched};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A workspace of a runner.
struct Runner {
    folder: TempDir,
}

/// What the steps left behind.
struct Job {
    code: i32,
    output: String,
    summary: String,
    log: String,
}

impl Runner {
    /// With two models, whose speed a script says: nanoseconds a token that is generated.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let [q8, _, q2] = quants();
        fs::copy(q8, folder.path().join("a.gguf")).unwrap();
        fs::copy(q2, folder.path().join("b.gguf")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, ns: u32) {
        let model = |ns| {
            format!(r#"{{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":{ns},"answer":"x"}}"#)
        };
        let script = format!(r#"{{"models":{{"a.gguf":{},"b.gguf":{}}}}}"#, model(5000), model(ns));
        fs::write(self.path("script.json"), script).unwrap();
    }

    /// Every step of action.yml with these inputs, until one fails.
    fn job(&self, inputs: &[(&str, &str)]) -> Job {
        let text = fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
        let action = Yaml::load_from_str(&text).unwrap().remove(0);
        assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
        for (name, _) in inputs {
            assert!(action["inputs"].as_mapping_get(name).is_some(), "{name} is an input");
        }
        let value = |expression: &str| -> String {
            let name = expression.trim();
            if let Some(input) = name.strip_prefix("inputs.") {
                let given = inputs.iter().find(|(own, _)| *own == input).map(|(_, value)| (*value).to_owned());
                let default = || action["inputs"][input].as_mapping_get("default").and_then(Yaml::as_str);
                return given.unwrap_or_else(|| default().unwrap_or_default().to_owned());
            }
            match name {
                "github.action_path" => ROOT.into(),
                "runner.temp" => self.folder.path().display().to_string(),
                other => panic!("{other} is not known here"),
            }
        };
        let [output, summary, path] = ["output", "summary", "path"].map(|name| self.path(name));
        for file in [&output, &summary, &path] {
            fs::write(file, "").unwrap();
        }
        let mut job = Job { code: 0, output: String::new(), summary: String::new(), log: String::new() };
        for step in action["runs"]["steps"].as_sequence().unwrap() {
            assert_eq!(step["shell"].as_str(), Some("bash"));
            let script = step["run"].as_str().unwrap();
            assert!(!script.contains("${{"), "what is typed into a workflow is no part of a script");
            // As GitHub's runners call it.
            let mut command = Command::new("bash");
            command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(self.folder.path());
            for (name, text) in step["env"].as_mapping().unwrap() {
                command.env(name.as_str().unwrap(), filled(text.as_str().unwrap(), &value));
            }
            command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_PATH", &path);
            command.env("XDG_CACHE_HOME", self.path("cache"));
            let ran = untouched(&mut command).output().unwrap();
            job.log += &(String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr));
            job.code = ran.status.code().unwrap();
            if job.code != 0 {
                break;
            }
        }
        job.output = fs::read_to_string(output).unwrap();
        job.summary = fs::read_to_string(summary).unwrap();
        job
    }
}

/// `${{ … }}` in a text replaced by what they stand for.
fn filled(text: &str, value: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").unwrap();
        out += before;
        out += &value(expression);
        rest = after;
    }
    out + rest
}

const PROGRAM: (&str, &str) = ("program", env!("CARGO_BIN_EXE_gguf-bench"));
const OPTIONS: (&str, &str) =
    ("options", "--script 'script.json' --prompts none --no-quality --pp 8 --tg 4 --rounds 6 --quiet -t 1");
const MODELS: [(&str, &str); 2] = [("original", "a.gguf"), ("candidates", "b.gguf\n")];

#[test]
fn a_candidate_is_held_against_the_original() {
    let runner = Runner::new();
    runner.script(6000);
    let inputs = [&MODELS[..], &[PROGRAM, OPTIONS, ("out", "failing"), ("fail-if", "tg4<-3%\npeak>50%\n")]].concat();
    let failing = runner.job(&inputs);
    assert_eq!(failing.code, 3, "{}", failing.log);
    assert!(failing.output.contains("verdict=fail\njunit=failing/junit.xml\nout=failing\n"), "{}", failing.output);
    assert!(failing.summary.starts_with("**FAIL: 1 of 2 conditions failed: tg4&lt;-3%"), "{}", failing.summary);
    assert!(fs::read_to_string(runner.path("failing/junit.xml")).unwrap().contains("failures=\"1\""));
    assert!(runner.path("failing/run-1/run.json").is_file());

    let inputs = [&MODELS[..], &[PROGRAM, OPTIONS, ("out", "passing"), ("fail-if", "tg4<-50%")]].concat();
    let passing = runner.job(&inputs);
    assert_eq!(passing.code, 0, "{}", passing.log);
    assert!(passing.output.contains("verdict=pass\n"), "{}", passing.output);

    let none = runner.job(&[&MODELS[..], &[PROGRAM, OPTIONS, ("out", "none")]].concat());
    assert_eq!(none.code, 0, "{}", none.log);
    assert!(none.output.contains("verdict=none\njunit=\n") && none.summary.contains("tg4"), "{}", none.summary);
}

#[test]
fn new_runs_are_held_against_older_ones_as_often_as_they_are_measured() {
    let runner = Runner::new();
    runner.script(5000);
    let with = |more: &[(&'static str, &'static str)]| [&MODELS[..], &[PROGRAM, OPTIONS], more].concat();
    let before = runner.job(&with(&[("out", "a")]));
    assert_eq!(before.code, 0, "{}", before.log);
    runner.script(6000);
    let slower = runner.job(&with(&[("out", "b"), ("baseline", "a/run-1"), ("fail-if", "tg4<-3%")]));
    assert_eq!(slower.code, 3, "{}", slower.log);
    assert!(slower.summary.contains("b changed by −16.7"), "{}", slower.summary);
    let three = [("out", "c"), ("baseline", "a/run-1\na/run-1\na/run-1"), ("runs", "3"), ("fail-if", "tg4<-3%")];
    let three = runner.job(&with(&three));
    assert_eq!(three.code, 3, "{}", three.log);
    assert!(runner.path("c/run-3/run.json").is_file());
    assert!(three.summary.contains("A record is one value, 3 against 3"), "{}", three.summary);
    // Several runs without a baseline would be compared with nothing.
    assert_eq!(runner.job(&with(&[("out", "d"), ("runs", "3")])).code, 2);
}

#[test]
fn what_is_not_decided_fails_unless_it_may_pass() {
    let runner = Runner::new();
    let options = ("options", "-t 1 --quick --pp 8 --tg 2 --prompts none --no-quality --quiet");
    let inputs = |out, way| {
        [&MODELS[..], &[PROGRAM, options, ("out", out), ("fail-if", "tg2<-3%"), ("inconclusive", way)]].concat()
    };
    let failing = runner.job(&inputs("a", "fail"));
    assert_eq!(failing.code, 6, "{}", failing.log);
    assert!(failing.output.contains("verdict=inconclusive\n"), "{}", failing.output);
    let passing = runner.job(&inputs("b", "pass"));
    assert_eq!(passing.code, 0, "{}", passing.log);
    assert!(passing.summary.starts_with("**INCONCLUSIVE:"), "{}", passing.summary);
    // A program that is not there is said, and nothing else is built in its place.
    let missing = runner.job(&[&MODELS[..], &[("program", "no-such-program"), options]].concat());
    assert_eq!(missing.code, 1);
    assert!(missing.log.contains("there is no program no-such-program"), "{}", missing.log);
}
