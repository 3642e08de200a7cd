//! models: what is on a machine with a store of Ollama, a folder of LM Studio and a cache of the Hub; and other commands by such names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Bench, POCKET, Ran, quants};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn put(path: &Path, from: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(from, path).unwrap();
}

/// The bundled model in Ollama's store, `Q8_0` and a projector in LM Studio's folder, `Q4_K_M` in the Hub's cache.
fn home(folder: &Path) -> PathBuf {
    let home = folder.join("home");
    let [q8_0, q4_k_m, _] = quants();
    let ollama = home.join(".ollama/models");
    put(&ollama.join("blobs/sha256-ab12"), Path::new(POCKET));
    let manifest = ollama.join("manifests/registry.ollama.ai/library/pocket/4m");
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    let layers = r#"{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:ab12"}]}"#;
    fs::write(manifest, layers).unwrap();
    put(&home.join(".lmstudio/models/me/pocket-GGUF/pocket-Q8_0.gguf"), q8_0);
    put(&home.join(".lmstudio/models/me/pocket-GGUF/mmproj-F16.gguf"), q8_0);
    let shelf = home.join(".cache/huggingface/hub/models--o--pocket-GGUF");
    put(&shelf.join("snapshots").join(COMMIT).join("pocket-Q4_K_M.gguf"), q4_k_m);
    home
}

fn at_home(line: &str) -> Ran {
    let bench = Bench::new(line);
    let home = format!("HOME={}", home(bench.folder.path()).display());
    let unset = ["HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "OLLAMA_MODELS", "XDG_CACHE_HOME"].map(|name| ["-u", name]);
    bench.through(&[vec!["env"], unset.concat(), vec!["HF_HUB_OFFLINE=1", &home]].concat()).run()
}

#[test]
fn models_of_all_stores_are_listed_with_the_line_that_compares_them() {
    let line = "gguf-bench compare ollama:pocket:4m lmstudio:me/pocket-GGUF o/pocket-GGUF:Q4_K_M";
    let text = at_home("models").ok().stdout;
    for words in ["ollama:pocket:4m", "LM Studio", "Q4_K_M", "16.0", "bpw", line] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    let listing = at_home("models --json").ok().stdout_json();
    let models = listing["models"].as_array().unwrap();
    let stores: Vec<&str> = models.iter().map(|model| model["store"].as_str().unwrap()).collect();
    assert_eq!(stores, ["ollama", "lmstudio", "hub"], "{listing}");
    for model in models {
        assert_eq!((&model["fits"], &model["kind"]), (&"memory".into(), &"model".into()), "{model}");
        assert!(model["needs_bytes"].as_u64() > model["parameters"].as_u64().map(|n| n / 2), "{model}");
        assert!(model["bits_per_weight"].is_number() && model["file_bytes"].is_number());
    }
    assert_eq!(listing["groups"].as_array().unwrap().len(), 1);
    assert_eq!(listing["groups"][0]["command"], line);
}

#[test]
fn the_names_that_are_listed_are_understood() {
    let line = "compare ollama:pocket:4m lmstudio:me/pocket-GGUF/pocket-Q8_0.gguf o/pocket-GGUF:Q4_K_M \
                lmstudio:me/pocket-GGUF@q8_0 --dry-run --prompts none --no-quality";
    let text = at_home(line).ok().stdout;
    for quant in ["F16, 16.0", "Q8_0, 8.", "Q4_K_M, "] {
        assert!(text.contains(quant), "{quant} in\n{text}");
    }
    for command in ["inspect ollama:POCKET:4m", "selfcheck ollama:pocket:4m --dry-run --quick", "inspect o/pocket-GGUF"]
    {
        at_home(command).ok();
    }
    let ran = at_home("inspect pocket");
    assert!(ran.code == 1 && ran.tells("Ollama has ollama:pocket:4m"), "{}", ran.stderr);
    let ran = at_home("inspect o/pocket-GGUF:F16");
    assert!(ran.tells("the cache has o/pocket-GGUF:Q4_K_M"), "{}", ran.stderr);
}

#[test]
fn folders_are_looked_through_and_what_is_not_there_is_said() {
    let ran = at_home("models kept none");
    assert!(ran.code == 0 && ran.says("Not looked at: none does not exist"), "{}", ran.stdout);
    let bench = Bench::new("models .").file("x-F16.gguf", &fs::read(POCKET).unwrap()).file("broken.gguf", b"GGUF");
    fs::create_dir(bench.folder.path().join("below")).unwrap();
    fs::copy(&quants()[0], bench.folder.path().join("below/x-Q8_0.gguf")).unwrap();
    let none = bench.folder.path().join("nobody").display().to_string();
    let home = format!("HOME={none}");
    let text = bench.through(&["env", "-u", "HF_HOME", "-u", "OLLAMA_MODELS", &home]).run().ok().stdout;
    assert!(text.contains("gguf-bench compare ./x-F16.gguf ./below/x-Q8_0.gguf"), "{text}");
    assert!(text.contains("the file is truncated"), "{text}");
}

#[test]
fn an_original_that_fails_ends_a_comparison_at_once() {
    let line = "compare misspelt.gguf {pocket} --quick --pp 4 --tg 0 --prompts none --no-quality --out out";
    let ran = Bench::new(line).run();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.tells("the original can't be measured") && ran.tells("--force"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("misspelt.gguf").count(), 1, "{}", ran.stderr);
    assert!(!ran.folder.path().join("out").exists());
    assert_eq!(Bench::new(&format!("{line} --force")).run().code, 5);
}

#[test]
fn a_word_that_is_no_text_is_named() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Command};
    let mut command = Command::new(env!("CARGO_BIN_EXE_gguf-bench"));
    let output = command.arg("inspect").arg(OsStr::from_bytes(b"m\xff.gguf")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && said.contains("is not UTF-8, and llama.cpp can open no such path"),
        "{said}"
    );
}
