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
    ("record", &["units", "text", "stats", "settings"]),
    ("metric", &["units", "record", "settings"]),
    ("event", &["record"]),
    ("gguf", &["units", "text", "record"]),
    ("prompts", &["units", "stats", "record"]),
    ("probe", &["units", "thresholds", "stats", "record"]),
    // A quality number is a statistic of logits.
    ("quality", &["units", "stats", "record"]),
    // The engine reads the clock around its timed sections; the clock is the probe's.
    ("engine", &["units", "stats", "settings", "record", "probe"]),
    ("models", &["units", "record", "gguf"]),
    ("protocol", &["units", "record"]),
    ("worker", &["units", "stats", "record", "engine", "quality", "probe", "protocol"]),
    // The run starts workers and talks to them; it knows neither what they are nor what they load models with.
    (
        "run",
        &["metric", "units", "stats", "record", "event", "quality", "probe", "gguf", "models", "prompts", "protocol"],
    ),
    ("analysis", &["metric", "units", "text", "settings", "thresholds", "stats", "record"]),
    ("report", &["metric", "units", "settings", "text", "stats", "record", "analysis"]),
    (
        "cli",
        &[
            "units", "text", "stats", "settings", "metric", "record", "event", "engine", "quality", "probe", "gguf",
            "models", "prompts", "protocol", "worker", "run", "analysis", "report",
        ],
    ),
];

/// Crate -> the only places (file or folder below src) that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("llama_cpp_2", &["engine/"]),
    ("llama_cpp_sys_2", &["engine/"]),
    ("minijinja", &["report/format/html.rs", "engine/chat_template.rs"]),
    ("minijinja_contrib", &["engine/chat_template.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("plotters", &["report/draw/"]),
    // Values of options: of settings, of the protocol, of `--format`.
    ("clap", &["cli/", "settings/", "record/", "report/format/mod.rs", "report/tests/"]),
    // Wall time is a label, made in one place; nothing is timed by a clock that steps.
    // Records of several days are put in order by theirs.
    ("jiff", &["probe/clock.rs", "report/format/llama_bench.rs", "report/history/by_date.rs"]),
    ("SystemTime", &[]),
    ("ureq", &["models/hub/"]),
    ("open", &["cli/guide/browser.rs"]),
    ("saphyr", &["report/card/"]),
];

/// Part of a module -> what it may not name: floors inside the module, the lower ones without a word of the upper.
const FLOORS: &[(&str, &[&str])] = &[
    ("report/draw/", &["analysis", "record", "document", "section", "format"]),
    ("report/document.rs", &["draw", "section", "format", "run", "history"]),
    ("report/section/", &["format", "run", "diff", "history", "card"]),
    ("report/format/", &["section", "run", "history", "card"]),
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

/// A source without its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(all(test").next().unwrap_or(text).split("\nmod tests {").next().unwrap_or(text)
}

/// Whether a file has nothing but tests.
fn is_of_tests(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("/tests.rs") || file.ends_with("_tests.rs")
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
        if ["lib", "main", "bin", "testing"].contains(&module) || is_of_tests(&file) {
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
fn floors_know_nothing_of_those_above() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let code: Vec<&str> = without_tests(&text).lines().filter(|l| !l.trim_start().starts_with("//")).collect();
        for above in FLOORS.iter().filter(|(floor, _)| file.starts_with(floor)).flat_map(|(_, above)| *above) {
            let path = format!("{above}::");
            let names = |line: &str| {
                let before = |at: usize| line[..at].chars().next_back();
                line.match_indices(&path).any(|(at, _)| before(at).is_none_or(|c| !c.is_alphanumeric() && c != '_'))
            };
            wrong.extend(code.iter().filter(|line| names(line)).map(|line| format!("{file}: {}", line.trim())));
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
        for line in
            without_tests(&text).lines().filter(|line| !is_of_tests(&file) && !line.trim_start().starts_with("//"))
        {
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

#[test]
fn files_use_each_other_in_no_circle() {
    let found = circles(&graph(&sources()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// File -> files whose items it uses. What a file re-exports counts as used by whoever uses it, and as its own file's.
fn graph(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Vec<String>, &str> =
        sources.iter().map(|(file, _)| (module_path(file), file.as_str())).collect();
    let code: BTreeMap<Vec<String>, Code> =
        sources.iter().map(|(file, text)| (module_path(file), Code::of(text))).collect();
    let of_tests = |module: &[String]| {
        (1..=module.len()).any(|n| code.get(&module[..n - 1]).is_some_and(|c| c.test_modules.contains(&module[n - 1])))
    };
    let mut uses = BTreeMap::new();
    for (module, own) in &code {
        let file = files[module];
        if ["lib.rs", "main.rs", "testing.rs"].contains(&file)
            || ["bin/", "testing/"].iter().any(|f| file.starts_with(f))
        {
            continue;
        }
        if of_tests(module) {
            continue;
        }
        let mut targets = BTreeSet::new();
        for path in &own.paths {
            targets.extend(resolve(module, path, &code).and_then(|target| files.get(&target)).map(|f| (*f).to_owned()));
        }
        targets.remove(file);
        uses.insert(file.to_owned(), targets);
    }
    uses
}

/// `run/quality/mod.rs` is `run::quality`, `run/round.rs` is `run::round`.
fn module_path(file: &str) -> Vec<String> {
    let mut path: Vec<String> = file.trim_end_matches(".rs").split('/').map(Into::into).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

/// What a source says of other files.
struct Code {
    /// Paths it uses, as written.
    paths: Vec<Vec<String>>,
    /// Name -> path, of what it re-exports.
    reexports: BTreeMap<String, Vec<String>>,
    modules: BTreeSet<String>,
    /// Modules that are there in tests alone.
    test_modules: BTreeSet<String>,
}

impl Code {
    fn of(text: &str) -> Self {
        let mut code = Self {
            paths: Vec::new(),
            reexports: BTreeMap::new(),
            modules: BTreeSet::new(),
            test_modules: BTreeSet::new(),
        };
        let (mut rest, mut statement, mut in_tests) = (String::new(), String::new(), false);
        for line in without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            let begun = statement.is_empty();
            let (visible, item) = split_visibility(line.trim_start());
            if let Some(name) = item.strip_prefix("mod ").and_then(|name| name.strip_suffix(';')).filter(|_| begun) {
                let modules = if in_tests { &mut code.test_modules } else { &mut code.modules };
                modules.insert(name.into());
            } else if !begun || item.starts_with("use ") {
                statement.push_str(if begun && !visible { item } else { line.trim_start() });
                statement.push(' ');
                if line.trim_end().ends_with(';') {
                    if !in_tests {
                        code.import(&statement);
                    }
                    statement.clear();
                } else {
                    continue;
                }
            } else {
                rest.push_str(line);
                rest.push('\n');
            }
            in_tests = line.trim() == "#[cfg(test)]";
        }
        for path in paths_in(&rest) {
            if path.len() > 1 {
                code.paths.push(path);
            } else if let Some(reexported) = code.reexports.get(&path[0]) {
                code.paths.push(reexported.clone());
            }
        }
        code
    }

    fn import(&mut self, statement: &str) {
        let (visible, item) = split_visibility(statement);
        let tree = item.trim().trim_start_matches("use ").trim_end_matches(';');
        for (path, name) in expand(&[], tree) {
            if visible {
                self.reexports.insert(name, path);
            } else {
                self.paths.push(path);
            }
        }
    }
}

/// `pub(crate) use x` is (true, `use x`).
fn split_visibility(line: &str) -> (bool, &str) {
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => (true, rest.split_once(") ").map_or(rest, |(_, rest)| rest)),
        Some(rest) if rest.starts_with(' ') => (true, rest.trim_start()),
        _ => (false, line),
    }
}

/// The paths of a tree of imports, and the name each gets.
fn expand(before: &[String], tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let head = tree.split('{').next().unwrap_or(tree);
    let (path, alias) = head.split_once(" as ").map_or((head, None), |(path, alias)| (path, Some(alias)));
    let mut full = before.to_vec();
    full.extend(
        path.split("::")
            .map(str::trim)
            .filter(|s| !s.is_empty() && (*s != "self" || before.is_empty()))
            .map(Into::into),
    );
    let Some(list) = tree.split_once('{').map(|(_, list)| list.trim_end().trim_end_matches('}')) else {
        let name = alias.unwrap_or_else(|| full.last().map_or("", String::as_str)).trim().to_owned();
        return vec![(full, name)];
    };
    // Only one brace is this tree's own.
    let list = &tree[head.len() + 1..tree.rfind('}').unwrap_or(head.len() + 1 + list.len())];
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !list[start..at].trim().is_empty() {
                    found.extend(expand(&full, &list[start..at]));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// Every `a::b::c` and every lone name in code.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut rest = code;
    let mut after = ' ';
    while let Some(c) = rest.chars().next() {
        if c.is_alphabetic() || c == '_' {
            let mut path = Vec::new();
            loop {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                path.push(rest[..end].to_owned());
                rest = &rest[end..];
                match rest.strip_prefix("::") {
                    Some(more) if more.starts_with(|c: char| c.is_alphabetic() || c == '_') => rest = more,
                    _ => break,
                }
            }
            if !['.', '\'', ':'].contains(&after) || path.len() > 1 {
                found.push(path);
            }
            after = ' ';
        } else {
            after = c;
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// The module whose file has what a path used in `module` names.
fn resolve(module: &[String], path: &[String], code: &BTreeMap<Vec<String>, Code>) -> Option<Vec<String>> {
    let mut at = match path[0].as_str() {
        "crate" => Vec::new(),
        "super" | "self" => module.to_vec(),
        child if code.get(module).is_some_and(|own| own.modules.contains(child)) => [module, &path[..1]].concat(),
        _ => return None,
    };
    let mut rest = match path[0].as_str() {
        "super" => path,
        _ => &path[1..],
    };
    while rest.first().is_some_and(|step| step == "super") {
        at.pop();
        rest = &rest[1..];
    }
    while let Some(next) = rest.first() {
        let below = [&at[..], std::slice::from_ref(next)].concat();
        if code.contains_key(&below) {
            at = below;
            rest = &rest[1..];
        } else if let Some(reexported) = code.get(&at).and_then(|own| own.reexports.get(next)) {
            return resolve(&at, reexported, code).or(Some(at));
        } else {
            break;
        }
    }
    (!at.is_empty()).then_some(at)
}

/// One circle through each file that is in one, as `a -> b -> a`.
fn circles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in uses.keys() {
        // The shortest way back.
        let mut ways = vec![vec![start]];
        let mut visited = BTreeSet::new();
        while let Some(way) = (!ways.is_empty()).then(|| ways.remove(0)) {
            let next = uses.get(way[way.len() - 1]).into_iter().flatten();
            if next.clone().any(|file| file == start) {
                if !way.iter().any(|file| seen.contains(*file)) {
                    let names: Vec<&str> = way.iter().map(|file| file.as_str()).chain([start.as_str()]).collect();
                    found.push(names.join(" -> "));
                    seen.extend(way);
                }
                break;
            }
            ways.extend(next.filter(|file| visited.insert(*file)).map(|file| [&way[..], &[file]].concat()));
        }
    }
    found
}

#[test]
fn paths_are_found_and_followed() {
    let source = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let uses = graph(&[
        source(
            "a/mod.rs",
            "mod b;\nmod c;\npub(crate) use b::{B, X as Y};\n#[cfg(test)]\nmod t;\nfn f() { c::g(); }\n",
        ),
        source("a/b.rs", "use super::{\n    c::{self, C},\n    d,\n};\n"),
        source("a/c.rs", "fn g() { crate::a::Y::new(); }\n// crate::a::d::D\n"),
        source("a/t.rs", "use super::*;"),
    ]);
    let of = |file: &str| uses[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        (of("a/mod.rs"), of("a/b.rs"), of("a/c.rs")),
        (vec!["a/c.rs"], vec!["a/c.rs", "a/mod.rs"], vec!["a/b.rs"])
    );
    assert!(!uses.contains_key("a/t.rs"));
    assert_eq!(circles(&uses), ["a/b.rs -> a/c.rs -> a/b.rs"]);
}
