//! Names that are models and names that are not, in folders made for the purpose.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]

use std::fs;

use super::*;
use crate::gguf::{GgmlType, fixture::Fixture};

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(names: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in names {
            fs::write(folder.path(name), "GGUF").unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn resolve(&self, name: &str) -> Result<Resolved, ResolveError> {
        resolve(self.path(name).to_str().unwrap())
    }
}

#[test]
fn a_file_whatever_its_name() {
    let folder = Folder::with(&["m-F16.gguf", "sha256-00ff"]);
    for name in ["m-F16.gguf", "sha256-00ff"] {
        let file = folder.path(name);
        assert_eq!(folder.resolve(name).unwrap(), Resolved { parts: vec![file.clone()], file });
    }
}

#[test]
fn a_split_model_by_its_first_part() {
    let names = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];
    let folder = Folder::with(&names);
    let expected: Vec<_> = names.iter().map(|name| folder.path(name)).collect();
    assert_eq!(folder.resolve(names[0]).unwrap().parts, expected);
    assert_eq!(folder.resolve("").unwrap(), Resolved { file: expected[0].clone(), parts: expected });
    let error = folder.resolve(names[1]).unwrap_err();
    assert!(matches!(&error, ResolveError::NotFirstPart { index: 2, first, .. } if *first == folder.path(names[0])));
    assert!(error.to_string().contains("m-00001-of-00003.gguf"));
    fs::remove_file(folder.path(names[2])).unwrap();
    let error = folder.resolve(names[0]).unwrap_err();
    assert!(matches!(&error, ResolveError::MissingPart { missing, .. } if *missing == folder.path(names[2])));
    fs::remove_file(folder.path(names[0])).unwrap();
    let error = folder.resolve("").unwrap_err();
    assert!(matches!(&error, ResolveError::MissingPart { missing, .. } if *missing == folder.path(names[0])));
}

#[test]
fn a_folder_is_its_one_model() {
    let folder = Folder::with(&["README.md", "mmproj-model-f16.gguf", "model-Q4_0.gguf"]);
    fs::create_dir(folder.path("sub.gguf")).unwrap();
    let path = format!("{}/", folder.0.path().display());
    assert_eq!(resolve(&path).unwrap().file, folder.path("model-Q4_0.gguf"));
    let error = folder.resolve("sub.gguf").unwrap_err();
    assert!(matches!(error, ResolveError::EmptyFolder { .. }), "{error}");
}

#[test]
fn what_lies_beside_a_model_is_passed_over() {
    for beside in [
        &["mtp-g.gguf", "mmproj-F16.gguf"][..],
        &["Gemma4_26B.BF16-mmproj.gguf", "llava13b_f16_mmproj_f16.gguf", "m.mmproj-f16.gguf"],
        &["imatrix_unsloth.gguf", "ggml-vocab-llama.gguf", "._g-Q4_K_M.gguf", ".hidden.gguf"],
    ] {
        let folder = Folder::with(&["g-Q4_K_M.gguf"]);
        for name in beside {
            fs::write(folder.path(name), Fixture::llama().bytes()).unwrap();
        }
        assert_eq!(folder.resolve("").unwrap().file, folder.path("g-Q4_K_M.gguf"), "{beside:?}");
    }
}

#[test]
fn headers_tell_what_neutral_names_do_not() {
    let folder = Folder::with(&[]);
    let projector = Fixture::default().text("general.architecture", "clip").tensor("v.x", &[32], GgmlType::F32);
    fs::write(folder.path("vision.gguf"), projector.bytes()).unwrap();
    let error = folder.resolve("").unwrap_err().to_string();
    assert!(
        error.ends_with("only a projector (mmproj) (vision.gguf): there is no language model in this folder"),
        "{error}"
    );
    fs::write(folder.path("text.gguf"), Fixture::llama().bytes()).unwrap();
    assert_eq!(folder.resolve("").unwrap().file, folder.path("text.gguf"));
    // A model may be named like what lies beside one.
    fs::remove_file(folder.path("text.gguf")).unwrap();
    fs::write(folder.path("Qwen-MTP.gguf"), Fixture::llama().bytes()).unwrap();
    assert_eq!(folder.resolve("").unwrap().file, folder.path("Qwen-MTP.gguf"));
}

#[test]
fn pieces_of_bytes_say_how_they_are_joined() {
    let folder = Folder::with(&["x.gguf.part1of2", "x.gguf.part2of2"]);
    for name in ["x.gguf.part1of2", "x.gguf.part2of2", ""] {
        let error = folder.resolve(name).unwrap_err().to_string();
        assert!(error.ends_with("join the parts: cat x.gguf.part1of2 x.gguf.part2of2 > x.gguf"), "{error}");
    }
}

#[test]
fn parts_in_capitals_are_one_model() {
    let folder = Folder::with(&["A-00001-of-00002.GGUF", "A-00002-of-00002.GGUF"]);
    assert_eq!(folder.resolve("").unwrap().parts.len(), 2);
    assert_eq!(folder.resolve("A-00001-of-00002.GGUF").unwrap().parts.len(), 2);
}

#[cfg(unix)]
#[test]
fn links_to_nowhere_and_names_that_are_no_text_are_told() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let folder = Folder::with(&[]);
    std::os::unix::fs::symlink("nowhere", folder.path("dang.gguf")).unwrap();
    let error = folder.resolve("dang.gguf").unwrap_err().to_string();
    assert!(error.ends_with("dang.gguf is a link to nowhere, which does not exist"), "{error}");
    fs::write(folder.0.path().join(OsStr::from_bytes(b"m\xff.gguf")), "GGUF").unwrap();
    let error = folder.resolve("").unwrap_err().to_string();
    assert!(error.contains("not UTF-8, which llama.cpp cannot open"), "{error}");
}

#[test]
fn a_folder_of_several_lists_them() {
    let folder = Folder::with(&["b.gguf", "a.GGUF", "c-00001-of-00002.gguf", "c-00002-of-00002.gguf"]);
    let error = folder.resolve("").unwrap_err();
    assert!(error.to_string().ends_with("holds 3 models, name one of them: a.GGUF, b.gguf, c-00001-of-00002.gguf"));
}

#[test]
fn a_wrong_name_brings_near_ones() {
    let folder = Folder::with(&["smol-Q4_K_M.gguf", "smol-Q8_0.gguf", "unrelated.txt"]);
    let error = folder.resolve("smol-Q4_K_S.gguf").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { nearby, missing: None, .. }
        if nearby[0] == "smol-Q4_K_M.gguf" && !nearby.contains(&"unrelated.txt".to_owned())));
    assert!(error.to_string().contains("does not exist; near it: smol-Q4_K_M.gguf"));
    let error = folder.resolve("smol").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { nearby, .. } if nearby.len() == 2));
    let error = folder.resolve("zzzzzzzz").unwrap_err();
    assert!(error.to_string().ends_with("does not exist"), "{error}");
}

#[test]
fn a_wrong_folder_is_named() {
    let folder = Folder::with(&["file.gguf"]);
    let error = folder.resolve("x/y/m.gguf").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { missing: Some(missing), .. } if *missing == folder.path("x")));
    assert!(folder.resolve("file.gguf/m.gguf").is_err());
    assert!(matches!(resolve(""), Err(ResolveError::NotFound { .. })));
    assert!(matches!(resolve("no-such-folder-here/m.gguf"), Err(ResolveError::NotFound { missing: Some(_), .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_or_a_device_is_refused_at_once() {
    let folder = Folder::with(&[]);
    let pipe = folder.path("pipe.gguf");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(folder.resolve("pipe.gguf"), Err(ResolveError::NotAFile { .. })));
    assert!(matches!(folder.resolve(""), Err(ResolveError::EmptyFolder { .. })));
    assert!(matches!(resolve("/dev/zero"), Err(ResolveError::NotAFile { .. })));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with(&["m.gguf"]);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&folder.path("m.gguf"), 0);
    let file = folder.resolve("m.gguf");
    set(folder.0.path(), 0);
    let (inside, whole) = (folder.resolve("m.gguf"), folder.resolve(""));
    set(folder.0.path(), 0o700);
    // Root may read everything.
    let root = rustix::process::geteuid().is_root();
    for answer in [file, inside, whole] {
        match answer {
            Ok(resolved) => assert!(root, "{resolved:?}"),
            Err(error) => {
                assert!(!root && matches!(error, ResolveError::Unreadable(AccessError::Forbidden { .. })), "{error}");
            }
        }
    }
}
