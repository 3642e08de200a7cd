//! Holds `vendor/pins.toml` equal to what is really used: the crates, llama.cpp as built, the bundled model.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::{Table, Value};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> Table {
    fs::read_to_string(root().join(file)).unwrap().parse().unwrap()
}

/// The pins of one kind (`crate`, `wheel`, `npm`, `model`, `task`), by name.
fn pins(kind: &str) -> Vec<(String, Table)> {
    let pins = read("vendor/pins.toml");
    let of_kind = pins[kind].as_table().unwrap();
    of_kind.iter().map(|(name, pin)| (name.clone(), pin.as_table().unwrap().clone())).collect()
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no string `{key}` in {table}"))
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn crates_are_those_of_cargo_lock() {
    let lock = read("Cargo.lock");
    for (name, pin) in pins("crate") {
        let all = lock["package"].as_array().unwrap().iter().map(|package| package.as_table().unwrap());
        let locked: Vec<&Table> = all.filter(|package| text(package, "name") == name).collect();
        assert_eq!(locked.len(), 1, "{name} is in Cargo.lock once");
        assert_eq!(text(locked[0], "version"), text(&pin, "version"), "{name}");
        assert_eq!(text(locked[0], "checksum"), text(&pin, "sha256"), "{name}");
    }
}

/// What is built is what was locked: from the registry alone, each crate by its checksum.
#[test]
fn every_crate_comes_from_the_registry_with_a_checksum() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let lock = read(lock);
        let packages = lock["package"].as_array().unwrap().iter().map(|package| package.as_table().unwrap());
        let (own, others): (Vec<&Table>, Vec<&Table>) = packages.partition(|package| !package.contains_key("source"));
        assert!(own.len() == 1 && others.len() > 20, "this package alone has no source: {own:?}");
        let sources: BTreeSet<&str> = others.iter().map(|package| text(package, "source")).collect();
        assert!(sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")), "{sources:?}");
        assert!(others.iter().all(|package| is_sha256(text(package, "checksum"))));
    }
}

#[test]
fn cargo_toml_asks_for_exactly_the_pinned_crates() {
    let manifest = read("Cargo.toml");
    let asked = manifest["dependencies"].as_table().unwrap();
    let exact = |value: &Value| {
        let version = value.get("version").unwrap_or(value).as_str().unwrap().to_owned();
        version.strip_prefix('=').map(str::to_owned)
    };
    let mut expected: Vec<(String, String)> =
        asked.iter().filter_map(|(name, value)| Some((name.clone(), exact(value)?))).collect();
    let mut pinned: Vec<(String, String)> =
        pins("crate").iter().map(|(name, pin)| (name.clone(), text(pin, "version").to_owned())).collect();
    expected.sort();
    pinned.sort();
    assert_eq!(expected, pinned, "the `=` dependencies of Cargo.toml and the crates of vendor/pins.toml");
}

#[test]
fn llama_cpp_is_the_one_that_was_built() {
    let upstream = pins("upstream");
    let (_, llama) = upstream.iter().find(|(name, _)| name == "llama-cpp").unwrap();
    assert_eq!(text(llama, "version"), env!("GGUF_BENCH_LLAMA_VERSION"));
    assert_eq!(text(llama, "ggml"), env!("GGUF_BENCH_GGML_VERSION"));
}

/// Lines of `cargo tree`, without the marks that depend on where a package stands in it.
#[expect(clippy::disallowed_methods, reason = "asks cargo, which is running this test")]
fn cargo_tree(arguments: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["tree", "--frozen", "--prefix=none"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.replace(" (*)", "").replace(" (proc-macro)", "")).collect()
}

/// A feature that only a dev-dependency asks for makes another bindgen, hence another build of llama.cpp for
/// `cargo test` than for `cargo build`: minutes for everyone, and a test of something that no one runs.
#[test]
fn one_build_of_llama_cpp_serves_the_program_and_its_tests() {
    let of_llama = cargo_tree(&["--edges=normal,build", "--format={p} ", "--package=llama-cpp-sys-2"]);
    let program = cargo_tree(&["--edges=normal,build", "--format={p} with {f}"]);
    let tests = cargo_tree(&["--edges=all", "--format={p} with {f}"]);
    let shared = program.iter().filter(|line| of_llama.iter().any(|package| line.starts_with(package.as_str())));
    let other: Vec<&String> = shared.filter(|line| !tests.contains(*line)).collect();
    assert!(!of_llama.is_empty() && other.is_empty(), "not built like this for the tests: {other:#?}");
}

#[test]
fn bundled_models_are_the_pinned_ones() {
    let folder = root().join("vendor/models");
    let bundled: Vec<Table> =
        pins("model").into_iter().map(|(_, pin)| pin).filter(|pin| !pin.contains_key("wheel")).collect();
    for pin in &bundled {
        let path = folder.join(text(pin, "file"));
        assert_eq!(fs::metadata(&path).unwrap().len(), u64::try_from(pin["bytes"].as_integer().unwrap()).unwrap());
        assert_eq!(sha256(&path), text(pin, "sha256"), "{}", path.display());
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let pinned = bundled.iter().any(|pin| text(pin, "file") == name);
        assert!(pinned || Path::new(&name).extension().is_none_or(|end| end != "gguf"), "{name} has no pin");
    }
}

#[test]
fn every_pin_has_a_licence_a_use_and_checksums() {
    for (name, pin) in ["crate", "upstream", "wheel", "npm", "model", "task"].into_iter().flat_map(pins) {
        assert!(!text(&pin, "licence").is_empty() && !text(&pin, "use").is_empty(), "{name}");
    }
    for (name, pin) in ["crate", "npm", "model", "task"].into_iter().flat_map(pins) {
        assert!(is_sha256(text(&pin, "sha256")), "{name}");
    }
    for (name, pin) in pins("wheel") {
        let mut platforms =
            pin.iter().filter(|(key, _)| !["version", "licence", "use"].contains(&key.as_str())).peekable();
        assert!(platforms.peek().is_some(), "{name} has no checksum");
        assert!(platforms.all(|(_, value)| value.as_str().is_some_and(is_sha256)), "{name}");
    }
}

#[test]
fn models_and_tasks_come_from_wheels_that_are_pinned() {
    let wheels: Vec<String> = pins("wheel").into_iter().map(|(name, _)| name).collect();
    for (name, pin) in ["model", "task"].into_iter().flat_map(pins) {
        let wheel = pin.get("wheel").map(|_| text(&pin, "wheel").to_owned());
        assert!(wheel.is_none_or(|wheel| wheels.contains(&wheel) && !text(&pin, "member").is_empty()), "{name}");
    }
}

/// `cargo install` elsewhere reads no `.cargo/config.toml`: what the build script and the README tell such a person to say must give the same.
#[test]
fn the_line_for_builds_elsewhere_says_what_the_repositorys_settings_say() {
    let config = read(".cargo/config.toml");
    let flags: Vec<&str> =
        config["build"]["rustflags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    let env = config["env"].as_table().unwrap();
    let align = text(env, "CXXFLAGS_x86_64_unknown_linux_gnu");
    assert!(
        env.iter().filter(|(name, _)| name.contains("FLAGS_")).all(|(_, value)| value.as_str() == Some(align)),
        "{env}"
    );
    let rpc = text(env, "GGML_RPC");
    let line = format!("RUSTFLAGS=\"{}\" CFLAGS={align} CXXFLAGS={align} GGML_RPC={rpc}", flags.join(" "));
    for file in ["build.rs", "README.md"] {
        let source = fs::read_to_string(root().join(file)).unwrap().replace("\\\"", "\"");
        assert!(source.contains(&line), "{file} says {line}");
    }
}

/// Features of each crate that this package is built with, or its tests when `kinds` has those, too.
#[expect(clippy::disallowed_methods, reason = "cargo says it")]
fn features(kinds: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let told = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges", kinds, "--prefix", "none", "--format", "{p} [{f}]"])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let lines = String::from_utf8(told.stdout).unwrap();
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Otherwise `cargo test` would compile them, and this package, a second time.
#[test]
fn tests_use_the_crates_as_they_are_built() {
    let (built, tested) = (features("normal,build"), features("normal,build,dev"));
    let others: Vec<&String> = built.difference(&tested).collect();
    assert!(built.len() > 100 && others.is_empty(), "the tests' crates ask other features of these: {others:?}");
}
