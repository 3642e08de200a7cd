//! Shells, manuals and pipes: what is generated is used, by the programs that it is for.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{Bench, POCKET, skipped, untouched};

/// What each program's options begin with, and what they are then.
const ASKED: [(&str, &str, &str); 6] = [
    ("gguf-bench", "gguf-bench compa", "compare"),
    ("gguf-bench", "gguf-bench compare --prom", "--prompts"),
    ("gguf-bench", "gguf-bench diff --fai", "--fail-if"),
    ("gguf-bench", "gguf-bench rpc-server --ho", "--host"),
    ("benchmark-model", "benchmark-model --quan", "--quantized"),
    ("visualize-benchmark", "visualize-benchmark --output-d", "--output-dir"),
];

/// The completions of all programs, in files named as given.
fn scripts(shell: &str, name: impl Fn(&str) -> String) -> TempDir {
    let folder = TempDir::new().unwrap();
    for program in ["gguf-bench", "run-benchmark", "benchmark-model", "visualize-benchmark"] {
        let script = Bench::new(&format!("completions {shell} {program}")).run().ok().stdout;
        fs::write(folder.path().join(name(program)), script).unwrap();
    }
    folder
}

/// What a shell prints of a script of its own, run in this folder; `None` where it is not installed.
fn asked(shell: &[&str], script: &str, folder: &Path) -> Option<String> {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script).current_dir(folder);
    command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).env("TERM", "dumb").stdin(Stdio::null());
    let output = untouched(&mut command).output();
    let Ok(output) = output else {
        skipped(&format!("{} is not installed: its completions were not tried", shell[0]));
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = scripts("bash", |program| format!("{program}.bash"));
    let ask = |program: &str, line: &str| {
        let script = format!(
            r#"source ./{program}.bash
            COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            function=$(complete -p {program} | sed 's/.*-F \([^ ]*\).*/\1/')
            "$function" {program} "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
            printf '%s\n' "${{COMPREPLY[@]}}""#
        );
        asked(&["bash", "--norc", "-c"], &script, folder.path())
    };
    for (program, line, wanted) in ASKED {
        let Some(found) = ask(program, line) else { return };
        assert_eq!(found.lines().collect::<Vec<_>>(), [wanted], "{line}");
    }
    let several = ask("gguf-bench", "gguf-bench compare --pre").unwrap();
    assert_eq!(several.lines().collect::<Vec<_>>(), ["--precision", "--prefer"]);
    let values = ask("gguf-bench", "gguf-bench compare --prefer s").unwrap();
    assert!(values.lines().any(|value| value == "size"), "{values}");
    assert!(!ask("gguf-bench", "gguf-bench inspect --pre").unwrap().contains("--precision"));
}

#[test]
fn zsh_completes_commands_and_options() {
    let folder = scripts("zsh", |program| format!("_{program}"));
    // The program is a function that prints what it was given; the line is typed into an interactive shell.
    for (program, line, wanted) in ASKED {
        let script = format!(
            // What is typed before the line editor is there, which writes the prompt, is typed in vain.
            r#"(sleep 600; kill $$) >/dev/null 2>&1 &
            zmodload zsh/zpty
            zpty shell zsh -f -i
            zpty -w shell 'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; {program}() {{ print -r -- "ASKED" "${{(j: :)@}}" "END" }}; PS1="REA""DY>"'
            zpty -r shell text '*READY>*'
            zpty -w -n shell $'{line}\t\n'
            zpty -r shell text '*END*READY>*'
            print -r -- "$text"
            zpty -d shell
            kill $!"#
        );
        let Some(found) = asked(&["zsh", "-f", "-c"], &script, folder.path()) else { return };
        let answer = found.lines().rfind(|text| text.starts_with("ASKED")).unwrap_or_else(|| panic!("{line}: {found}"));
        let words: Vec<&str> = answer.split_whitespace().collect();
        assert_eq!(words.get(words.len() - 2), Some(&wanted), "{line}: {found}");
    }
}

#[test]
fn fish_completes_commands_and_options() {
    let folder = scripts("fish", |program| format!("{program}.fish"));
    for (program, line, wanted) in ASKED {
        let script = format!("source {program}.fish; complete -C '{line}'");
        let Some(found) = asked(&["fish", "--no-config", "-c"], &script, folder.path()) else { return };
        let words: Vec<&str> = found.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, [wanted], "{line}");
    }
}

#[test]
fn every_command_has_a_manual_page_that_man_renders() {
    let ran = Bench::new("man --dir man1").run().ok();
    let folder = ran.folder.path().join("man1");
    let mut pages: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let help = Bench::new("--help").run().ok().stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            line.strip_prefix("  ")?.split(' ').next().filter(|word| !word.is_empty() && *word != "help")
        })
        .collect();
    assert!(commands.len() > 15 && commands.contains(&"rpc-server"), "{commands:?}");
    for command in &commands {
        assert!(pages.contains(&format!("gguf-bench-{command}.1")), "{command} in {pages:?}");
    }
    assert_eq!(pages.len(), commands.len() + 4, "{pages:?}");
    // What one page refers to is there, too.
    let root = fs::read_to_string(folder.join("gguf-bench.1")).unwrap().replace("\\-", "-");
    for name in root.lines().filter_map(|line| line.split_once("(1)")).map(|(name, _)| name.trim_start_matches('.')) {
        assert!(pages.contains(&format!("{}.1", name.trim())), "{name}");
    }
    let one = Bench::new("man compare").run().ok().stdout;
    assert_eq!(one, fs::read_to_string(folder.join("gguf-bench-compare.1")).unwrap());
    assert_eq!(Bench::new("man compaer").run().code, 2);
    let mut man = Command::new("man");
    man.args(["-E", "ascii", "-P", "cat"]).arg(folder.join("gguf-bench-compare.1"));
    let rendered = untouched(&mut man).output();
    match rendered {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("--prompts") && text.contains("--precision"), "{text}");
        }
        Ok(_) | Err(_) => skipped("man is not installed: no page was rendered by it"),
    }
}

/// What is printed before the reader goes away, and how the program ends.
fn first_line(line: &str, folder: &Path) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gguf-bench"));
    command
        .args(line.split(' ').map(|word| word.replace("{pocket}", POCKET)))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = untouched(&mut command).spawn().unwrap();
    // A pipe whose reader is gone before a byte is written: no buffer hides it.
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (line.into(), stderr, child.wait().unwrap().code())
}

#[test]
fn a_reader_who_goes_away_is_no_failure_of_any_command() {
    let quick = "-t 1 --quick --pp 8 --tg 2 --prompts none --no-quality";
    let ran = Bench::new(&format!("compare {{pocket}} {{pocket}} --quiet --out run {quick}")).run().ok();
    let folder = ran.folder.path();
    for line in [
        &*format!("compare {{pocket}} {{pocket}} --quiet --out other --html - {quick}"),
        "report run --format md",
        "report run --format text",
        "report run run --format md",
        "diff run run",
        "diff run run --md -",
        "inspect {pocket}",
        "inspect {pocket} --json",
        "fit {pocket}",
        "models",
        "schema",
        "completions bash",
        "man",
        "--help",
        "compare --help",
        "compare {pocket} {pocket} --dry-run",
    ] {
        let (line, stderr, code) = first_line(line, folder);
        assert_eq!(code, Some(0), "{line}: {stderr}");
        let told = stderr.to_lowercase();
        assert!(!told.contains("broken pipe") && !told.contains("panicked"), "{line}: {stderr}");
    }
    // Whatever else was asked for is there.
    assert!(folder.join("other/report.html").is_file() && folder.join("other/run.json").is_file());
}

#[test]
fn a_log_that_nobody_reads_ends_no_run() {
    let folder = TempDir::new().unwrap();
    let line = "compare {pocket} {pocket} --out run -t 1 --quick --pp 8 --tg 2 --prompts none --no-quality";
    let mut child = Command::new(env!("CARGO_BIN_EXE_gguf-bench"))
        .args(line.split(' ').map(|word| word.replace("{pocket}", POCKET)))
        .current_dir(folder.path())
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.path().join("run/report.html").is_file());
}

#[test]
fn colours_follow_their_conventions() {
    let script = r#"{"models":{"a.gguf":{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":5000,"answer":"one"},
        "b.gguf":{"load_ns":1000000,"prefill_ns_per_token":1000,"decode_ns_per_token":9000,"answer":"one"}}}"#;
    let model = fs::read(POCKET).unwrap();
    let ran = Bench::new(
        "compare a.gguf b.gguf --prompts none --no-quality --quiet --out run --script script.json --pp 8 --tg 4 --rounds 6",
    )
    .file("a.gguf", &model)
    .file("b.gguf", &model)
    .file("script.json", script.as_bytes())
    .run()
    .ok();
    let coloured = |set: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gguf-bench"))
            .args(["report", "run", "--format", "text"])
            .current_dir(ran.folder.path())
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR")
            .env_remove("CLICOLOR_FORCE")
            .envs(set.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout.contains(&0x1b)
    };
    assert!(!coloured(&[]), "a pipe has none");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "")]) && !coloured(&[("CLICOLOR_FORCE", "0")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]), "set to nothing is not set");
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")]));
}
