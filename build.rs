//! Tells the binary what it is: revision, flags, crates, and the options llama.cpp was really built with.
//!
//! Provenance that cannot be found is recorded as `unknown` and never fails the build. What fails it is a llama.cpp that was built for no
//! CPU in particular: its speeds would be nobody's. Nothing is compiled here.
#![expect(clippy::disallowed_methods, reason = "a build script reads what cargo says and asks git")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNKNOWN: &str = "unknown";

/// What `.cargo/config.toml` gives a build in the repository, and nobody gives `cargo install` elsewhere.
const SETTINGS: &str =
    "RUSTFLAGS=\"-C target-cpu=native\" CFLAGS=-falign-loops=64 CXXFLAGS=-falign-loops=64 GGML_RPC=ON";

fn main() {
    // Besides itself what a tree is marked as changed by.
    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "src", "templates", "prompts", "schema"] {
        println!("cargo:rerun-if-changed={path}");
    }

    list_documents();
    record("GIT_REVISION", git_revision());
    record("TARGET", env::var("TARGET").ok());
    record("PROFILE", env::var("PROFILE").ok());

    let flags = rust_flags();
    let cpu = target_cpu(&flags);
    if is_on("PORTABLE") {
        find_libraries_beside_the_program();
    } else if cpu.is_none() {
        println!(
            "cargo::error=no target-cpu among the Rust flags (is RUSTFLAGS set?): llama.cpp would leave out what this CPU can do, and its \
             speeds would not be this machine's. Say: {SETTINGS} cargo install ..."
        );
    }
    println!("cargo:rustc-env=GGUF_BENCH_RUSTFLAGS={}", flags.join(" "));
    // Without the flag rustc compiles for the oldest CPU of the target, which it calls generic.
    println!("cargo:rustc-env=GGUF_BENCH_TARGET_CPU={}", cpu.unwrap_or("generic"));
    println!("cargo:rustc-env=GGUF_BENCH_FEATURES={}", features().join(","));

    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    record("LLAMA_CPP_2", locked_version(&lock, "llama-cpp-2"));
    record("LLAMA_CPP_SYS_2", locked_version(&lock, "llama-cpp-sys-2"));

    let mut options = cmake_variables("ggml/ggml-config.cmake");
    options.extend(compiler_flags());
    warn_of_missing_settings(&options);
    let upstream = cmake_variables("llama/llama-config.cmake");
    record("GGML_VERSION", options.get("GGML_VERSION").cloned());
    record("LLAMA_VERSION", upstream.get("LLAMA_VERSION").cloned());
    println!("cargo:rustc-env=GGUF_BENCH_LLAMA_OPTIONS={}", json_object(&options));
}

/// Whether a feature of this crate is on, named as cargo does.
fn is_on(feature: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// A portable build comes with its libraries in one folder.
fn find_libraries_beside_the_program() {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN"),
        Ok("macos") => println!("cargo:rustc-link-arg=-Wl,-rpath,@executable_path"),
        // Windows looks there by itself.
        _ => {}
    }
}

/// Says what llama.cpp was built without, where this build could have had it.
fn warn_of_missing_settings(options: &BTreeMap<String, String>) {
    if options.get("GGML_RPC").is_some_and(|is| is == "OFF") {
        // The crate never configures a target folder a second time, and says nothing of it.
        let remedy = if env::var("GGML_RPC").is_ok_and(|asked| asked == "ON") {
            "remove build/llama-cpp-sys-2-* below this target folder and build again".to_owned()
        } else {
            format!("say {SETTINGS} cargo ...")
        };
        println!("cargo:warning=this llama.cpp has no RPC, and --rpc will be refused: {remedy}");
    }
    let is_gnu = env::var("TARGET").is_ok_and(|target| target.ends_with("linux-gnu"));
    if is_gnu && options.get(CXX_FLAGS).is_some_and(|flags| !flags.contains("-falign-loops")) {
        println!(
            "cargo:warning=loops of this llama.cpp are not aligned, and F16 prompts may be 3 to 5 % slower: say {SETTINGS} cargo ..."
        );
    }
}

/// Writes the list of evaluation documents, `prompts/quality/documents/<domain>/<name>.txt`, for `src/prompts/texts.rs`: what is
/// there is compiled in.
fn list_documents() {
    const FOLDER: &str = "prompts/quality/documents";
    println!("cargo:rerun-if-changed={FOLDER}");
    let mut lines = Vec::new();
    for domain in entries(Path::new(FOLDER)).into_iter().filter(|path| path.is_dir()) {
        for file in entries(&domain).into_iter().filter(|path| path.extension().is_some_and(|is| is == "txt")) {
            let words = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let file_in_tree = file.display().to_string().replace('\\', "/");
            lines.push(format!(
                "    ({:?}, {:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),\n",
                words(&domain),
                words(&file),
                format!("/{file_in_tree}"),
            ));
        }
    }
    let list = lines.concat();
    let code = format!(
        "/// Domain, name and text of every document.\nconst DOCUMENTS: &[(&str, &str, &str)] = &[\n{list}];\n"
    );
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&folder).join("documents.rs"), code).expect("cargo makes the folder");
}

/// What a folder holds, sorted; nothing when there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Hands `GGUF_BENCH_<name>` to the crate's `env!`.
fn record(name: &str, value: Option<String>) {
    let value = value.filter(|text| !text.is_empty());
    if value.is_none() {
        println!("cargo:warning=GGUF_BENCH_{name} is unknown: runs of this binary cannot say it");
    }
    println!("cargo:rustc-env=GGUF_BENCH_{name}={}", value.as_deref().unwrap_or(UNKNOWN));
}

/// The commit this tree was built from, `-dirty` after it where the tree differs; that of a package is written in it.
fn git_revision() -> Option<String> {
    revision_of_checkout().or_else(revision_of_package)
}

/// None when the tree is not the top of a git checkout.
fn revision_of_checkout() -> Option<String> {
    // HEAD moves on a checkout, its log on a commit; asking git keeps both right in a linked worktree.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).map(PathBuf::from).filter(|path| path.exists()) {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    // A prefix means that the repository found is one that merely surrounds these sources.
    let answer = git(&["rev-parse", "--show-prefix", "--short=12", "HEAD"])?;
    let (prefix, revision) = answer.split_once('\n')?;
    if !prefix.is_empty() {
        return None;
    }
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|files| !files.is_empty());
    Some(format!("{}{}", revision.trim(), if changed { "-dirty" } else { "" }))
}

/// cargo writes the commit into what it packages, and whether files differed from it.
fn revision_of_package() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit: String =
        rest.chars().skip_while(|c| !c.is_ascii_hexdigit()).take_while(char::is_ascii_hexdigit).take(12).collect();
    let changed =
        text.split_once("\"dirty\"").is_some_and(|(_, rest)| rest.trim_start_matches([':', ' ']).starts_with("true"));
    Some(format!("{commit}{}", if changed { "-dirty" } else { "" }))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

fn rust_flags() -> Vec<String> {
    let encoded = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    encoded.split('\u{1f}').filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
}

/// The CPU that rustc compiles for; the last flag counts.
fn target_cpu(flags: &[String]) -> Option<&str> {
    flags.iter().rev().find_map(|flag| flag.trim_start_matches("-C").strip_prefix("target-cpu="))
}

/// The features of this build, sorted.
fn features() -> Vec<String> {
    let found: BTreeSet<String> =
        env::vars().filter_map(|(key, _)| key.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase)).collect();
    found.into_iter().collect()
}

/// The version that `Cargo.lock` gives for a package.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

/// Every `set(NAME "value")` of a package file that llama.cpp's build installed; empty when there is none.
fn cmake_variables(file: &str) -> BTreeMap<String, String> {
    let Ok(folder) = env::var("DEP_LLAMA_GGML_CMAKE_DIR") else {
        return BTreeMap::new();
    };
    let path = Path::new(&folder).join(file);
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(assignment).collect()
}

const CXX_FLAGS: &str = "CMAKE_CXX_FLAGS";

/// The flags llama.cpp's C++ was compiled with besides those of its options: where loops begin is among them.
fn compiler_flags() -> Option<(String, String)> {
    // The package files lie in lib/cmake beside the folder of the build.
    let installed = PathBuf::from(env::var("DEP_LLAMA_GGML_CMAKE_DIR").ok()?);
    let cache = installed.ancestors().nth(2)?.join("build/CMakeCache.txt");
    println!("cargo:rerun-if-changed={}", cache.display());
    let cache = fs::read_to_string(cache).ok()?;
    let flags = cache.lines().find_map(|line| line.strip_prefix(CXX_FLAGS)?.strip_prefix(":STRING="))?;
    Some((CXX_FLAGS.into(), flags.trim().into()))
}

/// Takes `set(GGML_AVX2 "ON")` apart; indented ones belong to cmake's own functions.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("set(")?.strip_suffix(')')?.split_once(char::is_whitespace)?;
    let named = name.starts_with("GGML_") || name.starts_with("LLAMA_");
    named.then(|| (name.to_owned(), value.trim().trim_matches('"').to_owned()))
}

fn json_object(pairs: &BTreeMap<String, String>) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("{}:{}", quote(name), quote(value))).collect();
    format!("{{{}}}", fields.join(","))
}
