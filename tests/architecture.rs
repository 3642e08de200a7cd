//! The layer rule as data: who may import whom, and where the heavy dependencies may be named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Module -> modules of the crate it may import besides itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("text", &[]),
    ("thresholds", &[]),
    ("stats", &[]),
    ("settings", &[]),
    ("record", &["units", "stats", "settings"]),
    ("metric", &["units", "record", "settings"]),
    ("event", &["record"]),
    ("gguf", &["units", "text", "record"]),
    ("prompts", &["units", "record"]),
    ("probe", &["units", "thresholds", "stats", "record"]),
    // A quality number is a statistic of logits.
    ("quality", &["units", "stats", "record"]),
    // The engine reads the clock around its timed sections; the clock is the probe's.
    ("engine", &["units", "stats", "record", "probe"]),
    ("models", &["units", "record", "gguf"]),
    ("run", &["units", "stats", "record", "event", "engine", "quality", "probe", "gguf", "models", "prompts"]),
    ("analysis", &["metric", "units", "thresholds", "stats", "record"]),
    ("report", &["metric", "units", "settings", "text", "stats", "record", "analysis"]),
    (
        "cli",
        &[
            "units", "text", "stats", "settings", "metric", "record", "event", "engine", "quality", "probe", "gguf",
            "models", "prompts", "run", "analysis", "report",
        ],
    ),
];

/// Crate -> the only places (file or folder below src) that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("llama_cpp_2", &["engine/"]),
    ("llama_cpp_sys_2", &["engine/"]),
    ("minijinja", &["report/format/html.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("plotters", &["report/draw/"]),
    // Values of options: of settings, of the protocol, of `--format`.
    ("clap", &["cli/", "settings.rs", "record/", "report/format/mod.rs", "report/tests/"]),
    // Wall time is a label, made in one place; nothing is timed by a clock that steps.
    // Records of several days are put in order by theirs.
    ("jiff", &["probe/clock.rs", "report/history/by_date.rs"]),
    ("SystemTime", &[]),
    ("hf_hub", &["models/hub/"]),
    ("ureq", &["models/hub/"]),
    ("open", &["cli/guide/browser.rs"]),
    ("saphyr", &["report/card/"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were found");
    let name = |p: &Path| p.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
    files.into_iter().map(|p| (name(&p), fs::read_to_string(&p).expect("a source"))).collect()
}

/// A source without its tests, comments and blank lines' content left as they are.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(all(test").next().unwrap_or(text).split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// The first path segments after `crate::`, also inside braces.
fn imports(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut at_start = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    c if c.is_whitespace() => {}
                    _ if at_start => {
                        found.insert(word(&list[at..]));
                        at_start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if ["lib", "main", "bin", "testing"].contains(&module) {
            continue;
        }
        let Some(allowed) = table.get(module) else {
            wrong.push(format!("{file}: module {module} is not in the table"));
            continue;
        };
        for import in imports(without_tests(&text)) {
            let is_module = table.contains_key(import.as_str());
            if is_module && import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{file} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let rank: BTreeMap<&str, usize> = MAY_IMPORT.iter().enumerate().map(|(i, (m, _))| (*m, i)).collect();
    for (module, allowed) in MAY_IMPORT {
        for import in *allowed {
            assert!(rank[import] < rank[module], "{module} may import {import}, which stands above it");
        }
    }
}

#[test]
fn heavy_dependencies_have_one_home() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for (name, homes) in ONLY_IN {
            let at_home = homes.iter().any(|h| file == *h || (h.ends_with('/') && file.starts_with(h)));
            let named = text.lines().any(|l| {
                !l.trim_start().starts_with("//")
                    && (l.contains(&format!("{name}::")) || l.contains(&format!("use {name}")))
            });
            if named && !at_home {
                wrong.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_lives_in_one_file_and_says_why_it_is_safe() {
    for (file, text) in sources() {
        let blocks = text.lines().filter(|l| l.contains("unsafe {") || l.contains("unsafe fn")).count();
        if file == "engine/ffi.rs" {
            assert!(blocks > 0);
            assert_eq!(blocks, text.matches("// SAFETY:").count(), "{file}: a SAFETY line for each block");
        } else {
            assert_eq!(blocks, 0, "{file} has unsafe code");
        }
    }
}

/// What is typed, downloaded or read from a file never meets a shell: one file starts processes, of one program, this one.
#[test]
fn processes_are_started_in_one_place_and_none_is_a_shell() {
    const SHELLS: [&str; 6] = ["\"sh\"", "\"bash\"", "\"/bin/sh\"", "\"cmd\"", "\"powershell\"", "\"env\""];
    let mut starts = Vec::new();
    for (file, text) in sources() {
        let tests = file.contains("/tests") || file.ends_with("_tests.rs");
        for line in without_tests(&text).lines().filter(|line| !tests && !line.trim_start().starts_with("//")) {
            if line.contains("Command::new(") {
                starts.push((file.clone(), line.trim().to_owned()));
            }
            assert!(!SHELLS.iter().any(|shell| line.contains(shell)), "{file} names a shell: {line}");
        }
    }
    let (files, lines): (BTreeSet<String>, Vec<String>) = starts.into_iter().unzip();
    assert_eq!(files.into_iter().collect::<Vec<_>>(), ["run/launcher.rs"]);
    assert!(lines.iter().all(|line| line.contains("Command::new(program)")), "{lines:?}");
}

#[test]
fn files_say_what_they_own() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//! ") {
            wrong.push(format!("{file} does not begin by saying what it owns"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_every_spelling() {
    let text = "use crate::{\n    record::{Run, Plan},\n    stats,\n};\nuse crate::units::GIB;\nlet x = crate::probe::y();\n// crate::cli\n";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["probe", "record", "stats", "units"]);
}
